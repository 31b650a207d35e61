"""Estimate the quality of predictions whose labels have not come, and score earlier estimates by the labels that have.

Belongs here: reading what an estimate needs, and storing it. Does not belong here: the statistics (`monitoring/estimates`), quality with
labels (`watch.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.names import ESTIMATE, QUALITY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.monitoring.estimates.change import WindowChange
from platform_assets.monitoring.estimates.kept import EstimatedQuality, ScoredEstimate, causes_of
from platform_assets.monitoring.estimates.window import LabelledRows, estimated_quality, scored_rows
from platform_assets.monitoring.plots import plot_estimates
from platform_assets.monitoring.quality import join_labels, quality_days
from platform_assets.pipelines.labelled_events import label_rows, loaded_label_days
from platform_assets.pipelines.watch import StoredVerdict, require_predictions, store_verdict
from platform_assets.pipelines.watched_model import ONE_DAY, watched_model
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.tasks.registry import task_of

SCORED_WINDOWS = 60
"""Earlier estimates that are shown beside the truth."""


@dataclass(frozen=True)
class WatchedEstimate:
    """Estimated quality of one window.

    Attributes:
        result: the estimate and what became of it.
        change: where the window moved, and which inputs answers depend on.
        version: the model that made most of the window's predictions.
        plot: earlier estimates beside the truth, and this one; PNG.
        stored: where it was stored.
    """

    result: EstimatedQuality
    change: WindowChange
    version: RegisteredVersion
    plot: bytes
    stored: StoredVerdict


@dataclass(frozen=True)
class _Stored:
    """What is stored of a window: the estimate, and what is different about the window."""

    result: EstimatedQuality
    change: WindowChange

    @property
    def status(self) -> str:
        return self.result.status

    @property
    def passed(self) -> bool:
        return self.result.passed

    def to_dict(self) -> dict[str, Any]:
        return self.result.to_dict() | self.change.to_dict()


def estimate_quality(catalog: Catalog, registry: ModelRegistry | None, day: date) -> WatchedEstimate:
    """Estimate the quality of the window of predictions that ends with a day, and store the estimate.

    Args:
        catalog: the tables.
        registry: where the model is; None where scores are delivered.
        day: last day of the window.

    Raises:
        DaysMissing: days of the window were never stored.
        MonitoringError: the window has no predictions, and there is no champion.
        ArtifactError: the model's files were damaged or replaced.
    """
    use_case, as_of = catalog.use_case, day + ONE_DAY
    first = day - timedelta(days=use_case.monitoring.window_days - 1)
    require_predictions(catalog, first, day, f"estimated quality of {use_case.name} up to {day}")
    log = catalog.predictions.read(min(first, quality_days(use_case, as_of)[0]), day)
    window = log.filter(pl.col(EVENT_DAY) >= first)
    model = watched_model(catalog, registry, window, as_of)
    version, ours = model.version, model.versions
    own = log.filter(
        pl.lit(True) if ours is None else pl.col("model_version").is_in(sorted(ours)),
        pl.col("feature_contract") == feature_contract_hash(use_case),
        pl.col("score").is_finite(),
    )
    unlabelled = _first_answers(own.filter(pl.col(EVENT_DAY) >= first), use_case)
    result = estimated_quality(
        use_case,
        model.labelled(),
        scored_rows(unlabelled, use_case, model.inputs),
        _labels_that_came(catalog, own, model.inputs, as_of),
        model.promised(),
        model.inputs,
        (first, day),
        _scored(catalog, version, day),
    )
    change = model.change(unlabelled)
    stored = store_verdict(catalog, ESTIMATE, day, version.version, _Stored(result, change), causes_of(result.status))
    return WatchedEstimate(result, change, version, plot_estimates(result), stored)


def _labels_that_came(catalog: Catalog, own: pl.DataFrame, inputs: Sequence[str], as_of: date) -> LabelledRows | None:
    """The newest predictions of the model whose labels are known; None where no label was ever published."""
    use_case = catalog.use_case
    first, last = quality_days(use_case, as_of)
    try:
        labels = label_rows(catalog, first, as_of)
    except LakeTableMissing:
        return None
    log = own.filter(pl.col(EVENT_DAY).is_between(first, last))
    joined = join_labels(log, labels, use_case, as_of, None, loaded_label_days(catalog))
    known = joined.filter(pl.col(use_case.label.column).is_not_null())
    if known.is_empty():
        return None
    y = task_of(use_case).labels(known[use_case.label.column], use_case.classes)
    return LabelledRows(y, scored_rows(known, use_case, inputs))


def _first_answers(log: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """An event that was scored more than once counts once, with the answer given first, as it will once its label is known."""
    key = list(use_case.event_source.primary_key)
    return log.sort("scored_at", "request_id").unique(subset=key, keep="first", maintain_order=True)


def _scored(catalog: Catalog, version: RegisteredVersion, day: date) -> list[ScoredEstimate]:
    """Earlier estimates of a model beside the quality that was measured on the same windows since."""
    estimates, truths = (catalog.verdicts(name) for name in (ESTIMATE, QUALITY))
    if not estimates.exists() or not truths.exists():
        return []
    first = day - timedelta(days=SCORED_WINDOWS + catalog.use_case.label_delay_days)
    columns = [EVENT_DAY, "model_version", "result"]
    both = (
        estimates.read(first, day - ONE_DAY, columns=columns)
        .join(truths.read(first, day, columns=columns), on=[EVENT_DAY, "model_version"], suffix="_true")
        .filter(pl.col("model_version") == version.version)
        .sort(EVENT_DAY)
    )
    metric = catalog.use_case.monitoring.quality_metric
    found = []
    for row in both.iter_rows(named=True):
        estimated, true = json.loads(row["result"]), json.loads(row["result_true"])["metrics"].get(metric)
        one = {**estimated["withdrawn"], **estimated["estimates"]}.get(metric)
        if one is None or true is None:
            continue
        standing = estimated["belief"]["standing"]
        found.append(ScoredEstimate(str(row[EVENT_DAY]), one["value"], one["low"], one["high"], float(true), standing))
    return found[-SCORED_WINDOWS:]
