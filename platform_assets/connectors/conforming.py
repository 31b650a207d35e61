"""From rows as found to the declared columns and types.

Belongs here: selecting and casting columns, and telling a bad cell (kept with its row) from a source whose
columns have changed (which stops the load). Does not belong here: reading (`reading.py`) and limits on values (`validation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from platform_assets.connectors.casting import cast_text, cast_typed
from platform_assets.connectors.delivery import uncast_text
from platform_assets.connectors.errors import ColumnProblem, SchemaMismatch, SourceError
from platform_assets.connectors.migrations import apply_migrations
from platform_assets.connectors.row_digests import with_digests
from platform_assets.connectors.written_forms import as_text
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    CHANGE_OPERATION,
    DELETE,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    EXTRA,
    SOURCE_LINE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UNCAST,
    WHOLE_ROW,
)
from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.sources import Source

MAX_UNCAST_RATIO = 0.5
"""When more of a text column's cells than this do not fit, the column has another type than the declared one."""

MIN_CHANGES_TO_JUDGE = 20
"""Fewer changes than this do not tell that a text column has another type: each bad cell stays with its row."""

_EXAMPLES = 3


@dataclass(frozen=True)
class Conformed:
    """Rows in declared columns and types, none lost."""

    frame: pl.DataFrame
    """The declared columns, then `source_position`, `source_line`, `delivered_day`, `uncast` and `extra`; rows of an incremental source
    have `change_operation` and `change_sequence` as well."""
    extra_columns: tuple[str, ...]
    """Columns that the source delivers and the declaration does not know; reported, and kept aside in `extra`."""
    uncast_rows: int
    """Rows with a cell that does not fit its type, or that could not be taken apart."""
    migrations: tuple[str, ...] = ()
    """Declared migrations that the rows needed, in words: they were delivered in an old shape."""


def conform(rows: pl.DataFrame, source: Source) -> Conformed:
    """Bring rows as found (see `read_source` and `read_changes`) into the declared columns and types.

    Where every cell arrives as text, one that does not fit becomes null and is named in `uncast`. A typed column either
    has the declared type, or a cast to it that loses nothing. A delete may carry its key alone.

    Raises:
        SchemaMismatch: If a declared column is missing, a typed column cannot be cast without loss, or more than half
            of a text column's cells do not fit. All such columns are named at once.
    """
    rows, applied = apply_migrations(rows, source)
    columns: list[pl.Series] = []
    uncast: list[pl.Series] = []
    problems: list[ColumnProblem] = []
    are_changes = CHANGE_OPERATION in rows.columns
    for column in source.columns:
        if column.expression is not None or column.digest_of is not None:
            continue
        if column.name not in rows.columns:
            lacking = _rows_that_need_all(rows)
            if lacking or not are_changes:
                problems.append(ColumnProblem(column.name, column.type, _no_such(column), lacking))
            nothing = pl.repeat(None, rows.height, dtype=column.polars_type, eager=True)
            columns.append(nothing.alias(column.name))
            continue
        values = rows[column.name]
        if values.dtype == pl.String and (_is_read(column) or source.connector.arrives_as_text(column)):
            result = cast_text(values, column)
            failed = result.is_null() & values.is_not_null()
            judged = not are_changes or len(values) >= MIN_CHANGES_TO_JUDGE
            limit = (MAX_UNCAST_RATIO if judged else 1) * (len(values) - values.null_count())
        else:
            result, failed = cast_typed(values, column)
            limit = 0 if column.scale is None else MAX_UNCAST_RATIO * (len(values) - values.null_count())
        columns.append(result.alias(column.name))
        count = int(failed.sum())
        if count > limit:
            problems.append(column_problem(column, values, failed))
        elif count:
            uncast.append(_describe(column, as_text(values), failed))
    if problems:
        delivered = [name for name in rows.columns if name not in (*DELIVERY_COLUMNS, *CHANGE_COLUMNS)]
        raise SchemaMismatch(source.name, problems, delivered)
    computed, misfits = computed_columns(pl.DataFrame(columns), rows, source)
    computed = with_digests(computed, rows[DELIVERED_DAY], source)
    described = _uncast_column(rows[SOURCE_PROBLEM], [*uncast, *misfits])
    known = {*source.column_names, *DELIVERY_COLUMNS, *CHANGE_COLUMNS, *source.connector.own_columns}
    extra = tuple(name for name in rows.columns if name not in known)
    changes = [rows[name] for name in CHANGE_COLUMNS if name in rows.columns]
    aside = _kept_aside(rows.select(extra), rows.height)
    delivery = [rows[SOURCE_POSITION], _lines(rows), rows[DELIVERED_DAY]]
    frame = pl.DataFrame([*(computed[name] for name in source.column_names), *delivery, described, aside, *changes])
    return Conformed(frame, extra, len(described) - described.null_count(), applied)


def computed_columns(
    cast: pl.DataFrame, rows: pl.DataFrame, source: Source
) -> tuple[Mapping[str, pl.Series], list[pl.Series]]:
    """All declared columns by name, those that are computed from others included, and what to report of values that do not fit.

    Raises:
        SourceError: an expression cannot be computed on these rows.
    """
    columns = {values.name: values for values in cast}
    misfits: list[pl.Series] = []
    given = cast.with_columns(rows[SOURCE_POSITION], _lines(rows)) if cast.width else rows.select(SOURCE_POSITION)
    for column in source.columns:
        if column.expression is None:
            continue
        try:
            values = given.with_columns(sql_expression(column.expression, given.schema).alias(column.name))[column.name]
        except pl.exceptions.PolarsError as error:
            raise SourceError(
                f"source '{source.name}': column '{column.name}' cannot be computed as {column.expression!r} on {rows.height} rows: "
                f"{error}. Correct the expression in defs.yaml."
            ) from error
        result, failed = _cast_computed(values, column)
        columns[column.name] = result.alias(column.name)
        if failed.any():
            misfits.append(_describe(column, values.cast(pl.String, strict=False), failed))
    return columns, misfits


def _cast_computed(values: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """What an expression gave, in the declared type, and the mask of what does not fit."""
    if values.dtype == pl.String or column.type == "string":
        text = values.cast(pl.String)
        result = cast_text(text, column)
        return result, result.is_null() & text.is_not_null()
    return cast_typed(values, column)


def _is_read(column: Column) -> bool:
    """Whether text in the column stands for its value, whatever the connector: it was read in a declared form, or says yes or no."""
    return column.has_written_form or column.value is not None or column.type == "bool"


def _no_such(column: Column) -> str:
    names = " and ".join(map(repr, column.delivered_as))
    return f"no such column {names}" if names else "no such column"


def _lines(rows: pl.DataFrame) -> pl.Series:
    if SOURCE_LINE in rows.columns:
        return rows[SOURCE_LINE]
    return pl.repeat(None, rows.height, dtype=pl.Int64, eager=True).alias(SOURCE_LINE)


def _rows_that_need_all(rows: pl.DataFrame) -> int:
    """How many rows need every declared column: a delete needs its key alone, and a broken change has no cells."""
    if CHANGE_OPERATION not in rows.columns:
        return rows.height
    needing = (pl.col(CHANGE_OPERATION) != DELETE) & pl.col(SOURCE_PROBLEM).is_null()
    return rows.filter(needing).height


def _kept_aside(extra: pl.DataFrame, rows: int) -> pl.Series:
    """The undeclared cells of each row as a JSON object; null where all of them are null."""
    if not extra.width:
        return pl.repeat(None, rows, dtype=pl.String, eager=True).alias(EXTRA)
    plain = pl.DataFrame([_plain(values) for values in extra])
    objects = pl.struct(pl.all()).struct.json_encode()
    some = pl.any_horizontal(pl.all().is_not_null())
    return plain.select(pl.when(some).then(objects).alias(EXTRA)).to_series()


def _plain(values: pl.Series) -> pl.Series:
    """Values that JSON can be made of; of those that polars cannot write, their text."""
    dtype = values.dtype
    if dtype.is_integer() or dtype.is_float() or dtype in (pl.Boolean, pl.String, pl.Null):
        return values
    if dtype == pl.Binary:
        return values.bin.encode("base64")
    if dtype.is_nested() and not any(unwritable in repr(dtype) for unwritable in ("Binary", "Object")):
        return values
    if dtype.is_nested() or dtype in (pl.Duration, pl.Object):
        return pl.Series(
            values.name, [None if value is None else str(value) for value in values.to_list()], dtype=pl.String
        )
    return values.cast(pl.String)


def column_problem(column: Column, values: pl.Series, failed: pl.Series, where: str = "") -> ColumnProblem:
    """What to report about a column of which the masked values do not fit."""
    bad = values.filter(failed)
    examples = bad.head(1000).unique(maintain_order=True).head(_EXAMPLES).to_list() if not bad.dtype.is_nested() else []
    delivered = "text that does not fit" if values.dtype == pl.String and column.type != "string" else str(values.dtype)
    return ColumnProblem(column.name, column.type_in_words, delivered, bad.len(), tuple(map(str, examples)), where)


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
