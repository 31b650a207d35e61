"""Starting a Bento for real and comparing its answers with the model's own.

Belongs here: the self-test before a release, and the probe that a target calls on each process. Does not belong here:
building, or keeping a service running.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.deployment.packaging.build import BuiltBento
from platform_assets.deployment.packaging.run import READY_PATH, serve_command
from serving.release import TOLERANCE, SelfTestRow, read_release
from serving.settings import ServingSettings

POLL_SECONDS = 0.05
STOP_SECONDS = 20.0
WITHOUT_STORE = "serving.online:without_store"


class SelfTestError(RuntimeError):
    """A Bento that does not start or answers differently than its model; the message carries the difference or its last output."""


@dataclass(frozen=True)
class SelfTestResult:
    """What a passed self-test found.

    Attributes:
        rows: how many known rows were scored.
        max_difference: largest absolute difference from the model's own output.
        startup_seconds: from starting the process to readiness.
        resident_bytes: memory of the process after scoring.
    """

    rows: int
    max_difference: float
    startup_seconds: float
    resident_bytes: int


def self_test(
    bento: BuiltBento,
    settings: ServingSettings,
    rows: Sequence[SelfTestRow] | None = None,
    timeout_seconds: float = 120.0,
    with_online_store: bool = False,
) -> SelfTestResult:
    """Start the Bento on a free port, score known rows, compare, and stop it.

    The rows carry their features, so that the test needs no online store. That the store answers is proven where it
    has to be, when a target starts the release and before it gets traffic.

    Args:
        bento: what to test.
        settings: as in production; predictions of the test are not logged.
        rows: features with the model's own outputs; default: the rows packed in the release.
        timeout_seconds: how long the start may take.
        with_online_store: whether to open the online store as well.

    Raises:
        SelfTestError: it does not start, answers wrong, or there is no row to compare.
    """
    if not with_online_store:
        settings = settings.model_copy(update={"online_features": WITHOUT_STORE})
    with running(bento, settings, timeout_seconds) as process:
        known = _rows(bento) if rows is None else tuple(rows)
        difference = compare(process.address, read_release(bento.code_folder / "release").use_case.name, known)
        resident_bytes = _resident_bytes(process.pid)
    return SelfTestResult(len(known), difference, process.startup_seconds, resident_bytes)


def probe(bento: BuiltBento, timeout_seconds: float = 10.0) -> Callable[[str], None]:
    """A check for one running process: called with its base URL, it raises `SelfTestError` when an answer is wrong."""
    name = read_release(bento.code_folder / "release").use_case.name
    rows = _rows(bento)

    def check(address: str) -> None:
        compare(address, name, rows, timeout_seconds)

    return check


def compare(address: str, use_case: str, rows: Sequence[SelfTestRow], timeout_seconds: float = 10.0) -> float:
    """Score rows by their features and compare; the largest absolute difference.

    Raises:
        SelfTestError: there are no rows, the service does not answer, or a score differs by more than 1e-6.
    """
    if not rows:
        raise SelfTestError(f"{use_case}: the release carries no self-test rows, so nothing can be compared; pack some")
    body = json.dumps({"rows": [row.features for row in rows]}).encode()
    url = f"{address}/v1/{use_case}/predict"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
            answers = json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise SelfTestError(f"{url} answered {error.code}: {error.read(2000).decode(errors='replace')}") from error
    except (OSError, ValueError, KeyError) as error:
        raise SelfTestError(f"{url} gave no usable answer: {error}") from error
    scores = [_score(answer) for answer in answers]
    if len(scores) != len(rows) or None in scores:
        raise SelfTestError(f"{url} answered {len(scores)} rows instead of {len(rows)}, or rows without a score")
    differences = [_difference(score, row.score) for score, row in zip(scores, rows, strict=True)]
    worst = max(range(len(rows)), key=differences.__getitem__)
    if not differences[worst] <= TOLERANCE:
        raise SelfTestError(
            f"{url} scored row {worst} {scores[worst]!r}, the model itself {rows[worst].score!r}: "
            f"{sum(difference > TOLERANCE for difference in differences)} of {len(rows)} rows differ by more than {TOLERANCE:g}"
        )
    return differences[worst]


def _score(answer: Mapping[str, Any]) -> Any:
    """What a row was answered: a number, or those of all classes; None where there is neither."""
    probabilities = answer.get("probabilities")
    return answer.get("probability", answer.get("value")) if probabilities is None else list(probabilities.values())


def _difference(answered: Any, recorded: float | Sequence[float]) -> float:
    """Largest absolute difference; infinite where as many numbers were not answered as are recorded."""
    one, other = (
        [float(value)] if isinstance(value, int | float) else [float(each) for each in value]
        for value in (answered, recorded)
    )
    if len(one) != len(other):
        return float("inf")
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class RunningBento:
    """A Bento that was started here and is ready."""

    address: str
    pid: int
    startup_seconds: float


@contextlib.contextmanager
def running(bento: BuiltBento, settings: ServingSettings, timeout_seconds: float = 120.0) -> Iterator[RunningBento]:
    """Serve a Bento on a free loopback port for as long as the block lasts, with a prediction log that is thrown away.

    Raises:
        SelfTestError: it is not ready in time, or it ends before.
    """
    with tempfile.TemporaryDirectory(prefix="self-test-") as scratch:
        output = Path(scratch) / "output.txt"
        apart = settings.model_copy(update={"log_folder": Path(scratch) / "prediction_log"})
        port = free_port()
        command, environment = serve_command(bento, apart, str(port))
        started = time.monotonic()
        with output.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=bento.code_folder,
                env={**os.environ, **environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, address, started + timeout_seconds, output)
            yield RunningBento(address, process.pid, time.monotonic() - started)
        finally:
            _stop(process)


def free_port() -> int:
    """A loopback port that nothing listens on at the moment."""
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, deadline: float, output: Path) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SelfTestError(f"the service ended with {process.returncode} before it was ready:\n{_tail(output)}")
        with contextlib.suppress(OSError), urllib.request.urlopen(address + READY_PATH, timeout=1.0):
            return
        time.sleep(POLL_SECONDS)
    raise SelfTestError(f"the service was not ready in time:\n{_tail(output)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _rows(bento: BuiltBento) -> tuple[SelfTestRow, ...]:
    return read_release(bento.code_folder / "release").info.self_test


def _tail(output: Path) -> str:
    return output.read_text(encoding="utf-8", errors="replace").strip()[-3000:]


def _resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where `/proc` does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0)
