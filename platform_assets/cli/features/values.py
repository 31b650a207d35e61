"""`platform-assets features show` and `explain`.

Belongs here: finding the entity, reading the lake and the online store, and the tables that are printed. Does not belong here:
which events count (`features/consistency/explain.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.cli.answer import CommandAnswer, plain_table
from platform_assets.cli.console import console
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.declaration.time_zones import day_of
from platform_assets.features.consistency.explain import (
    VERDICTS,
    EntityMoment,
    Explanation,
    JudgedEvent,
    entity_moment,
    explain_view,
    own_event,
    values_at,
)

if TYPE_CHECKING:
    from platform_assets.declaration import FeatureView, UseCase
    from platform_assets.lake.lake import Lake
    from platform_assets.settings import Settings

Values = dict[str, float | None]

_NEAR_EVENTS = 3


@dataclass(frozen=True)
class EntityValues:
    """The features of an entity at one moment.

    Attributes:
        moments: of each windowed view, in declared order.
        event: the moment's own event as a frame of one row; None where the entity has none then.
        values: by feature: windows computed anew, the others from the feature table; without an own event the windows of the
            entity's own views only.
        online: values of the online store, where they were requested.
    """

    use_case: UseCase
    moments: Mapping[str, EntityMoment]
    event: pl.DataFrame | None
    values: Values
    online: Values


def show_features(entity: str, at: datetime, name: str | None, answer: CommandAnswer, *, online: bool) -> bool:
    """Print all values and return whether the online store, where it was read, has the same."""
    shown = _entity_values(entity, at, name, online=online)
    _put(answer, shown, entity, at)
    _title(shown, entity, at)
    same = _print_values(shown, list(shown.values), online=online)
    console.print(f"Which events made them: platform-assets features explain {entity} --at {at.isoformat()}")
    return same


def explain_features(
    entity: str,
    at: datetime,
    name: str | None,
    answer: CommandAnswer,
    *,
    online: bool,
    features: Sequence[str],
    most: int,
) -> bool:
    """Print the explanation of each window and return whether the online store, where it was read, has the same values.

    Raises:
        ValueError: there is no such feature.
    """
    shown = _entity_values(entity, at, name, online=online)
    unknown = [feature for feature in features if feature not in shown.values]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such feature here; there are {', '.join(shown.values)}")
    _put(answer, shown, entity, at)
    _title(shown, entity, at)
    explained = [item for moment in shown.moments.values() for item in explain_view(moment)]
    for item in explained:
        if not features or item.feature in features:
            answer.add("explanations", _explained(item, most))
            _print_explanation(item, most)
    left = [feature for feature in features or shown.values if feature not in {item.feature for item in explained}]
    if left:
        console.print(
            "\nComputed from the event's own columns, look-ups and the windows above; from the feature table:"
        )
        _print_values(shown, left, online=False)
    same = not online or _print_values(shown, [name for name in shown.values if name in shown.online], online=True)
    console.print("Where a column comes from: platform-assets lineage USE_CASE COLUMN")
    return same


def _put(answer: CommandAnswer, shown: EntityValues, entity: str, at: datetime) -> None:
    answer.put("use_case", shown.use_case.name)
    answer.put("entity", entity)
    answer.put("at", at)
    answer.put("values", shown.values)
    answer.put("online", shown.online)


def _explained(item: Explanation, most: int) -> dict[str, Any]:
    """An explanation for programs."""
    counted = [
        {"time": one.time, "key": dict(one.key), "value": one.value} for one in list(reversed(item.counted))[:most]
    ]
    return {
        "feature": item.feature,
        "value": item.value,
        "after": item.oldest,
        "up_to": item.newest,
        "counted": len(item.counted),
        "newest_counted": counted,
        "left_out": dict(item.left_out),
    }


def _entity_values(entity: str, at: datetime, name: str | None, *, online: bool) -> EntityValues:
    from platform_assets.features.entities import with_entity_columns
    from platform_assets.installation import Installation
    from platform_assets.settings import Settings

    settings = Settings.from_environment()
    lake = Installation(settings).lake
    use_case, entity_name, value = _entity(entity, name)
    views = use_case.features
    day = day_of(at, use_case.time_zone)
    first = day - timedelta(days=max((view.span_days for view in views), default=0) + 2)
    events = with_entity_columns(_read(use_case, lake, first, day), use_case, views)
    own = events.filter(pl.col(use_case.entity(entity_name).key) == value, pl.col(use_case.event_time) == at)
    event = own.sort(use_case.event_source.primary_key).tail(1) if own.height else None
    moments: dict[str, EntityMoment] = {}
    values: Values = {}
    for view in views:
        stored = {} if event is None else _table_row(use_case, view, lake, event)
        if view.windows and (event is not None or view.entity == entity_name):
            key = use_case.entity(str(view.entity)).key
            moment = entity_moment(view, use_case, events, value if event is None else event[key][0], at)
            values |= values_at(moment.layout, moment.events, at, own_event(moment))
            moments[view.name] = moment
        values |= {name: stored[name] for name in view.feature_names if name in stored and name not in values}
    online_values = _stored_values(use_case, settings, moments, event) if online else {}
    return EntityValues(use_case, moments, event, values, online_values)


def _entity(text: str, name: str | None) -> tuple[UseCase, str, Any]:
    """Use case, entity and the value of its key.

    Raises:
        ValueError: the text names no entity, or one of several use cases.
    """
    given, separator, value = text.partition("=")
    if not separator or not value:
        raise ValueError(f"{text!r} is no entity: write its name or key and a value, such as `customer=17`")
    cases = [declared.use_case for declared in declared_use_cases(name)]
    matches = [(case, entity) for case in cases for entity in case.entities if given in (entity.name, entity.key)]
    if not matches:
        known = ", ".join(f"{entity.name} ({case.name})" for case in cases for entity in case.entities)
        raise ValueError(f"no use case knows an entity {given!r}; declared: {known or 'none'}")
    if len({case.name for case, _ in matches}) > 1:
        names = ", ".join(case.name for case, _ in matches)
        raise ValueError(f"{given!r} is an entity of {names}: name one with --use-case")
    case, entity = matches[0]
    kind = case.key_type(entity.key)
    try:
        return case, entity.name, value if kind == "string" else int(value)
    except ValueError as error:
        raise ValueError(f"{entity.key} is {kind}; {value!r} is none") from error


def _read(use_case: UseCase, lake: Lake, first: date, last: date) -> pl.DataFrame:
    """Published events of these days with the labels that are known, null where none is."""
    from platform_assets.lake.catalog import Catalog
    from platform_assets.pipelines.labelled_events import labelled_events

    as_of = last if use_case.label.decided_at is not None else None
    return labelled_events(Catalog(use_case, lake), max(first, use_case.history.first_day), last, as_of)


def _table_row(use_case: UseCase, view: FeatureView, lake: Lake, event: pl.DataFrame) -> Values:
    """The view's row of an event in its feature table; nothing where its day was not computed."""
    from platform_assets.declaration.sections.sources import EVENT_DAY
    from platform_assets.lake.layout import FEATURES

    table = lake.table(use_case.name, FEATURES, view.table, use_case.feature_schema(view))
    if not table.exists():
        return {}
    day, keys = event[EVENT_DAY][0], list(use_case.event_source.primary_key)
    row = table.read(day, day).join(event.select(keys), on=keys, how="semi")
    return {name: row[name][0] for name in view.feature_names} if row.height else {}


def _stored_values(
    use_case: UseCase, settings: Settings, moments: Mapping[str, EntityMoment], event: pl.DataFrame | None
) -> Values:
    """What a request with this event would be answered from; without an event the same moments over what the store holds."""
    from platform_assets.features.online.feast_connection import feast_store
    from platform_assets.features.online.histories import all_events
    from platform_assets.features.online.request_features import OnlineFeatures
    from platform_assets.features.online.state_table import online_table, packed
    from platform_assets.installation import Installation

    feast = Installation(settings).feature_store.settings(use_case)
    if event is not None:
        vector = OnlineFeatures(use_case, feast).vector(event.select(use_case.serving.request).row(0, named=True))
        if vector.too_late_for:
            late = ", ".join(vector.too_late_for)
            console.print(f"[yellow]The online store no longer holds what this moment's windows need, of {late}.[/]")
        pairs = zip(use_case.feature_names, vector.values.tolist(), strict=True)
        return {name: None if value != value else value for name, value in pairs}
    store = feast_store(feast)
    values: Values = {}
    for moment in moments.values():
        layout = moment.layout
        table = online_table(layout, store)
        fields = table.read([moment.entity])[0]
        events = all_events(table, moment.entity, None if fields is None else packed(fields))
        values |= values_at(layout, events, moment.at)
    return values


def _title(shown: EntityValues, entity: str, at: datetime) -> None:
    use_case = shown.use_case
    if shown.event is not None:
        keys = {name: shown.event[name][0] for name in use_case.event_source.primary_key}
        console.print(f"[bold]{use_case.name}[/] {entity} at {at.isoformat()}, its event {_key(keys)}")
        return
    console.print(
        f"[bold]{use_case.name}[/] {entity} at {at.isoformat()}: no event then, so no window has one of its own"
    )
    times = sorted(
        {time for moment in shown.moments.values() for time in moment.rows[use_case.event_time].to_list()},
        key=lambda time: abs(time - at),
    )
    near = ", ".join(time.isoformat() for time in times[:_NEAR_EVENTS])
    console.print(f"  [dim]its nearest events: {near or 'none within the longest window'}[/]")


def _print_values(shown: EntityValues, names: Sequence[str], *, online: bool) -> bool:
    """A table of values; whether the online values are the same to the bit."""
    views: dict[str, FeatureView] = {name: view for view in shown.use_case.features for name in view.feature_names}
    table = plain_table("view", "feature", "value", *(["online store", ""] if online else []))
    same = True
    for name in names:
        cells = [views[name].name, name, _number(shown.values[name])]
        if online:
            equal = name not in shown.online or shown.online[name] == shown.values[name]
            same = same and equal
            cells += [
                _number(shown.online[name]) if name in shown.online else "",
                "" if equal else "[red]differs[/]",
            ]
        table.add_row(*cells)
    console.print(table)
    if not same:
        console.print(
            "[red]The online store differs[/]: it may not hold the newest events, or no longer those of this moment."
        )
    return same


def _print_explanation(item: Explanation, most: int) -> None:
    window = item.window
    of = f"{window.aggregate} of {window.column or window.condition or 'events'}"
    where = f" where {window.where}" if window.where else ""
    console.print(f"\n[bold]{item.feature}[/] = {_number(item.value)}  [dim]{of}{where}[/]")
    console.print(
        f"  after {item.oldest.isoformat()}, up to {item.newest.isoformat()}: {len(item.counted)} events counted"
    )
    _print_events(item.counted, most)
    for verdict, count in item.left_out.items():
        console.print(f"  {count} {verdict}: {VERDICTS[verdict]}")
        if verdict not in ("too old", "later"):
            _print_events([event for event in item.events if event.verdict == verdict], most)


def _print_events(events: Sequence[JudgedEvent], most: int) -> None:
    """The newest events, the newest first."""
    for event in list(reversed(events))[:most]:
        console.print(
            f"    {event.time.isoformat()}  {_key(event.key)}  {'' if event.value is None else _number(event.value)}"
        )
    if len(events) > most > 0:
        console.print(f"    [dim]and {len(events) - most} earlier ones[/]")


def _key(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)
