"""Training sets: each labelled event with its features, as they were at the event.

Belongs here: joining labels to feature tables, with proof that no row was lost or doubled. Does not belong here:
computing features (`offline/feature_table.py`), splitting into folds or filling missing values (`training/`).

Feature tables hold one row for each event, computed at that event's own time, so the join is by the event's key: there
is no nearest-earlier row to search for, and none to get wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.event_frames import example_keys, require_columns
from platform_assets.features.infinite import refuse_infinite
from platform_assets.features.offline.known_labels import (
    LABEL_KNOWN_DAY,
    LABEL_RANK,
    is_complete,
    is_dated_by_decision,
    join_labels,
    label_history,
    label_versions,
    refuse_later_days,
)
from platform_assets.lake.schemas import AS_OF as AS_OF
from platform_assets.lake.schemas import LABEL_DAYS, LABEL_VALUES
from platform_assets.lake.schemas import training_set_schema as training_set_schema

"""Column with the day as of which the training set was made."""

Frame = pl.DataFrame | pl.LazyFrame


def last_labelled_day(use_case: UseCase, as_of: date) -> date:
    """The last event day whose labels are known at 00:00 UTC of `as_of`."""
    return as_of - timedelta(days=use_case.label_delay_days)


def training_set(
    labels: Frame, views: Mapping[str, Frame], use_case: UseCase, as_of: date, first_day: date, last_day: date
) -> pl.DataFrame:
    """One row for each event of `first_day` to `last_day` whose label is known at `as_of`, with all features.

    Args:
        labels: rows of the label source. Rows without a label, or whose event day's labels are not known at `as_of`,
            are left out.
        views: the feature tables by view name, all views of the use case.
        use_case: the declaration.
        as_of: what is known at 00:00 UTC of this day counts.
        first_day: first event day, inclusive.
        last_day: last event day, inclusive.

    Returns:
        Exactly `training_set_schema(use_case)`, ordered by event day, event time and key. Missing values are null.

    Raises:
        FeatureError: a view or a column is missing, or a feature is infinite.
        PointInTimeError: a labelled event has no feature row or more than one, or two labels.
    """
    keys = list(use_case.event_source.primary_key)
    label = use_case.label.column
    last_day = min(last_day, last_labelled_day(use_case, as_of))
    rows = _days(labels, first_day, last_day, [*keys, label, EVENT_DAY], f"labels of {use_case.label.source!r}")
    rows = rows.filter(pl.col(label).is_not_null())
    _refuse_doubled(rows, keys, f"labels of {use_case.label.source!r}")
    if use_case.label.source != use_case.events and views:
        events = next(iter(views.values())).lazy().select(*keys, EVENT_DAY)
        refuse_later_days(events.collect(), rows, use_case)
    return _with_features(rows, views, use_case, as_of, first_day, last_day)


def training_set_of_events(
    events: pl.DataFrame,
    labels: pl.DataFrame,
    views: Mapping[str, Frame],
    use_case: UseCase,
    as_of: date,
    first_day: date,
    last_day: date,
    loaded: Collection[date] | None = None,
) -> pl.DataFrame:
    """The same for labels that are dated by their decision, or whose absence means something: from the events, not from the labels.

    Args:
        events: clean rows of the event source: key and event day at least.
        labels: rows of the label's source, of any day; those that were not known at `as_of` change nothing.
        views: the feature tables by view name, all views of the use case.
        use_case: the declaration.
        as_of: what is known at 00:00 UTC of this day counts.
        first_day: first event day, inclusive.
        last_day: last event day, inclusive.
        loaded: days of the label's source that were loaded, for labels whose absence means something; None for all.

    Returns:
        As `training_set`; of labels that are dated by their decision also how each was known before, `label_days` and `label_values`.

    Raises:
        FeatureError: a view or a column is missing.
        PointInTimeError: as `training_set`; or days of the label's source were not loaded, so that nobody knows which labels are absent.
    """
    keys, label = list(use_case.event_source.primary_key), use_case.label
    last_day = min(last_day, last_labelled_day(use_case, as_of))
    in_range = events.filter(pl.col(EVENT_DAY).is_between(first_day, last_day))
    if label.absent is not None:
        _refuse_missing_days(in_range, use_case, loaded)
    if label.source == use_case.events and LABEL_RANK not in labels.columns:
        labels = in_range
    labelled = join_labels(in_range, labels, use_case, as_of, loaded).filter(pl.col(label.column).is_not_null())
    rows = labelled.select(*keys, label.column, EVENT_DAY)
    if is_dated_by_decision(use_case):
        rows = _with_history(rows, labels, use_case, as_of)
    return _with_features(rows, views, use_case, as_of, first_day, last_day)


def _with_history(rows: pl.DataFrame, labels: pl.DataFrame, use_case: UseCase, as_of: date) -> pl.DataFrame:
    """Rows with the days from which their label had each of its values; an absent one counts from the day on which it is complete."""
    keys, label = list(use_case.event_source.primary_key), use_case.label
    history = label_history(label_versions(labels, use_case), use_case, as_of)
    names = {LABEL_KNOWN_DAY: LABEL_DAYS, label.column: LABEL_VALUES}
    rows = rows.join(history.rename(names), on=keys, how="left", maintain_order="left")
    if label.absent is None:
        return rows
    complete = pl.col(EVENT_DAY) + pl.duration(days=use_case.label_delay_days)
    value = pl.lit(label.absent).cast(rows.schema[label.column])
    before = pl.col(LABEL_DAYS).list.first().is_null() | (pl.col(LABEL_DAYS).list.first() > complete)
    days = pl.concat_list(complete, pl.col(LABEL_DAYS).fill_null([]))
    values = pl.concat_list(value, pl.col(LABEL_VALUES).fill_null([]))
    return rows.with_columns(
        pl.when(before).then(days).otherwise(LABEL_DAYS).alias(LABEL_DAYS),
        pl.when(before).then(values).otherwise(LABEL_VALUES).alias(LABEL_VALUES),
    )


def _refuse_missing_days(events: pl.DataFrame, use_case: UseCase, loaded: Collection[date] | None) -> None:
    days = events[EVENT_DAY].unique().sort()
    missing = days.filter(~is_complete(days, use_case, loaded))
    if missing.len():
        raise PointInTimeError(
            f"labels of {use_case.label.source!r}: no row means {use_case.label.absent!r} only where its days were loaded, and those that "
            f"tell of {missing.len()} of {days.len()} event days, {missing[0]} .. {missing[-1]}, were not all published: load them first"
        )


def _with_features(
    rows: pl.DataFrame, views: Mapping[str, Frame], use_case: UseCase, as_of: date, first_day: date, last_day: date
) -> pl.DataFrame:
    """Labelled events with all features, in the columns and the order of a training set."""
    keys = list(use_case.event_source.primary_key)
    joined = join_views(rows, views, use_case, first_day, last_day)
    refuse_infinite(joined, use_case, f"training set of {use_case.name!r} as of {as_of}")
    schema = training_set_schema(use_case)
    lacking = [name for name in schema if name not in joined.columns and name != AS_OF]
    if lacking:
        raise FeatureError(
            f"training set of {use_case.name!r}: no feature table carries {lacking}; "
            "training.group must be the key of an entity that has a feature view"
        )
    return (
        joined.with_columns(pl.lit(as_of).alias(AS_OF))
        .select(pl.col(name).cast(dtype) for name, dtype in schema.items())
        .sort(list(dict.fromkeys([EVENT_DAY, use_case.event_time, *keys])))
    )


def join_views(
    rows: pl.DataFrame, views: Mapping[str, Frame], use_case: UseCase, first_day: date, last_day: date
) -> pl.DataFrame:
    """`rows` with event time, entity keys and the features of all views, joined by event key.

    Args:
        rows: one row for each event, with the event's primary key.
        views: the feature tables by view name.
        use_case: the declaration.
        first_day: first event day to look at in the feature tables.
        last_day: last event day to look at.

    Raises:
        FeatureError: a view or a column is missing.
        PointInTimeError: an event has no row in a feature table, or more than one.
    """
    keys = list(use_case.event_source.primary_key)
    absent = [view.name for view in use_case.features if view.name not in views]
    if absent:
        raise FeatureError(f"feature tables {absent} of {use_case.name!r} were not given; given: {sorted(views)}")
    for view in use_case.features:
        what = f"rows of feature table {view.name!r}"
        schema = use_case.feature_schema(view)
        wanted = [n for n in schema if n in view.feature_names or n not in rows.columns or n in keys]
        features = _days(views[view.name], first_day, last_day, [*wanted, EVENT_DAY], what)
        if EVENT_DAY not in wanted:
            features = features.drop(EVENT_DAY)
        features = features.join(rows.select(keys), on=keys, how="semi")
        _refuse_doubled(features, keys, what)
        if len(features) != len(rows):
            lost = rows.join(features, on=keys, how="anti")
            raise PointInTimeError(
                f"{len(lost)} of {len(rows)} events between {first_day} and {last_day} have no row in feature table "
                f"{view.name!r}, for example {example_keys(lost, keys)}; materialize the table for these days again"
            )
        rows = rows.join(features, on=keys, how="left", maintain_order="left")
    return rows


def _days(frame: Frame, first_day: date, last_day: date, columns: Sequence[str], what: str) -> pl.DataFrame:
    """The columns of the rows of a range of event days; a lazy scan reads only their partitions."""
    require_columns(frame.lazy().collect_schema().names(), columns, what)
    in_range = pl.col(EVENT_DAY).is_between(first_day, last_day)
    return frame.lazy().filter(in_range).select(list(dict.fromkeys(columns))).collect()


def _refuse_doubled(rows: pl.DataFrame, keys: Sequence[str], what: str) -> None:
    """Refuse rows that share a key."""
    distinct = rows.select(pl.struct(keys).n_unique() if len(keys) > 1 else pl.col(keys[0]).n_unique()).item()
    if distinct != len(rows):
        doubled = rows.filter(pl.struct(keys).is_duplicated())
        raise PointInTimeError(
            f"{what}: {len(doubled)} of {len(rows)} rows repeat a key, for example {example_keys(doubled, keys)}; "
            "each event must appear once"
        )
