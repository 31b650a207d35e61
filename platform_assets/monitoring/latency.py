"""How the service answered, day by day: how fast, how often without history, and what it decided.

Belongs here: figures that need no label. Does not belong here: live telemetry of the process, or whether the answers
were right (`quality`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY


@dataclass(frozen=True, slots=True)
class ServiceDay:
    """One event day of the prediction log.

    Attributes:
        day: the event day.
        predictions: how many.
        latency_p50_ms: median time in the service, in milliseconds, interpolated; likewise the others.
        unknown_entity_ratio: share of predictions that lacked an entity's history, by entity; only entities that were
            ever unknown.
        any_unknown_entity_ratio: share of predictions that lacked at least one entity's history.
        decision_ratio: share of predictions by decision; empty where no decision is declared.
        model_version_ratio: share of predictions by model version.
    """

    day: date
    predictions: int
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    latency_max_ms: float
    unknown_entity_ratio: Mapping[str, float]
    any_unknown_entity_ratio: float
    decision_ratio: Mapping[str, float]
    model_version_ratio: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The day as plain values, ready for JSON."""
        return asdict(self) | {"day": self.day.isoformat()}


def service_days(log: pl.DataFrame) -> tuple[ServiceDay, ...]:
    """Figures of every event day in a prediction log, ascending.

    Args:
        log: rows of the prediction log, in its schema.
    """
    days = log.partition_by(EVENT_DAY, as_dict=True)
    return tuple(_service_day(day, rows) for (day,), rows in sorted(days.items()) if isinstance(day, date))


def _service_day(day: date, rows: pl.DataFrame) -> ServiceDay:
    latency = rows["latency_ms"]
    unknown = rows["unknown_entities"].fill_null("")
    return ServiceDay(
        day=day,
        predictions=rows.height,
        latency_p50_ms=_quantile(latency, 0.5),
        latency_p95_ms=_quantile(latency, 0.95),
        latency_p99_ms=_quantile(latency, 0.99),
        latency_max_ms=_quantile(latency, 1.0),
        unknown_entity_ratio=_ratios(unknown.str.split(",").explode().replace("", None).drop_nulls(), rows.height),
        any_unknown_entity_ratio=float((unknown != "").sum()) / rows.height,
        decision_ratio=_ratios(rows["decision"].drop_nulls(), rows.height),
        model_version_ratio=_ratios(rows["model_version"], rows.height),
    )


def _quantile(values: pl.Series, quantile: float) -> float:
    value = values.quantile(quantile, interpolation="linear")
    return float(value) if value is not None else float("nan")


def _ratios(values: pl.Series, rows: int) -> dict[str, float]:
    return {str(value): int(count) / rows for value, count in sorted(values.value_counts().iter_rows())}
