"""Which fields a place in a declaration may have: for what is said of one that nobody knows.

Belongs here: from a model and a path to names. Does not belong here: any model, or any message.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from platform_assets.declaration.registered_models import OfRegistered


def field_names(model: type[BaseModel], path: Iterable[int | str]) -> tuple[str, ...]:
    """Names of the fields at a place, as they are written in YAML; none where there is no mapping of fields.

    Args:
        model: of the whole.
        path: as pydantic names it: keys, places in lists, and kinds of members.
    """
    return tuple(dict.fromkeys(name for one in models_at(model, path) for name in _fields(one)))


def described(model: type[BaseModel], path: Sequence[int | str]) -> str:
    """What a field means, as its declaration says; empty where nobody says it."""
    for one in models_at(model, path[:-1]):
        field = _fields(one).get(str(path[-1]))
        if field is not None:
            return field.description or ""
    return ""


def models_at(model: type[BaseModel], path: Iterable[int | str]) -> list[type[BaseModel]]:
    """The models that a place may hold."""
    held: list[Any] = [model]
    for step in path:
        below = [child for one in held for child in _below(one, step)]
        if below:
            held = below
        else:  # a kind of the members of a union: no place of its own
            of_kind = [one for one in held if _is_model(one) and step in _kinds(one)]
            held = of_kind or held
    return [one for one in held if _is_model(one)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _kinds(model: type[BaseModel]) -> set[Any]:
    """What the fields that tell a member from its neighbours hold."""
    literals = (field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal)
    return {value for literal in literals for value in get_args(literal)}


def _below(annotation: Any, step: int | str) -> Iterator[Any]:
    """What a key or a place of a value of this type may hold, unions taken apart."""
    if _is_model(annotation):
        field = _fields(annotation).get(str(step)) or annotation.model_fields.get(str(step))
        if field is not None:
            yield from _apart(field.annotation, field.metadata)
        return
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (tuple, list) and isinstance(step, int) and inner:
        yield from _apart(inner[0], ())
    elif origin is dict and len(inner) == 2:
        yield from _apart(inner[1], ())


def _apart(annotation: Any, metadata: Iterable[Any]) -> Iterator[Any]:
    for mark in metadata:
        if isinstance(mark, OfRegistered):
            yield from mark.models
            return
    if get_origin(annotation) is Annotated:
        first, *marks = get_args(annotation)
        yield from _apart(first, marks)
    elif get_origin(annotation) in (Union, types.UnionType):
        for one in get_args(annotation):
            yield from _apart(one, ())
    elif annotation is not type(None):
        yield annotation
