"""Cross-checks of windows: what one field of a window alone cannot tell.

Belongs here: rules that compare a window's parts with each other and with the use case, each problem with its place below
the view. Does not belong here: row features and entities (`references.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.aggregates import AGGREGATES
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.sections.features import MICROSECONDS, Window
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.features import FeatureView
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""Path below the view, the value there, and the message."""


def window_columns(window: Window) -> tuple[str, ...]:
    """Columns that a window's values come from: its column, and those of its condition and filter.

    Raises:
        polars.exceptions.PolarsError: a condition is not in polars' SQL dialect.
    """
    named = [] if window.column is None else [window.column]
    for text in window.expressions.values():
        named += sorted(set(columns_of(text)))
    return tuple(dict.fromkeys(named))


def uses_request_columns(use_case: UseCase, window: Window) -> tuple[str, ...]:
    """Columns that a request must carry for a window: an event counts before a batch brings it."""
    if window.delay_microseconds >= MICROSECONDS["d"]:
        return ()
    try:
        return tuple(name for name in window_columns(window) if name != use_case.label.column)
    except pl.exceptions.PolarsError:
        return ()  # reported at the window


def window_problems(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    """Everything about a view's windows that does not fit together."""
    for j, window in enumerate(view.windows):
        for path, value, message in (
            *_lengths(use_case, window),
            *_resolution(window),
            *_own_event(window),
            *_aggregate(use_case, window),
        ):
            yield ("windows", j, *path), value, message


def _lengths(use_case: UseCase, window: Window) -> Iterator[Problem]:
    if not window.durations:
        yield ("lengths_days",), [], "a window needs a length: give `lengths_days` or `lengths`"
    if any(length < 1 for length in window.lengths_days):
        yield (
            ("lengths_days",),
            list(window.lengths_days),
            "a window is at least 1 day long; shorter ones go in `lengths`",
        )
    if window.delay is not None and window.delay_days:
        yield ("delay",), window.delay, f"delay_days says {window.delay_days} already: give one of the two"
    if use_case.history.last_day is not None:
        days = (use_case.history.last_day - use_case.history.first_day).days + 1
        if window.span_days > days:
            message = f"reaches back {window.span_days} days, but the history has only {days}"
            yield ("lengths_days" if window.lengths_days else "lengths",), list(window.durations), message


def _resolution(window: Window) -> Iterator[Problem]:
    """A window of whole days holds the rest of its newest day: that day must be over, and lengths are whole days."""
    if window.covers_whole_days and (window.delay is not None or window.delay_days < 1):
        yield (
            ("resolution",),
            window.resolution,
            "whole days end before the event's own day: give a delay_days of at least 1",
        )
    if window.covers_whole_days and window.lengths:
        yield ("lengths",), list(window.lengths), "a window of whole days takes `lengths_days` only"


def _own_event(window: Window) -> Iterator[Problem]:
    if window.own_event and window.delay_microseconds > 0:
        yield ("own_event",), True, "a window with a delay ends before the event: leave own_event out"
    problem = AGGREGATES[window.aggregate].own_event_problem
    if window.own_event and problem is not None:
        yield ("own_event",), True, f"{problem}: leave own_event out"


def _aggregate(use_case: UseCase, window: Window) -> Iterator[Problem]:
    aggregate = AGGREGATES[window.aggregate]
    takes_condition = aggregate.input == "condition"
    if takes_condition != (window.condition is not None):
        others = [name for name in AGGREGATES if AGGREGATES[name].input == "condition"]
        message = (
            f"is needed by aggregate {' and '.join(map(repr, others))}, and taken by no other: a filter is `where`"
        )
        yield ("condition",), window.condition, message
    if takes_condition and window.column is not None:
        message = f"aggregate {window.aggregate!r} counts events for which `condition` holds: leave column out"
        yield ("column",), window.column, message
    if window.column is None and aggregate.needs_column:
        yield (), window.aggregate, f"aggregate {window.aggregate!r} needs a `column`"
    elif window.column is not None:
        yield from _column(use_case, window, window.column)
    for field, text in window.expressions.items():
        yield from _expression(use_case, window, field, text)


def _column(use_case: UseCase, window: Window, column: str) -> Iterator[Problem]:
    if column == use_case.label.column:
        if _knows_label_early(use_case, window):
            yield ("delay_days",), window.delay_days, _too_early(use_case)
    elif column not in use_case.event_source.column_names:
        yield ("column",), column, _no_such_column(use_case, "", (str(column),))
    elif AGGREGATES[window.aggregate].needs_numbers and not use_case.event_source.column(column).is_numeric:
        yield ("column",), column, f"aggregate {window.aggregate!r} needs a number"


def _expression(use_case: UseCase, window: Window, field: str, text: str) -> Iterator[Problem]:
    try:
        roots = set(columns_of(text))
    except pl.exceptions.PolarsError as error:
        yield (field,), text, f"is not an expression in polars' SQL dialect: {error}"
        return
    if not roots:
        yield (field,), text, "names no column of the event: a condition is about the event's columns"
    unknown = sorted(roots - {*use_case.event_source.column_names, use_case.label.column})
    if unknown:
        yield (field,), text, _no_such_column(use_case, f"uses {', '.join(unknown)}: ", unknown)
    if use_case.label.column in roots and _knows_label_early(use_case, window):
        yield (field,), text, _too_early(use_case)


def _knows_label_early(use_case: UseCase, window: Window) -> bool:
    return window.delay_microseconds < max(1, use_case.label_arrival_days) * MICROSECONDS["d"]


def _too_early(use_case: UseCase) -> str:
    days = max(1, use_case.label_arrival_days)
    return f"the window would know the label too early: its delay must be at least {days} days"


def _no_such_column(use_case: UseCase, used: str, names: Sequence[str]) -> str:
    columns = (*use_case.event_source.column_names, use_case.label.column)
    return unknown_name(f"{used}no such column in {use_case.events!r}", names, columns)
