"""Keys across the days of a table: what other days have published, and taking out the rows that newer ones replace.

Belongs here: reading published keys, and rewriting the days of replaced rows. Does not belong here: which row counts
(`validation/other_days.py`), and publishing a load (`publish.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, row_positions
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.key_lookup import rows_with_keys
from platform_assets.validation.other_days import SUPERSEDED, OtherDays
from platform_assets.validation.released_rows import row_content

SUPERSEDED_ROWS = "superseded_rows"
"""Key in a clean commit's metadata: rows that were taken out of its days because newer ones replaced them, by day of these."""


def has_unique_keys(use_case: UseCase, source: Source) -> bool:
    """Whether a key may have one row only over all days: of events and of their labels, and wherever it is declared."""
    if source.is_incremental or not source.is_daily:
        return False  # changes find their row by its key
    is_label = source.name == use_case.label.source and use_case.label.decided_at is None
    return source.repeated_keys is not None or source.name == use_case.events or is_label


class KeysOfLoad:
    """The keys that a load's chunks may meet again: those published before it, and those of its earlier chunks."""

    def __init__(self, catalog: Catalog, source: Source) -> None:
        self._catalog, self._source = catalog, source
        self._key = list(source.primary_key)
        self._is_needed = has_unique_keys(catalog.use_case, source)
        self._earlier: list[pl.DataFrame] = []

    def other_days(self, chunk: DayRange | None, delivered: pl.DataFrame) -> OtherDays | None:
        """What other days have of a chunk's keys; None where keys may repeat."""
        if chunk is None or not self._is_needed:
            return None
        keys = delivered.select(self._key).drop_nulls().unique()
        clean = self._catalog.clean(self._source.name).stored
        # Earlier chunks are written while this one is judged: their days are left out, and their keys remembered.
        first = min([chunk.first, *(frame[EVENT_DAY].min() for frame in self._earlier)])  # type: ignore[type-var]
        stored = rows_with_keys(clean, keys, first, chunk.last)  # type: ignore[arg-type]
        parts = [stored, *(frame.join(keys, on=self._key, how="semi") for frame in self._earlier)]
        published = pl.concat(part.select(*self._key, EVENT_DAY) for part in parts)
        return OtherDays(tuple(self._key), self._source.repeated_keys == "newest", published)

    def add(self, accepted: pl.DataFrame) -> None:
        """Remember what a chunk publishes."""
        if self._is_needed and accepted.height:
            self._earlier.append(accepted.select(*self._key, EVENT_DAY))


def replaced_rows(others: OtherDays | None, accepted: pl.DataFrame) -> pl.DataFrame:
    """Published rows that rows of a newer day replace: key, `event_day`, and the newer day as `by`."""
    if others is None or not others.newest_wins or others.published.is_empty():
        return pl.DataFrame(schema={EVENT_DAY: pl.Date(), "by": pl.Date()})
    key = list(others.key)
    newer = accepted.select(*key, pl.col(EVENT_DAY).alias("by"))
    pairs = others.published.join(newer, on=key, how="inner")
    return pairs.filter(pl.col("by") > pl.col(EVENT_DAY))


def take_out(catalog: Catalog, source: Source, replaced: Sequence[pl.DataFrame]) -> Mapping[date, int]:
    """Take replaced rows out of the clean table, and list them in quarantine.

    Args:
        catalog: The tables of the use case.
        source: The declared source.
        replaced: What each chunk of a load replaced, as `replaced_rows` gives it.

    Returns:
        How many were taken out of each day.
    """
    key, taken = list(source.primary_key), dict[date, int]()
    clean, quarantine = catalog.clean(source.name).stored, catalog.quarantine(source.name)
    parts = [rows for rows in replaced if rows.height]
    if not parts:
        return taken
    every = pl.concat(parts).sort("by").unique([*key, EVENT_DAY], keep="last", maintain_order=True)
    for (day,), rows in every.partition_by(EVENT_DAY, as_dict=True).items():
        published = clean.read(day, day)
        kept = published.join(rows, on=key, how="anti", maintain_order="left")
        record = {SUPERSEDED_ROWS: json.dumps({str(by): count for by, count in rows["by"].value_counts().iter_rows()})}
        clean.write_partitions(kept, day, day, allow_empty=True, metadata=record)
        delivered = catalog.raw(source.name).delivered_rows(DayRange(day, day))
        lines = _lines(delivered.join(rows.select(*key, "by"), on=key, how="inner", maintain_order="left"), source)
        listed = quarantine.read(day, day) if quarantine.exists() else lines.clear()
        quarantine.write_partitions(pl.concat([listed, lines.select(listed.columns)]), day, day, allow_empty=True)
        taken[day] = published.height - kept.height
    return taken


def _lines(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in source.primary_key], separator=", ")
    return rows.select(
        pl.col(DELIVERED_DAY).alias(EVENT_DAY),
        row_positions(rows),
        pl.lit(SUPERSEDED).alias("rule"),
        pl.lit(", ".join(source.primary_key)).alias("column"),
        pl.format("{} (the row of {} counts)", key, "by").alias("value"),
        pl.lit(None, dtype=pl.String).alias("also"),
        row_content(rows, source).alias("row"),
    )
