"""Metrics of the champion, of its quality, estimated and true, of drift, and of what its answers are worth.

Belongs here: the champion's age by its registration, and the newest stored verdicts. Does not belong here: judging (`quality.py`,
`drift.py`), or a model that answers requests (`serving/metrics.py`).
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import BUSINESS_MEASURES, DRIFT, ESTIMATE, QUALITY
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.telemetry.exporter import Question, Sample
from platform_assets.monitoring.telemetry.tables import newest_day
from platform_assets.registry.base import CHAMPION, ModelRegistry


def champion_age(use_case: UseCase, registry: ModelRegistry) -> list[Sample]:
    """The day that the champion was trained as of; nothing before the first champion."""
    champion = registry.by_alias(use_case.name, CHAMPION)
    as_of = None if champion is None else champion.tags.get("as_of")
    if champion is None or as_of is None:
        return []
    return newest_day(use_case, "model_as_of_timestamp_seconds", [date.fromisoformat(as_of)], champion.version)


def verdict_questions(catalog: Catalog) -> Iterator[Question]:
    """The newest verdict of each monitor, and the newest decision about a new model."""
    yield partial(quality, catalog)
    yield partial(drift, catalog)
    yield partial(estimate, catalog)
    yield partial(business_measures, catalog)
    yield partial(failed_requests, catalog)


def newest_verdict(catalog: Catalog, name: str) -> tuple[date, dict[str, Any]] | None:
    """Day and result of the newest verdict of a monitor; None before the first."""
    table = catalog.verdicts(name)
    days = table.partitions() if table.exists() else []
    if not days:
        return None
    row = table.read(days[-1], days[-1]).sort(EVENT_DAY).row(-1, named=True)
    return row[EVENT_DAY], json.loads(row["result"])


def quality(catalog: Catalog) -> list[Sample]:
    """Figures of the newest window whose labels have arrived."""
    found = newest_verdict(catalog, QUALITY)
    if found is None:
        return []
    (day, result), name = found, catalog.use_case.name
    figures = [(metric, "true", value) for metric, value in result["metrics"].items()]
    figures += [
        (metric, end, interval[end]) for metric, interval in result["intervals"].items() for end in ("low", "high")
    ]
    figures += [(metric, "bound", value) for metric, value in result["bounds"].items()]
    samples = [Sample("quality", (name, metric, kind), value) for metric, kind, value in figures if _is_number(value)]
    if _is_number(result["coverage_ratio"]):
        samples.append(Sample("quality_label_coverage_ratio", (name,), result["coverage_ratio"]))
    return samples + newest_day(catalog.use_case, "quality_window_timestamp_seconds", [day])


def drift(catalog: Catalog) -> list[Sample]:
    """Columns of the newest window by their verdict; `ok` and `drift` are there also where no column has it."""
    found = newest_verdict(catalog, DRIFT)
    if found is None:
        return []
    day, result = found
    counts = {"ok": 0, "drift": 0} | Counter(column["status"] for column in result["columns"])
    samples = [Sample("drift_columns", (catalog.use_case.name, status), count) for status, count in counts.items()]
    return samples + newest_day(catalog.use_case, "drift_window_timestamp_seconds", [day])


def estimate(catalog: Catalog) -> list[Sample]:
    """What quality is likely to be, and whether answers depend on other inputs than before; nothing of an estimate that is withdrawn."""
    found = newest_verdict(catalog, ESTIMATE)
    if found is None:
        return []
    (day, result), name = found, catalog.use_case.name
    samples = [
        Sample("quality", (name, metric, kind), one[end])
        for metric, one in result["estimates"].items()
        for end, kind in (("value", "estimated"), ("low", "estimated_low"), ("high", "estimated_high"))
        if _is_number(one[end])
    ]
    samples.append(Sample("estimate_withdrawn", (name,), int(result["status"] == "withdrawn")))
    importance = result.get("importance")
    if importance is not None and _is_number(importance["distance"]):
        samples.append(Sample("importance_change", (name,), importance["distance"]))
    return samples + newest_day(catalog.use_case, "estimate_window_timestamp_seconds", [day])


def business_measures(catalog: Catalog) -> list[Sample]:
    """Declared measures of the newest window; one that could not be computed is absent."""
    found = newest_verdict(catalog, BUSINESS_MEASURES) if catalog.use_case.monitoring.measures else None
    measures = () if found is None else found[1]["measures"]
    labels = catalog.use_case.name
    return [
        Sample("business_measure", (labels, one["name"]), one["value"]) for one in measures if _is_number(one["value"])
    ]


def failed_requests(catalog: Catalog) -> list[Sample]:
    """Trainings that failed in the present episode; nothing before the first decision."""
    table = catalog.retrain_decisions
    days = table.partitions() if table.exists() else []
    if not days:
        return []
    failed = table.read(days[-1], days[-1], columns=["failed_requests"])["failed_requests"][-1]
    return [Sample("retrain_requests_failed", (catalog.use_case.name,), failed or 0)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
