"""One event of a request as a state keeps it: its identity, and what windows aggregate of it.

Belongs here: from an event's columns to a `StateEvent`. Does not belong here: what a state holds (`entity_state.py`), states of tables,
or where pending events wait (`online/pending.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from platform_assets.declaration.expressions.scalars import Unfit
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.event_numbers import EventNumbers
from platform_assets.features.aggregation.event_values import EventValue, compute_values, roots_of
from platform_assets.features.entity_state import EventIdentity, StateEvent, StateLayout
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import microseconds


def state_event(layout: StateLayout, event: Mapping[str, Any]) -> StateEvent:
    """A request or event row as the layout's state keeps it. The label counts as not known.

    Raises:
        FeatureError: the event lacks its time or key, or a value is no number.
    """
    time, key = event_identity(layout, event)
    return StateEvent(time, key, _values(layout, event))


def event_identity(layout: StateLayout, event: Mapping[str, Any]) -> EventIdentity:
    """Time and key of a request or event row, as `StateEvent.identity` has them.

    Raises:
        FeatureError: the event lacks its time or key.
    """
    case = layout.use_case
    time = event.get(case.event_time)
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise FeatureError(
            f"event {_name(case, event)}: {case.event_time!r} is {time!r}; a time with its zone is needed"
        )
    return microseconds(time), tuple(_key_part(case, event, name) for name in layout.key_columns)


def _key_part(case: UseCase, event: Mapping[str, Any], name: str) -> Any:
    """A part of the key as it is kept in lists: whole numbers for everything that is neither text nor float."""
    part = event.get(name)
    if part is None:
        raise FeatureError(f"event {_name(case, event)} lacks {name!r}, a part of its key")
    if isinstance(part, datetime):
        return microseconds(part)
    if isinstance(part, date):
        return (part - date(1970, 1, 1)).days
    kind = case.event_source.column(name).type
    try:
        value = str(part) if kind == "string" else float(part) if kind == "float64" else int(part)
    except (TypeError, ValueError, OverflowError) as error:
        raise FeatureError(f"event {_name(case, event)}: {name!r} is {part!r}; it must be {kind}") from error
    if value != value:
        raise FeatureError(
            f"event {_name(case, event)}: {name!r} is NaN, which equals nothing: no event is known by it"
        )
    return value


def _values(layout: StateLayout, event: Mapping[str, Any]) -> tuple[float, ...]:
    """What windows aggregate of the event, by the same expressions as over a table; NaN where the event lacks a column."""
    case = layout.use_case
    values = {value: _number(case, event, str(value.column)) for value in layout.plan.values if value.is_plain}
    if len(values) == len(layout.plan.values):
        return tuple(values.values())
    known = {name for name in event if name != case.label.column}
    computed = [value for value in layout.plan.values if value not in values and value.roots <= known]
    if computed:
        values.update(zip(computed, _computed(layout, computed, event), strict=True))
    return tuple(values.get(value, float("nan")) for value in layout.plan.values)


def _computed(layout: StateLayout, computed: Sequence[EventValue], event: Mapping[str, Any]) -> Sequence[float]:
    """What is no plain column's value; over a table of one row where a value or an expression needs it."""
    case = layout.use_case
    names = tuple(value.name for value in computed)
    if names not in layout.compiled_values:
        types = {root: case.event_source.column(root).polars_type for root in roots_of(computed)}
        layout.compiled_values[names] = EventNumbers(computed, types)
    compiled = layout.compiled_values[names]
    try:
        if not compiled.reason:
            return compiled.numbers(event)
    except Unfit:
        pass  # a table says what does not fit, or takes it
    schema = {root: case.event_source.column(root).polars_type for root in roots_of(computed)}
    try:
        row = pl.DataFrame({name: [event[name]] for name in schema}, schema=schema)
        return compute_values(computed, row).row(0)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise FeatureError(f"event {_name(case, event)}: conditions cannot be computed: {error}") from error


def _number(case: UseCase, event: Mapping[str, Any], name: str) -> float:
    """A column's value as the kernel takes it."""
    value = None if name == case.label.column else event.get(name)
    if value is None:
        return float("nan")
    column = case.event_source.column(name)
    if not (column.is_numeric or column.type == "bool"):
        return 1.0
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise FeatureError(f"event {_name(case, event)}: {name!r} is {value!r}; a number is needed") from error


def _name(case: UseCase, event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: event.get(name) for name in case.event_source.primary_key}
