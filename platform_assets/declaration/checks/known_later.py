"""Columns that are known only after the event, and what would use them before.

Belongs here: finding each place of a declaration that gives such a column to a model. Does not belong here: labels (`checks/labels.py`),
what is found in data (`evaluation/gates/combinations.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.checks.windows import window_columns
from platform_assets.declaration.sections.features import microseconds_of
from platform_assets.declaration.unknown_names import AboutNames

if TYPE_CHECKING:
    from platform_assets.declaration.sections.features import FeatureView, Window
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def known_later_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of columns with `known_after`; paths start at the use case."""
    later = {column.name: column.known_after for column in use_case.event_source.columns if column.known_after}
    for i, name in enumerate(use_case.serving.request):
        if name in later:
            yield ("serving", "request", i), name, _message(name, later[name], "a request cannot carry it")
    for i, view in enumerate(use_case.features):
        for path, value, message in (*_of_events(view, later), *_of_lookups(use_case, view)):
            yield ("features", i, *path), value, message
    for i, entity in enumerate(use_case.entities):
        for name in entity.key_columns:
            if name in later:
                field = "keys" if entity.is_combined else "key"
                yield ("entities", i, field), name, _message(name, later[name], "nothing can be looked up by it then")


def _of_events(view: FeatureView, later: dict[str, str]) -> Iterator[Problem]:
    for j, row in enumerate(view.rows):
        for name in _roots(row.expression, later):
            yield ("rows", j, "expression"), row.expression, _message(name, later[name], "it cannot be a feature")
    for j, item in enumerate(view.functions):
        for k, name in enumerate(item.columns):
            if name in later:
                yield ("functions", j, "columns", k), name, _message(name, later[name], "it cannot be a feature")
    for j, window in enumerate(view.windows):
        for name in _of_window(window, later):
            field = "column" if window.column == name else next(iter(window.expressions), "column")
            advice = "a window over it ends at least so long before the event: give a delay, and the time as `known_after: 3d`"
            yield ("windows", j, field), name, _message(name, later[name], advice)


def _of_window(window: Window, later: dict[str, str]) -> list[str]:
    """Columns of a window that are not known at its end."""
    try:
        return [name for name in window_columns(window) if name in later and not _is_known(window, later[name])]
    except pl.exceptions.PolarsError:
        return []  # reported at the window


def _is_known(window: Window, after: str) -> bool:
    try:
        return window.delay_microseconds >= microseconds_of(after)
    except ValueError:
        return False


def _of_lookups(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    tables = {source.name: source for source in use_case.sources}
    for j, lookup in enumerate(view.lookups):
        for field, names in (("columns", lookup.columns), ("inputs", lookup.inputs)):
            for k, name in enumerate(names):
                source = tables.get(lookup.source)
                if source is None or name not in source.column_names or not source.column(name).known_after:
                    continue
                after = str(source.column(name).known_after)
                yield ("lookups", j, field, k), name, _message(name, after, "it cannot be looked up for an event")


def _roots(expression: str, later: dict[str, str]) -> list[str]:
    try:
        return sorted(set(pl.sql_expr(expression).meta.root_names()) & set(later))
    except pl.exceptions.PolarsError:
        return []  # reported at the expression


def _message(name: str, after: str, consequence: str) -> str:
    message = f"{name} is known only after the event (known_after: {after}): {consequence}"
    return AboutNames.of(message, "known later", (name,))
