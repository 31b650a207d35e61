"""Labels as they were known: which value an event's label had at a midnight.

Belongs here: from rows of the label's source to one value for each event, as of a day. Does not belong here: reading the rows
(`pipelines/labelled_events.py`), windows over labels (`offline/feature_table.py`), folds (`training/`).

Without `decided_at` each row is dated by its event and there is one for each: it is known `arrival_delay_days` after the event's day, and
rows that lie on another day than their event are refused, because nobody can tell what was known when. With `decided_at` a row is known
from the midnight after its decision, once it has arrived; of the rows of an event that are known, the one decided last counts.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import numpy as np
import polars as pl

from platform_assets.declaration.sections.changes import CHANGE_SEQUENCE, VERSION_SINCE, VERSION_UNTIL
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import days_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import PointInTimeError
from platform_assets.features.event_frames import example_keys, require_columns

LABEL_KNOWN_DAY = "label_known_day"
"""Day at whose midnight a row of the label's source became known."""
LABEL_RANK = "label_rank"
"""Order of the rows of one event: the larger was decided later."""
_DELIVERED = "__label_delivered"


def is_dated_by_decision(use_case: UseCase) -> bool:
    """Whether a label's own rows say when it was known, so that it may differ from day to day."""
    return use_case.label.decided_at is not None


def join_labels(
    events: pl.DataFrame,
    labels: pl.DataFrame,
    use_case: UseCase,
    as_of: date | None = None,
    loaded: Collection[date] | None = None,
) -> pl.DataFrame:
    """Events with the label as one more column; null where there is no label (yet).

    Args:
        events: clean rows of the event source.
        labels: rows of the label source that have arrived; ignored when the events carry the label themselves and it is not dated.
        use_case: the declaration.
        as_of: only labels known at 00:00 UTC of this day; None for all of `labels`.
        loaded: days of the label's source that were loaded: where an absent label means something, it does so only on these. None for
            all.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: an event has more than one label, or labels without `decided_at` lie on other days than their events.
    """
    label, keys = use_case.label.column, list(use_case.event_source.primary_key)
    require_columns(events.columns, keys, f"events of {use_case.events!r}")
    in_events = use_case.label.source == use_case.events
    if in_events:
        require_columns(events.columns, [label], f"events of {use_case.events!r}")
        if not is_dated_by_decision(use_case):
            return events if as_of is None else _event_dated(events, use_case, as_of)
        labels = labels if LABEL_RANK in labels.columns else events
    if not (in_events or is_dated_by_decision(use_case)):
        refuse_later_days(events, labels, use_case)
    return labels_of_rows(events, labels, use_case, as_of, loaded)


def labels_of_rows(
    events: pl.DataFrame,
    labels: pl.DataFrame,
    use_case: UseCase,
    as_of: date | None = None,
    loaded: Collection[date] | None = None,
) -> pl.DataFrame:
    """The same for any rows with the event's key, such as logged predictions, from rows that carry the label.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: as `join_labels`.
    """
    label, keys = use_case.label.column, list(use_case.event_source.primary_key)
    known = known_at(label_versions(labels, use_case), use_case, as_of)
    joined = events.drop(label, strict=False).join(
        known.with_columns(pl.lit(True).alias(_DELIVERED)), on=keys, how="left", maintain_order="left"
    )
    if as_of is not None and not is_dated_by_decision(use_case):
        joined = _event_dated(joined, use_case, as_of)
    joined = joined if use_case.label.absent is None else _with_absent(joined, use_case, as_of, loaded)
    return joined.drop(_DELIVERED, LABEL_KNOWN_DAY, strict=False)


def label_versions(labels: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Every row of the label's source with the day from which it counts and its place among those of its event.

    Returns:
        The event's key, the label, `label_known_day` and `label_rank`; a withdrawn row has no label. Of labels that are dated by their
        event, the day is that of the row itself.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: labels without `decided_at` have two rows for an event.
    """
    keys, label = list(use_case.event_source.primary_key), use_case.label
    what = f"labels of {label.source!r}"
    require_columns(labels.columns, [*keys, label.column], what)
    if label.decided_at is None:
        known = labels.select(
            *keys,
            label.column,
            (pl.col(EVENT_DAY) if EVENT_DAY in labels.columns else pl.lit(None, pl.Date)).alias(LABEL_KNOWN_DAY),
            pl.lit(0, pl.UInt32).alias(LABEL_RANK),
        )
        doubled = known.filter(pl.struct(keys).is_duplicated())
        if not doubled.is_empty():
            raise PointInTimeError(
                f"{what}: {len(doubled)} of {len(known)} rows repeat a key, for example {example_keys(doubled, keys)}; keep one label "
                "for each event, or declare `label.decided_at`, the column with the time of each decision: then the latest one counts"
            )
        return known
    require_columns(labels.columns, [EVENT_DAY, label.decided_at], what)
    if LABEL_RANK not in labels.columns:
        order = list(dict.fromkeys([label.decided_at, EVENT_DAY, *use_case.label_source.primary_key]))
        labels = labels.sort(order, nulls_last=False).with_row_index(LABEL_RANK)
    arrived = pl.col(EVENT_DAY) + pl.duration(days=use_case.label_arrival_days)
    decided = days_of(pl.col(label.decided_at), use_case.time_zone) + pl.duration(days=1)
    days = [arrived, decided, *([pl.col(LABEL_KNOWN_DAY)] if LABEL_KNOWN_DAY in labels.columns else [])]
    return labels.select(*keys, label.column, pl.max_horizontal(days).alias(LABEL_KNOWN_DAY), LABEL_RANK)


def labels_of_versions(versions: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Versions of rows of a source of changes as rows of labels: each from its own time on; from a delete on the label is absent.

    Args:
        versions: with `change_sequence`, `version_since` and `version_until`.
        use_case: the declaration; its labels are dated by their decision.
    """
    label, keys = use_case.label, list(use_case.event_source.primary_key)
    arrives = pl.duration(days=use_case.label_arrival_days)
    rows = versions.sort(CHANGE_SEQUENCE).with_row_index(LABEL_RANK)
    known = (pl.col(VERSION_SINCE).dt.date() + arrives).alias(LABEL_KNOWN_DAY)
    own = list(use_case.label_source.primary_key)
    followed = rows.select(*own, pl.col(VERSION_SINCE).alias(VERSION_UNTIL))
    ended = rows.filter(pl.col(VERSION_UNTIL).is_not_null()).join(followed, on=[*own, VERSION_UNTIL], how="anti")
    withdrawn = ended.select(
        *keys,
        pl.lit(label.absent).cast(versions.schema[label.column]).alias(label.column),
        EVENT_DAY,
        (pl.col(VERSION_UNTIL).dt.date() + arrives).alias(LABEL_KNOWN_DAY),
        LABEL_RANK,
    )
    return pl.concat([rows.with_columns(known), withdrawn], how="diagonal")


def known_at(versions: pl.DataFrame, use_case: UseCase, as_of: date | None) -> pl.DataFrame:
    """The row of each event that counts at 00:00 UTC of a day, or of all: key, label, `label_known_day`."""
    keys = list(use_case.event_source.primary_key)
    if is_dated_by_decision(use_case):
        if as_of is not None:
            versions = versions.filter(pl.col(LABEL_KNOWN_DAY) <= as_of)
        versions = versions.sort(LABEL_RANK).unique(keys, keep="last", maintain_order=True)
    return versions.drop(LABEL_RANK)


def label_history(versions: pl.DataFrame, use_case: UseCase, as_of: date) -> pl.DataFrame:
    """How the label of each event was known up to a day: key, and two lists, days in order and the label from each of them on."""
    keys, label = list(use_case.event_source.primary_key), use_case.label.column
    known = versions.filter(pl.col(LABEL_KNOWN_DAY) <= as_of).sort(*keys, LABEL_KNOWN_DAY, LABEL_RANK)
    newest = pl.col(LABEL_RANK) == pl.col(LABEL_RANK).cum_max().over(keys)
    known = known.filter(newest).unique([*keys, LABEL_KNOWN_DAY], keep="last", maintain_order=True)
    return known.group_by(keys, maintain_order=True).agg(LABEL_KNOWN_DAY, label)


def _event_dated(events: pl.DataFrame, use_case: UseCase, as_of: date) -> pl.DataFrame:
    """Without the labels whose event's day is not labelled yet."""
    known = pl.col(EVENT_DAY) + pl.duration(days=use_case.label_delay_days) <= as_of
    label = use_case.label.column
    return events.with_columns(pl.when(known).then(pl.col(label)).alias(label))


def refuse_later_days(events: pl.DataFrame, labels: pl.DataFrame, use_case: UseCase) -> None:
    """Refuse labels that lie on a later day than their event: that day is the decision's, and the delay does not reach to it.

    Raises:
        PointInTimeError: naming how many, and what to declare.
    """
    if EVENT_DAY not in events.columns or EVENT_DAY not in labels.columns:
        return
    keys, source = list(use_case.event_source.primary_key), use_case.label_source
    own = events.lazy().select(*keys, pl.col(EVENT_DAY).alias("__event_day"))
    later = labels.lazy().select(*keys, EVENT_DAY).join(own, on=keys, how="inner")
    later_rows = later.filter(pl.col(EVENT_DAY) > pl.col("__event_day")).collect()
    if later_rows.is_empty():
        return
    raise PointInTimeError(
        f"labels of {source.name!r}: {len(later_rows)} of {len(labels)} rows lie on a later day than their event, for example "
        f"{example_keys(later_rows, keys)}: they are dated by their decision, and arrival_delay_days cannot tell when each was known. "
        f"Declare `label.decided_at: {source.event_time}` (and `complete_after_days`)"
    )


def _with_absent(
    joined: pl.DataFrame, use_case: UseCase, as_of: date | None, loaded: Collection[date] | None
) -> pl.DataFrame:
    """With the declared value where an event that is complete has no row, and all days on which it could lie were loaded."""
    label = use_case.label
    absent = pl.col(_DELIVERED).is_null() & pl.Series(is_complete(joined[EVENT_DAY], use_case, loaded))
    if as_of is not None:
        absent &= pl.col(EVENT_DAY) + pl.duration(days=use_case.label_delay_days) <= as_of
    dtype = joined.schema[label.column]
    value = pl.lit(label.absent).cast(dtype)
    return joined.with_columns(pl.when(absent).then(value).otherwise(pl.col(label.column)).alias(label.column))


def is_complete(days: pl.Series, use_case: UseCase, loaded: Collection[date] | None) -> pl.Series:
    """Whether all days of the label's source that may tell of events of these days were loaded."""
    if loaded is None or days.is_empty():
        return pl.Series([True]).new_from_index(0, len(days))
    first, last = days.min(), days.max()
    assert isinstance(first, date), "event days are there"
    assert isinstance(last, date), "event days are there"
    reach = use_case.label_delay_days - use_case.label_arrival_days if is_dated_by_decision(use_case) else 0
    span = [first + timedelta(days=n) for n in range((last - first).days + reach + 1)]
    gaps = np.array(sorted(set(span) - set(loaded)), dtype="datetime64[D]")
    own = days.to_numpy().astype("datetime64[D]")
    return pl.Series(
        np.searchsorted(gaps, own, side="left") == np.searchsorted(gaps, own + np.timedelta64(reach, "D"), side="right")
    )
