"""Row features and functions of a single request, by the same expressions and functions as over a table.

Belongs here: the request as values for compiled row features, or as a table of one row, and what is computed from it. Does not belong
here: where its window features and
looked-up values come from (`online/request_features.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.expressions.row_numbers import RowNumbers
from platform_assets.declaration.expressions.scalars import Unfit, taker_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import microseconds
from platform_assets.features.functions import call, load_function
from platform_assets.features.online.lookup_state import LookupTable

logger = logging.getLogger(__name__)
_NATIVE: Mapping[Any, tuple[type, ...]] = {
    pl.Float64: (float, int),
    pl.Int64: (int,),
    pl.String: (str,),
    pl.Boolean: (bool,),
    pl.Datetime: (datetime,),
    pl.Date: (date,),
}
"""Python types that a row takes as they are; it would quietly convert others, as a column does not."""


class RowComputation:
    """The row features and functions of all views.

    Attributes:
        names: of these features.
        positions: of these features among the use case's, int [r].
    """

    def __init__(self, use_case: UseCase, request: Mapping[str, pl.DataType], lookups: Sequence[LookupTable]) -> None:
        """Prepare.

        Args:
            use_case: the declaration.
            request: columns that a request carries, with their types.
            lookups: what is looked up for it.

        Raises:
            FeatureError: a function cannot be imported.
        """
        names = use_case.feature_names
        rows = [row for view in use_case.features for row in view.rows]
        self._functions = [item for view in use_case.features for item in view.functions]
        self.names = [*(row.name for row in rows), *(item.name for item in self._functions)]
        self.positions = np.array([names.index(name) for name in self.names], dtype=np.intp)
        self._row_count = len(rows)
        self._defaults = [row.default for row in rows]
        needed = {root for row in rows for root in columns_of(row.expression)}
        needed |= {name for item in self._functions for name in item.columns}
        windows = [name for view in use_case.features for window in view.windows for name in window.feature_names]
        self._windows = {name: names.index(name) for name in windows if name in needed}
        self._request = {name: dtype for name, dtype in request.items() if name in needed}
        looked_up = {name: dtype for table in lookups for name, dtype in table.layout.types.items()}
        self._looked_up = {name: dtype for name, dtype in looked_up.items() if name in needed}
        self._types = self._request | dict.fromkeys(self._windows, pl.Float64()) | self._looked_up
        try:
            self._numbers = RowNumbers([row.expression for row in rows], self._types)
        except pl.exceptions.PolarsError as error:
            raise FeatureError(f"row features {[row.name for row in rows]} cannot be computed: {error}") from error
        self._takers = [(name, taker_of(self._types[name])) for name in self._numbers.columns]
        self._by_engine = {
            position: compiled.table.cast(pl.Float64).alias(self.names[position])
            for position, compiled in self._numbers.by_engine.items()
        }
        for position, compiled in self._numbers.by_engine.items():
            logger.warning(
                "row feature %r (%s) is computed by polars, about 100 µs a request, for it holds %s",
                self.names[position],
                compiled.text,
                compiled.reason or "no number",
            )
        for item in self._functions:
            load_function(item.function)

    def values(
        self, event: Mapping[str, Any], windows: NDArray[np.float64], looked_up: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """The features of a request, float64 [r], NaN where missing; what is missing goes in as null, as offline.

        Args:
            event: the request's columns by name.
            windows: float64 [f], the use case's features, of which the window features are there.
            looked_up: looked-up values by name, None where missing.

        Raises:
            FeatureError: a value does not fit its type, or an expression or function fails.
        """
        given = {name: event[name] for name in self._request}
        for name, position in self._windows.items():
            value = windows.item(position)
            given[name] = None if value != value else value
        for name in self._looked_up:
            given[name] = looked_up[name]
        row: pl.DataFrame | None = None
        try:
            scalars = {name: take(given[name]) for name, take in self._takers}
        except Unfit:
            row = one_row(given, self._types)  # which says what does not fit, or takes it
            taken = row.row(0, named=True)
            scalars = {name: take(taken[name]) for name, take in self._takers}
        try:
            computed = self._numbers.numbers(scalars)
        except (ArithmeticError, ValueError) as error:
            raise self._failed(event, error) from error
        if self._by_engine or self._functions:
            row = one_row(given, self._types) if row is None else row
        if self._by_engine and row is not None:
            try:
                of_engine = row.select_seq(self._by_engine.values()).row(0)
            except pl.exceptions.PolarsError as error:
                raise self._failed(event, error) from error
            for position, value in zip(self._by_engine, of_engine, strict=True):
                computed[position] = value
        pairs = zip(computed, self._defaults, strict=True)
        results = [default if value is None or value != value else value for value, default in pairs]
        if self._functions and row is not None:
            if results:
                named = zip(self.names, results, strict=False)
                row = row.with_columns(pl.Series(name, [value], dtype=pl.Float64()) for name, value in named)
            results += [call(item, row)[0] for item in self._functions]
        return np.array([np.nan if value is None else value for value in results])

    def _failed(self, event: Mapping[str, Any], error: Exception) -> FeatureError:
        names = self.names[: self._row_count]
        return FeatureError(f"row features {names} cannot be computed for {dict(event)}: {error}")


def one_row(values: Mapping[str, Any], types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A table of one row.

    Raises:
        FeatureError: a value does not fit its type.
    """
    if all(value is None or type(value) in _NATIVE.get(types[name].base_type(), ()) for name, value in values.items()):
        try:
            return pl.DataFrame([tuple(values.values())], schema={name: types[name] for name in values}, orient="row")
        except (OverflowError, pl.exceptions.PolarsError):
            pass  # column by column it can be said which
    return pl.DataFrame([_one_value(name, types[name], value) for name, value in values.items()])


def _one_value(name: str, dtype: pl.DataType, value: Any) -> pl.Series:
    try:
        if isinstance(value, datetime) and isinstance(dtype, pl.Datetime):
            return pl.Series(name, [microseconds(value)], dtype=pl.Int64()).cast(dtype)
        return pl.Series(name, [value], dtype=dtype)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise FeatureError(f"request column {name!r} is {value!r}; it must be {dtype}") from error
