"""From the values a source delivers to a declared type, one column at a time.

Belongs here: which values stand for which, as text or typed; nothing is rounded, cut or guessed. Does not belong here:
what happens to a row or a load when a value does not fit (`conforming.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import polars as pl

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.time_zones import UTC_ZONE

_TIME = pl.Datetime("us", "UTC")
_TIME_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d %H:%M%#z",
)
_DATE_FORMAT = "%Y-%m-%d"
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("true", "t", "yes", "y", "on", "1", "1.0"), True),
        **dict.fromkeys(("false", "f", "no", "n", "off", "0", "0.0"), False),
    }
)
"""What says true and false in English and to a computer; words of other languages are declared."""
_WHOLE_NUMBER = r"^([+-]?\d+)(?:\.0*)?$"
_YEARS = (1, 9999)
_LARGEST_DECIMAL = 1e15
"""Fewer units than this are exact in a float, and so is each number of them."""


def cast_text(text: pl.Series, column: Column) -> pl.Series:
    """Text cells in the declared type, null where a cell does not stand for a value of it.

    Times are ISO 8601, with a zone or without (then UTC), to the second or finer than a microsecond (the rest is cut),
    or a date, which is its midnight. Whole numbers may end in `.0`. Booleans are true, t, yes, y, on, 1 or their opposites in any case.
    Blanks around a value do not matter.
    """
    if column.type == "string":
        return text
    if column.type == "datetime":
        return text_to_times(text)
    if column.type == "date":
        return _in_calendar(_strip(text).str.to_date(_DATE_FORMAT, strict=False))
    if column.type == "bool":
        return _strip(text).str.to_lowercase().replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
    result = text.cast(column.polars_type, strict=False)
    if result.null_count() != text.null_count():
        again = _strip(text)
        if column.type != "float64":
            again = again.str.extract(_WHOLE_NUMBER, 1)
        result = result.fill_null(again.cast(column.polars_type, strict=False))
    return result if column.scale is None else _of_scale(result, column.scale)


def _of_scale(values: pl.Series, scale: int) -> pl.Series:
    """Numbers with at most so many decimals and 15 digits, null where they have more."""
    unit = 10.0**scale
    units = (values * unit).round()
    fits = (units / unit == values) & (units.abs() < _LARGEST_DECIMAL)
    return values.set(~fits.fill_null(False), None)


def cast_typed(values: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """Typed values in the declared type, without loss.

    A number becomes another type of number, a date or time another type of time, where casting back gives the same
    value; an exact number becomes the float that is written with the same digits; a time without zone is UTC; NaN among
    whole numbers is null. Text is never turned into anything else, nor anything else into text.

    Returns:
        The values, null where they do not fit, and the Boolean mask of those that do not.
    """
    if column.scale is not None:
        return _typed_of_scale(values, column)
    target = column.polars_type
    if values.dtype == target:
        return values, pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    if values.dtype == pl.Null:
        return values.cast(target), pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    if _family(values.dtype) != _family(target):
        return pl.repeat(None, len(values), dtype=target, eager=True), values.is_not_null()
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if values.dtype.is_decimal() and target == pl.Float64:
        return _decimals_as_floats(values)
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is None:
        values = values.dt.replace_time_zone("UTC")
    result = values.cast(target, strict=False)
    failed = values.is_not_null() & result.cast(values.dtype, strict=False).ne_missing(values)
    return result.set(failed, None) if failed.any() else result, failed


def _typed_of_scale(values: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """Typed values of a decimal column, a float of 32 bits by the digits that it is written with; the mask of those that do not fit."""
    if values.dtype == pl.Float32:
        values = values.cast(pl.String).cast(pl.Float64)
    found, failed = cast_typed(values, column.model_copy(update={"scale": None}))
    result = _of_scale(found, column.scale or 0)
    return result, failed | (found.is_not_null() & ~found.is_nan().fill_null(False) & result.is_null())


def _decimals_as_floats(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Exact numbers as the floats that are written with the same digits, and the mask of those that no float is."""
    result = values.cast(pl.String).cast(pl.Float64)
    again = result.cast(pl.String).cast(values.dtype, strict=False)
    failed = values.is_not_null() & again.ne_missing(values)
    if failed.any():  # among them those that polars writes with an exponent
        pairs = zip(result.filter(failed), values.filter(failed), strict=True)
        failed = failed.scatter(failed.arg_true(), [Decimal(repr(number)) != value for number, value in pairs])
    return result.set(failed, None) if failed.any() else result, failed


def event_days(values: pl.Series, zone: str = UTC_ZONE) -> pl.Series:
    """The day of each event time in a zone, text or typed; null where it is not a time. A date is the day itself."""
    if values.dtype == pl.String:
        values = text_to_times(values)
    if isinstance(values.dtype, pl.Datetime):
        if values.dtype.time_zone is None:
            values = values.dt.replace_time_zone("UTC")
        return values.dt.convert_time_zone(zone).dt.date()
    if values.dtype.is_temporal() and values.dtype not in (pl.Time, pl.Duration):
        return values.cast(pl.Date)
    return pl.repeat(None, len(values), dtype=pl.Date, eager=True)


def text_to_times(text: pl.Series) -> pl.Series:
    """ISO 8601 text as UTC times, null where it is none.

    The format of the first cell is tried first, and each further one on what is left.
    """
    cells = pl.DataFrame({"row": pl.int_range(len(text), dtype=pl.UInt32, eager=True), "text": _strip(text)})
    rest, parsed = cells.filter(pl.col("text").is_not_null()), []
    first = rest["text"].head(1)
    for form in sorted(_TIME_FORMATS, key=lambda form: _parse_times(first, form).null_count()):
        if rest.is_empty():
            break
        rest = rest.with_columns(_parse_times(rest["text"], form).alias("time"))
        parsed.append(rest.filter(pl.col("time").is_not_null()).select("row", "time"))
        rest = rest.filter(pl.col("time").is_null()).select("row", "text")
    if not rest.is_empty():
        midnights = rest["text"].str.to_date(_DATE_FORMAT, strict=False).cast(pl.Datetime("us"))
        parsed.append(rest.select("row", midnights.dt.replace_time_zone("UTC").alias("time")))
    if len(parsed) == 1 and parsed[0].height == len(text):
        return _in_calendar(parsed[0]["time"].alias(text.name))
    result = pl.repeat(None, len(text), dtype=_TIME, eager=True)
    if parsed:
        times = pl.concat(parsed)
        result = result.scatter(times["row"], times["time"])
    return _in_calendar(result.alias(text.name))


def _parse_times(text: pl.Series, form: str) -> pl.Series:
    times = text.str.to_datetime(form, time_unit="us", strict=False)
    return times.dt.convert_time_zone("UTC") if form.endswith("%#z") else times.dt.replace_time_zone("UTC")


def _in_calendar(times: pl.Series) -> pl.Series:
    """Without the years that neither Python nor a Delta table can hold."""
    year = times.dt.year()
    return times.set(~year.is_between(*_YEARS).fill_null(True), None)


def _strip(text: pl.Series) -> pl.Series:
    return text.str.strip_chars()


def _family(dtype: pl.DataType) -> str:
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "number"
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return "time"
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return "text"
    return str(dtype)
