"""What tracing costs a request: the same service with and without, asked in turns.

Belongs here: the variants, their load and the verdict. Does not belong here: the service (`benchmarks/soak/world.py`).

Every variant is sent the same body within the same few milliseconds, so that what else the machine does meets all of them. Time on the CPU
is the process's own, from the operating system: it does not depend on who else waits for a core.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.common.report import Bar, Topic
from benchmarks.soak.world import NAME, Mix, bodies, soaked_service
from platform_assets.deployment.local.host import free_port
from platform_assets.testing.otlp_receiver import OtlpReceiver

TITLE = "Traced requests"
RATE_PER_SECOND = 50.0
WARM_UP = 100
MOST_RATIO, MOST_ADDED_MS = 1.05, 0.2
OFF, HUNDREDTH, ALL, DOWN = "off", "1 % traced", "all traced", "all traced, no collector"
RATIOS = {OFF: 0.0, HUNDREDTH: 0.01, ALL: 1.0, DOWN: 1.0}
MIX = Mix(repeated_share=0.0, wrong_share=0.0)


@dataclass
class Variant:
    """One service and how it answered.

    Attributes:
        url: where events are scored.
        process: that answers.
        seconds: of each counted request.
        failed: counted requests that were not answered with 200.
        cpu_seconds: of the process while requests counted.
    """

    url: str
    process: psutil.Process
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    cpu_seconds: float = 0.0

    def quantile_ms(self, q: float) -> float:
        """A quantile of the answers' times."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1e3

    def cpu_now(self) -> float:
        """CPU seconds of the process so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


def measure_tracing(count: int, log: Callable[[str], None]) -> Topic:
    """Ask every variant for the same events at the same rate.

    Args:
        count: requests of each that count.
        log: told of what is started.
    """
    with ExitStack() as stack:
        receiver = stack.enter_context(OtlpReceiver())
        nowhere = f"http://127.0.0.1:{free_port(1, ())}"
        variants = {}
        for name, ratio in RATIOS.items():
            log(f"starting: {name}")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracing-")))
            endpoint = {OFF: None, DOWN: nowhere}.get(name, receiver.endpoint)
            server = stack.enter_context(soaked_service(folder, ratio, endpoint))
            variants[name] = Variant(f"{server.address}/v1/{NAME}/score", psutil.Process(server.pid))
        log(f"{count} requests to each of {len(variants)}, {RATE_PER_SECOND:.0f} a second")
        _ask(variants, count)
        log(f"{len(receiver.spans)} spans arrived")
        spans = len(receiver.spans)
    return _topic(variants, count, spans)


def _ask(variants: Mapping[str, Variant], count: int) -> None:
    events = itertools.islice(bodies(MIX), WARM_UP + count)
    with httpx.Client(trust_env=False, timeout=30.0) as client:
        begun, order = time.perf_counter(), list(variants.values())
        for number, body in enumerate(events):
            if number == WARM_UP:
                for variant in order:
                    variant.cpu_seconds = -variant.cpu_now()
            time.sleep(max(0.0, begun + number / RATE_PER_SECOND - time.perf_counter()))
            for variant in (order[(number + place) % len(order)] for place in range(len(order))):
                sent = time.perf_counter()
                answer = client.post(variant.url, content=body, headers={"content-type": "application/json"})
                if number >= WARM_UP:
                    variant.seconds.append(time.perf_counter() - sent)
                    variant.failed += answer.status_code != 200
        for variant in order:
            variant.cpu_seconds += variant.cpu_now()


def _topic(variants: Mapping[str, Variant], count: int, spans: int) -> Topic:
    off = variants[OFF]
    rows: list[Sequence[str]] = []
    for name, variant in variants.items():
        cpu_ms = variant.cpu_seconds / count * 1e3
        added = cpu_ms - off.cpu_seconds / count * 1e3
        ratio = variant.quantile_ms(0.99) / off.quantile_ms(0.99)
        p50, p99 = variant.quantile_ms(0.5), variant.quantile_ms(0.99)
        rows.append([name, f"{p50:.2f}", f"{p99:.2f}", f"{ratio:.2f}", f"{cpu_ms:.2f}", f"{added:+.2f}"])
    ratio = variants[HUNDREDTH].quantile_ms(0.99) / off.quantile_ms(0.99)
    added = (variants[ALL].cpu_seconds - off.cpu_seconds) / count * 1e3
    failed = sum(variant.failed for variant in variants.values())
    return Topic(
        TITLE,
        f"One small service over an SQLite online store, started once for each row and asked for the same {count} events at "
        f"{RATE_PER_SECOND:.0f} a second in turns; spans go to a receiver of OTLP, in the last row to a port where nobody listens. CPU is "
        f"the service process's, the sending of spans included. {spans} spans arrived.",
        ["", "p50 ms", "p99 ms", "p99, times off", "CPU ms a request", "added CPU ms"],
        rows,
        [
            Bar(f"p99 with 1 % traced at most {MOST_RATIO} times off", f"{ratio:.2f}", ratio <= MOST_RATIO),
            Bar(f"a traced request costs at most {MOST_ADDED_MS} ms more", f"{added:+.2f} ms", added <= MOST_ADDED_MS),
            Bar("every request is answered", f"{failed} failed", failed == 0),
        ],
    )
