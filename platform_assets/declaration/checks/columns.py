"""Cross-checks of columns: how they are delivered, and what they are computed from.

Belongs here: fields of one column that contradict each other or its type, and columns that are computed from others. Does not belong here:
limits and references (`checks/references.py`), or reading values (`connectors/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl

from platform_assets.declaration.delivered_columns import SOURCE_LINE, SOURCE_POSITION
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.sections.migrations import Default, value_of
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.columns import Column
    from platform_assets.declaration.sections.sources import Source

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path below the source, the value there, and the message."""

_WHOLE = ("int8", "int32", "int64")
_YEARS = ("%Y", "%y", "%G", "%C", "%F", "%D", "%c", "%x", "%+", "%s", "%v")


def column_problems(source: Source) -> Iterator[Problem]:
    """Problems of how the columns of a source are delivered; paths start at the source."""
    for j, column in enumerate(source.columns):
        found = (
            *_ways(source, column),
            *_times(column),
            *_words(column),
            *_numbers(column),
            *_computed(source, column),
        )
        for field, value, message in found:
            yield ("columns", j, field), value, message


def _ways(source: Source, column: Column) -> Iterator[tuple[str, Any, str]]:
    if sum((column.value is not None, column.expression is not None, bool(column.delivered_as))) > 1:
        yield "name", column.name, "is `from` delivered columns, has one `value`, or an `expression`: one of the three"
    if not column.is_delivered and column.has_written_form:
        yield "name", column.name, "is not delivered, so it is not written in any form: leave the other fields out"
    if len(column.delivered_as) > 1 and column.type not in ("string", "datetime", "date"):
        message = f"puts texts together, which makes a string, a day or a time, and no {column.type}: use `expression`"
        yield "from", list(column.delivered_as), message
    if len(column.delivered_as) > 1 and column.type != "string" and not column.format:
        yield (
            "from",
            list(column.delivered_as),
            "needs the `format` of the texts together, joined by a space: `%Y-%m-%d %H`",
        )
    is_key = column.name in source.primary_key
    if is_key and source.is_incremental and (len(column.delivered_as) > 1 or not column.is_delivered):
        yield "name", column.name, "identifies the rows of changes: it has to be delivered in one column"
    if column.name == source.event_time and not column.is_delivered:
        yield "name", column.name, "is the event time: it has to be delivered, in one column or several (`from`)"
    if column.value is not None:
        try:
            value_of(Default(kind="default", column=column.name, value=column.value, why="declared"), column)
        except ValueError as error:
            yield "value", column.value, str(error)


def _times(column: Column) -> Iterator[tuple[str, Any, str]]:
    if column.format and column.type not in ("datetime", "date"):
        yield "format", list(column.format), f"is for times and days, and {column.name!r} is {column.type}"
    for form in column.format:
        if form.startswith("epoch_"):
            if form not in ("epoch_seconds", "epoch_milliseconds", "epoch_microseconds"):
                yield "format", form, "is none of epoch_seconds, epoch_milliseconds, epoch_microseconds"
            continue
        if not any(directive in form for directive in _YEARS):
            yield "format", form, "tells no year, so no day: `%d.%m.%Y %H:%M` is 31.12.2026 23:59"
            continue
        try:
            probe = form if "%M" in form or not any(h in form for h in ("%H", "%I", "%k", "%l")) else f"{form} :%M"
            pl.Series(["?"]).str.to_datetime(probe, time_unit="us", strict=False)
        except (pl.exceptions.PolarsError, ValueError) as error:
            yield "format", form, f"is no format of times: {str(error).splitlines()[0]}"
    if column.time_zone is not None:
        if column.type != "datetime":
            yield "time_zone", column.time_zone, f"is for times, and {column.name!r} is {column.type}"
        try:
            ZoneInfo(column.time_zone)
        except (KeyError, ValueError, OSError):
            yield "time_zone", column.time_zone, "is no zone of the IANA list, such as Europe/Berlin or America/Chicago"
    elif column.twice != "refuse" or column.skipped != "refuse":
        yield "time_zone", None, "`twice` and `skipped` are about the hours of a zone: declare it"


def _words(column: Column) -> Iterator[tuple[str, Any, str]]:
    words = {str(word).strip().lower() for word in column.true_values}
    others = {str(word).strip().lower() for word in column.false_values}
    if not words and not others:
        return
    if column.type != "bool" and column.type not in _WHOLE:
        yield (
            "true_values",
            list(column.true_values),
            f"are for Booleans and for 0 and 1, and {column.name!r} is {column.type}",
        )
    if not words or not others:
        yield "true_values", list(column.true_values), "name what stands for true and what stands for false, both"
    if words & others:
        yield "false_values", sorted(words & others), "stand for true and for false"


def _numbers(column: Column) -> Iterator[tuple[str, Any, str]]:
    if column.scale is not None and column.type != "float64":
        yield "scale", column.scale, f"is for type decimal, and {column.name!r} is {column.type}"
    if column.decimal_mark == "." and not column.thousands:
        return
    if not column.is_numeric:
        yield "type", column.type, "`decimal_mark` and `thousands` are for numbers"
    if column.decimal_mark == column.thousands:
        yield "thousands", column.thousands, "is the decimal mark too: a number could be read in two ways"


def _computed(source: Source, column: Column) -> Iterator[tuple[str, Any, str]]:
    if column.expression is None:
        return
    try:
        roots = columns_of(column.expression)
    except pl.exceptions.PolarsError as error:
        yield "expression", column.expression, f"is not an expression in polars' SQL dialect: {error}"
        return
    known = [other.name for other in source.columns if other.expression is None]
    unknown = sorted(set(roots) - {*known, SOURCE_POSITION, SOURCE_LINE})
    if unknown:
        reason = f"uses {', '.join(unknown)}: no such column that is not computed itself"
        yield "expression", column.expression, unknown_name(reason, unknown, known)
