"""Latency of scoring at 50 requests a second, next to the same model behind bare FastAPI.

Belongs here: alternating rounds against the deployed address and against bare FastAPI. Does not belong here: the load
itself (`serving.py`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.installation import ROOT, Installation, resident_megabytes
from benchmarks.report import Bar, Topic
from benchmarks.serving import LoadResult, run_load
from platform_assets.deployment.bento.self_test import free_port

RATE_PER_SECOND = 50.0
BAR_P99_MS = 20.0
START_SECONDS = 60.0


@contextlib.contextmanager
def bare_fastapi(installation: Installation) -> Iterator[tuple[str, int]]:
    """The comparison, started on a free port: URL to score at, and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        settings = installation.settings.model_copy(update={"log_folder": Path(scratch)})
        command = [
            sys.executable,
            "-m",
            "benchmarks.bare_fastapi",
            "--release",
            str(installation.bento.code_folder / "release"),
        ]
        threads = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=ROOT, env={**os.environ, **settings.to_environment(), **threads}
        )
        try:
            _wait(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}/v1/{installation.use_case.name}/score", process.pid
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"bare FastAPI ended with {process.returncode} before it was ready")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.2)
    raise RuntimeError(f"bare FastAPI was not ready within {START_SECONDS:.0f} s")


def measure_latency(installation: Installation, count: int, rounds: int, say: Callable[[str], None]) -> Topic:
    """Alternate rounds of the platform's address and bare FastAPI.

    Args:
        installation: what is deployed.
        count: requests in each round.
        rounds: rounds of each.
        say: told of every round.
    """
    found: dict[str, list[LoadResult]] = {"platform (Envoy, BentoML, prediction log)": [], "bare FastAPI": []}
    status = installation.target.status()
    service = status.use_cases[installation.use_case.name].processes
    with bare_fastapi(installation) as (bare_url, bare_pid):
        bodies = list(installation.bodies)
        for index in range(rounds):
            part = bodies[index * count : (index + 1) * count]
            for name, url in zip(found, (installation.url, bare_url), strict=True):
                result = run_load(url, part, RATE_PER_SECOND)
                found[name].append(result)
                say(
                    f"{name}: p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms, failed {result.failed} of {result.sent}"
                )
        memory = {
            "bare FastAPI": f"{resident_megabytes(bare_pid):.0f}",
            next(iter(found)): f"{sum(item.resident_bytes for item in service) / 1e6:.0f} + proxy and manager "
            f"{sum(status.resident_bytes.values()) / 1e6:.0f}",
        }
    return _topic(found, memory, count, rounds)


def _topic(found: dict[str, list[LoadResult]], memory: dict[str, str], count: int, rounds: int) -> Topic:
    def middle(results: Sequence[LoadResult], name: str) -> float:
        return median(float(getattr(result, name)) for result in results)

    platform, bare = found.values()
    rows = [
        [
            name,
            f"{middle(results, 'p50_ms'):.1f}",
            f"{middle(results, 'p99_ms'):.1f}",
            f"{max(result.max_ms for result in results):.1f}",
            f"{sum(result.failed for result in results)} of {sum(result.sent for result in results)}",
            memory[name],
        ]
        for name, results in found.items()
    ]
    ratio = [f"{middle(platform, name) / middle(bare, name):.2f}" for name in ("p50_ms", "p99_ms")]
    rows.append(["ratio", *ratio, "", "", ""])
    p99 = middle(platform, "p99_ms")
    return Topic(
        "Scoring latency",
        f"One client at {RATE_PER_SECOND:.0f} requests a second, features looked up in Feast's SQLite store; {rounds} alternating rounds "
        f"of {count} requests each, medians. Latency counts from when a request was due. Bare FastAPI has the same model, features and "
        "checks, without proxy, prediction log and metrics.",
        ["", "p50 ms", "p99 ms", "max ms", "failed", "memory MB"],
        rows,
        [Bar(f"p99 under {BAR_P99_MS:.0f} ms through the deployed address", f"{p99:.1f} ms", p99 < BAR_P99_MS)],
    )
