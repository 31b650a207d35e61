"""Which rows of stored feature days and training sets a file touched, by the versions that these recorded.

Belongs here: from a version of a feature table or a training set to the rows that were made from the file. Does not belong here: what a
service computed for a request (`predictions.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.offline.feature_table import compute_view, history_needed, join_labels, uses_label
from platform_assets.features.offline.known_labels import is_dated_by_decision
from platform_assets.features.offline.lookups import days_to_read, join_lookups
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.known_then import reach_days
from platform_assets.pipelines.row_versions import known_rows
from platform_assets.pipelines.touched_by.file_rows import DeliveredFileRows, NotTraced, writer
from platform_assets.pipelines.touched_by.marked import (
    LABEL_MARK,
    ROW_MARK,
    counting_case,
    label_marks,
    mark_events,
    with_mark,
)
from platform_assets.registry.pins import DATA_VERSIONS


@dataclass(frozen=True)
class TouchedTrainingSet:
    """A training set, and what a file brought into it.

    Attributes:
        as_of: its day.
        version: of the table of training sets.
        rows: that it has.
        touched: of them those whose event, label or features come from the file.
    """

    as_of: date
    version: int
    rows: int
    touched: int


def event_days_reached(file: DeliveredFileRows) -> DayRange | None:
    """Event days whose features can hold a row of the file; None for a table without days, which any can."""
    days = [day for day in file.days if day is not None]
    if not days:
        return None
    return DayRange(min(days), max(days) + timedelta(days=reach_days(file.catalog.use_case)))


def touched_training_set(file: DeliveredFileRows, version: int, as_of: date) -> TouchedTrainingSet:
    """What a file brought into a training set.

    Args:
        file: its rows.
        version: of the table of training sets.
        as_of: the partition.

    Raises:
        NotTraced: the training set did not record what it was made from.
        LakeVersionMissing: a version was removed.
    """
    catalog, table = file.catalog, file.catalog.training_sets
    keys = list(catalog.use_case.event_source.primary_key)
    entry = writer(table.history(None), version, as_of)
    if entry is None or DATA_VERSIONS not in entry.metadata:
        raise NotTraced(
            f"{catalog.path(table)} version {version} does not say what the training set as of {as_of} was made from"
        )
    versions: Mapping[str, int | None] = json.loads(entry.metadata[DATA_VERSIONS])
    rows = table.read(as_of, as_of, version=version, columns=[*keys, EVENT_DAY])
    touched = [_own_rows(file, rows, versions)]
    days = event_days_reached(file)
    near = rows if days is None else rows.filter(pl.col(EVENT_DAY).is_between(days.first, days.last))
    if near.height:
        span = DayRange(near[EVENT_DAY].min(), near[EVENT_DAY].max())  # type: ignore[arg-type]
        for view in catalog.use_case.features:
            made = versions.get(catalog.path(catalog.features(view)))
            if made is not None:
                counts = counted_days(file, view, dict.fromkeys(span.days, made))
                touched.append(counts.filter(pl.any_horizontal(pl.exclude(*keys, EVENT_DAY) > 0)).select(keys))
    found = rows.join(pl.concat(touched).unique(), on=keys, how="semi")
    return TouchedTrainingSet(as_of, version, rows.height, found.height)


def _own_rows(file: DeliveredFileRows, rows: pl.DataFrame, versions: Mapping[str, int | None]) -> pl.DataFrame:
    """Keys of rows whose label, or whose event, is a row of the file."""
    catalog, source = file.catalog, file.source
    keys = list(catalog.use_case.event_source.primary_key)
    if source.name not in (catalog.use_case.events, catalog.use_case.label.source):
        return rows.select(keys).clear()
    version = versions.get(catalog.path(catalog.clean(source.name)))
    if version is not None:
        return file.published(version).select(keys)
    # The events are not read for a training set that starts from labels: its features were computed from them.
    return rows.select(keys).clear()


def counted_days(file: DeliveredFileRows, view: FeatureView, versions: Mapping[date, int]) -> pl.DataFrame:
    """How many rows of the file stand behind each feature of stored days.

    Args:
        file: its rows.
        view: whose table is meant.
        versions: of the feature table, by event day.

    Returns:
        The event's key and day, `own` (1 where the event is a row of the file), and a count for each window and look-up that can hold one;
        events that share nothing with the file may be left out.
    """
    catalog = file.catalog
    keys = [*catalog.use_case.event_source.primary_key, EVENT_DAY]
    parts = [_counted(file, view, days, made) for days, made in _made_from(catalog, view, versions)]
    empty = pl.DataFrame(schema={name: catalog.use_case.feature_schema(view)[name] for name in keys})
    return pl.concat([empty.with_columns(pl.lit(None, pl.Float64).alias("own")), *parts], how="diagonal")


def _made_from(
    catalog: Catalog, view: FeatureView, versions: Mapping[date, int]
) -> Iterator[tuple[DayRange, Mapping[str, int]]]:
    """Days that lie together and were computed from the same versions, with these, by source."""
    history = catalog.features(view).history(None)
    days: list[tuple[date, str]] = []
    for day, version in sorted(versions.items()):
        entry = writer(history, version, day)
        if entry is not None and DATA_VERSIONS in entry.metadata:
            days.append((day, entry.metadata[DATA_VERSIONS]))
        elif entry is not None and entry.rows:
            raise NotTraced(f"{catalog.path(catalog.features(view))} does not say what {day} was computed from")
    begin = 0
    for place in range(1, len(days) + 1):
        ends = (
            place == len(days) or days[place][1] != days[begin][1] or days[place][0] - days[place - 1][0] > timedelta(1)
        )
        if ends:
            yield DayRange(days[begin][0], days[place - 1][0]), json.loads(days[begin][1])
            begin = place


def _counted(file: DeliveredFileRows, view: FeatureView, days: DayRange, versions: Mapping[str, int]) -> pl.DataFrame:
    use_case = file.catalog.use_case
    keys = [*use_case.event_source.primary_key, EVENT_DAY]
    counting = counting_case(use_case, file.source.name)
    views = {} if counting is None else {one.name: one for one in counting.features}
    events = _events(file, view, days, versions)
    of_days = events.filter(pl.col(EVENT_DAY).is_between(days.first, days.last))
    own = of_days.select(*keys, pl.col(ROW_MARK).cast(pl.Float64).alias("own"))
    if counting is None or view.name not in views:
        return own
    counted_view = views[view.name]
    parts = []
    for span in _spans(use_case, days):
        seen = _labelled(file, view, events, span, versions) if uses_label(view, use_case) else events
        needed = seen.filter(
            pl.col(EVENT_DAY).is_between(history_needed(view, span.first, use_case.time_zone), span.last)
        )
        if counted_view.lookups:
            needed = join_lookups(needed, _lookup_tables(file, counted_view, span, versions), counted_view, counting)
        parts.append(compute_view(counted_view, counting, needed, span.first, span.last))
    counted = pl.concat(parts).select(*keys, *counted_view.feature_names)
    return own.join(counted, on=keys, how="left")


def _spans(use_case: UseCase, days: DayRange) -> Sequence[DayRange]:
    """Days that see the same labels: all of them, or each by itself where labels are dated by their decision."""
    return [DayRange(day, day) for day in days.days] if is_dated_by_decision(use_case) else [days]


def _events(file: DeliveredFileRows, view: FeatureView, days: DayRange, versions: Mapping[str, int]) -> pl.DataFrame:
    """Events of the days and of those before that windows reach, with `ROW_MARK`; only entities of the file where that is enough."""
    catalog, use_case = file.catalog, file.catalog.use_case
    first = max(use_case.history.first_day, history_needed(view, days.first, use_case.time_zone))
    version = versions[use_case.events]
    events = catalog.events.read(min(first, days.first), days.last, version=version)
    if file.source.name == use_case.events:
        rows = file.published(version)
        if view.entity is not None and not view.lookups:
            entity = use_case.entity(view.entity).key
            events, wide = (with_entity_columns(frame, use_case, [view]) for frame in (events, rows))
            events = events.join(
                wide.select(pl.col(entity).drop_nulls().unique()), on=entity, how="semi", maintain_order="left"
            )
        return mark_events(events, rows, file)
    return mark_events(events, events.clear(), file)


def _labelled(
    file: DeliveredFileRows, view: FeatureView, events: pl.DataFrame, span: DayRange, versions: Mapping[str, int]
) -> pl.DataFrame:
    """Events with their labels as the days saw them, and `LABEL_MARK` where the file is of labels."""
    use_case = file.catalog.use_case
    source = use_case.label_source
    if source.name == use_case.events or source.is_incremental:
        return (
            events
            if use_case.label.column in events.columns
            else events.with_columns(
                pl.lit(None, source.column(use_case.label.column).polars_type).alias(use_case.label.column)
            )
        )
    as_of = span.first if is_dated_by_decision(use_case) or use_case.label.absent is not None else None
    first: date = events.select(pl.col(EVENT_DAY).min()).item() or span.first
    labels = file.catalog.labels.read(min(first, span.first), span.last, version=versions[source.name])
    joined = join_labels(events, labels, use_case, as_of)
    if file.source.name != source.name:
        return joined
    on = [*source.primary_key, EVENT_DAY]
    marked = with_mark(labels, file.published(versions[source.name]), on)
    return label_marks(joined.drop(LABEL_MARK), marked, use_case, as_of)


def _lookup_tables(
    file: DeliveredFileRows, view: FeatureView, days: DayRange, versions: Mapping[str, int]
) -> dict[str, pl.DataFrame]:
    """Rows of the file's table that the view looks into, with `ROW_MARK`."""
    catalog, source = file.catalog, file.source
    reached = [days_to_read(catalog.use_case, lookup, days.first, days.last) for lookup in view.lookups]
    known = [span for span in reached if span is not None]
    span = (min(one[0] for one in known), max(one[1] for one in known)) if known else None
    rows = known_rows(catalog, source, span, versions[source.name])
    return {source.name: with_mark(rows, file.published(versions[source.name]), file.place)}
