"""Rows as found, under the names and in the forms that a declaration knows.

Belongs here: delivered names to declared ones, several columns to one, and values written in a declared way (times of a format and a
zone, words for Booleans, numbers with a decimal comma, signs for no value) as the text that `casting.py` reads. Does not belong here:
casting itself, and columns that are computed from others (`conforming.py`).

What cannot be read keeps its text, with the reason behind it: it ends in quarantine under that name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from platform_assets.connectors.casting import text_to_times
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.sources import Source

EPOCHS: Mapping[str, int] = MappingProxyType(
    {"epoch_seconds": 1_000_000, "epoch_milliseconds": 1_000, "epoch_microseconds": 1}
)
"""Microseconds in a unit of time since 1970, by the format that names it."""

_OFFSET = r"(?i)\d{1,2}:\d{2}\S*?\s?(?:z|[+-]\d{2}:?\d{2})$"
"""A time of day with an offset behind it."""
_ZONED = ("%z", "%:z", "%#z", "%+")
_DAYS_OF = ("%d", "%e", "%j", "%u", "%w", "%F", "%D", "%x", "%c", "%v", "%s", "%+")
"""Directives that tell a day."""
_ISO = "%Y-%m-%dT%H:%M:%S%.6f"
_DAY_END = r"(^|[T ])24((?:\s?:?00){0,2}(?:\.0+)?(?:$|\s?(?:Z|[+-]\d)))"
"""The hour 24: the midnight that ends the day, as ISO 8601 has it, and the last of hours that are counted by their end."""
_GAP = pl.duration(hours=6)
"""Longer than any change of a clock: outside it the offset is certain."""


def as_declared(rows: pl.DataFrame, source: Source, *, are_named: bool = False) -> pl.DataFrame:
    """Rows as found, every declared column under its declared name and readable by a cast; the rest as it is.

    A column that is not there stays away, which `conform` reports. Undeclared columns that have the name of a declared one are called
    `NAME_delivered`.

    Args:
        rows: Columns as delivered.
        source: The declared source.
        are_named: Whether columns that are delivered in one have their declared names already (`named_cells`, labels of a query).
    """
    if all(column.is_as_delivered for column in source.columns):
        return rows
    found = DeliveredNames(rows.columns)
    kept: dict[str, pl.Series] = {}
    used: set[str] = set()
    for column in source.columns:
        names = [found.of(name) for name in _names_of(column, are_named=are_named)]
        if column.value is not None:
            kept[column.name] = pl.repeat(_constant(column), rows.height, dtype=pl.String, eager=True)
        elif names and all(name is not None for name in names):
            values = [rows[name] for name in names if name is not None]
            kept[column.name] = written(values, column) if column.has_written_form else values[0]
            used.update(name for name in names if name is not None)
    declared = set(source.column_names)
    for name in rows.columns:
        if name not in used or (name in source.connector.own_columns and name not in declared):
            kept[f"{name}_delivered" if name in declared else name] = rows[name]
    return pl.DataFrame([values.alias(name) for name, values in kept.items()])


def named_cells(cells: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """The cells of one row, those of columns that are delivered in one column under their declared names.

    A cell that has its declared name already is taken too: what a service records has it.
    """
    if all(column.is_as_delivered for column in source.columns):
        return dict(cells)
    found = DeliveredNames(cells)
    renamed = {
        name: column.name
        for column in source.columns
        if len(column.delivered_as) == 1 and (name := found.of(column.delivered_as[0])) is not None
    }
    taken, kept = set(renamed.values()), kept_names(source, found)
    result = {
        f"{name}_delivered" if name in taken else name: value
        for name, value in cells.items()
        if name not in renamed or name in kept
    }
    return {**result, **{declared: cells[name] for name, declared in renamed.items()}}


def kept_names(source: Source, found: DeliveredNames) -> set[str]:
    """Delivered columns that are needed under their own names too: by the connector, or as a part of another column."""
    parts = {
        found.of(name) for column in source.columns if len(column.delivered_as) > 1 for name in column.delivered_as
    }
    return {name for name in (*parts, *source.connector.own_columns) if name is not None}


def _names_of(column: Column, *, are_named: bool) -> tuple[str, ...]:
    return (column.name,) if are_named and len(column.delivered_names) == 1 else column.delivered_names


def delivered_time(source: Source) -> str | None:
    """The delivered column of the event time, where rows can be asked for by it; None where it is written in a form of its own."""
    if source.event_time is None:
        return None
    column = source.column(source.event_time)
    return None if column.has_written_form else column.delivered_names[0]


class DeliveredNames:
    """Names as delivered, found also when blanks around them or the composition of their accents differ."""

    def __init__(self, names: Iterable[str]) -> None:
        """Names of one delivery."""
        self._exact = set(names)
        self._alike: dict[str, str | None] = {}
        for name in self._exact:
            self._alike[_plain(name)] = None if _plain(name) in self._alike else name

    def of(self, name: str) -> str | None:
        """The delivered name that a declared one means; None where there is none, or several look alike."""
        return name if name in self._exact else self._alike.get(_plain(name))


def written(values: list[pl.Series], column: Column) -> pl.Series:
    """Values in the form that a column declares, as text that a cast reads."""
    parts = [_without_missing(as_text(part), column) for part in values]
    text = parts[0] if len(parts) == 1 else _joined(parts, column.name)
    if column.type in ("datetime", "date"):
        return _times(text, column)
    if column.true_values or column.false_values:
        return _words(text, column)
    if column.decimal_mark != "." or column.thousands:
        return _numbers(text, column)
    return text


def as_text(values: pl.Series) -> pl.Series:
    """Values as text, whole numbers without decimals and times as ISO 8601."""
    if values.dtype == pl.String:
        return values
    if isinstance(values.dtype, pl.Datetime):
        zoned = values.dtype.time_zone is not None
        return (values.dt.convert_time_zone("UTC") if zoned else values).dt.to_string(_ISO + ("Z" if zoned else ""))
    text = values.cast(pl.String, strict=False)
    return text.str.replace(r"\.0+$", "") if values.dtype.is_float() or values.dtype.is_decimal() else text


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\u00a0", " ").strip(" \t\r\n\ufeff")


def _constant(column: Column) -> str:
    return str(column.value).lower() if isinstance(column.value, bool) else str(column.value)


def _joined(parts: list[pl.Series], name: str) -> pl.Series:
    """The texts of several columns; null where one of them has none."""
    stripped = pl.DataFrame([part.str.strip_chars().alias(str(i)) for i, part in enumerate(parts)])
    return stripped.select(pl.concat_str(pl.all(), separator=" ").alias(name)).to_series()


def _without_missing(text: pl.Series, column: Column) -> pl.Series:
    if not column.missing:
        return text
    signs = {str(sign) for sign in column.missing} | {
        f"{sign:g}" for sign in column.missing if isinstance(sign, float | int) and not isinstance(sign, bool)
    }
    return text.set(text.str.strip_chars().is_in(list(signs)).fill_null(False), None)


def _with_reason(text: pl.Series, read: pl.Series, reason: str) -> pl.Series:
    """What was read, and where nothing was, the text with the reason."""
    with_reason = pl.format("{} ({})", pl.lit(text), pl.lit(reason))
    return pl.select(pl.when(pl.lit(read).is_not_null()).then(pl.lit(read)).otherwise(with_reason)).to_series()


# Words and numbers.


def _words(text: pl.Series, column: Column) -> pl.Series:
    """Declared words for true and false."""
    true, false = ("true", "false") if column.type == "bool" else ("1", "0")
    meanings = {str(word).strip().lower(): false for word in column.false_values}
    meanings |= {str(word).strip().lower(): true for word in column.true_values}
    read = text.str.strip_chars().str.to_lowercase().replace_strict(meanings, default=None, return_dtype=pl.String)
    return _with_reason(text, read, f"none of {', '.join(map(str, (*column.true_values, *column.false_values)))}")


def _numbers(text: pl.Series, column: Column) -> pl.Series:
    """Numbers with a declared decimal mark and groups of digits; a group has three digits, or the text is none."""
    mark = "\\" + column.decimal_mark
    group = f"[{column.thousands}\u00a0\u202f]" if column.thousands == " " else "\\" + column.thousands
    digits = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{3}})+)" if column.thousands else r"\d+"
    form = rf"^[+-]?(?:{digits}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?$"
    plain = text.str.strip_chars().str.replace("\u2212", "-", literal=True)
    fits = plain.str.contains(form).fill_null(False)
    read = plain.str.replace_all(group, "") if column.thousands else plain
    if column.decimal_mark != ".":
        read = read.str.replace(column.decimal_mark, ".", literal=True)
    return _with_reason(text, read.set(~fits, None), f"no number with {column.decimal_mark!r} before its decimals")


# Times.


def _times(text: pl.Series, column: Column) -> pl.Series:
    """Times of the declared formats and zone as ISO 8601 in UTC, days as days."""
    stripped = text.str.strip_chars()
    aware: pl.Series | None = None
    if column.format:
        local = pl.repeat(None, len(text), dtype=pl.Datetime("us"), eager=True)
        for form in column.format:
            times = _of_format(stripped, form)
            if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is not None:
                aware = times if aware is None else aware.fill_null(times)
            else:
                local = local.fill_null(times)
        reason = f"not written as {' or '.join(column.format)}"
    else:
        has_offset = stripped.str.contains(_OFFSET).fill_null(False)
        times = text_to_times(stripped)
        aware, local = times.set(~has_offset, None), times.dt.replace_time_zone(None).set(has_offset, None)
        reason = "no time in ISO 8601"
    if column.type == "date":
        days = local if aware is None else local.fill_null(aware.dt.replace_time_zone(None))
        return _with_reason(text, days.dt.to_string("%Y-%m-%d"), reason)
    placed = localized(local, column)
    utc = placed if aware is None else aware.fill_null(placed)
    read = utc.dt.replace_time_zone(None).dt.to_string(_ISO + "Z")
    unplaced = local.is_not_null() & utc.is_null()
    if not unplaced.any():
        return _with_reason(text, read, reason)
    why = _why_unplaced(local.filter(unplaced), column)
    reasoned = text.set(~unplaced, None).scatter(
        unplaced.arg_true(), pl.select(pl.format("{} ({})", pl.lit(text.filter(unplaced)), pl.lit(why))).to_series()
    )
    return _with_reason(text, read.fill_null(reasoned), reason)


def _of_format(text: pl.Series, form: str) -> pl.Series:
    """Times of one format, with UTC where the format has an offset; null where the text is not written so."""
    if form in EPOCHS:
        whole = text.cast(pl.Int64, strict=False)
        exact = (whole * EPOCHS[form]).cast(pl.Float64) if EPOCHS[form] > 1 else whole.cast(pl.Float64)
        fits = exact.is_between(-62_135_596_800e6, 253_402_300_799e6).fill_null(False)
        parts = (text.cast(pl.Float64, strict=False) * EPOCHS[form]).round()
        micros = (whole.set(~fits, None) * EPOCHS[form]).fill_null(
            parts.set(~parts.is_between(-62_135_596_800e6, 253_402_300_799e6).fill_null(False), None).cast(pl.Int64)
        )
        return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if not any(directive in form for directive in _DAYS_OF):  # a month is its first day, a year its first month
        month = "" if any(directive in form for directive in ("%m", "%b", "%B", "%h")) else " %m"
        form, text = f"{form}{month} %d", text + (" 01 01" if month else " 01")
    if any(hour in form for hour in ("%H", "%I", "%k", "%l")) and "%M" not in form:
        form, text = f"{form} :%M", text + " :00"  # polars wants both
    times = text.str.to_datetime(form, time_unit="us", strict=False)
    if "%H" not in form or times.null_count() == text.null_count():
        return times
    ends = text.str.contains(_DAY_END).fill_null(False) & times.is_null()
    if not ends.any():
        return times
    begins = (
        text.set(~ends, None).str.replace(_DAY_END, "${1}00${2}").str.to_datetime(form, time_unit="us", strict=False)
    )
    return times.fill_null(pl.select(pl.lit(begins) + pl.duration(days=1)).to_series())


def localized(local: pl.Series, column: Column) -> pl.Series:
    """Times of the column's zone in UTC; null where the declaration does not say which of two moments is meant, or there is none."""
    if column.time_zone is None:
        return local.dt.replace_time_zone("UTC")
    ambiguous: Any = {"refuse": "null", "earlier": "earliest", "later": "latest"}[column.twice]
    zone = column.time_zone
    placed = local.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null").dt.convert_time_zone("UTC")
    if column.skipped == "later" and placed.null_count() > local.null_count():
        # The offset before the change holds: 02:30 on the night that skips 02:00 to 03:00 is 03:30.
        before = pl.select(pl.lit(local) - _GAP).to_series()
        moved = before.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
        skipped = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").is_null()
        placed = placed.fill_null(pl.select(pl.lit(moved) + _GAP).to_series().set(~skipped, None))
    return placed


def _why_unplaced(local: pl.Series, column: Column) -> pl.Series:
    """For each time that has no moment, why."""
    zone = str(column.time_zone)
    exists = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").is_not_null()
    twice = f"occurs twice in {zone}: declare `twice`"
    return pl.select(
        pl.when(pl.lit(exists)).then(pl.lit(twice)).otherwise(pl.lit(f"does not occur in {zone}: declare `skipped`"))
    ).to_series()
