"""From rows as found to the declared columns and types.

What belongs here: selecting and casting columns, and telling a bad cell (kept with its row) from a source whose
columns have changed (which stops the load). What does not: reading (`read`) and limits on values (`validation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from platform_assets.sources.casting import cast_text, cast_typed
from platform_assets.sources.delivery import (
    DELIVERED_DAY,
    FOUND_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UNCAST,
    WHOLE_ROW,
    uncast_text,
)
from platform_assets.sources.errors import ColumnProblem, SchemaMismatch
from platform_assets.spec.columns import Column
from platform_assets.spec.connectors import FilesConnector
from platform_assets.spec.sources import Source

MAX_UNCAST_RATIO = 0.5
"""When more of a text column's cells than this do not fit, the column has another type than the declared one."""

_EXAMPLES = 3


@dataclass(frozen=True)
class Conformed:
    """Rows in declared columns and types, none lost."""

    frame: pl.DataFrame
    """The declared columns, then `source_position`, `delivered_day` and `uncast`."""
    extra_columns: tuple[str, ...]
    """Columns that the source delivers and the declaration does not know; reported, not stored."""
    uncast_rows: int
    """Rows with a cell that does not fit its type, or that could not be taken apart."""


def is_text(source: Source) -> bool:
    """Whether the source's format has no types, so that every cell arrives as text."""
    connector = source.connector
    return isinstance(connector, FilesConnector) and connector.format in ("csv", "jsonl")


def conform(found: pl.DataFrame, source: Source) -> Conformed:
    """Bring rows as found (see `read_source`) into the declared columns and types.

    In a text format, a cell that does not fit becomes null and is named in `uncast`. In a typed format a column either
    has the declared type, or a cast to it that loses nothing.

    Raises:
        SchemaMismatch: If a declared column is missing, a typed column cannot be cast without loss, or more than half
            of a text column's cells do not fit. All such columns are named at once.
    """
    columns: list[pl.Series] = []
    uncast: list[pl.Series] = []
    problems: list[ColumnProblem] = []
    text_format = is_text(source)
    for column in source.columns:
        if column.name not in found.columns:
            problems.append(ColumnProblem(column.name, column.type, "no such column", found.height))
            continue
        values = found[column.name]
        if text_format:
            result = cast_text(values, column)
            failed = result.is_null() & values.is_not_null()
            limit = MAX_UNCAST_RATIO * (len(values) - values.null_count())
        else:
            result, failed = cast_typed(values, column)
            limit = 0
        columns.append(result.alias(column.name))
        count = int(failed.sum())
        if count > limit:
            problems.append(column_problem(column, values, failed))
        elif count:
            uncast.append(_describe(column, values, failed))
    if problems:
        delivered = [name for name in found.columns if name not in FOUND_COLUMNS]
        raise SchemaMismatch(source.name, problems, delivered)
    described = _uncast_column(found[SOURCE_PROBLEM], uncast)
    frame = pl.DataFrame([*columns, found[SOURCE_POSITION], found[DELIVERED_DAY], described])
    known = {*source.column_names, *FOUND_COLUMNS}
    extra = tuple(name for name in found.columns if name not in known)
    return Conformed(frame, extra, len(described) - described.null_count())


def column_problem(column: Column, values: pl.Series, failed: pl.Series, where: str = "") -> ColumnProblem:
    """What to report about a column of which the masked values do not fit."""
    bad = values.filter(failed)
    examples = bad.head(1000).unique(maintain_order=True).head(_EXAMPLES).to_list() if not bad.dtype.is_nested() else []
    found = "text that does not fit" if values.dtype == pl.String and column.type != "string" else str(values.dtype)
    return ColumnProblem(column.name, column.type, found, bad.len(), tuple(map(str, examples)), where)


def _describe(column: Column, values: pl.Series, failed: pl.Series) -> pl.Series:
    text = pl.when(pl.lit(failed)).then(pl.lit(values))
    return pl.select(uncast_text(column.name, text)).to_series().alias(column.name)


def _uncast_column(source_problem: pl.Series, uncast: list[pl.Series]) -> pl.Series:
    if not uncast and source_problem.null_count() == len(source_problem):
        return source_problem.alias(UNCAST)
    whole = pl.select(uncast_text(WHOLE_ROW, pl.lit(source_problem))).to_series().alias(WHOLE_ROW)
    parts = pl.DataFrame([whole, *uncast])
    joined = pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)
    # concat_str makes an empty text of a row without any part.
    return parts.select(pl.when(joined != "").then(joined).alias(UNCAST)).to_series()
