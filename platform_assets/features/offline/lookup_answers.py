"""What a look-up answers on each day where rows begin and end: versions of rows that change, and rows with an end of their own.

Belongs here: from rows that count for a while to one answer for each key and day on which it changes. Does not belong here: which days a
row counts for (`offline/lookups.py`).
"""

from __future__ import annotations

import heapq
from datetime import date

import polars as pl

LOOKUP_KEY = "lookup_key"
KNOWN_DAY = "known_day"
COUNTS_UNTIL = "counts_until"
_FOLLOWING, _ROW = "#following", "#row"


def answers_by_day(versions: pl.DataFrame, longest_days: int) -> pl.DataFrame:
    """The answer of each key from each midnight on at which it changes.

    Args:
        versions: `lookup_key`, `known_day` (the midnight from which a row counts), `counts_until` (that from which it counts no more, or
            null), and looked-up columns; of rows that count at once the later one in this order is the newer.
        longest_days: a row does not count for longer than so many days after its first.

    Returns:
        `lookup_key`, `known_day` and the looked-up columns, all null from where no row counts; ordered by key and day.
    """
    expired = pl.col(KNOWN_DAY) + pl.duration(days=longest_days + 1)
    rows = (
        versions.with_row_index(_ROW)
        .with_columns(pl.min_horizontal(COUNTS_UNTIL, expired).alias(COUNTS_UNTIL))
        .filter(pl.col(KNOWN_DAY) < pl.col(COUNTS_UNTIL))
        .sort(LOOKUP_KEY, KNOWN_DAY, _ROW)
        .with_columns(pl.col(KNOWN_DAY).shift(-1).over(LOOKUP_KEY).alias(_FOLLOWING))
    )
    at_once = rows.filter(pl.col(_FOLLOWING) < pl.col(COUNTS_UNTIL)).select(LOOKUP_KEY).unique()
    alone = rows.join(at_once, on=LOOKUP_KEY, how="anti", maintain_order="left")
    names = [name for name in versions.columns if name != COUNTS_UNTIL]
    ends = alone.filter(pl.col(_FOLLOWING).is_null() | (pl.col(_FOLLOWING) > pl.col(COUNTS_UNTIL)))
    ended = ends.select(LOOKUP_KEY, pl.col(COUNTS_UNTIL).alias(KNOWN_DAY))
    swept = _swept(rows.join(at_once, on=LOOKUP_KEY, how="semi", maintain_order="left"))
    found = swept.join(versions.drop(COUNTS_UNTIL, LOOKUP_KEY, KNOWN_DAY).with_row_index(_ROW), on=_ROW, how="left")
    parts = [alone.select(names), ended, found.drop(_ROW)]
    return pl.concat(parts, how="diagonal").select(names).sort(LOOKUP_KEY, KNOWN_DAY)


def _swept(rows: pl.DataFrame) -> pl.DataFrame:
    """For keys whose rows count at once: the newest of those that count, on each day on which that changes; null where none does."""
    answers: list[tuple[str, date, int | None]] = []
    columns = [LOOKUP_KEY, KNOWN_DAY, COUNTS_UNTIL, _ROW]
    for (key,), group in rows.select(columns).group_by([LOOKUP_KEY], maintain_order=True):
        days = sorted({*group[KNOWN_DAY], *group[COUNTS_UNTIL]})
        begun = list(zip(group[KNOWN_DAY], group[COUNTS_UNTIL], group[_ROW], strict=True))
        counting: list[tuple[int, date]] = []
        newest: int | None = None
        position = 0
        for day in days:
            while position < len(begun) and begun[position][0] <= day:
                heapq.heappush(counting, (-begun[position][2], begun[position][1]))
                position += 1
            while counting and counting[0][1] <= day:
                heapq.heappop(counting)
            now = -counting[0][0] if counting else None
            if now != newest:
                answers.append((str(key), day, now))
                newest = now
    schema = {LOOKUP_KEY: pl.String, KNOWN_DAY: pl.Date, _ROW: pl.UInt32}
    return pl.DataFrame(answers, schema=schema, orient="row")
