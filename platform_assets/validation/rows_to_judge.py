"""Which rows have to be judged at all.

Nearly every row of nearly every load breaks nothing. One pass over all columns at once finds those that may break a rule, and
pandera judges only these: asking it about each rule of each column by itself costs many times as much.

Belongs here: telling rows that certainly keep every rule from the others. Does not belong here: the rules (`schema`),
and verdicts (`row_rules`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from platform_assets.declaration.delivered_columns import DELIVERED_DAY, UNCAST
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.sources import Source
from platform_assets.validation.released_rows import ROW
from platform_assets.validation.schema import is_nullable, row_tests, unique_keys


def suspect_rows(frame: pl.DataFrame, source: Source, references: Mapping[str, pl.Series]) -> pl.Series:
    """Numbers of the rows that break a rule of `row_schema`; a column that lacks or has another type makes all rows suspect.

    Args:
        frame: A conformed frame.
        source: The declared source.
        references: For each column with `references`, by its name, the values that exist.

    Returns:
        UInt32 `#row`, from 0, in order.
    """
    expected: dict[str, pl.DataType] = {column.name: column.polars_type for column in source.columns}
    expected |= {UNCAST: pl.String(), DELIVERED_DAY: pl.Date()}
    if any(frame.schema.get(name) != dtype for name, dtype in expected.items()):
        return pl.int_range(frame.height, dtype=pl.UInt32, eager=True).alias(ROW)
    broken = [pl.col(UNCAST).is_not_null()]
    if source.is_daily:
        broken.append(pl.col(DELIVERED_DAY).is_null())
    for column in source.columns:
        value = pl.col(column.name)
        if not is_nullable(column, source):
            broken.append(value.is_null())
            if column.type == "float64":
                broken.append(value.is_nan().fill_null(True))
        # A null keeps every rule but `not_null`, as it does in the checks.
        broken += [~test.fill_null(True) for _, test in _telling_tests(column, source, references.get(column.name))]
    return frame.lazy().select(pl.arg_where(pl.any_horizontal(broken)).alias(ROW)).collect().to_series()


def _telling_tests(column: Column, source: Source, reference: pl.Series | None) -> Sequence[tuple[str, pl.Expr]]:
    """The rules of a column that can tell a bad row; rules that every allowed value keeps need not be tested on each row."""
    tests = row_tests(column, source, reference)
    if column.allowed is None or column.type != "string":
        return tests
    allowed = pl.DataFrame({column.name: column.allowed})
    return [(name, test) for name, test in tests if name == "allowed" or not allowed.select(test.all()).item()]


def rows_with_repeated_keys(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """The rows that share a key of theirs with another row, in order: among them are all that break a rule of uniqueness."""
    suspect: pl.Series | None = None
    for key in unique_keys(source):
        if len(key) == 1 and never_repeats(frame[key[0]]):
            continue
        repeated = frame.select(pl.struct(DELIVERED_DAY, *key).is_duplicated()).to_series()
        suspect = repeated if suspect is None else suspect | repeated
    return frame.clear() if suspect is None else frame.filter(suspect)


def never_repeats(values: pl.Series) -> bool:
    """Whether values are all different; quick where they rise, as the keys of most deliveries do."""
    if values.null_count() == 0 and values.dtype.is_integer():
        rising = values[:-1] < values[1:]
        if rising.all():
            return True
    return bool(values.n_unique() == len(values))
