"""Requests and answers as models, derived from the declaration.

Belongs here: the request model of a use case, and the answers. Does not belong here: HTTP (`app.py`), bytes and JSON (`bodies.py`),
which times an event may have (`event_times.py`), or scoring.

A value fits as it would in a file of typed columns: a number is no text and no truth value, a whole number may be written with a
decimal point (`12.0`) as long as nothing stands behind it, and nothing is rounded.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from platform_assets.declaration import Column, UseCase
from platform_assets.tasks.registry import task_of
from serving.bodies import MAX_BATCH_ROWS, MAX_STRING_LENGTH, json_value, shown_name
from serving.refusals import MAX_PROBLEMS, Problem, unusable

ISO_YEAR = re.compile(r"[0-9]{4}-")
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_ID_BYTES, _IDS_AT_ONCE = 16, 256
_request_ids: list[str] = []
"""Random numbers that nobody has taken yet: asking the system for each one costs more than all else that is done about an id."""
os.register_at_fork(after_in_child=_request_ids.clear)
INTEGER_BITS = {"int8": 8, "int32": 32, "int64": 64}
EXACT_BELOW = 2**53
"""From here on a number with a decimal point stands for several whole numbers."""


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def request_model(use_case: UseCase) -> type[BaseModel]:
    """The request model of a use case: its declared columns with their types, limits and nullability, and nothing else.

    Types are strict: a number in quotes is refused, and a time needs its UTC offset. `12.0` is the whole number 12.
    """
    fields: dict[str, Any] = {}
    for name in use_case.serving.request:
        column = use_case.event_source.column(name)
        kind = _field_type(column)
        if column.nullable:
            fields[name] = (kind | None, Field(default=None, description=column.description))
        else:
            fields[name] = (kind, Field(description=column.description))
    model: type[BaseModel] = create_model(
        "ScoreRequest", __base__=_Request, __doc__=use_case.event_source.description, **fields
    )
    return model


def features_model(use_case: UseCase) -> type[BaseModel]:
    """The request model of `predict`: rows of feature values by name; null is missing."""
    value = Annotated[float | None, Field(allow_inf_nan=False)]
    fields: dict[str, Any] = {name: (value, Field()) for name in use_case.feature_names}
    row = create_model("FeatureRow", __base__=_Request, **fields)
    rows = Annotated[list[row], Field(min_length=1, max_length=MAX_BATCH_ROWS)]
    model: type[BaseModel] = create_model(
        "PredictRequest", __base__=_Request, rows=(rows, Field(description="One row for each answer."))
    )
    return model


def answer_model(use_case: UseCase) -> type[BaseModel]:
    """The answer of `score`."""
    fields = task_of(use_case).answer_fields(use_case)
    fields["model_version"] = (str, Field(description="Version of the registered model."))
    fields["request_id"] = (str, Field(description="The request's id: `x-request-id` if it was given."))
    fields["unknown_entities"] = (
        list[str] | None,
        Field(default=None, description="Entities without history, if any."),
    )
    fields["fallback"] = (
        str | None,
        Field(
            default=None, description="Why the online store was not asked, if it was not: the score knows no history."
        ),
    )
    model: type[BaseModel] = create_model("ScoreAnswer", __config__=ConfigDict(protected_namespaces=()), **fields)
    return model


def _field_type(column: Column) -> Any:
    """The type of one column with its limits."""
    if column.allowed is not None:
        allowed: Any = Literal[tuple(column.allowed)]
        return Annotated[allowed, BeforeValidator(_whole_number)] if column.is_numeric else allowed
    limits: dict[str, Any] = {}
    if column.minimum is not None:
        limits["ge"] = column.minimum
    if column.maximum is not None:
        limits["le"] = column.maximum
    if column.type in INTEGER_BITS:
        most = 2 ** (INTEGER_BITS[column.type] - 1) - 1
        least = -most - 1
        if column.minimum is not None:
            least = max(least, math.ceil(column.minimum))
        if column.maximum is not None:
            most = min(most, math.floor(column.maximum))
        return Annotated[int, Field(ge=least, le=most), BeforeValidator(_whole_number)]
    if column.scale is not None:
        return Annotated[float, Field(allow_inf_nan=False, **limits), AfterValidator(partial(_of_scale, column.scale))]
    if column.type == "float64":
        return Annotated[float, Field(allow_inf_nan=False, **limits)]
    if column.type == "string":
        return Annotated[str, Field(max_length=MAX_STRING_LENGTH), BeforeValidator(_whole_characters)]
    if column.type == "bool":
        return bool
    # Lax, because strict takes no text for a time once it is out of JSON.
    kind: Any = date if column.type == "date" else AwareDatetime
    return Annotated[kind, Field(strict=False), BeforeValidator(_text_only)]


def _of_scale(scale: int, value: float) -> float:
    """A number of at most so many decimals, as in files."""
    if round(value, scale) != value or abs(value) * 10.0**scale >= EXACT_BELOW:
        raise PydanticCustomError(
            "decimal_scale", "Input should have at most {scale} decimals, and 15 digits in all", {"scale": scale}
        )
    return value


def _whole_number(value: Any) -> Any:
    """A number that is whole, written with a decimal point or without, as an int; anything else as it is, but no truth value."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    if not value.is_integer():
        raise PydanticCustomError("int_from_float", "Input should be a valid integer, nothing behind its decimal point")
    if abs(value) >= EXACT_BELOW:
        raise PydanticCustomError(
            "int_not_exact", "Input should be a valid integer; of this size it is exact without a decimal point only"
        )
    return int(value)


def _whole_characters(value: Any) -> Any:
    """Half of a surrogate pair is no character: no store and no log can keep it."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise PydanticCustomError("string_unicode", "Input should be a valid string of whole characters") from error
    return value


def _text_only(value: Any) -> Any:
    """A time is text that starts with a year: a bare number, in quotes or not, could be seconds or milliseconds."""
    if isinstance(value, str) and ISO_YEAR.match(value):
        return value
    raise PydanticCustomError(
        "iso_time", "Input should be an ISO 8601 time with its UTC offset, such as 2018-04-01T12:00:00Z"
    )


def parse_event(model: type[BaseModel], body: bytes) -> dict[str, Any]:
    """The event in a request body: column name to value, times in UTC.

    Raises:
        RequestRefused: the body is not JSON, or a field is wrong.
    """
    return read_event(model, json_value(body))


def read_event(model: type[BaseModel], values: Any) -> dict[str, Any]:
    """The event in a JSON value: column name to value, times in UTC.

    Raises:
        RequestRefused: it is no object, or a field is wrong.
    """
    problems, count = _names_refused(values, model)
    if not isinstance(values, dict):
        raise unusable(*problems)
    fields = model.__pydantic_fields__
    parsed, errors = _validated(model, {name: values[name] for name in fields if name in values} if count else values)
    if parsed is None or count:
        # No more errors than the model has fields, and unknown names are counted without being validated.
        raise unusable(*errors, *problems, count=count + len(errors))
    event = dict(parsed.__dict__)
    for name, value in event.items():
        if isinstance(value, datetime):
            event[name] = _in_utc(name, value)
    return event


def parse_rows(model: type[BaseModel], body: bytes) -> list[dict[str, float | None]]:
    """The rows of feature values in the body of `predict`. A body of many wrong rows is read no further than its first problems.

    Raises:
        RequestRefused: the body is not JSON, or a feature is missing or unknown.
    """
    values = json_value(body)
    problems, count = _names_refused(values, model)
    if count:
        raise unusable(*problems, count=count)
    rows = values.get("rows")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_BATCH_ROWS:
        raise unusable(Problem(field="rows", reason=f"Input should be a list of 1 to {MAX_BATCH_ROWS} rows"))
    (row_model,) = get_args(model.model_fields["rows"].annotation)
    parsed = []
    for index, row in enumerate(rows):
        found, _ = _names_refused(row, row_model)
        one, errors = _validated(row_model, {} if found else row)
        wrong = found or errors
        problems += [Problem(field=f"rows.{index}.{item.field}".rstrip("."), reason=item.reason) for item in wrong]
        if len(problems) >= MAX_PROBLEMS:
            raise unusable(*problems, more=index + 1 < len(rows))
        if one is not None:
            parsed.append(one.model_dump())
    if problems:
        raise unusable(*problems)
    return parsed


def _names_refused(values: Any, model: type[BaseModel]) -> tuple[list[Problem], int]:
    """What is wrong with an object before any of its values is looked at: the first problems, and how many there are."""
    if not isinstance(values, dict):
        return [Problem(field="", reason="Input should be an object")], 1
    fields = model.__pydantic_fields__
    unknown = [name for name in values if name not in fields]
    if not unknown:
        return [], 0
    reason = "Extra inputs are not permitted"
    return [Problem(field=shown_name(name), reason=reason) for name in unknown[:MAX_PROBLEMS]], len(unknown)


def _validated(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[BaseModel | None, list[Problem]]:
    """An object of the model, or what is wrong with its fields; `values` has none that the model lacks."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        return None, [Problem(field=".".join(map(str, item["loc"])), reason=item["msg"]) for item in errors]


def _in_utc(name: str, value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise unusable(Problem(field=name, reason="Input lies outside the years 1 to 9999 in UTC")) from error


def caller_id_from(header: str | None) -> str | None:
    """The caller's id of a request: printable ASCII without spaces, at most 128 characters; None where it is anything else."""
    return header if header is not None and REQUEST_ID.fullmatch(header) else None


def request_id_from(header: str | None) -> str:
    """The caller's id, else a new one."""
    return caller_id_from(header) or new_request_id()


def new_request_id() -> str:
    """The key of a prediction in the log: two requests never share it, whatever ids their callers give them."""
    while True:
        try:
            return _request_ids.pop()
        except IndexError:
            digits = os.urandom(_ID_BYTES * _IDS_AT_ONCE).hex()
            width = 2 * _ID_BYTES
            _request_ids.extend(digits[start : start + width] for start in range(0, len(digits), width))


def example_event(use_case: UseCase) -> dict[str, Any]:
    """A request that the model accepts, for the docs and for warming up; in JSON's types."""
    examples: dict[str, Any] = {}
    for name in use_case.serving.request:
        column = use_case.event_source.column(name)
        if column.allowed is not None:
            examples[name] = column.allowed[0]
        elif column.is_numeric:
            low, high = column.minimum, column.maximum
            value = (
                low + 1 if low is not None and (high is None or low + 1 <= high) else high if high is not None else 1.0
            )
            examples[name] = value if column.type == "float64" else int(value)
        else:
            first = use_case.history.first_day.isoformat()
            texts = {"datetime": f"{first}T12:00:00Z", "date": first, "bool": True, "string": "example"}
            examples[name] = texts[column.type]
    return examples
