"""Versions of the rows of a source of changes: what each row was, from when on, and until when.

Belongs here: a pure function from rows of the raw table to versions with their times. Does not belong here: the state that changes make
(`changes.py`), which versions passed the audit (`pipelines/row_versions.py`), what is looked up (`features/offline/lookups.py`).

A version counts from its row's own event time on, but not before the change was made in its source, where the source says when that was:
a row that is updated in place keeps an old time of its own. The first version of a row that came with a snapshot has its own time alone:
nobody knows when it was written. A later change of a row takes the place of an earlier one even where its own time is older.
"""

from collections.abc import Sequence

import polars as pl

from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    DELETE,
    ROW_DAY,
    UPSERT,
    VERSION_SINCE,
    VERSION_UNTIL,
)
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.lake.changes import is_loose

_TIME = pl.Datetime("us", "UTC")


def row_versions(partitions: pl.DataFrame, keys: Sequence[str], event_time: str) -> pl.DataFrame:
    """Every version of every row that ever counted.

    Args:
        partitions: all rows of the raw table.
        keys: the primary key.
        event_time: the column with the row's own time.

    Returns:
        The columns that came in, one row for each upsert that counted for a while, with `version_since` and `version_until` (null while
        nothing took its place), ordered by key and sequence.
    """
    order = [*keys, CHANGE_SEQUENCE]
    # A tombstone in a day that a row has left ends nothing: the change that took the row along says when.
    left_behind = (pl.col(CHANGE_OPERATION) == DELETE) & (pl.col(ROW_DAY) != pl.col(EVENT_DAY)).fill_null(False)
    # Of one change there may be several rows: of a delete that came before its row was known, another where the row turned out to stand.
    # The one that says when it was made tells most.
    ranked = partitions.filter(~is_loose(keys) & ~left_behind).with_columns(
        (pl.col(CHANGE_OPERATION) == UPSERT).alias("#upsert"),
        pl.col(CHANGE_TIME).is_not_null().alias("#timed"),
        pl.col(event_time).is_not_null().alias("#own_time"),
    )
    chain = ranked.sort([*order, "#upsert", "#timed", "#own_time"], maintain_order=True).unique(
        order, keep="last", maintain_order=True
    )
    own = (
        pl.when("#upsert")
        .then(pl.max_horizontal(event_time, CHANGE_TIME))
        .otherwise(pl.coalesce(CHANGE_TIME, event_time))
    )
    chain = chain.with_columns(own.cast(_TIME).alias(VERSION_SINCE))
    # What does not say when it was made cannot have counted before what it changes.
    before = pl.col(VERSION_SINCE).cum_max().forward_fill().shift(1).over(keys)
    untimed = pl.col(CHANGE_TIME).is_null()
    chain = chain.with_columns(
        pl.when(untimed).then(pl.max_horizontal(VERSION_SINCE, before)).otherwise(VERSION_SINCE).alias(VERSION_SINCE)
    )
    following = pl.col(VERSION_SINCE).reverse().cum_min().forward_fill().reverse().shift(-1).over(keys)
    chain = chain.with_columns(following.alias(VERSION_UNTIL))
    counted = pl.col(VERSION_UNTIL).is_null() | (pl.col(VERSION_UNTIL) > pl.col(VERSION_SINCE))
    return chain.filter(pl.col("#upsert") & counted).drop("#upsert", "#timed", "#own_time")
