"""Features that a Python function computes.

Belongs here: importing the function that a declaration names, and calling it, for a table and for one row alike. Does not belong
here: its source as part of the contract (`declaration/functions.py`), or the check that a row's value depends on that row only, which is
the same as for row expressions (`offline/feature_table.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import polars as pl

from platform_assets.declaration.sections.features import FunctionFeature
from platform_assets.features.errors import FeatureError, FunctionFailed

PureFunction = Callable[..., pl.Series]
"""Takes a Series for each declared column, all of one length, and returns one of that length."""


def load_function(path: str) -> PureFunction:
    """The function at `module:function`.

    Raises:
        FeatureError: it cannot be imported, or is no function.
    """
    module, _, name = path.partition(":")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise FeatureError(f"function {path!r} cannot be imported: {error}") from error
    if not callable(function):
        raise FeatureError(f"function {path!r} is a {type(function).__name__}: name a function")
    return function  # type: ignore[no-any-return]


def call(item: FunctionFeature, rows: pl.DataFrame) -> pl.Series:
    """The feature of these rows: Float64 under its name; missing is null, never NaN.

    Args:
        item: the declared function.
        rows: one row or many, with the columns it takes.

    Raises:
        FeatureError: the function cannot be imported.
        FunctionFailed: it raises, or returns something else than a number for each row.
    """
    columns, function = [rows[name] for name in item.columns], load_function(item.function)
    try:
        returned = function(*columns)
    except Exception as error:
        raise FunctionFailed(
            f"feature {item.name!r}: {item.function} raised {type(error).__name__} on {len(rows)} rows: {error}"
        ) from error
    if not isinstance(returned, pl.Series) or len(returned) != len(rows):
        what = f"{len(returned)} values" if isinstance(returned, pl.Series) else f"a {type(returned).__name__}"
        raise FunctionFailed(
            f"feature {item.name!r}: {item.function} returned {what} for {len(rows)} rows; it must return a polars Series with "
            "one number for each"
        )
    try:
        numbers = returned.cast(pl.Float64).fill_nan(None).rename(item.name)
    except pl.exceptions.PolarsError as error:
        raise FunctionFailed(
            f"feature {item.name!r}: {item.function} returned {returned.dtype}, not numbers: {error}"
        ) from error
    return numbers if item.default is None else numbers.fill_null(item.default)
