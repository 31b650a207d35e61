"""Watch the model: the prediction log as a table, drift of what it is asked, and its quality once labels have arrived.

Belongs here: reading what a window needs, judging it, storing the verdict. Does not belong here: the statistics (`monitoring/`), or asking
for a new model (`orchestration/sensors.py`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, SHADOW, live_rows
from platform_assets.lake.catalog import Catalog, predictions_path
from platform_assets.lake.commits import Commit
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.drift import DriftResult
from platform_assets.monitoring.drift_page import evidently_report
from platform_assets.monitoring.latency import ServiceDay, service_days
from platform_assets.monitoring.plots import plot_drift, plot_latency, plot_quality
from platform_assets.monitoring.prediction_log import LogOutage, SegmentRead, read_outages, read_segments
from platform_assets.monitoring.quality import (
    QualityResult,
    join_labels,
    production_quality,
    quality_by_day,
    quality_days,
)
from platform_assets.monitoring.retrain_verdict import window_verdict
from platform_assets.monitoring.second_look import KnownRows
from platform_assets.monitoring.watched_window import panel_column, reference_frame, watch_window
from platform_assets.pipelines.labelled_events import label_rows, loaded_label_days
from platform_assets.pipelines.required_days import require_days, require_source_days
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import CLASS_ROWS_TAG, ModelRun, registered_run
from platform_assets.tasks.registry import task_of
from platform_assets.training.dataset import read_dataset

ONE_DAY = timedelta(days=1)


class MonitoringError(RuntimeError):
    """A window cannot be judged; the message says what is missing and what to do next."""


@dataclass(frozen=True)
class StoredPredictions:
    """The service's predictions of some days, as they were stored.

    Attributes:
        rows: the predictions of the days that callers were given.
        segments: what was read, with lines that are no predictions.
        outages: times when requests of these days were refused because the log took no lines.
        by_day: figures of each day that has predictions.
        latency_plot: a picture of them, PNG; None without predictions.
        commit: of the table.
        uri: its address.
    """

    rows: pl.DataFrame
    segments: SegmentRead
    outages: Sequence[LogOutage]
    by_day: Sequence[ServiceDay]
    latency_plot: bytes | None
    commit: Commit
    uri: str


class StorableResult(Protocol):
    """A verdict on a window."""

    @property
    def status(self) -> str:
        """In one word."""
        ...

    @property
    def passed(self) -> bool:
        """Whether all is well."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain values."""
        ...


@dataclass(frozen=True)
class StoredVerdict:
    """Where a verdict was stored."""

    commit: Commit
    uri: str


@dataclass(frozen=True)
class WatchedDrift:
    """Drift of one window.

    Attributes:
        result: the verdict on every column.
        version: the model that made most of the window's predictions.
        report: Evidently's report, a file.
        plot: a picture, PNG.
        stored: where the verdict was stored.
    """

    result: DriftResult
    version: RegisteredVersion
    report: Path
    plot: bytes
    stored: StoredVerdict


@dataclass(frozen=True)
class WatchedQuality:
    """Quality of one window.

    Attributes:
        result: the verdict.
        version: the model that made most of the window's predictions.
        plot: a picture, PNG.
        stored: where the verdict was stored.
    """

    result: QualityResult
    version: RegisteredVersion
    plot: bytes
    stored: StoredVerdict


def store_predictions(catalog: Catalog, log_folder: Path, days: DayRange) -> StoredPredictions:
    """Store what the service answered on some event days, each request once; answers in shadow go to a table of their own.

    Args:
        catalog: the tables.
        log_folder: where the service's processes write their segments.
        days: event days.
    """
    segments = read_segments(log_folder, catalog.use_case)
    table = catalog.predictions
    logged = segments.frame.filter(pl.col(EVENT_DAY).is_between(days.first, days.last))
    rows = live_rows(logged)
    if logged.height > rows.height:
        _merge(catalog.shadow_predictions, logged.filter(pl.col("role") == SHADOW), days)
    commit = _merge(table, rows, days)
    by_day = service_days(rows)
    outages = [
        outage
        for outage in read_outages(log_folder)
        if any(days.first <= day <= days.last for day in outage.event_days)
    ]
    return StoredPredictions(
        rows, segments, outages, by_day, plot_latency(by_day) if by_day else None, commit, table.uri
    )


def _merge(table: LakeTable, rows: pl.DataFrame, days: DayRange) -> Commit:
    """Store rows whose request is new; days without any are stored as such, and what is stored of them stays."""
    if not rows.is_empty():
        return table.merge_rows(rows, ["request_id"], when_matched="keep", partitions=(days.first, days.last))
    stored = table.count_by_partition() if table.exists() else {}
    if not any(stored.get(day) for day in days.days):
        metadata = {"requests": "none"}  # so that there is a commit, by which these days are known to have been written
        return table.write_partitions(rows, days.first, days.last, metadata=metadata, allow_empty=True)
    version = table.version()
    assert version is not None, "a table with rows has a version"
    return Commit(version, rows=0, files_added=0, files_removed=0, already_committed=False)


def watch_drift(catalog: Catalog, registry: ModelRegistry, report_folder: Path, day: date) -> WatchedDrift:
    """Compare the window of predictions that ends with a day with rows that the model was judged on, and store the verdict.

    Args:
        catalog: the tables.
        registry: where the model is.
        report_folder: where Evidently's report is written.
        day: last day of the window.

    Raises:
        DaysMissing: days of the window were never stored.
        MonitoringError: the window has no predictions, and there is no champion.
        ArtifactError: the model's files were damaged or replaced.
    """
    use_case = catalog.use_case
    first = day - timedelta(days=use_case.monitoring.window_days - 1)
    require_predictions(catalog, first, day, f"drift of {use_case.name} up to {day}")
    log = catalog.predictions.read(first, day)
    version = answering_model_of(use_case, log, registry)
    run = registered_run(registry, version)
    reference = _reference(catalog, version, run)
    window = watch_window(
        log, reference, use_case, day, {version.version}, lambda: _known_rows(catalog, version, run, day)
    )
    result = window.result
    path = report_folder / f"drift-{day}.html"
    evidently_report(window.reference, window.current, result, path, title=f"{use_case.name}: drift up to {day}")
    causes = window_verdict(day, result, None).causes
    stored = store_verdict(catalog, DRIFT, day, version.version, result, causes)
    return WatchedDrift(result, version, path, plot_drift(result), stored)


def watch_quality(catalog: Catalog, registry: ModelRegistry, day: date) -> WatchedQuality:
    """Join the predictions of the window that ends with a day with the labels that have arrived, and store the verdict.

    Args:
        catalog: the tables.
        registry: where the model is.
        day: last day of the window.

    Raises:
        DaysMissing: days of the window were never stored.
        MonitoringError: the window has no predictions, and there is no champion.
        ArtifactError: the model's files were damaged or replaced.
    """
    use_case = catalog.use_case
    as_of = day + timedelta(days=max(1, use_case.label_delay_days))
    first, last = quality_days(use_case, as_of)
    what = f"quality of {use_case.name} up to {day}"
    require_predictions(catalog, first, last, what)
    log = catalog.predictions.read(first, last)
    version = model_of(use_case, log, registry)
    comparison = registered_run(registry, version).comparison
    newest = as_of - timedelta(days=max(1, use_case.label_arrival_days))
    require_source_days(catalog, use_case.label_source, first, newest, what)
    labels = label_rows(catalog, first, as_of)
    joined = join_labels(log, labels, use_case, as_of, {version.version}, loaded_label_days(catalog))
    promised = comparison["candidates"][version.tags["learner"]]["mean"]
    label_rate = float(version.tags["label_mean"]) if "label_mean" in version.tags else None
    result = production_quality(joined, use_case, promised, label_rate, class_rows=version.tag_json(CLASS_ROWS_TAG))
    causes = window_verdict(day, None, result).causes
    stored = store_verdict(catalog, QUALITY, day, version.version, result, causes)
    metric = use_case.monitoring.quality_metric
    plot = plot_quality(quality_by_day(joined, use_case), metric, result.bounds.get(metric))
    return WatchedQuality(result, version, plot, stored)


def require_predictions(catalog: Catalog, first: date, last: date, what: str) -> None:
    """Refuse a window some of whose days were never stored; days before the first stored one had no service.

    Raises:
        DaysMissing: days lack.
    """
    table = catalog.predictions
    stored = table.partitions() if table.exists() else []
    require_days(catalog, table, max(first, min(stored, default=first)), last, what)


def model_of(use_case: UseCase, log: pl.DataFrame, registry: ModelRegistry) -> RegisteredVersion:
    """The version that made most of the window's predictions; of a window without any the champion, whom nobody asked.

    A window without predictions has no verdict, which counts as failed; it is no reason for everything after it to stand still.

    Raises:
        MonitoringError: there is neither a prediction nor a champion.
    """
    if not log.is_empty():
        return registry.get(use_case.name, _version_of_most(log))
    champion = registry.by_alias(use_case.name, CHAMPION)
    if champion is None:
        raise MonitoringError(
            f"{use_case.name}: no predictions in the window, and no champion that could have made any; train a model, then materialize "
            f"{'/'.join((use_case.name, *predictions_path(use_case)))} for its days"
        )
    return champion


def answering_model_of(use_case: UseCase, log: pl.DataFrame, registry: ModelRegistry) -> RegisteredVersion:
    """The version that made most of the newest day's predictions, once the window has `min_rows` of it; else the one of most of the window.

    A model that was promoted within the window is so watched days before it has made most of the window's predictions.
    """
    if not log.is_empty():
        newest = _version_of_most(log.filter(pl.col(EVENT_DAY) == log[EVENT_DAY].max()))
        if (log["model_version"] == newest).sum() >= use_case.monitoring.min_rows:
            return registry.get(use_case.name, newest)
    return model_of(use_case, log, registry)


def _version_of_most(log: pl.DataFrame) -> str:
    counts = log.group_by("model_version").len().sort("len", "model_version", descending=True)
    return str(counts["model_version"][0])


def _reference(catalog: Catalog, version: RegisteredVersion, run: ModelRun) -> pl.DataFrame:
    """The labelled days before the model's own training days, scored by the model itself: rows it has not learned."""
    use_case = catalog.use_case
    as_of = date.fromisoformat(version.tags["as_of"])
    last = date.fromisoformat(version.tags["trained_on_first_day"]) - timedelta(days=1)
    first = last - timedelta(days=use_case.training.splits.test_days - 1)
    rows = with_members(catalog, training_rows(catalog, as_of, first, last))
    predictor = run.predictor()
    task = task_of(use_case)
    outputs = predictor.predict(read_dataset(use_case, rows).X)
    answers = task.log_columns(use_case, outputs, predictor.classes)
    # read_dataset orders by event time and key; the frame has to follow before the scores are put next to it.
    ordered = rows.sort(use_case.event_time, *use_case.event_source.primary_key)
    decisions = answers["decision"] if "decision" in task.drift_columns else None
    return reference_frame(ordered, use_case, answers["score"], decisions)


def _known_rows(catalog: Catalog, version: RegisteredVersion, run: ModelRun, day: date) -> KnownRows:
    """What may explain a drift: the model's training days, earlier years, and what it would have answered before it served."""
    use_case = catalog.use_case
    as_of = date.fromisoformat(version.tags["as_of"])
    first, last = (date.fromisoformat(version.tags[f"trained_on_{end}_day"]) for end in ("first", "last"))
    rows = with_members(catalog, training_rows(catalog, as_of, date.min, day))
    known = reference_frame(rows, use_case)
    learned = known.filter(pl.col(EVENT_DAY).is_between(first, last))
    return KnownRows(learned, known, _unlearned(catalog, run, last + ONE_DAY, as_of - ONE_DAY))


def _unlearned(catalog: Catalog, run: ModelRun, first: date, last: date) -> pl.DataFrame | None:
    """Requests after the training days and before the model was made, with what it would have answered."""
    use_case = catalog.use_case
    if last < first:
        return None
    log = catalog.predictions.read(first, last).filter(
        pl.col("feature_contract") == feature_contract_hash(use_case), pl.col("fallback").is_null()
    )
    if log.is_empty():
        return None
    predictor = run.predictor()
    values = log.select(pl.col(FEATURE_PREFIX + name).fill_null(float("nan")) for name in predictor.features)
    outputs = predictor.predict(np.ascontiguousarray(values.to_numpy()))
    answers = task_of(use_case).log_columns(use_case, outputs, predictor.classes)
    return log.with_columns(answers[name].alias(name) for name in ("score", "decision"))


def training_rows(catalog: Catalog, as_of: date, first: date, last: date) -> pl.DataFrame:
    """Rows of the training set as of a day, of some event days."""
    return catalog.training_sets.read(as_of, as_of).filter(pl.col(EVENT_DAY).is_between(first, last))


def with_members(catalog: Catalog, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the column of what they belong to, which a training set has only where it is declared as its group."""
    column, keys = panel_column(catalog.use_case), list(catalog.use_case.event_source.primary_key)
    if column is None or column in rows.columns or rows.is_empty() or not catalog.events.exists():
        return rows
    first, last = rows[EVENT_DAY].min(), rows[EVENT_DAY].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return rows.join(catalog.events.read(first, last, [*keys, column]), on=keys, how="left")


def store_verdict(
    catalog: Catalog, name: str, day: date, version: str, result: StorableResult, causes: Sequence[str]
) -> StoredVerdict:
    """Store the verdict on the window that ends with a day, in place of an earlier one."""
    row = {
        "status": result.status,
        "passed": result.passed,
        "causes": list(causes),
        "model_version": version,
        "result": json.dumps(result.to_dict(), default=str),
        EVENT_DAY: day,
    }
    table = catalog.verdicts(name)
    return StoredVerdict(table.write_partitions(pl.DataFrame([row], schema=VERDICT_SCHEMA), day, day), table.uri)
