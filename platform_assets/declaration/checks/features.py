"""Cross-checks of entities, look-ups, row features, functions and versions of views.

Belongs here: rules that compare these with the use case's tables and with each other, each problem with its place. Does not belong
here: windows (`checks/windows.py`), or whether a function is pure, which shows when it is called (`features/functions.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.functions import FunctionNotFound, function_source
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.features import FeatureView, Lookup
    from platform_assets.declaration.sections.sources import Source
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""

COMBINABLE = frozenset({"int8", "int32", "int64", "string", "bool", "date", "datetime"})
"""Types of columns that can be part of a combined entity or of a look-up's key: those whose equality is certain."""


def entity_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the entities; paths start at the use case."""
    events = use_case.event_source
    for i, entity in enumerate(use_case.entities):
        field = "keys" if entity.is_combined else "key"
        for key in entity.key_columns:
            if key not in events.column_names:
                message = unknown_name(f"no such column in {use_case.events!r}", key, events.column_names)
                yield ("entities", i, field), key, message
            elif entity.is_combined and events.column(key).type not in COMBINABLE:
                yield ("entities", i, field), key, f"is {events.column(key).type}: it cannot be part of a combined key"
        if not entity.is_combined:
            continue
        if len(set(entity.keys)) < 2 or len(set(entity.keys)) < len(entity.keys):
            yield ("entities", i, "keys"), list(entity.keys), "a combination needs at least two different columns"
        if entity.key in events.column_names:
            message = f"is a column of {use_case.events!r}: the combination needs a name of its own"
            yield ("entities", i, "key"), entity.key, message


def view_problems(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    """Problems of a view's look-ups, row features, functions and version; paths start at the view."""
    yield from _version(use_case, view)
    for j, lookup in enumerate(view.lookups):
        for path, value, message in _lookup(use_case, view, lookup):
            yield ("lookups", j, *path), value, message
    yield from _rows(use_case, view)
    yield from _functions(use_case, view)


def pass_through(view: FeatureView) -> set[str]:
    """Row features that hand a column on under its own name."""
    return {row.name for row in view.rows if row.expression.strip() == row.name}


def lookup_keys(use_case: UseCase, lookup: Lookup) -> tuple[str, ...]:
    """Columns of the event that a look-up goes by."""
    return tuple(lookup_on(use_case, lookup))


def lookup_on(use_case: UseCase, lookup: Lookup) -> dict[str, str]:
    """The column of the event for each column of the table that a look-up goes by; nothing for a table that is not there."""
    if lookup.on or lookup.source not in {source.name for source in use_case.sources}:
        return dict(lookup.on)
    source = use_case.source(lookup.source)
    return {name: name for name in source.primary_key if name != source.event_time}


def _version(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    tables = Counter(other.table for other in use_case.stored_views)
    if tables[view.table] > 1 and (view.version != 1 or view in use_case.previous_features):
        message = f"table {view.table!r} is declared {tables[view.table]} times: versions of a view must differ"
        yield ("version",), view.version, message
    newest = {other.name: other.version for other in use_case.features}
    if view in use_case.previous_features and newest.get(view.name, view.version + 1) < view.version:
        message = f"is newer than version {newest[view.name]} under `features`: only older versions belong here"
        yield ("version",), view.version, message


def _lookup(use_case: UseCase, view: FeatureView, lookup: Lookup) -> Iterator[Problem]:
    tables = {source.name: source for source in use_case.sources}
    if lookup.source not in tables:
        yield ("source",), lookup.source, unknown_name("no such source", lookup.source, tables)
        return
    source = tables[lookup.source]
    if lookup.source in (use_case.events, use_case.label.source):
        message = "is the table of the events or of the label: what was before an event is a window's work"
        yield ("source",), lookup.source, message
    if not lookup.names:
        yield (), lookup.name, "looks nothing up: name `columns` or `inputs`"
    for field, names in (("columns", lookup.columns), ("inputs", lookup.inputs)):
        for k, name in enumerate(names):
            if name not in source.column_names:
                yield (field, k), name, unknown_name(f"no such column in {source.name!r}", name, source.column_names)
            elif field == "columns" and not (source.column(name).is_numeric or source.column(name).type == "bool"):
                message = (
                    f"is {source.column(name).type}: a feature is a number; list it under `inputs` for an expression"
                )
                yield (field, k), name, message
    for name in lookup.defaults:
        if name not in lookup.columns:
            yield ("defaults",), name, unknown_name("is not looked up as a feature", name, lookup.columns)
    yield from _lookup_key(use_case, lookup, source)
    yield from _until(lookup, source)
    if source.is_daily != (lookup.max_age_days is not None):
        message = (
            f"{source.name!r} has an event time: say how many days back a row counts"
            if source.is_daily
            else f"{source.name!r} is a reference table, whose rows have no age: leave max_age_days out"
        )
        yield ("max_age_days",), lookup.max_age_days, message
    elif lookup.max_age_days is not None and lookup.max_age_days < max(1, source.arrival_delay_days):
        message = f"is shorter than the {source.arrival_delay_days} days after which {source.name!r} arrives"
        yield ("max_age_days",), lookup.max_age_days, message
    others = {name for other in use_case.features if other is not view for item in other.lookups for name in item.names}
    for name in sorted(set(lookup.names) & (set(use_case.event_source.column_names) | others)):
        yield ("name",), name, "is the name of a column of the events or of another look-up: rename this look-up"


def _until(lookup: Lookup, source: Source) -> Iterator[Problem]:
    if lookup.until is None:
        return
    if lookup.until not in source.column_names:
        message = unknown_name(f"no such column in {source.name!r}", lookup.until, source.column_names)
        yield ("until",), lookup.until, message
    elif source.column(lookup.until).type not in ("date", "datetime"):
        yield (
            ("until",),
            lookup.until,
            f"is {source.column(lookup.until).type}: a row stops counting at a date or datetime",
        )
    elif not source.is_daily:
        message = f"{source.name!r} is a reference table: give it the event_time from which each row counts, like `valid_from`"
        yield ("until",), lookup.until, message


def _lookup_key(use_case: UseCase, lookup: Lookup, source: Source) -> Iterator[Problem]:
    events, on = use_case.event_source, lookup_on(use_case, lookup)
    for mine, theirs in on.items():
        if mine not in events.column_names:
            reason = f"no such column in {use_case.events!r}: say which is meant in `on`"
            yield ("on",), mine, unknown_name(reason, mine, events.column_names)
        elif theirs not in source.column_names:
            yield ("on",), theirs, unknown_name(f"no such column in {source.name!r}", theirs, source.column_names)
        elif events.column(mine).polars_type.is_integer() != source.column(theirs).polars_type.is_integer() or (
            events.column(mine).type not in COMBINABLE
        ):
            types = f"{events.column(mine).type} and {source.column(theirs).type}"
            yield (
                ("on",),
                mine,
                f"{mine!r} and {theirs!r} are {types}: a key is equal whole numbers, texts, days or times",
            )
    if not on:
        yield ("on",), {}, f"name the columns that {use_case.events!r} and {source.name!r} have in common"
    elif not source.is_daily and set(on.values()) != set(source.primary_key):
        message = f"must name the primary key of {source.name!r}, {list(source.primary_key)}: one row for each event"
        yield ("on",), dict(on), message


def _rows(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    own = set(view.computed_from)
    known = set(use_case.event_source.column_names) | own
    for j, row in enumerate(view.rows):
        path = ("rows", j, "expression")
        try:
            roots = set(columns_of(row.expression))
        except pl.exceptions.PolarsError as error:
            yield path, row.expression, f"is not an expression in polars' SQL dialect: {error}"
            continue
        if use_case.label.column in roots:
            yield path, row.expression, f"uses the label {use_case.label.column!r}: a label cannot be a feature"
        unknown = sorted(roots - known - {use_case.label.column})
        if unknown:
            message = unknown_name(f"uses unknown columns {', '.join(unknown)}", unknown, sorted(known))
            yield path, row.expression, message


def _functions(use_case: UseCase, view: FeatureView) -> Iterator[Problem]:
    own = {*view.computed_from, *(row.name for row in view.rows)}
    known = set(use_case.event_source.column_names) | own
    for j, item in enumerate(view.functions):
        for k, name in enumerate(item.columns):
            path = ("functions", j, "columns", k)
            if name == use_case.label.column:
                yield path, name, f"is the label {name!r}: a label cannot be a feature"
            elif name not in known:
                yield path, name, unknown_name("no such column", name, sorted(known))
        try:
            function_source(item.function)
        except FunctionNotFound as error:
            yield ("functions", j, "function"), item.function, str(error)
