"""The verdict of a soak: memory and latency at its end beside those at its beginning.

Belongs here: the bars, the table by tenths, the picture. Does not belong here: the load (`load.py`), the service (`world.py`).
"""

from __future__ import annotations

import itertools
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.processes import Server
from benchmarks.common.report import Bar, Topic
from benchmarks.soak.load import EXPECTED, SoakLog, soak
from benchmarks.soak.world import NAME, SPAN_DAYS, Mix, bodies, soaked_service

REQUESTS = 1_000_000
SETTLED_AFTER = 50_000
MOST_MEMORY_RATIO = 1.05
MOST_LATENCY_RATIO = 1.1
TENTHS = 10
PATH = f"/v1/{NAME}/score"
TURNS, TURN_REQUESTS = 100, 500
"""In which the soaked process and a fresh one are asked at the end."""
DRAIN_SECONDS = 30.0


def measure_soak(count: int, clients: int, log: Callable[[str], None], picture: Path | None = None) -> Topic:
    """Soak a service and compare its end with its beginning.

    Args:
        count: requests.
        clients: closed loops at once.
        log: told of every tenth.
        picture: where to draw memory and latency; nowhere when left out.
    """
    mix = Mix()
    with tempfile.TemporaryDirectory(prefix="platform-assets-soak-") as folder:
        with soaked_service(Path(folder)) as server:
            sent = bodies(mix)
            seen = soak(server.address, PATH, server.pid, sent, count, clients=clients, log=log)
            beside = _beside_a_fresh_one(server, sent, mix, min(SETTLED_AFTER, count // 2), log)
            left = _drained(server.address)
        lines = sum(path.read_bytes().count(b"\n") for path in (Path(folder) / "log").glob("*.jsonl"))
    if picture is not None:
        draw(seen, picture)
    return topic(seen, beside, mix, clients, lines, left)


def _beside_a_fresh_one(
    server: Server, sent: Iterator[bytes], mix: Mix, settled_after: int, log: Callable[[str], None]
) -> tuple[SoakLog, SoakLog]:
    """The process that was soaked, and a fresh one whose states are full, asked in turns: other work strikes both alike.

    Returns:
        What was seen of the one and of the other.
    """
    turns = max(2, min(TURNS, settled_after // TURN_REQUESTS))
    with (
        tempfile.TemporaryDirectory(prefix="platform-assets-soak-fresh-") as folder,
        soaked_service(Path(folder)) as fresh,
    ):
        anew = bodies(mix)
        soak(fresh.address, PATH, fresh.pid, anew, settled_after, log=lambda line: None)
        log(f"a fresh process has answered {settled_after:,} requests; both are asked in turns")
        seen = [
            [
                soak(one.address, PATH, one.pid, its, TURN_REQUESTS, samples=10, log=lambda line: None)
                for one, its in pair
            ]
            for pair in itertools.repeat(((server, sent), (fresh, anew)), turns)
        ]
    soaked, other = (_together(logs) for logs in zip(*seen, strict=True))
    return soaked, other


def _together(logs: Sequence[SoakLog]) -> SoakLog:
    statuses = sum((one.statuses for one in logs), start=Counter[int]())
    return SoakLog(np.concatenate([one.latencies_ms for one in logs]), statuses)


def topic(
    seen: SoakLog, beside: tuple[SoakLog, SoakLog], mix: Mix, clients: int, lines: int, left: dict[str, float]
) -> Topic:
    """The section of the report.

    Args:
        seen: the load.
        beside: what was seen of the process afterwards, and of a fresh one in turns with it.
        mix: what was sent.
        clients: closed loops at once.
        lines: of the prediction log afterwards.
        left: what waits for recording, and what was dropped or failed, at the end.
    """
    parts = np.array_split(seen.latencies_ms, TENTHS)
    p99 = [float(np.nanpercentile(part, 99)) for part in parts]
    settled = settled_bytes(seen)
    last = seen.memory[-1][1]
    memory_ratio, latency_ratio = last / settled, p99[-1] / p99[0]
    soaked, fresh = (float(np.nanpercentile(one.latencies_ms, 99)) for one in beside)
    answered, count = seen.statuses[200] + beside[0].statuses[200], len(seen.latencies_ms)
    unexpected = sum(number for status, number in seen.statuses.items() if status not in EXPECTED)
    return Topic(
        "Soak",
        f"{count:,} requests over loopback through the service's real HTTP server (uvicorn with BentoML's application, one process started "
        f"as `python -m serving`; no proxy in front), {clients} closed loop(s), {seen.seconds / 60:.1f} minutes, "
        f"{count / seen.seconds:.0f} a second. SQLite online store, prediction log and recording as deployed. {mix.cards:,} cards and one "
        f"hot one with {mix.hot_share:.1%} of the requests; {mix.repeated_share:.0%} are sent again, {mix.wrong_share:.0%} are wrong and "
        "refused, and every thousandth time a caller goes away in the middle. Event time goes on so fast that states are full "
        f"({SPAN_DAYS} days) after {SETTLED_AFTER:,} requests, and the hot card's state as large as at the end: what still grows is "
        "a leak. How the cost of one entity grows with its history is another question. At the end a fresh process is asked in turns "
        f"with it, {len(beside[0].latencies_ms):,} requests each: whatever else the machine does strikes both.",
        ["tenth", "p50 ms", "p99 ms", "max ms", "resident MB"],
        _tenths(seen, p99),
        [
            Bar(
                f"resident memory at the end at most {MOST_MEMORY_RATIO} times that after {min(SETTLED_AFTER, count // 2):,} requests",
                f"{memory_ratio:.3f} ({settled / 1e6:.1f} to {last / 1e6:.1f} MB)",
                memory_ratio <= MOST_MEMORY_RATIO,
            ),
            Bar(
                f"p99 of the last tenth at most {MOST_LATENCY_RATIO} times the first's",
                f"{latency_ratio:.3f} ({p99[0]:.2f} to {p99[-1]:.2f} ms)",
                latency_ratio <= MOST_LATENCY_RATIO,
            ),
            Bar(
                f"p99 at the end at most {MOST_LATENCY_RATIO} times a fresh process's in the same minutes",
                f"{soaked / fresh:.3f} ({fresh:.2f} to {soaked:.2f} ms)",
                soaked <= MOST_LATENCY_RATIO * fresh,
            ),
            Bar("every request answered 200, the wrong ones 422", f"{unexpected} otherwise", unexpected == 0),
            Bar("a line in the prediction log for each answer", f"{lines:,} of {answered:,}", lines == answered),
            Bar(
                "every event recorded", ", ".join(f"{what} {n:.0f}" for what, n in left.items()), not any(left.values())
            ),
        ],
    )


def _tenths(seen: SoakLog, p99: Sequence[float]) -> list[list[str]]:
    """A row for each tenth of the requests."""
    parts, count = np.array_split(seen.latencies_ms, TENTHS), len(seen.latencies_ms)
    return [
        [
            f"{number + 1}",
            f"{float(np.nanpercentile(part, 50)):.2f}",
            f"{p99[number]:.2f}",
            f"{float(np.nanmax(part)):.1f}",
            f"{_bytes_at(seen, (number + 1) * count // TENTHS) / 1e6:.1f}",
        ]
        for number, part in enumerate(parts)
    ]


def settled_bytes(seen: SoakLog) -> int:
    """Resident memory once every state is full."""
    return _bytes_at(seen, min(SETTLED_AFTER, len(seen.latencies_ms) // 2))


def _bytes_at(seen: SoakLog, requests: int) -> int:
    """Resident memory when so many requests had been sent: the first look from then on, else the last one."""
    return next((size for sent, size in seen.memory if sent >= requests), seen.memory[-1][1])


def _drained(address: str) -> dict[str, float]:
    """What is left to record once the service had time for it, and what it lost."""
    deadline = time.monotonic() + DRAIN_SECONDS
    names = ("background_waiting", "background_dropped_total", "background_failures_total")
    while True:
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        left = {name: _value(lines, name) for name in names}
        if not left["background_waiting"] or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def _value(lines: Sequence[str], name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"platform_assets_{name}{{"))


def draw(seen: SoakLog, path: Path) -> None:
    """Memory and latency over the requests, as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot([sent for sent, _ in seen.memory], [size / 1e6 for _, size in seen.memory])
    above.set_ylabel("resident MB")
    above.set_ylim(bottom=0)
    parts = np.array_split(seen.latencies_ms, 100)
    middles = (np.arange(100) + 0.5) * len(seen.latencies_ms) / 100
    for quantile in (50, 99):
        below.plot(middles, [float(np.nanpercentile(part, quantile)) for part in parts], label=f"p{quantile}")
    below.set_ylabel("ms")
    below.set_ylim(bottom=0)
    below.set_xlabel("requests")
    below.legend()
    figure.savefig(path, dpi=110)
