"""Images and containers of this machine: built with buildah, started with podman as a cluster would start them.

Belongs here: for tests and benchmarks, the few commands that they share. Does not belong here: what is in an image (`deploy/images/`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platform_assets.testing.child_process import ROOT

IMAGES = ROOT / "deploy" / "images"
TOOLS = ("buildah", "podman", "runc", "debootstrap")
USER = 65532
POLL_SECONDS = 0.02
START_SECONDS = 180.0


def missing_tools() -> list[str]:
    """What of buildah, podman, runc and debootstrap is not installed; `root` where this user may not build."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return missing if os.geteuid() == 0 else [*missing, "root"]


def build_image(kind: str, out: Path, **settings: str) -> str:
    """Build an image as `deploy/images/build.sh` does, without its SBOM; its name with the digest.

    Args:
        kind: `serving` or `platform`.
        out: folder for what the build writes down.
        settings: further variables of the script, such as `TAG`.
    """
    environment = {**os.environ, "OUT": str(out), "SBOM": "0", **settings}
    done = subprocess.run(
        [str(IMAGES / "build.sh"), kind], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{kind} image:\n{done.stderr[-4000:]}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Pod:
    """How a container is started: not as root, without a writable file system but `/tmp` and the given folders.

    Attributes:
        image: name or digest.
        folders: path in the container to folder of this machine; `path:ro` for read-only.
        memory: path in the container to size, such as `1m`, of a file system in memory.
        environment: set in the container.
    """

    image: str
    folders: Mapping[str, Path]
    memory: Mapping[str, str]
    environment: Mapping[str, str]

    def command(self, command: Sequence[str], *options: str) -> list[str]:
        """podman's whole command line."""
        arguments = ["podman", "run", "--rm", "--read-only", "--network", "host", "--user", f"{USER}:{USER}"]
        arguments += ["--cap-drop", "all", "--security-opt", "no-new-privileges", *options]
        for path, size in {"/tmp": "256m", **self.memory}.items():
            arguments += ["--tmpfs", f"{path}:rw,size={size},mode=1777"]
        for path, folder in self.folders.items():
            inside, _, mode = path.partition(":")
            arguments += ["--volume", f"{folder}:{inside}:{mode or 'rw'}"]
        for name, value in self.environment.items():
            arguments += ["--env", f"{name}={value}"]
        return [*arguments, self.image, *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(command), env=podman_environment(), capture_output=True, text=True, check=False
        )

    @contextmanager
    def serving(self, command: Sequence[str], address: str, log: Path) -> Iterator[float]:
        """Run a service for as long as the block lasts; how many seconds it took until `/readyz` answered 200.

        Raises:
            RuntimeError: it ended, or was not ready in time.
        """
        identity = log.with_suffix(".cid")
        identity.unlink(missing_ok=True)
        started = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(
                self.command(command, "--cidfile", str(identity)),
                env=podman_environment(),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            while not _answers(f"{address}/readyz"):
                if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                    raise RuntimeError(f"the container is not ready:\n{log.read_text(errors='replace')[-3000:]}")
                time.sleep(POLL_SECONDS)
            yield time.monotonic() - started
        finally:
            if identity.exists():
                stop = ["podman", "stop", "--time", "20", "--ignore", identity.read_text().strip()]
                subprocess.run(stop, env=podman_environment(), capture_output=True, check=False)
            process.terminate()
            process.wait(30)


def podman_environment() -> dict[str, str]:
    """This process's environment with the settings that podman needs inside of a container or a small machine."""
    return {**os.environ, "CONTAINERS_CONF": str(IMAGES / "containers.conf")}


def open_folder(path: Path) -> Path:
    """A new folder that the container's user may write, whoever made it."""
    path.mkdir(parents=True)
    path.chmod(0o777)
    return path


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False
