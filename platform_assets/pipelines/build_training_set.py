"""Build the training set as of a day: labelled events with the features each had at its time, from recorded versions of their tables.

Belongs here: which versions are read, which labels count, writing the result. Does not belong here: the join itself
(`features/offline/training_set.py`), or learning from it (`train.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.features.offline.training_set import training_set, training_set_of_events
from platform_assets.lake.catalog import Catalog, CleanTable
from platform_assets.lake.commits import Commit
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.completeness import Completeness, training_set_completeness
from platform_assets.pipelines.labelled_events import has_versions, label_rows, loaded_label_days
from platform_assets.pipelines.required_days import require_days, require_source_days
from platform_assets.registry.pins import DATA_VERSIONS
from platform_assets.tasks.registry import task_of
from platform_assets.training.folds import training_offsets


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a training set, and what was left out.

    Attributes:
        frame: the rows.
        delivered_labels: labels of the days that are read.
        counted_labels: those of them whose event was published.
        labelled: key and `event_day` of the labels that count: one row of the training set for each.
    """

    frame: pl.DataFrame
    delivered_labels: int
    counted_labels: int
    labelled: pl.DataFrame


@dataclass(frozen=True)
class BuiltTrainingSet:
    """A training set that was written.

    Attributes:
        commit: of the table of training sets.
        uri: its address.
        first_day: first event day that it has rows of.
        last_day: last event day that it has rows of.
        days_without_rows: event days between the first and the last that were read and have none.
        refused_labels: labels whose event was refused.
        labels: what the labels are like, as its kind of task describes them.
        versions: Delta version of each table that was read, by path below the lake's root.
        completeness: the stored rows against the labels that count.
    """

    commit: Commit
    uri: str
    first_day: date
    last_day: date
    days_without_rows: Sequence[date]
    refused_labels: int
    labels: Mapping[str, Any]
    versions: Mapping[str, int | None]
    completeness: Completeness


def build_training_set(catalog: Catalog, as_of: date, known_at: datetime | None = None) -> BuiltTrainingSet:
    """Build and write the training set as of a day.

    Args:
        catalog: the tables.
        as_of: the day.
        known_at: the training set as it could have been made at that moment; None for what is known now.

    Raises:
        DaysMissing: days of the labels or of a feature table were never written.
        LakeTableMissing: a table was never written.
        LakeVersionMissing: a table was made after `known_at`, or its version of then was removed.
    """
    use_case = catalog.use_case
    versions = current_versions(catalog) if known_at is None else versions_known_at(catalog, known_at)
    require_training_days(catalog, as_of, versions)
    rows = training_rows(catalog, as_of, versions)
    table = catalog.training_sets
    commit = table.write_partitions(rows.frame, as_of, as_of, metadata={DATA_VERSIONS: json.dumps(versions)})
    days = rows.frame[EVENT_DAY].unique().sort().to_list()
    return BuiltTrainingSet(
        commit=commit,
        uri=table.uri,
        first_day=days[0],
        last_day=days[-1],
        days_without_rows=[day for day in DayRange(*training_days(use_case, as_of)).days if day not in set(days)],
        refused_labels=rows.delivered_labels - rows.counted_labels,
        labels=task_of(use_case).label_statistics(rows.frame[use_case.label.column], use_case.classes),
        versions=versions,
        completeness=training_set_completeness(table, as_of, rows.labelled, use_case.event_source.primary_key),
    )


def require_training_days(catalog: Catalog, as_of: date, versions: Mapping[str, int | None]) -> None:
    """Refuse a training set whose days were not all published and computed.

    Raises:
        DaysMissing: days lack in the labels or in a feature table.
    """
    use_case = catalog.use_case
    first, last = training_days(use_case, as_of)
    what = f"training set {use_case.name}/training/{TRAINING_SET} as of {as_of}"
    labels = versions.get(catalog.path(catalog.labels))
    newest = last
    if starts_from_events(use_case):
        newest = as_of - timedelta(days=use_case.label_arrival_days)
        events = versions.get(catalog.path(catalog.events))
        require_source_days(catalog, use_case.event_source, first, last, what, version=events)
    require_source_days(catalog, use_case.label_source, first, newest, what, version=labels)
    for view in use_case.features:
        table = catalog.features(view)
        require_days(catalog, table, first, last, what, version=versions.get(catalog.path(table)))


def training_days(use_case: UseCase, as_of: date) -> tuple[date, date]:
    """First and last event day that a training set as of a day reads."""
    offsets = training_offsets(use_case)
    return as_of + timedelta(days=offsets.first), as_of + timedelta(days=offsets.last)


def current_versions(catalog: Catalog) -> dict[str, int | None]:
    """Delta versions of the tables that a training set reads now, by path below the lake's root."""
    return {catalog.path(table): table.version() for table in _tables(catalog)}


def versions_known_at(catalog: Catalog, moment: datetime) -> dict[str, int | None]:
    """Versions that the tables of a training set had at a moment, by path below the lake's root.

    A training set from these versions is the one that could have been made then: rows that arrived later, labels that were
    corrected later and feature days that were computed again since are not part of it, whenever it is made.

    Raises:
        LakeTableMissing: a table does not exist.
        LakeVersionMissing: a table was made later, or its versions of then were removed.
    """
    return {catalog.path(table): table.version_at(moment) for table in _tables(catalog)}


def training_rows(catalog: Catalog, as_of: date, versions: Mapping[str, int | None]) -> TrainingRows:
    """The training set as of a day from these versions of its tables, so that what is recorded is what was read.

    Args:
        catalog: the tables.
        as_of: the day.
        versions: as `current_versions` gives them, or as an earlier training set recorded them.

    Raises:
        LakeVersionMissing: a version was removed.
    """
    use_case = catalog.use_case
    first, last = training_days(use_case, as_of)
    tables = {view.name: catalog.features(view) for view in use_case.features}
    views = {name: table.read(first, last, version=versions.get(catalog.path(table))) for name, table in tables.items()}
    version = versions.get(catalog.path(catalog.labels))
    if starts_from_events(use_case):
        events = catalog.events.read(
            first, last, _event_columns(use_case), version=versions.get(catalog.path(catalog.events))
        )
        raw = versions.get(catalog.path(_raw_labels(catalog))) if has_versions(use_case) else None
        delivered, loaded = label_rows(catalog, first, as_of, version, raw), loaded_label_days(catalog)
        frame = training_set_of_events(events, delivered, views, use_case, as_of, first, last, loaded)
        keys = list(use_case.event_source.primary_key)
        of_events = delivered.join(events.select(keys), on=keys, how="semi").height
        return TrainingRows(frame, delivered.height, of_events, frame.select(*keys, EVENT_DAY))
    delivered = catalog.labels.read(first, last, version=version)
    labels = labels_of_events(delivered, views, use_case)
    rows = training_set(labels, views, use_case, as_of, first, last)
    counted = labels.filter(pl.col(use_case.label.column).is_not_null())
    labelled = counted.select(*use_case.event_source.primary_key, EVENT_DAY)
    return TrainingRows(rows, delivered.height, labels.height, labelled)


def starts_from_events(use_case: UseCase) -> bool:
    """Whether the rows of the label's source do not tell which events have a label: its rows lie on other days, or are absent."""
    return use_case.label.decided_at is not None or use_case.label.absent is not None


def _event_columns(use_case: UseCase) -> list[str]:
    """Columns of the events that a training set is started from; a label that is one of them with the time of its decision."""
    own = [use_case.label.column, use_case.label.decided_at] if use_case.label.source == use_case.events else []
    return list(dict.fromkeys([*use_case.event_source.primary_key, *(name for name in own if name), EVENT_DAY]))


def labels_of_events(labels: pl.DataFrame, views: Mapping[str, pl.DataFrame], use_case: UseCase) -> pl.DataFrame:
    """Labels without those of events that were refused: such an event is in quarantine, so that no feature table has it.

    An event that some feature table has, and the events of a day that no feature table has, keep their labels: there a
    feature table is incomplete, which the join reports.
    """
    keys = list(use_case.event_source.primary_key)
    known = pl.concat([view.select(keys) for view in views.values()]).unique()
    days = pl.concat([view[EVENT_DAY] for view in views.values()]).unique()
    refused = labels.filter(pl.col(EVENT_DAY).is_in(days.implode())).join(known, on=keys, how="anti")
    return labels.join(refused.select(keys), on=keys, how="anti", maintain_order="left")


def _raw_labels(catalog: Catalog) -> LakeTable:
    """The changes of the label's source, where its rows change in place."""
    return catalog.raw(catalog.use_case.label.source).stored


def _tables(catalog: Catalog) -> list[CleanTable | LakeTable]:
    """The tables that a training set reads."""
    events: list[CleanTable | LakeTable] = [catalog.events] if starts_from_events(catalog.use_case) else []
    if has_versions(catalog.use_case):
        events.append(_raw_labels(catalog))
    return [catalog.labels, *events, *(catalog.features(view) for view in catalog.use_case.features)]
