"""Cross-checks of `serving.request`: which columns a request names, and which the features need.

Belongs here: what is wrong with the list itself, told once. Does not belong here: rules that look a column
up in the list (`checks/rollout.py`, `checks/explanations.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.checks.features import lookup_keys
from platform_assets.declaration.checks.windows import uses_request_columns
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.unknown_names import unknown_name
from platform_assets.members import nearest

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def request_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the columns of a request; paths start at the use case.

    What a feature needs and a request does not carry is told once, here: the feature is right, the list is short. A column that is
    missing because its name is misspelt in the list is told of as that.
    """
    request, columns = use_case.serving.request, use_case.event_source.column_names
    meant = set()
    for j, name in enumerate(request):
        if name == use_case.label.column:
            message = "is the label: a request cannot carry what is to be predicted"
            yield ("serving", "request", j), name, message
        elif name not in columns:
            meant.add(nearest(name, columns))
            message = unknown_name(f"no such column in {use_case.events!r}", name, columns)
            yield ("serving", "request", j), name, message
    left_out = {*request, *meant, use_case.label.column}
    # what is no column is told of where it is named
    missing = [name for name in dict.fromkeys(_needed(use_case)) if name in columns and name not in left_out]
    if missing:
        message = f"lacks {', '.join(missing)}, which the features need: add {_them(missing)} to serving.request"
        yield ("serving", "request"), list(request), message


def _needed(use_case: UseCase) -> Iterator[str]:
    """Columns that a request must carry, in the order in which they are needed."""
    events = use_case.event_source
    yield from events.primary_key
    if events.event_time:
        yield events.event_time
    entities = {entity.name for entity in use_case.entities}
    for view in use_case.stored_views:
        if view.entity in entities:
            yield from use_case.entity(str(view.entity)).key_columns
        for window in view.windows:
            yield from uses_request_columns(use_case, window)
    for view in use_case.features:
        for lookup in view.lookups:
            yield from lookup_keys(use_case, lookup)
        own = set(view.computed_from)
        for row in view.rows:
            yield from sorted(_columns(row.expression) - own)
        own |= {row.name for row in view.rows}
        for item in view.functions:
            yield from (name for name in item.columns if name not in own)


def _columns(expression: str) -> set[str]:
    """Columns of an expression; none of one that cannot be read, which is told of where it stands."""
    try:
        return set(columns_of(expression))
    except pl.exceptions.PolarsError:
        return set()


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
