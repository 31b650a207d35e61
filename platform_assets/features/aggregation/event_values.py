"""What a window aggregates of an event: a column's value, a condition or a code, where a filter lets the event pass.

Belongs here: the value as an expression over event rows, the same for a table and for a single request. Does not belong here:
aggregating values (`aggregation/kernel.py`).

Values are Float64, NaN where there is nothing to aggregate. A filter or condition that is null (SQL's unknown) does not hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from platform_assets.declaration.aggregates import AGGREGATES
from platform_assets.declaration.expressions import columns_of, sql_expression
from platform_assets.declaration.sections.features import Window
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError

LARGEST_EXACT = 2**53
"""Whole numbers up to here are doubles too."""


@dataclass(frozen=True)
class EventValue:
    """One number for each event.

    Attributes:
        kind: "number": a column's value, or 1 for a value that is no number; "event": 1; "condition": 1 or 0; "code": a number
            that is the same for equal values of a column.
        column: the column, for "number" and "code".
        condition: SQL, for "condition".
        where: SQL that an event has to satisfy; None: all do.
    """

    kind: Literal["number", "event", "condition", "code"]
    column: str | None = None
    condition: str | None = None
    where: str | None = None

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is a column's value for every event."""
        return self.kind == "number" and self.where is None

    @cached_property
    def name(self) -> str:
        """The column's name where it is just that; else with a hash of what the value is."""
        if self.is_plain:
            return str(self.column)
        meaning = repr((self.kind, self.column, self.condition, self.where))
        return f"{self.column or self.kind}_{hashlib.sha256(meaning.encode()).hexdigest()[:8]}"

    @cached_property
    def roots(self) -> frozenset[str]:
        """Event columns it is computed from."""
        columns = {self.column} if self.column is not None else set()
        for text in (self.condition, self.where):
            if text is not None:
                columns.update(columns_of(text))
        return frozenset(columns)

    def expression(self, schema: Mapping[str, pl.DataType]) -> pl.Expr:
        """The value as an expression over events with these columns; Float64 under its name, NaN where there is none."""
        if self.kind == "event":
            number = pl.lit(1.0)
        elif self.kind == "condition":
            number = sql_expression(str(self.condition), schema).cast(pl.Boolean).cast(pl.Float64)
        elif self.kind == "code":
            number = pl.col(str(self.column)).map_batches(codes, return_dtype=pl.Float64(), is_elementwise=True)
        else:
            name = str(self.column)
            dtype = schema[name]
            numeric = dtype.is_numeric() or dtype == pl.Boolean
            number = pl.col(name).cast(pl.Float64) if numeric else pl.when(pl.col(name).is_not_null()).then(1.0)
        if self.where is not None:
            number = pl.when(sql_expression(self.where, schema).cast(pl.Boolean)).then(number)
        return number.fill_null(float("nan")).alias(self.name)


def event_value(window: Window) -> EventValue | None:
    """What a window aggregates; None where it is the events themselves, all of them."""
    kind = AGGREGATES[window.aggregate].input
    if kind == "condition":
        return EventValue(kind, condition=window.condition, where=window.where)
    if window.column is None:
        return None if window.where is None else EventValue("event", where=window.where)
    return EventValue(kind, window.column, where=window.where)


def compute_values(values: Sequence[EventValue], events: pl.DataFrame) -> pl.DataFrame:
    """The values of events, a column for each."""
    return events.select(value.expression(events.schema) for value in values)


def values_plan(values: Sequence[EventValue], events: pl.DataFrame) -> pl.LazyFrame:
    """The values of events, a column for each, not computed yet."""
    return events.lazy().select(value.expression(events.schema) for value in values)


def event_values(values: Sequence[EventValue], events: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """What windows aggregate of events, a Float64 column for each value, NaN where there is none.

    Raises:
        FeatureError: a condition fails on these events, or looks at other rows.
    """
    try:
        computed = compute_values(values, events)
    except pl.exceptions.PolarsError as error:
        conditions = [text for value in values for text in (value.condition, value.where) if text is not None]
        raise FeatureError(
            f"events of {use_case.events!r}: conditions {conditions} cannot be computed on {len(events)} rows: {error}"
        ) from error
    _refuse_values_of_many_rows(values, events, computed, use_case)
    return computed


def _refuse_values_of_many_rows(
    values: Sequence[EventValue], events: pl.DataFrame, computed: pl.DataFrame, use_case: UseCase
) -> None:
    """Refuse conditions that mix rows here and see a single one online: try a few rows alone."""
    values = [value for value in values if value.condition is not None or value.where is not None]
    if not values or events.is_empty():
        return
    rows = sorted({0, len(events) // 2, len(events) - 1})
    for row, alone in zip(
        rows, pl.collect_all([values_plan(values, events.slice(row, 1)) for row in rows]), strict=True
    ):
        for value in values:
            if not alone[value.name].equals(computed[value.name].slice(row, 1)):
                raise FeatureError(
                    f"events of {use_case.events!r}: where {value.where!r} and condition {value.condition!r} give "
                    f"{computed[value.name][row]!r} among {len(events)} rows and {alone[value.name][0]!r} for the same row alone; "
                    "they must depend on their own row only"
                )


def roots_of(values: Iterable[EventValue]) -> tuple[str, ...]:
    """Event columns that the values are computed from, in the order of their first use."""
    return tuple(dict.fromkeys(root for value in values for root in sorted(value.roots)))


def codes(column: pl.Series) -> pl.Series:
    """A number for each value of a column: the same for equal values and, numbers up to 2^53 aside, by a hash of 53 bits.

    Two different texts share a code with a probability of 1e-16: a window with a million different values counts one too few
    once in 18,000 windows.
    """
    if column.dtype.is_float() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64)
    if column.dtype != pl.String:
        whole = column.to_physical().cast(pl.Int64)
        if whole.is_empty() or whole.null_count() == len(whole) or _exact(whole):
            return whole.cast(pl.Float64)
        column = whole.cast(pl.String)
        numbers = pl.when(whole.is_between(-LARGEST_EXACT, LARGEST_EXACT)).then(whole.cast(pl.Float64))
        return pl.select(numbers.otherwise(_hashes(column))).to_series().alias(column.name)
    return _hashes(column)


def _exact(whole: pl.Series) -> bool:
    smallest, largest = whole.min(), whole.max()
    return bool(smallest >= -LARGEST_EXACT and largest <= LARGEST_EXACT)  # type: ignore[operator]


def _hashes(texts: pl.Series) -> pl.Series:
    different = texts.drop_nulls().unique()
    numbers = [
        float(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 11) for text in different
    ]
    return texts.replace_strict(different, pl.Series(numbers, dtype=pl.Float64), default=None, return_dtype=pl.Float64)
