"""Watch the model: the prediction log as a table, drift of what it is asked, and its quality once labels have arrived.

Belongs here: reading what a window needs, judging it, storing the verdict. Does not belong here: the statistics (`monitoring/`), or asking
for a new model (`orchestration/sensors.py`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.declaration.prediction_log import SHADOW, live_rows
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.drift import DriftResult
from platform_assets.monitoring.drift_report.history import SHOWN_WINDOWS, DriftWindow, earlier_windows
from platform_assets.monitoring.drift_report.page import ReportedWindow, write_drift_report
from platform_assets.monitoring.latency import ServiceDay, service_days
from platform_assets.monitoring.log_segments import compress_segments
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
from platform_assets.monitoring.watched_window import WatchedWindow, watch_window
from platform_assets.pipelines.addresses import card_name, drift_report_name
from platform_assets.pipelines.labelled_events import label_rows, loaded_label_days
from platform_assets.pipelines.required_days import require_days, require_source_days
from platform_assets.pipelines.watched_model import ONE_DAY, watched_model
from platform_assets.registry.base import ModelRegistry, RegisteredVersion


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
        report: the report, a page.
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
        by_day: the followed metric of each day whose rows allow it.
        plot: a picture, PNG.
        stored: where the verdict was stored.
    """

    result: QualityResult
    version: RegisteredVersion
    by_day: Mapping[date, float]
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
    compress_segments(log_folder, time.time())
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


def watch_drift(catalog: Catalog, registry: ModelRegistry | None, report_folder: Path, day: date) -> WatchedDrift:
    """Compare the window of predictions that ends with a day with rows that the model was judged on, store the verdict, write the report.

    Args:
        catalog: the tables.
        registry: where the model is; None where scores are delivered.
        report_folder: where reports for people are written.
        day: last day of the window.

    Raises:
        DaysMissing: days of the window were never stored.
        MonitoringError: the window has no predictions, and there is no champion.
        ArtifactError: the model's files were damaged or replaced.
    """
    window, version = compare_window(catalog, registry, day)
    result, history = window.result, drift_history(catalog, day)
    path = report_folder / drift_report_name(day)
    reported = ReportedWindow(
        catalog.use_case.name,
        window.first_day,
        day,
        version.version,
        result,
        window.reference,
        window.current,
        history,
        _links(report_folder, version.version, history),
    )
    write_drift_report(reported, path)
    causes = window_verdict(day, result, None).causes
    stored = store_verdict(catalog, DRIFT, day, version.version, result, causes)
    return WatchedDrift(result, version, path, plot_drift(result, history), stored)


def compare_window(
    catalog: Catalog, registry: ModelRegistry | None, day: date
) -> tuple[WatchedWindow, RegisteredVersion]:
    """The window that ends with a day beside what its model knows, and that model; nothing is stored.

    Args:
        catalog: the tables.
        registry: where the model is; None where scores are delivered.
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
    model = watched_model(catalog, registry, log, day + ONE_DAY, newest=True)
    window = watch_window(log, model.reference(), use_case, day, model.versions, lambda: model.known(day))
    return window, model.version


def drift_history(catalog: Catalog, day: date) -> tuple[DriftWindow, ...]:
    """Verdicts on the windows that ended before a day, oldest first; the last month's."""
    table = catalog.verdicts(DRIFT)
    if not table.exists():
        return ()
    return earlier_windows(table.read(day - timedelta(days=2 * SHOWN_WINDOWS), day - ONE_DAY), day)


def newest_judged_day(catalog: Catalog) -> date | None:
    """Last day of the newest window that has a verdict on drift; None for none."""
    table = catalog.verdicts(DRIFT)
    return max(table.partitions(), default=None) if table.exists() else None


def _links(folder: Path, version: str, history: Sequence[DriftWindow]) -> list[tuple[str, str]]:
    """Pages that lie beside the report."""
    found = [(f"Model card of version {version}", card_name(version))]
    found += [(f"The report before, {one.day}", drift_report_name(one.day)) for one in history[-1:]]
    return [(title, name) for title, name in found if (folder / name).is_file()]


def watch_quality(catalog: Catalog, registry: ModelRegistry | None, day: date) -> WatchedQuality:
    """Join the predictions of the window that ends with a day with the labels that have arrived, and store the verdict.

    Args:
        catalog: the tables.
        registry: where the model is; None where scores are delivered.
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
    model = watched_model(catalog, registry, log, as_of)
    version = model.version
    newest = as_of - timedelta(days=max(1, use_case.label_arrival_days))
    require_source_days(catalog, use_case.label_source, first, newest, what)
    labels = label_rows(catalog, first, as_of)
    joined = join_labels(log, labels, use_case, as_of, model.versions, loaded_label_days(catalog))
    before = model.labels()
    result = production_quality(joined, use_case, model.promised(), before.mean, class_rows=before.class_rows or None)
    causes = window_verdict(day, None, result).causes
    stored = store_verdict(catalog, QUALITY, day, version.version, result, causes)
    metric = use_case.monitoring.quality_metric
    of_days = quality_by_day(joined, use_case)
    by_day = dict(of_days.drop_nulls("value").select(EVENT_DAY, "value").iter_rows())
    plot = plot_quality(of_days, metric, result.bounds.get(metric))
    return WatchedQuality(result, version, by_day, plot, stored)


def require_predictions(catalog: Catalog, first: date, last: date, what: str) -> None:
    """Refuse a window some of whose days were never stored; days before the first stored one had no service.

    Raises:
        DaysMissing: days lack.
    """
    table = catalog.predictions
    stored = table.partitions() if table.exists() else []
    require_days(catalog, table, max(first, min(stored, default=first)), last, what)


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
