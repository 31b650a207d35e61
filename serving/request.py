"""Requests and answers as models, derived from the declaration.

Belongs here: the request model of a use case, the answers, and how a refusal is worded. Does not belong here: HTTP
(`app.py`), or scoring.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from platform_assets.declaration import Column, UseCase
from platform_assets.tasks.registry import task_of

ISO_YEAR = re.compile(r"[0-9]{4}-")
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
INTEGER_BITS = {"int8": 8, "int32": 32, "int64": 64}
MAX_STRING_LENGTH = 4096
MAX_BATCH_ROWS = 1000
MAX_PROBLEMS = 20


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Field of the request; empty when it is the request as a whole.")
    reason: str = Field(description="What is wrong with it.")


class Refusal(BaseModel):
    """Answer to a request that was not scored."""

    error: str = Field(description="What went wrong, in one sentence.")
    problems: list[Problem] = Field(default=[], description="Every field that is wrong.")
    request_id: str = Field(description="The request's id: `x-request-id` if it was given.")


class RequestRefused(ValueError):
    """A request that cannot be scored, with the HTTP status and every problem."""

    def __init__(self, status: int, error: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(error)
        self.status = status
        self.problems = problems


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def request_model(use_case: UseCase) -> type[BaseModel]:
    """The request model of a use case: its declared columns with their types, limits and nullability, and nothing else.

    Types are strict: a number in quotes is refused, and a time needs its UTC offset.
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
        return Literal[tuple(column.allowed)]
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
        return Annotated[int, Field(ge=least, le=most)]
    if column.type == "float64":
        return Annotated[float, Field(allow_inf_nan=False, **limits)]
    if column.type == "string":
        return Annotated[str, Field(max_length=MAX_STRING_LENGTH)]
    if column.type == "bool":
        return bool
    # Lax, because a validator in front takes a field out of JSON mode, in which strict would accept text.
    kind: Any = date if column.type == "date" else AwareDatetime
    return Annotated[kind, Field(strict=False), BeforeValidator(_text_only)]


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
    parsed = _parsed(model, body)
    event = {name: getattr(parsed, name) for name in model.model_fields}
    for name, value in event.items():
        if isinstance(value, datetime):
            event[name] = _in_utc(name, value)
    return event


def parse_rows(model: type[BaseModel], body: bytes) -> list[dict[str, float | None]]:
    """The rows of feature values in the body of `predict`.

    Raises:
        RequestRefused: the body is not JSON, or a feature is missing or unknown.
    """
    parsed: Any = _parsed(model, body)
    return [row.model_dump() for row in parsed.rows]


def _parsed(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        if any(item["type"] == "json_invalid" for item in errors):
            raise RequestRefused(400, "the body is not JSON", (Problem(field="", reason=errors[0]["msg"]),)) from error
        problems = [
            Problem(field=".".join(map(str, item["loc"])), reason=item["msg"]) for item in errors[:MAX_PROBLEMS]
        ]
        raise _unusable(*problems) from error


def _in_utc(name: str, value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise _unusable(Problem(field=name, reason="Input lies outside the years 1 to 9999 in UTC")) from error


def _unusable(*problems: Problem) -> RequestRefused:
    return RequestRefused(422, f"the request is not usable: {len(problems)} problem(s)", problems)


def check_not_in_future(use_case: UseCase, event: Mapping[str, Any], now: datetime, max_future_seconds: float) -> None:
    """Refuse an event from the future: once recorded, it would hide the entity's real events from then on.

    Raises:
        RequestRefused: the event's time is too far ahead of `now`.
    """
    ahead = (event[use_case.event_time] - now).total_seconds()
    if ahead > max_future_seconds:
        reason = f"Input lies {ahead:.0f} seconds in the future; at most {max_future_seconds:.0f} are accepted"
        raise _unusable(Problem(field=use_case.event_time, reason=reason))


def request_id_from(header: str | None) -> str:
    """The caller's id if it is printable ASCII without spaces of at most 128 characters, else a new one."""
    if header is not None and REQUEST_ID.fullmatch(header):
        return header
    return uuid.uuid4().hex


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
