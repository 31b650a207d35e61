"""Estimate the quality of predictions whose labels have not come, and score earlier estimates by the labels that have.

Belongs here: reading what an estimate needs, and storing it. Does not belong here: the statistics (`monitoring/estimates`), quality with
labels (`watch.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.names import ESTIMATE, QUALITY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.monitoring.estimates.change import WindowChange, window_change, without_prefix
from platform_assets.monitoring.estimates.estimate import ScoredRows
from platform_assets.monitoring.estimates.kept import EstimatedQuality, ScoredEstimate, causes_of
from platform_assets.monitoring.estimates.window import LabelledRows, estimated_quality, scored_rows
from platform_assets.monitoring.plots import plot_estimates
from platform_assets.monitoring.quality import join_labels, quality_days
from platform_assets.monitoring.second_look import same_weekdays
from platform_assets.pipelines.labelled_events import label_rows, loaded_label_days
from platform_assets.pipelines.watch import (
    ONE_DAY,
    StoredVerdict,
    model_of,
    require_predictions,
    store_verdict,
    training_rows,
)
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import registered_run
from platform_assets.tasks.registry import task_of
from platform_assets.training.dataset import read_dataset
from platform_assets.training.predictor import Predictor

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


def estimate_quality(catalog: Catalog, registry: ModelRegistry, day: date) -> WatchedEstimate:
    """Estimate the quality of the window of predictions that ends with a day, and store the estimate.

    Args:
        catalog: the tables.
        registry: where the model is.
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
    version = model_of(use_case, window, registry)
    run = registered_run(registry, version)
    predictor = run.predictor()
    own = log.filter(
        pl.col("model_version") == version.version,
        pl.col("feature_contract") == feature_contract_hash(use_case),
        pl.col("score").is_finite(),
    )
    known = _known_frame(catalog, version)
    unlabelled = _first_answers(own.filter(pl.col(EVENT_DAY) >= first), use_case)
    result = estimated_quality(
        use_case,
        None if known is None else _reference(use_case, known, predictor),
        scored_rows(unlabelled, use_case, predictor.features),
        _labels_that_came(catalog, own, predictor, as_of),
        run.comparison["candidates"][version.tags["learner"]]["mean"],
        predictor.features,
        (first, day),
        _scored(catalog, version, day),
    )
    change = WindowChange()
    if known is not None and not unlabelled.is_empty():
        now = without_prefix(unlabelled)
        change = window_change(use_case, predictor.predict, predictor.features, same_weekdays(known, now), now)
    stored = store_verdict(catalog, ESTIMATE, day, version.version, _Stored(result, change), causes_of(result.status))
    return WatchedEstimate(result, change, version, plot_estimates(result), stored)


def _known_frame(catalog: Catalog, version: RegisteredVersion) -> pl.DataFrame | None:
    """Labelled rows of the training set from before the days that the model learned, with the keys of entities, in order; None without."""
    use_case = catalog.use_case
    as_of = date.fromisoformat(version.tags["as_of"])
    last = date.fromisoformat(version.tags["trained_on_first_day"]) - ONE_DAY
    frame = training_rows(catalog, as_of, date.min, last)
    if frame.is_empty():
        return None
    ordered = frame.sort(use_case.event_time, *use_case.event_source.primary_key)  # as read_dataset orders
    primary = list(use_case.event_source.primary_key)
    wanted = [name for name in _entity_keys(use_case) if name not in ordered.columns]
    if not wanted or not catalog.events.exists():
        return ordered
    first, last_there = ordered[EVENT_DAY].min(), ordered[EVENT_DAY].max()
    assert isinstance(first, date)
    assert isinstance(last_there, date)
    events = catalog.events.read(first, last_there, [*primary, *wanted])
    return ordered.join(events, on=primary, how="left", maintain_order="left")


def _entity_keys(use_case: UseCase) -> list[str]:
    return list(dict.fromkeys(entity.key_columns[0] for entity in use_case.entities))


def _reference(use_case: UseCase, known: pl.DataFrame, predictor: Predictor) -> LabelledRows:
    """The rows scored by the model itself, with what they may share: every entity that they belong to."""
    data = read_dataset(use_case, known)
    rows = ScoredRows(predictor.predict(data.X), data.X, data.event_day, data.group)
    present = [name for name in _entity_keys(use_case) if name in known.columns]
    clusters = {name: known[name].cast(pl.String).fill_null("").to_numpy() for name in present}
    return LabelledRows(data.y, rows, clusters)


def _labels_that_came(catalog: Catalog, own: pl.DataFrame, predictor: Predictor, as_of: date) -> LabelledRows | None:
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
    return LabelledRows(y, scored_rows(known, use_case, predictor.features))


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
