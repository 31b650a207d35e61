"""Latency of scoring at 50 requests a second, next to the same model behind bare FastAPI.

Belongs here: alternating rounds against the platform's address and against bare FastAPI. Does not belong here: the load
itself (`load_client.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.common.deployed import DeployedUseCase
from benchmarks.common.load import WARM_UP, load
from benchmarks.common.load_client import LoadResult
from benchmarks.common.processes import Server, bare_fastapi
from benchmarks.common.report import Bar, Topic

RATE_PER_SECOND = 50.0
BAR_P99_MS = 20.0
PLATFORM = "platform: Envoy, BentoML service, prediction log, metrics"
BARE = "bare FastAPI"


def measure_latency(installation: DeployedUseCase, count: int, rounds: int, log: Callable[[str], None]) -> Topic:
    """Alternate rounds of the platform's address and bare FastAPI, each with the same bodies.

    Args:
        installation: a staged deployment.
        count: requests that count in each round.
        rounds: rounds of each.
        log: told of every round.

    Raises:
        ValueError: the installation's world is too small for that many requests.
    """
    parts = slices(installation.distinct, count + WARM_UP, rounds)
    measurement: dict[str, list[LoadResult]] = {PLATFORM: [], BARE: []}
    with bare_fastapi(installation) as bare:
        addresses = {PLATFORM: installation.target.address(), BARE: bare.address}
        for index, part in enumerate(parts):
            for name in sorted(measurement, reverse=index % 2 == 0):  # who goes first changes from round to round
                with load(addresses[name], installation.folder, part, RATE_PER_SECOND) as running:
                    result = running.result()
                measurement[name].append(result)
                log(
                    f"{name}: p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms, failed {result.failed} of {result.sent}"
                )
        memory = _memory(installation, bare)
    return _topic(measurement, memory, count, rounds)


def slices(bodies: Sequence[bytes], size: int, rounds: int) -> list[Sequence[bytes]]:
    """A part of the bodies for each round, none used twice.

    Raises:
        ValueError: there are too few.
    """
    if len(bodies) < size * rounds:
        raise ValueError(
            f"{rounds} rounds of {size} requests need {size * rounds} events, but this world has {len(bodies)}; measure an "
            "installation of the default scale, or use --quick"
        )
    return [bodies[index * size : (index + 1) * size] for index in range(rounds)]


def _memory(installation: DeployedUseCase, bare: Server) -> dict[str, str]:
    status = installation.target.status()
    service = sum(process.resident_bytes for process in status.use_cases[installation.use_case.name].processes) / 1e6
    others = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in sorted(status.resident_bytes.items()))
    total = service + sum(status.resident_bytes.values()) / 1e6
    return {PLATFORM: f"{total:.0f} (service {service:.0f}, {others})", BARE: f"{bare.resident_megabytes:.0f}"}


def _topic(
    measurement: Mapping[str, Sequence[LoadResult]], memory: Mapping[str, str], count: int, rounds: int
) -> Topic:
    def middle(name: str, quantity: str) -> float:
        return median(float(getattr(result, quantity)) for result in measurement[name])

    rows = [
        [
            name,
            f"{middle(name, 'p50_ms'):.2f}",
            f"{middle(name, 'p99_ms'):.2f}",
            f"{max(result.max_ms for result in results):.1f}",
            f"{sum(result.failed for result in results)} of {sum(result.sent for result in results)}",
            memory[name],
        ]
        for name, results in measurement.items()
    ]
    ratios = [f"{middle(PLATFORM, quantity) / middle(BARE, quantity):.2f}" for quantity in ("p50_ms", "p99_ms")]
    rows.append(["ratio", *ratios, "", "", ""])
    p99, failed = middle(PLATFORM, "p99_ms"), sum(result.failed for result in measurement[PLATFORM])
    each = ", ".join(f"{result.p99_ms:.1f}" for result in measurement[PLATFORM])
    return Topic(
        "Scoring latency",
        f"One client at {RATE_PER_SECOND:.0f} requests a second, an open loop: latency counts from when a request was due. {rounds} rounds "
        f"of {count} requests ({count / RATE_PER_SECOND:.0f} s) each, alternating, the same bodies for both: real events, every customer "
        "once a day. Medians of the rounds' quantiles, the slowest request of all. Both look features up in a copy of the deployed "
        "online store (SQLite) and record the event there; bare FastAPI has the same model, features and request checks, and no proxy, "
        "process manager, prediction log or metrics. The platform is the deployed release, deployed once more on those copies, so that "
        "the load leaves no trace in the deployed service.",
        ["", "p50 ms", "p99 ms", "max ms", "failed", "memory MB"],
        rows,
        [
            Bar(
                f"p99 under {BAR_P99_MS:.0f} ms through the address", f"{p99:.1f} ms (rounds: {each})", p99 < BAR_P99_MS
            ),
            Bar("every request answered", f"{failed} failed", failed == 0),
        ],
    )
