"""Redeployment under load, and a killed service process.

Belongs here: changing the target while a load runs. Does not belong here: the rollout (`platform_assets/deployment/`), the
load itself (`load_client.py`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import psutil

from benchmarks.common.deployed import DeployedUseCase
from benchmarks.common.load import load
from benchmarks.common.load_client import LoadResult
from benchmarks.common.report import Bar, Topic

RATE_PER_SECOND = 75.0
QUIET_SECONDS = 2.0
QUIET_LOAD_SECONDS = 10.0
SECONDS_PER_REDEPLOYMENT = 45.0
"""A redeployment takes a fraction of this on an idle machine; the load must not run out of requests before the last one is over."""
BACK_SECONDS = 60.0


@dataclass(frozen=True)
class Killed:
    """What a kill -9 of the service's process cost.

    Attributes:
        result: the load around it.
        back_seconds: from the kill until a new process was ready.
    """

    result: LoadResult
    back_seconds: float


def measure_redeploy(installation: DeployedUseCase, times: int, log: Callable[[str], None]) -> Topic:
    """Replace the service by another release and back, again and again, under load; then kill its process.

    Args:
        installation: a staged deployment; it is left with the release it had.
        times: how many redeployments.
        log: told of every step.
    """
    bodies = list(installation.bodies)
    for_quiet = _taken(bodies, QUIET_LOAD_SECONDS * RATE_PER_SECOND)
    for_kill = _taken(bodies, BACK_SECONDS * RATE_PER_SECOND)
    for_redeployments = _taken(bodies, times * SECONDS_PER_REDEPLOYMENT * RATE_PER_SECOND)
    quiet = _quiet(installation, for_quiet)
    log(f"undisturbed: p99 {quiet.p99_ms:.1f} ms")
    during, timings = _redeployments(installation, for_redeployments, times, log)
    log(f"failed {during.failed} of {during.sent}, p99 {during.p99_ms:.1f} ms")
    killed = _kill(installation, for_kill)
    log(f"killed: {killed.result.failed} of {killed.result.sent} failed, ready again after {killed.back_seconds:.1f} s")
    totals = [timing["total"] for timing in timings]
    phases = ", ".join(
        f"{name} {median(timing.get(name, 0.0) for timing in timings):.1f}" for name in timings[0] if name != "total"
    )
    return Topic(
        "Redeployment and failure under load",
        f"{RATE_PER_SECOND:.0f} requests a second from one client in a process of its own, through the address. The service (one process) "
        f"is replaced by the same Bento under another version and back, {times} times without a pause; seconds are the median and the "
        f"slowest redeployment (medians of the phases: {phases}). Then its process is killed with SIGKILL: seconds until a new one is "
        "ready. Requests that come meanwhile wait in the proxy, and their latency counts from when they were due.",
        ["", "sent", "answered", "failed", "p50 ms", "p99 ms", "max ms", "seconds"],
        [
            _row("undisturbed", quiet, ""),
            _row(f"{times} redeployments", during, f"{median(totals):.1f}, at most {max(totals):.1f}"),
            _row("kill -9 of the only process", killed.result, f"{killed.back_seconds:.1f}"),
        ],
        [
            Bar(
                "a redeployment loses no request",
                f"{during.failed} of {during.sent} failed{_reasons(during)}",
                during.failed == 0,
            )
        ],
    )


def _taken(bodies: list[bytes], count: float) -> list[bytes]:
    """The next `count` bodies, each used once, as many as there are."""
    taken = bodies[: int(count)]
    del bodies[: int(count)]
    return taken


def _quiet(installation: DeployedUseCase, bodies: Sequence[bytes]) -> LoadResult:
    with load(installation.target.address(), installation.folder, bodies, RATE_PER_SECOND) as running:
        return running.result()


def _redeployments(
    installation: DeployedUseCase, bodies: Sequence[bytes], times: int, log: Callable[[str], None]
) -> tuple[LoadResult, list[dict[str, float]]]:
    """The load and, for each redeployment, its seconds by phase; the release that served before serves again."""
    timings = []
    with load(installation.target.address(), installation.folder, bodies, RATE_PER_SECOND) as running:
        time.sleep(QUIET_SECONDS)
        for index in range(times):
            release = installation.release_named("b") if index % 2 == 0 else installation.release
            result = installation.target.deploy(release)
            timings.append(dict(result.timings_seconds))
            log(f"redeployment {index + 1} of {times}: {timings[-1]['total']:.1f} s, {result.message}")
        if not running.under_way:
            raise RuntimeError(
                f"all {len(bodies)} requests were sent before the last of {times} redeployments was over: measure an "
                "installation of the default scale, or fewer redeployments"
            )
        time.sleep(QUIET_SECONDS)
        during = running.stop()
    installation.target.deploy(installation.release)
    return during, timings


def _kill(installation: DeployedUseCase, bodies: Sequence[bytes]) -> Killed:
    name = installation.use_case.name
    with load(installation.target.address(), installation.folder, bodies, RATE_PER_SECOND) as running:
        time.sleep(QUIET_SECONDS)
        process = installation.target.status().use_cases[name].processes[0]
        if process.pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(process.pid).kill()
        killed, back_seconds = time.monotonic(), float("inf")
        while time.monotonic() - killed < BACK_SECONDS:
            time.sleep(0.05)
            now = installation.target.status().use_cases[name].processes[0]
            if now.ready and now.pid != process.pid:
                back_seconds = time.monotonic() - killed
                break
        time.sleep(QUIET_SECONDS)
        return Killed(running.stop(), back_seconds)


def _row(title: str, result: LoadResult, seconds: str) -> list[str]:
    counts = [str(result.sent), str(result.answered), str(result.failed)]
    return [title, *counts, f"{result.p50_ms:.1f}", f"{result.p99_ms:.1f}", f"{result.max_ms:.0f}", seconds]


def _reasons(result: LoadResult) -> str:
    others = {status: count for status, count in result.statuses.items() if status != "200"}
    return f": {others}" if others else ""
