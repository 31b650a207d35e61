"""Changes of rows: which partitions they touch, and what a partition holds after them.

Belongs here: pure functions from changes to rows of the raw table, and from rows of a raw partition to its state.
Does not belong here: reading changes (`connectors`), writing tables (`table`), and rules about rows (`validation`).

The raw table is append-only and partitioned by event day. Each partition tells its own state: when a change moves a row to
another day, or deletes it, a tombstone with the change's sequence is written where the row was. A delete of a key that was
never seen waits in a sentinel partition. Changes may come in any order: an earlier change that comes late finds the later
ones of its key in the table, and adds the tombstones that would be there, had it come in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELETE,
    IS_DELETED,
    OPERATION,
    ROW_DAY,
    ROW_SEQUENCE,
    UPSERT,
    VALID_FROM,
    VALID_TO,
)
from platform_assets.declaration.sections.sources import EVENT_DAY

UNKNOWN_DAY = date(1000, 1, 1)
"""Partition of deletes whose key was never seen."""

_ENTRY = (EVENT_DAY, CHANGE_SEQUENCE)
_POSITION = "#position"


@dataclass(frozen=True)
class PlacedChanges:
    """Changes as rows of the raw table."""

    rows: pl.DataFrame
    """The changes that are new, each in its day, and the tombstones that they make necessary."""
    touched_days: list[date]
    """Days of which the state may have changed; without the sentinel."""
    duplicates: int
    """Changes that are there already: same key, same sequence."""
    late: int
    """Changes of a key that has newer ones already."""
    moved: int
    """Changes that move a row from one day to another."""
    unknown_deletes: int
    """Deletes of keys that were never seen."""


def is_loose(keys: Sequence[str]) -> pl.Expr:
    """Whether a change cannot be told from others: it has no key, or no place in the order."""
    return pl.any_horizontal([*(pl.col(key).is_null() for key in keys), pl.col(CHANGE_SEQUENCE).is_null()])


def place_changes(changes: pl.DataFrame, known: pl.DataFrame, keys: Sequence[str]) -> PlacedChanges:
    """Put changes where they belong, next to what is known of their keys.

    Args:
        changes: The columns of the raw table but for `change_row_day` and `change_row_sequence`, in order of delivery.
            `event_day` is the day of the row's event; that of a delete is ignored.
        known: Of all rows of the raw table that have one of these keys: keys, `event_day`, `change_operation`,
            `change_sequence`, `change_row_day` and `change_row_sequence`.
        keys: The primary key.
    """
    known = known.filter(~is_loose(keys))  # a change without its place in the order is no part of any chain
    loose = changes.filter(is_loose(keys))
    keyed = changes.filter(~is_loose(keys)).unique([*keys, CHANGE_SEQUENCE], keep="first", maintain_order=True)
    fresh = keyed.join(known, on=[*keys, CHANGE_SEQUENCE], how="anti", maintain_order="left")
    chain = _chain(fresh, known, keys)
    needed = _needed(chain, keys)
    stored = known.sort(CHANGE_SEQUENCE, ROW_SEQUENCE, nulls_last=False).unique([*keys, *_ENTRY], keep="last")
    added = _added(needed, stored, chain, keys)
    rows = pl.concat([_with_content(added, fresh, keys), _loose_rows(loose)]).select(
        *changes.columns, ROW_DAY, ROW_SEQUENCE
    )
    newest = known.group_by(keys).agg(pl.col(CHANGE_SEQUENCE).max().alias("#newest"))
    days = rows.get_column(EVENT_DAY).unique().sort().to_list()
    return PlacedChanges(
        rows=rows,
        touched_days=[day for day in days if day != UNKNOWN_DAY],
        duplicates=changes.height - loose.height - fresh.height,
        late=fresh.join(newest, on=keys).filter(pl.col(CHANGE_SEQUENCE) < pl.col("#newest")).height,
        moved=chain.filter(pl.col("#fresh") & _moves()).height,
        unknown_deletes=chain.filter(pl.col("#fresh") & pl.col(ROW_SEQUENCE).is_null()).height,
    )


def _chain(fresh: pl.DataFrame, known: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Every change of each key in order of sequence, with where its row stood before and stands after it."""
    columns = [*keys, *_ENTRY, CHANGE_OPERATION]
    # A tombstone has the sequence of the change that made it: the upsert of that sequence, where there is one, is the change.
    once = known.sort(pl.col(CHANGE_OPERATION) == DELETE, maintain_order=True).unique(
        [*keys, CHANGE_SEQUENCE], keep="first", maintain_order=True
    )
    marked = [
        once.select(*columns, pl.lit(False).alias("#fresh")),
        fresh.select(*columns, pl.lit(True).alias("#fresh")),
    ]
    upsert = pl.col(CHANGE_OPERATION) == UPSERT
    return (
        pl.concat(marked)
        .sort(*keys, CHANGE_SEQUENCE)
        .with_columns(
            pl.when(upsert).then(EVENT_DAY).forward_fill().over(keys).alias(ROW_DAY),
            pl.when(upsert).then(CHANGE_SEQUENCE).forward_fill().over(keys).alias(ROW_SEQUENCE),
        )
        .with_columns(pl.col(ROW_DAY).shift(1).over(keys).alias("#before"))
    )


def _moves() -> pl.Expr:
    """Whether a change of the chain takes its row to another day."""
    return (pl.col(CHANGE_OPERATION) == UPSERT) & (pl.col("#before") != pl.col(EVENT_DAY))


def _needed(chain: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows that the partitions must have, for each to tell its own state."""
    columns = [*keys, *_ENTRY, CHANGE_OPERATION, ROW_DAY, ROW_SEQUENCE]
    upserts = chain.filter(pl.col(CHANGE_OPERATION) == UPSERT)
    left = chain.filter(_moves()).with_columns(
        pl.col("#before").alias(EVENT_DAY), pl.lit(DELETE).alias(CHANGE_OPERATION)
    )
    stands = pl.col(ROW_DAY).fill_null(pl.lit(UNKNOWN_DAY))
    deletes = chain.filter(pl.col(CHANGE_OPERATION) == DELETE).with_columns(
        stands.alias(EVENT_DAY), stands.alias(ROW_DAY)
    )
    return pl.concat([frame.select(columns) for frame in (upserts, left, deletes)])


def _added(needed: pl.DataFrame, stored: pl.DataFrame, chain: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Needed rows that are not there, and corrections of deletes that stand where the row turns out not to have been."""
    missing = needed.join(stored, on=[*keys, *_ENTRY, ROW_DAY], how="anti", maintain_order="left")
    wrong = (
        stored.filter(
            (pl.col(CHANGE_OPERATION) == DELETE)
            & (pl.col(ROW_DAY) == pl.col(EVENT_DAY))
            & (pl.col(EVENT_DAY) != UNKNOWN_DAY)
        )
        .join(needed, on=[*keys, *_ENTRY], how="anti")
        .select(*keys, *_ENTRY, CHANGE_OPERATION)
        .join(chain.select(*keys, CHANGE_SEQUENCE, ROW_DAY, ROW_SEQUENCE), on=[*keys, CHANGE_SEQUENCE])
    )
    return pl.concat([missing, wrong.select(missing.columns)])


def _with_content(added: pl.DataFrame, fresh: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows to append, in order of delivery; a tombstone of an earlier change has its key and nothing else."""
    content = fresh.drop(EVENT_DAY, CHANGE_OPERATION).with_row_index(_POSITION)
    rows = added.join(content, on=[*keys, CHANGE_SEQUENCE], how="left")
    tombstone = (pl.col(CHANGE_OPERATION) == DELETE) & (pl.col(ROW_DAY) != pl.col(EVENT_DAY))
    travels = {*keys, *_ENTRY, CHANGE_OPERATION, ROW_DAY, ROW_SEQUENCE, _POSITION, "source_position", "source_line"}
    emptied = [pl.when(~tombstone).then(name).alias(name) for name in rows.columns if name not in travels]
    ordered = rows.with_columns(emptied).sort(_POSITION, EVENT_DAY, nulls_last=True).drop(_POSITION)
    return ordered.select(*fresh.columns, ROW_DAY, ROW_SEQUENCE)


def _loose_rows(loose: pl.DataFrame) -> pl.DataFrame:
    """Changes without key or sequence: kept, each for itself."""
    return loose.with_columns(pl.col(EVENT_DAY).alias(ROW_DAY), pl.lit(None, dtype=pl.Int64).alias(ROW_SEQUENCE))


def _newest_last(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(EVENT_DAY, CHANGE_SEQUENCE, ROW_SEQUENCE, nulls_last=False, maintain_order=True)


def current_rows(partitions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The newest state of each key of some raw partitions: rows that are there, with the columns that came in.

    Rows without key or sequence are all there, for the audit to refuse.
    """
    loose = partitions.filter(is_loose(keys))
    newest = _newest_last(partitions.filter(~is_loose(keys))).unique(
        [*keys, EVENT_DAY], keep="last", maintain_order=True
    )
    return pl.concat([newest, loose]).filter(pl.col(CHANGE_OPERATION) == UPSERT)


def deleted_rows(partitions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The last content of each key that was deleted in some raw partitions; rows that moved to another day are not."""
    keyed = _newest_last(partitions.filter(~is_loose(keys)))
    newest = keyed.unique([*keys, EVENT_DAY], keep="last", maintain_order=True)
    gone = newest.filter((pl.col(CHANGE_OPERATION) == DELETE) & (pl.col(ROW_DAY) == pl.col(EVENT_DAY)))
    last = keyed.filter(pl.col(CHANGE_OPERATION) == UPSERT).unique([*keys, EVENT_DAY], keep="last", maintain_order=True)
    return last.join(gone, on=[*keys, EVENT_DAY], how="semi", maintain_order="left")


def versions(partitions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Every version of every row of some raw partitions, as delivered.

    Returns:
        The columns that came in, `operation`, `valid_from` (the change's own sequence) and `valid_to` (that of the change
        that followed; null for the version that holds). A deletion is a version that has its key alone.
    """
    effective = _newest_last(partitions.filter(~is_loose(keys))).unique(
        [*keys, *_ENTRY], keep="last", maintain_order=True
    )
    following = pl.col(CHANGE_SEQUENCE).shift(-1).over([*keys, EVENT_DAY])
    stays = (pl.col(CHANGE_OPERATION) == UPSERT) | (pl.col(ROW_DAY) == pl.col(EVENT_DAY))
    return effective.with_columns(
        pl.col(CHANGE_OPERATION).alias(OPERATION),
        pl.col(CHANGE_SEQUENCE).alias(VALID_FROM),
        following.alias(VALID_TO),
    ).filter(stays & (pl.col(EVENT_DAY) != UNKNOWN_DAY))


def with_deleted(accepted: pl.DataFrame, deleted: pl.DataFrame) -> pl.DataFrame:
    """Published rows of a source that keeps its deleted ones, each marked."""
    columns = accepted.columns
    marked = [
        accepted.with_columns(pl.lit(False).alias(IS_DELETED)),
        deleted.select(columns).with_columns(pl.lit(True).alias(IS_DELETED)),
    ]
    return pl.concat(marked)
