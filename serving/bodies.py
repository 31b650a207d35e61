"""Request bodies: from bytes to one JSON value, or a refusal.

Belongs here: content types, the largest body, what counts as JSON. Does not belong here: which fields a request has (`request.py`).

What JSON leaves open is decided here: a name that stands twice in an object is refused, because two readers would take two different
values; `NaN` and `Infinity`, which are no JSON, are read as numbers and refused by the field they stand in; a body is UTF-8 without a mark
in front.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from serving.refusals import Problem, RequestRefused

if TYPE_CHECKING:
    from starlette.requests import Request

    from platform_assets.declaration import UseCase

MAX_STRING_LENGTH = 4096
"""Longest text of a field, in characters."""
MAX_BATCH_ROWS = 1000
_ESCAPED_CHARACTER_BYTES = 12
"""The longest way to write a character in JSON: two escaped halves."""
_NUMBER_BYTES = 128
"""A number, a time, true or false: no value of these needs more."""
_FIELD_BYTES = 64
"""What stands around a name and its value: quotes, colon, comma, and room for blanks."""
_FRAME_BYTES = 1024
"""What stands around all fields."""
_SHOWN = 64


def largest_event_bytes(use_case: UseCase) -> int:
    """The most bytes that an event of a use case can need, every text of greatest length and escaped."""
    total = _FRAME_BYTES
    for name in use_case.serving.request:
        column = use_case.event_source.column(name)
        texts = [len(json.dumps(value)) for value in column.allowed or ()]
        free_text = column.type == "string" and not texts
        value = MAX_STRING_LENGTH * _ESCAPED_CHARACTER_BYTES if free_text else max([_NUMBER_BYTES, *texts])
        total += len(json.dumps(name)) + value + _FIELD_BYTES
    return total


def largest_rows_bytes(use_case: UseCase) -> int:
    """The most bytes that `MAX_BATCH_ROWS` rows of feature values can need."""
    row = sum(len(json.dumps(name)) + _NUMBER_BYTES + _FIELD_BYTES for name in use_case.feature_names)
    return _FRAME_BYTES + MAX_BATCH_ROWS * (row + _FIELD_BYTES)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The body of a request that is sent as JSON.

    Raises:
        RequestRefused: it is sent as something else, or is larger than `limit_bytes`; then it is not read to its end.
        starlette.requests.ClientDisconnect: the caller went away.
    """
    _check_content_type(request.headers.get("content-type"), request.headers.get("content-encoding"))
    return await read_bytes(request, limit_bytes)


async def read_bytes(request: Request, limit_bytes: int) -> bytes:
    """The body of a request, whatever it is sent as.

    Raises:
        RequestRefused: it is larger than `limit_bytes`; then it is not read to its end.
        starlette.requests.ClientDisconnect: the caller went away.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:_SHOWN]) > limit_bytes:
        raise _too_large(limit_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def json_value(body: bytes) -> Any:
    """The value that a body holds.

    Raises:
        RequestRefused: it is not JSON, or an object in it has a name twice.
    """
    try:
        text = body.decode()
        if text.startswith("\ufeff"):
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
        return _DECODER.decode(text)
    except _RepeatedName as error:
        problem = Problem(field=shown_name(str(error)), reason="stands more than once in the same object")
        raise RequestRefused(400, "a name stands more than once in the body", (problem,)) from None
    except UnicodeDecodeError as error:
        reason = f"Byte {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {error.pos}"
    except RecursionError:
        reason = "Values are nested too deeply"
    except ValueError:
        reason = "A number has too many digits"
    raise RequestRefused(400, "the body is not JSON", (Problem(field="", reason=reason),))


def shown_name(name: str) -> str:
    """A name that a caller sent, as it is shown to him: no more than its beginning."""
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."


_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class _RepeatedName(ValueError):
    """An object has a name twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _RepeatedName(name)
            seen.add(name)
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_NOT_FINITE.__getitem__)
"""`json.loads` with arguments makes one for each body, and is asked for a mark in front by itself."""


def _check_content_type(content_type: str | None, encoding: str | None) -> None:
    """JSON in UTF-8, as it is; a request that names no type is taken for it."""
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise _not_json_sent(f"content-encoding {encoding[:_SHOWN]!r}")
    if content_type is None:
        return
    if content_type == "application/json":
        return
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    named = dict(part.strip().partition("=")[::2] for part in parameters.split(";"))
    charset = named.get("charset", "utf-8").strip(' "')
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        raise _not_json_sent(f"content-type {content_type[:_SHOWN]!r}")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise _not_json_sent(f"charset {charset[:_SHOWN]!r}")


def _not_json_sent(what: str) -> RequestRefused:
    return RequestRefused(415, f"the body has {what}; send JSON in UTF-8 with content-type application/json")


def _too_large(limit_bytes: int) -> RequestRefused:
    return RequestRefused(413, f"the body is larger than {limit_bytes} bytes, the most that a request here may have")
