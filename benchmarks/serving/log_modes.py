"""What it costs that an answer stands in the log: `before_answer` beside `after_answer`, the same release in both.

Belongs here: alternating rounds against the two. Does not belong here: the load itself (`load_client.py`), or what a kill loses (tests).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

from benchmarks.common.deployed import DeployedUseCase, staged
from benchmarks.common.load import WARM_UP, load
from benchmarks.common.load_client import LoadResult
from benchmarks.common.report import Bar, Topic
from benchmarks.serving.latency import RATE_PER_SECOND, slices

BEFORE, AFTER = "before_answer", "after_answer"
MOST_RATIO = 1.15


def measure_log_modes(installation: DeployedUseCase, count: int, rounds: int, log: Callable[[str], None]) -> Topic:
    """Alternate rounds with either mode, each with the same bodies.

    Args:
        installation: what is deployed.
        count: requests that count in each round.
        rounds: rounds of each mode.
        log: told of every round.

    Raises:
        ValueError: the installation's world is too small for that many requests.
    """
    measurement: dict[str, list[LoadResult]] = {BEFORE: [], AFTER: []}
    with ExitStack() as stack:
        modes = {
            mode: stack.enter_context(
                staged(replace(installation, settings=installation.settings.model_copy(update={"log": mode})))
            )
            for mode in measurement
        }
        for index, part in enumerate(slices(installation.distinct, count + WARM_UP, rounds)):
            for mode in sorted(modes, reverse=index % 2 == 0):  # who goes first changes from round to round
                with load(modes[mode].target.address(), installation.folder, part, RATE_PER_SECOND) as running:
                    result = running.result()
                measurement[mode].append(result)
                log(
                    f"{mode}: p50 {result.p50_ms:.2f} ms, p99 {result.p99_ms:.2f} ms, failed {result.failed} of {result.sent}"
                )
    return _topic(measurement, count)


def _topic(measurement: dict[str, list[LoadResult]], count: int) -> Topic:
    def middle(mode: str, quantity: str) -> float:
        return median(float(getattr(result, quantity)) for result in measurement[mode])

    rows = [[mode, f"{middle(mode, 'p50_ms'):.2f}", f"{middle(mode, 'p99_ms'):.2f}"] for mode in measurement]
    ratios = [middle(BEFORE, quantity) / middle(AFTER, quantity) for quantity in ("p50_ms", "p99_ms")]
    rows.append(["ratio", *(f"{ratio:.2f}" for ratio in ratios)])
    failed = sum(result.failed for results in measurement.values() for result in results)
    return Topic(
        "An answer in the log, or on its way there",
        f"The deployed release twice, on copies of what it reads: `{BEFORE}`, and `{AFTER}`, in alternating rounds of {count} requests at "
        f"{RATE_PER_SECOND:.0f} a second, the same bodies for both. Medians of the rounds' quantiles.",
        ["", "p50 ms", "p99 ms"],
        rows,
        [
            Bar(f"p99 of {BEFORE} at most {MOST_RATIO} times {AFTER}'s", f"{ratios[1]:.2f}", ratios[1] <= MOST_RATIO),
            Bar("every request answered", f"{failed} failed", failed == 0),
        ],
    )
