"""The typed gRPC service of a use case: its `.proto` text, from the declaration.

Belongs here: messages, types and numbers of fields. Does not belong here: serving them (`grpc/`), or comparing two texts
(`platform_assets/deployment/proto_changes.py`).

A field's number is its place in the declared request, so a new column goes to the end of `serving.request`; anything else breaks callers,
and `platform-assets proto --check-against` refuses it. Every field has presence, so that a caller who leaves out a required one is
refused and not scored with a zero.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from serving.request import answer_model

if TYPE_CHECKING:
    from platform_assets.declaration import Column, UseCase

SERVICE, METHOD, REQUEST, RESPONSE = "Scoring", "Score", "ScoreRequest", "ScoreResponse"
COLUMN_TYPES = {"int8": "int32", "int32": "int32", "int64": "int64", "float64": "double", "bool": "bool"}
"""The others are texts."""
REQUIRED, MAY_BE_MISSING = "Required.", "May be missing."


def package_of(use_case: str) -> str:
    """The proto package of a use case."""
    return f"platform_assets.{use_case}.v1"


def service_of(use_case: str) -> str:
    """The full name of the typed service of a use case."""
    return f"{package_of(use_case)}.{SERVICE}"


def render_proto(use_case: UseCase) -> str:
    """The `.proto` file of a use case; the same declaration gives the same text."""
    lines = [
        f"// Scoring for {use_case.name}, made from its declaration by `platform-assets proto`; do not edit.",
        'syntax = "proto3";',
        "",
        f"package {package_of(use_case.name)};",
        "",
        *_comment(use_case.description, ""),
        f"service {SERVICE} {{",
        "  // Score one event.",
        f"  rpc {METHOD}({REQUEST}) returns ({RESPONSE});",
        "}",
        "",
        "// One event.",
        f"message {REQUEST} {{",
    ]
    for number, name in enumerate(use_case.serving.request, start=1):
        column = use_case.event_source.column(name)
        lines += _comment(_about(column), "  ")
        lines.append(f"  optional {COLUMN_TYPES.get(column.type, 'string')} {name} = {number};")
    lines += ["}", "", "// What the event was scored with.", f"message {RESPONSE} {{"]
    for number, (name, kind, text) in enumerate(answer_fields(use_case), start=1):
        lines += _comment(text, "  ")
        lines.append(f"  {kind} {name} = {number};")
    return "\n".join([*lines, "}", ""])


def answer_fields(use_case: UseCase) -> Iterator[tuple[str, str, str]]:
    """Name, type and description of each field of the answer. What every task has comes first, so that its numbers are the same."""
    fields = answer_model(use_case).model_fields
    common = ["model_version", "request_id", "unknown_entities", "fallback"]
    for name in [*common, *(name for name in fields if name not in common)]:
        yield name, _answer_type(fields[name].annotation), fields[name].description or ""


def _answer_type(annotation: Any) -> str:
    """The proto type of a field of the answer."""
    if get_origin(annotation) in (Union, types.UnionType):
        (kind,) = (one for one in get_args(annotation) if one is not type(None))
        return _answer_type(kind)
    if get_origin(annotation) is list:
        return "repeated string"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "map<string, double>"
    if annotation is float:
        return "optional double"
    if annotation is str or get_origin(annotation) is Literal:
        return "optional string"
    raise TypeError(f"{annotation} has no type in a proto file: add it here")


def _about(column: Column) -> str:
    needed = MAY_BE_MISSING if column.nullable else REQUIRED
    kinds = {"datetime": "ISO 8601 with its UTC offset.", "date": "ISO 8601."}
    allowed = f"One of {', '.join(map(str, column.allowed))}." if column.allowed else ""
    text = (column.description or "").strip()
    text = f"{text}." if text and not text.endswith((".", "!", "?")) else text
    return " ".join(part for part in (needed, text, kinds.get(column.type, ""), allowed) if part)


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}// {line.strip()}".rstrip() for line in text.strip().splitlines()]
