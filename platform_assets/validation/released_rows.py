"""Rows that a person released from quarantine: which violations no longer count.

Belongs here: recognising a released row by where it came from and what it holds, and what no release can allow.
Does not belong here: recording the decision and publishing (`pipelines/quarantine.py`).
"""

from __future__ import annotations

import polars as pl

from platform_assets.declaration.delivered_columns import SOURCE_POSITION, UNCAST
from platform_assets.declaration.delivered_columns import row_positions as positions
from platform_assets.declaration.sections.sources import Source

ROW = "#row"
"""Position of a row in the frame, from 0; no declared column can have this name."""


_REASONS = {
    "type": "a cell does not fit its declared type, so that there is no value to store",
    "late": "its event is of another day: load that day, which the row belongs to",
    "early": "its event is of another day: load that day, which the row belongs to",
    "repeated_key": "another day has published its key: declare `repeated_keys: newest` where a later row is a correction",
    "superseded": "a row of a later day has replaced it",
}


def row_content(rows: pl.DataFrame, source: Source) -> pl.Series:
    """Each row as JSON: the declared columns, and the cells that do not fit where any row of these has some."""
    has_uncast = rows[UNCAST].null_count() < rows.height
    plain = rows.select(pl.struct(source.column_names).struct.json_encode().alias("row")).to_series()
    if not has_uncast:
        return plain
    fields = [*source.column_names, UNCAST]
    whole = rows.select(pl.struct(fields).struct.json_encode().alias("row")).to_series()
    return rows.select(pl.when(pl.col(UNCAST).is_null()).then(plain).otherwise(whole).alias("row")).to_series()


def cannot_be_stored(rule: str, column: str, source: Source) -> str | None:
    """Why a row that breaks this rule cannot be released; None when it can."""
    if rule in _REASONS:
        return _REASONS[rule]
    key = ", ".join(source.primary_key)
    if rule == "not_null" and (column in source.primary_key or column == source.event_time):
        return f"{column} is missing, and a row without its key or its time cannot be told from others"
    if rule == "unique" and column == key:
        return f"another row of the day has the same {key}"
    return None


def without_released(
    frame: pl.DataFrame, violations: pl.DataFrame, source: Source, releases: pl.DataFrame | None
) -> pl.DataFrame:
    """The violations without those of released rows.

    Args:
        frame: The conformed load.
        violations: With `#row`, `rule` and `column`.
        source: The declared source.
        releases: As in `RELEASED_SCHEMA`, or None.
    """
    if releases is None or releases.is_empty() or violations.is_empty():
        return violations
    numbers = violations[ROW].unique(maintain_order=True)
    rows = frame[numbers]
    known = pl.DataFrame([numbers, positions(rows), row_content(rows, source).alias("row")])
    released = known.join(releases.unique(), on=[SOURCE_POSITION, "row"], how="semi")[ROW]
    if released.is_empty():
        return violations
    pairs = violations.select("rule", "column").unique().rows()
    kept = [f"{rule}({column})" for rule, column in pairs if cannot_be_stored(rule, column, source)]
    is_kept = pl.format("{}({})", "rule", "column").is_in(kept)
    return violations.filter(is_kept | ~pl.col(ROW).is_in(released.implode()))
