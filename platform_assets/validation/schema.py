"""The pandera schemas that a declaration gives.

Belongs here: one pandera check for each rule a row is held to. Does not belong here: collecting what they find
(`row_rules`), or rules about a partition as a whole (`table_rules`).

Checks are written as expressions of polars. A null never fails one: whether a value may be lacking is a rule of its
own. NaN counts as null, and an infinity as out of range, declared or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from platform_assets.declaration.delivered_columns import DELIVERED_DAY, UNCAST
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.time_zones import days_of
from platform_assets.validation.damaged_text import DAMAGED_TEXT

UNIQUE = "unique:"
"""Begins the name of a uniqueness check, which goes on with the columns of its key."""


def row_schema(source: Source, references: Mapping[str, pl.Series]) -> Any:
    """Everything a row of a conformed frame is held to, but uniqueness.

    Args:
        source: The declared source.
        references: For each column with `references`, by its name, the values that exist.

    Returns:
        A `pandera.polars.DataFrameSchema`; its checks carry the names of `ROW_RULES`.
    """
    import pandera.polars as pa

    columns = {}
    for column in source.columns:
        checks = [_check(name, test) for name, test in row_tests(column, source, references.get(column.name))]
        columns[column.name] = pa.Column(column.polars_type, checks, nullable=is_nullable(column, source))
    columns[UNCAST] = pa.Column(pl.String, _check("type", pl.col(UNCAST).is_null()), nullable=True)
    columns[DELIVERED_DAY] = pa.Column(pl.Date, nullable=not source.is_daily)
    return pa.DataFrameSchema(columns, strict=False)


def unique_schema(source: Source) -> Any:
    """The uniqueness of keys within a delivered day, each key carried by its last column.

    Returns:
        A `pandera.polars.DataFrameSchema` for rows that are otherwise good.
    """
    import pandera.polars as pa

    checks: dict[str, list[Any]] = {}
    for key in unique_keys(source):
        first = pl.struct(DELIVERED_DAY, *key).is_first_distinct()
        lacking = pl.any_horizontal(pl.col(name).is_null() for name in key)
        checks.setdefault(key[-1], []).append(_check(UNIQUE + ", ".join(key), first | lacking))
    columns = {name: pa.Column(source.column(name).polars_type, tests, nullable=True) for name, tests in checks.items()}
    return pa.DataFrameSchema(columns, strict=False)


def unique_keys(source: Source) -> tuple[tuple[str, ...], ...]:
    """Columns and combinations of them that may not repeat: the primary key, then the columns declared unique."""
    singles = [(column.name,) for column in source.columns if column.unique]
    return tuple(dict.fromkeys([source.primary_key, *singles]))


def limits(column: Column) -> tuple[float | None, float | None]:
    """Smallest and largest value; infinite where a float has no declared limit, so that infinities fail."""
    low, high = column.minimum, column.maximum
    if column.type == "float64":
        return (float("-inf") if low is None else low), (float("inf") if high is None else high)
    return low, high


def is_nullable(column: Column, source: Source) -> bool:
    """A row without its key or its time is of no use, whatever is declared."""
    return column.nullable and column.name not in source.primary_key and column.name != source.event_time


def row_tests(column: Column, source: Source, reference: pl.Series | None) -> Sequence[tuple[str, pl.Expr]]:
    """The rules of one column: name, and an expression that is false where a value breaks it."""
    value = pl.col(column.name)
    low, high = limits(column)
    number = value.fill_nan(None) if column.type == "float64" else value
    tests: list[tuple[str, pl.Expr]] = []
    if column.type == "string":
        if not is_nullable(column, source):
            tests.append(("blank", value.str.strip_chars().str.len_bytes() > 0))
        tests.append(("encoding", ~value.str.contains(DAMAGED_TEXT)))
    if low is not None:
        tests.append(("minimum", number >= low if column.minimum is not None else number > low))
    if high is not None:
        tests.append(("maximum", number <= high if column.maximum is not None else number < high))
    if column.allowed is not None:
        tests.append(("allowed", value.is_in(_values(column, pl.Series(column.allowed, strict=False)))))
    if reference is not None:
        tests.append(("reference", value.is_in(_values(column, reference))))
    if column.name == source.event_time:
        day = days_of(value, source.time_zone)
        tests += [("late", day >= pl.col(DELIVERED_DAY)), ("early", day <= pl.col(DELIVERED_DAY))]
    return tests


def _values(column: Column, values: pl.Series) -> pl.Series:
    """Values in the column's type, as `is_in` takes them; those that the type cannot hold are nobody's value."""
    return values.cast(column.polars_type, strict=False).drop_nulls().implode()


def _check(name: str, test: pl.Expr) -> Any:
    import pandera.polars as pa

    def holds(data: Any) -> Any:
        return data.lazyframe.select(test)

    return pa.Check(holds, name=name)
