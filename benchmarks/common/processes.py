"""Server processes that are compared with the platform's.

Belongs here: starting one on a free port, waiting until it answers, stopping it. Does not belong here: load, and what the
platform's own target starts.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.deployed import DeployedUseCase, copied_settings, resident_megabytes
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.packaging.run import ONE_THREAD, READY_PATH, serve_command
from platform_assets.testing.child_process import ROOT

START_SECONDS = 180.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02


class NotReady(RuntimeError):
    """A server did not become ready; the message carries the end of what it said."""


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        address: base URL without a trailing slash.
        pid: of its first process.
        start_seconds: from starting it until it answered 200 on its readiness path.
    """

    address: str
    pid: int
    start_seconds: float

    @property
    def resident_megabytes(self) -> float:
        """Memory of all its processes, in MB (10^6 bytes)."""
        return resident_megabytes(self.pid)


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], working_dir: Path, port: int, ready_path: str = READY_PATH
) -> Iterator[Server]:
    """Start a server, wait until it is ready, and end it with all below it after the block.

    Raises:
        NotReady: it ended, or did not answer in time.
    """
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=working_dir, env={**os.environ, **environment}, stdout=output, stderr=output
        )
        try:
            while not _answers(address + ready_path):
                if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                    output.seek(0)
                    message = output.read().decode(errors="replace")[-2000:]
                    raise NotReady(f"{' '.join(command)} was not ready within {START_SECONDS:.0f} s:\n{message}")
                time.sleep(POLL_SECONDS)
            yield Server(address, process.pid, time.perf_counter() - started)
        finally:
            _end(process)


@contextlib.contextmanager
def service(installation: DeployedUseCase) -> Iterator[Server]:
    """The platform's service process alone: the deployed Bento on copies of its stores, without proxy and manager."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        port = _port()
        settings = copied_settings(installation.settings, Path(scratch))
        command, environment = serve_command(installation.bento, settings, str(port))
        with running(command, environment, installation.bento.code_folder, port) as server:
            yield server


@contextlib.contextmanager
def bentoml_serve(installation: DeployedUseCase) -> Iterator[Server]:
    """The same Bento by BentoML's own command, which puts a supervising process in front of its worker."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        port = _port()
        settings = copied_settings(installation.settings, Path(scratch))
        _, environment = serve_command(installation.bento, settings, str(port))
        command = [sys.executable, "-m", "bentoml", "serve", str(installation.bento.path), "--port", str(port)]
        command += ["--host", "127.0.0.1"]
        with running(command, environment, installation.bento.code_folder, port) as server:
            yield server


@contextlib.contextmanager
def bare_fastapi(installation: DeployedUseCase) -> Iterator[Server]:
    """The same model and online features behind plain FastAPI, on copies of the stores."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        port = _port()
        settings = copied_settings(installation.settings, Path(scratch))
        release = installation.bento.code_folder / "release"
        command = [
            sys.executable,
            "-m",
            "benchmarks.serving.bare_fastapi",
            "--release",
            str(release),
            "--port",
            str(port),
        ]
        with running(command, {**settings.to_environment(), **ONE_THREAD}, ROOT, port) as server:
            yield server


def _port() -> int:
    return free_port(os.getpid() + 1000, ())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
