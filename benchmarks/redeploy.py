"""Redeployment under load, and a killed service process.

Belongs here: a bounded load in one thread while the target is changed in another. Does not belong here: the rollout
(`platform_assets/deployment/`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import psutil

from benchmarks.installation import Installation
from benchmarks.report import Bar, Topic
from benchmarks.serving import LoadResult, run_load

RATE_PER_SECOND = 50.0


class _Load(threading.Thread):
    """A load that goes on until it is told to stop, at most as long as its bodies last."""

    def __init__(self, installation: Installation, most: int) -> None:
        super().__init__(name="load")
        self._installation, self._most = installation, most
        self._stopped = threading.Event()
        self.result: LoadResult | None = None

    def run(self) -> None:
        """Send."""
        self.result = run_load(self._installation.url, self._bodies(), RATE_PER_SECOND)

    def stop(self) -> LoadResult:
        """End the load and return what it saw."""
        self._stopped.set()
        self.join()
        assert self.result is not None
        return self.result

    def _bodies(self) -> Iterator[bytes]:
        for body in self._installation.bodies[: self._most]:
            if self._stopped.is_set():
                return
            yield body


def measure_redeploy(installation: Installation, times: int, say: Callable[[str], None]) -> Topic:
    """Replace the service by another release and back, again and again, under load."""
    load = _Load(installation, most=12_000)
    load.start()
    seconds = []
    try:
        time.sleep(2)
        for index in range(times):
            release = installation.release_named("b") if index % 2 == 0 else installation.release
            result = installation.target.deploy(release)
            seconds.append(result.timings_seconds["total"])
            say(
                f"redeployment {index + 1} of {times}: {seconds[-1]:.1f} s, {result.previous_version} -> {result.version}"
            )
        time.sleep(2)
    finally:
        during = load.stop()
        installation.target.deploy(installation.release)
    killed, back = _kill(installation, say)
    rows = [
        [
            f"{times} redeployments",
            str(during.sent),
            str(during.answered),
            str(during.failed),
            f"{during.p99_ms:.1f}",
            f"{max(seconds):.1f}",
        ],
        [
            "kill -9 of the only process",
            str(killed.sent),
            str(killed.answered),
            str(killed.failed),
            f"{killed.p99_ms:.0f}",
            f"{back:.1f}",
        ],
    ]
    return Topic(
        "Redeployment and failure under load",
        f"{RATE_PER_SECOND:.0f} requests a second through the address while the version is replaced; seconds are the slowest redeployment, "
        "and after the kill the time until the next answer.",
        ["", "sent", "answered", "failed", "p99 ms", "seconds"],
        rows,
        [Bar("a redeployment loses no request", f"{during.failed} of {during.sent} failed", during.failed == 0)],
    )


def _kill(installation: Installation, say: Callable[[str], None]) -> tuple[LoadResult, float]:
    load = _Load(installation, most=2_000)
    load.start()
    time.sleep(2)
    process = installation.target.status().use_cases[installation.use_case.name].processes[0]
    assert process.pid is not None
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(process.pid).kill()
    killed = time.monotonic()
    back = float("nan")
    while time.monotonic() - killed < 60:
        time.sleep(0.2)
        if installation.target.status().use_cases[installation.use_case.name].serving:
            back = time.monotonic() - killed
            break
    time.sleep(2)
    result = load.stop()
    say(f"killed: {result.failed} of {result.sent} failed, ready again after {back:.1f} s")
    return result, back
