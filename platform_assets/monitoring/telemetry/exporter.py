"""The platform's metrics as a scrape gets them: parts that are read one by one, kept for a while, and never guessed.

Belongs here: asking the parts, counting what they cannot answer, the page. Does not belong here: what a part reads (the modules beside it),
or listening (`cli/metrics.py`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from platform_assets.monitoring.telemetry.catalogue import (
    ERRORS,
    METRICS,
    OWN_METRICS,
    PARTS,
    PREFIX,
    READ_AT,
    READ_SECONDS,
)

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_SECONDS = 15.0
"""A part is read again no sooner."""
COST_RATIO = 0.05
"""Nor so soon that reading it takes a larger share of the time: a part that takes a second is kept for 20 ..."""
MOST_KEPT_SECONDS = 60.0
"""... but no longer than this, so that an alert is never later than a minute."""


@dataclass(frozen=True)
class Sample:
    """One value.

    Attributes:
        name: of the metric, without `platform_assets_`.
        labels: values in the order of the metric's labels.
        value: in the metric's unit.
    """

    name: str
    labels: tuple[str, ...]
    value: float


Question = Callable[[], Iterable[Sample]]
"""Reads one thing. One that raises leaves out its samples and no others."""


@dataclass(frozen=True)
class MetricsPart:
    """Things that are read together.

    Attributes:
        name: one of `catalogue.PARTS`.
        questions: what is asked now; a use case or a table that comes or goes comes or goes with them.
        kept_seconds: how long an answer is good for at least, where that is not as long as of the others.
    """

    name: str
    questions: Callable[[], Iterable[Question]]
    kept_seconds: float | None = None


@dataclass
class _Kept:
    samples: list[Sample] = field(default_factory=list)
    read_at: float | None = None
    seconds: float = 0.0

    def is_fresh(self, now: float, kept_seconds: float) -> bool:
        return self.read_at is not None and now - self.read_at < min(
            max(kept_seconds, self.seconds / COST_RATIO), MOST_KEPT_SECONDS
        )


class PlatformCollector:
    """A collector of `prometheus_client` over parts.

    What a part said is kept for a while, so that scrapes cost little. What it could not say is not: the series are absent until it can.
    """

    def __init__(
        self,
        parts: Sequence[MetricsPart],
        kept_seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the parts; nothing is read.

        Args:
            parts: in the order in which they are read.
            kept_seconds: how long an answer is good for at least.
            clock: for how long an answer is kept.
            wall_clock: for when it was read.
        """
        self._parts = tuple(parts)
        self._kept_seconds = kept_seconds
        self._clock, self._wall_clock = clock, wall_clock
        self._kept = {part.name: _Kept() for part in parts}
        self._read_at: dict[str, float] = {}
        self._errors = dict.fromkeys(PARTS, 0)
        self._lock = Lock()

    def describe(self) -> list[Metric]:
        """Every metric, without values."""
        return [_family(metric) for metric in (*METRICS, *OWN_METRICS)]

    def collect(self) -> Iterator[Metric]:
        """Every metric with the values that are known, those without any left out."""
        with self._lock:
            samples = [sample for part in self._parts for sample in self._samples_of(part)]
            samples += [Sample(ERRORS.name, (part,), count) for part, count in self._errors.items()]
            samples += [Sample(READ_SECONDS.name, (name,), kept.seconds) for name, kept in self._kept.items()]
            samples += [Sample(READ_AT.name, (name,), at) for name, at in self._read_at.items()]
        families: dict[str, Any] = {metric.name: _family(metric) for metric in (*METRICS, *OWN_METRICS)}
        for sample in samples:
            families[sample.name].add_metric(sample.labels, sample.value)
        yield from (family for family in families.values() if family.samples)

    def _samples_of(self, part: MetricsPart) -> list[Sample]:
        kept = self._kept[part.name]
        begin = self._clock()
        if kept.is_fresh(begin, self._kept_seconds if part.kept_seconds is None else part.kept_seconds):
            return kept.samples
        samples: dict[tuple[str, tuple[str, ...]], Sample] = {}
        for question in self._answered(part.name, part.questions):
            for sample in self._answered(part.name, question):
                samples[sample.name, sample.labels] = sample
        end = self._clock()
        self._kept[part.name] = _Kept(list(samples.values()), end, end - begin)
        self._read_at[part.name] = self._wall_clock()
        return self._kept[part.name].samples

    def _answered(self, part: str, read: Callable[[], Iterable[T]]) -> list[T]:
        """What reading gives; nothing, and one error more, where it fails: half an answer is none."""
        try:
            return list(read())
        except Exception as error:  # noqa: BLE001 - counted and logged: what cannot be read takes no other metric down
            self._errors[part] += 1
            logger.warning("metrics of part %s: %s: %s", part, type(error).__name__, error)
            return []


def _family(metric: Any) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(PREFIX + metric.name, metric.meaning, labels=metric.labels)


def page(collector: PlatformCollector) -> str:
    """The page that a scrape gets, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry).decode()
