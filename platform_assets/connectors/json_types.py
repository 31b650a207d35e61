"""Values that JSON has no type for: times, dates and exact numbers, as a message's schema or the declaration says.

Belongs here: from the number or bytes in a message to the text of a value. Does not belong here: rows and their order
(`json_changes.py`), and the cast to declared types (`casting.py`).

A number stays as it is in a column that is declared a number: its unit is then the declaration's to describe.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from platform_assets.connectors.files.text_formats import Number
from platform_assets.connectors.written_forms import named_cells
from platform_assets.declaration.sections.columns import NUMERIC_TYPES
from platform_assets.declaration.sections.connectors.base import EpochUnit, EpochUnits
from platform_assets.declaration.sections.sources import Source

PER_SECOND: Mapping[str, int] = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}
_EPOCH = datetime(1970, 1, 1)
_MIDNIGHT = "T00:00:00"

_DEBEZIUM, _CONNECT = "io.debezium.time.", "org.apache.kafka.connect.data."
_TIMES: Mapping[str, EpochUnit] = {
    _DEBEZIUM + "Timestamp": "milliseconds",
    _DEBEZIUM + "MicroTimestamp": "microseconds",
    _DEBEZIUM + "NanoTimestamp": "nanoseconds",
    _CONNECT + "Timestamp": "milliseconds",
    _DEBEZIUM + "Date": "days",
    _CONNECT + "Date": "days",
}
_TIMES_OF_DAY: Mapping[str, EpochUnit] = {
    _DEBEZIUM + "Time": "milliseconds",
    _DEBEZIUM + "MicroTime": "microseconds",
    _DEBEZIUM + "NanoTime": "nanoseconds",
    _CONNECT + "Time": "milliseconds",
}


def typed_cells(
    cells: Mapping[str, Any], fields: Sequence[Any], source: Source, units: EpochUnits | None
) -> dict[str, Any]:
    """The cells of a row under their declared names, its times, dates and exact numbers as text.

    Args:
        cells: JSON values by column.
        fields: Fields of the row in the message's schema (Kafka Connect's JSON form); empty without one.
        source: The declared source.
        units: What numbers of columns without a type in the schema count, as declared.
    """
    result = dict(cells)
    columns = {column.delivered_names[0]: column for column in source.columns if len(column.delivered_names) == 1}
    declared = {name: column.type for name, column in columns.items()}
    described = set()
    for field in fields:
        name, kind = (field.get("field"), field.get("name")) if isinstance(field, Mapping) else (None, None)
        if not isinstance(name, str) or not isinstance(kind, str) or result.get(name) is None:
            continue
        is_number = declared.get(name) in NUMERIC_TYPES
        value = _of_kind(result[name], kind, field.get("parameters") or {}, is_number=is_number)
        if value is not result[name]:
            described.add(name)
            result[name] = _as_date(value) if declared.get(name) == "date" else value
    for name, column in columns.items():
        unit = None if column.format else _unit_of(column.name, column.type, units)
        if unit is not None and name not in described and isinstance(result.get(name), Number):
            text = time_text(result[name], unit)
            result[name] = _as_date(text) if column.type == "date" else text
    return named_cells(result, source)


def fields_of(schema: Any) -> list[Any]:
    """The fields of a schema in Kafka Connect's JSON form; none without one."""
    fields = schema.get("fields") if isinstance(schema, Mapping) else None
    return fields if isinstance(fields, list) else []


def _unit_of(name: str, kind: str, units: EpochUnits | None) -> EpochUnit | None:
    """What a number in a declared column counts; one unit for all is that of times, and dates count days."""
    if isinstance(units, Mapping):
        return units.get(name)
    if units is None or kind not in ("datetime", "date"):
        return None
    return "days" if kind == "date" else units


def _of_kind(value: Any, kind: str, parameters: Mapping[str, Any], *, is_number: bool) -> Any:
    """A value of a named type of the schema."""
    if kind == _CONNECT + "Decimal" and isinstance(value, str):
        return _decimal(value, parameters.get("scale", "0"))
    if kind == "io.debezium.data.VariableScaleDecimal" and isinstance(value, Mapping):
        return _decimal(str(value.get("value")), value.get("scale", "0"))
    if is_number or not isinstance(value, Number):
        return value
    if kind in _TIMES:
        return time_text(value, _TIMES[kind])
    return _time_of_day(value, _TIMES_OF_DAY[kind]) if kind in _TIMES_OF_DAY else value


def time_text(value: str, unit: EpochUnit) -> str:
    """A whole number of units since 1970 as an ISO time in UTC, of days as a date; anything else as it is."""
    try:
        if unit == "days":
            return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
        return (_EPOCH + timedelta(microseconds=int(value) * 1_000_000 // PER_SECOND[unit])).isoformat()
    except (ValueError, OverflowError):
        return value


def _time_of_day(value: str, unit: EpochUnit) -> str:
    """A whole number of units since midnight as an ISO time, which MySQL lets pass a day; anything else as it is."""
    try:
        microseconds = int(value) * 1_000_000 // PER_SECOND[unit]
    except ValueError:
        return value
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    minutes, second = divmod(seconds, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}:{second:02}" + (f".{fraction:06}" if fraction else "")
    return f"-{text}" if microseconds < 0 else text


def _as_date(value: Any) -> Any:
    """A time at midnight as its date; anything else as it is."""
    return value.removesuffix(_MIDNIGHT) if isinstance(value, str) and not isinstance(value, Number) else value


def _decimal(text: str, scale: Any) -> str:
    """An exact number, sent as the bytes of a whole number and a scale; one that is sent as text as it is."""
    try:
        whole = int.from_bytes(base64.b64decode(text, validate=True), "big", signed=True)
        return format(Decimal(whole).scaleb(-int(scale)), "f")
    except ValueError:
        return text
