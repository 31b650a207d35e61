"""Each feature of a prediction: its values, what it added, and the events and table versions behind it.

Belongs here: the account of features, as plain values. Does not belong here: which events count (`features/consistency/explain.py`),
reading state (`state_then.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.features.consistency.explain import (
    VERDICTS,
    Explanation,
    entity_moment,
    explain_view,
)
from platform_assets.features.consistency.replay import SCORED_AT
from platform_assets.features.entities import entity_of
from platform_assets.pipelines.explain_prediction.answer_again import FeatureValues, same_number
from platform_assets.pipelines.explain_prediction.state_then import StateThen, TableThen

MOST_EVENTS = 20
"""Newest counted events that are listed of a feature; how many there are is always said."""


@dataclass(frozen=True)
class EventBehind:
    """An event that a window counted: key, time, value, and where it was known from."""

    key: Mapping[str, Any]
    time: datetime
    value: float | None
    known_from: str


@dataclass(frozen=True)
class FeatureAccount:
    """One feature of a prediction.

    Attributes:
        name: of the feature.
        view: the view it is of.
        description: what it means.
        made_by: how it is made, in words.
        logged: the value that the prediction was made from; None is missing.
        recomputed: what the offline path gives; None is missing, or not known where `same` is None.
        same: whether both are the same to the bit; None where nothing could be computed.
        contribution: what it added to the answer.
        counted: how many events a window counted; None of a feature that is no window.
        events: the newest of them.
        left_out: how many events did not count, by reason.
        tables: table and version that it comes from.
    """

    name: str
    view: str
    description: str
    made_by: str
    logged: float | None
    recomputed: float | None
    same: bool | None
    contribution: float
    counted: int | None = None
    events: Sequence[EventBehind] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    tables: Sequence[str] = ()


def feature_accounts(
    use_case_views: Sequence[FeatureView],
    logged: FeatureValues,
    recomputed: FeatureValues | None,
    contributions: Mapping[str, float],
    state: StateThen | None,
    tables: Sequence[TableThen],
) -> list[FeatureAccount]:
    """The account of every feature, what added most first.

    Args:
        use_case_views: the declared views.
        logged: values that the prediction was made from.
        recomputed: what the offline path gives; None where it could not compute anything.
        contributions: of each feature.
        state: as it was; None where it is gone.
        tables: versions that features come from.
    """
    versions = {one.table.rpartition("/")[2]: f"{one.table} version {one.version}" for one in tables}
    accounts = []
    for view in use_case_views:
        windows = {} if state is None or not view.windows else _windows(state, view)
        for name in view.feature_names:
            value = None if recomputed is None else recomputed[name]
            account = FeatureAccount(
                name=name,
                view=view.name,
                description=_described(view, name),
                made_by=_made_by(view, name),
                logged=logged[name],
                recomputed=value,
                same=None if recomputed is None else same_number(logged[name], value),
                contribution=contributions.get(name, 0.0),
                tables=_tables(view, name, versions, state),
            )
            accounts.append(_with_events(account, windows.get(name), state, versions))
    return sorted(accounts, key=lambda account: (-abs(account.contribution), account.name))


def _windows(state: StateThen, view: FeatureView) -> dict[str, Explanation]:
    """The account of each window; nothing where the request has no such entity."""
    use_case, row = state.use_case, state.request.row(0, named=True)
    entity = entity_of(use_case.entity(str(view.entity)), row)
    if entity is None:
        return {}
    moment = entity_moment(view, use_case, state.everything(), entity, row[use_case.event_time])
    keys = use_case.event_source.primary_key
    own = moment.rows.with_row_index("__place").filter([pl.col(name) == pl.lit(row[name]) for name in keys])
    moment = replace(moment, own=int(own["__place"][0]))
    return {found.feature: found for found in explain_view(moment)}


def _with_events(
    account: FeatureAccount, found: Explanation | None, state: StateThen | None, versions: Mapping[str, str]
) -> FeatureAccount:
    if found is None or state is None:
        return account
    keys = list(state.use_case.event_source.primary_key)
    requests = {
        tuple(row[name] for name in keys): f"request {row['request_id']}, answered {row[SCORED_AT].isoformat()}"
        for row in state.answered.sort(SCORED_AT, descending=True).iter_rows(named=True)
    }
    own = tuple(state.request.row(0, named=True)[name] for name in keys)
    held = {tuple(row) for row in state.events.select(keys).iter_rows()}
    table = versions.get(state.use_case.events, state.use_case.events)
    events = []
    for event in list(reversed(found.counted))[:MOST_EVENTS]:
        key = tuple(event.key[name] for name in keys)
        known = "this request itself" if key == own else table if key in held else requests.get(key, table)
        events.append(EventBehind(event.key, event.time, event.value, known))
    left_out = {f"{verdict}: {VERDICTS[verdict]}": count for verdict, count in found.left_out.items()}
    return replace(account, counted=len(found.counted), events=tuple(events), left_out=left_out)


def _described(view: FeatureView, name: str) -> str:
    for window in view.windows:
        if name in window.feature_names:
            return window.description
    own = {item.name: item.description for item in view.rows} | {item.name: item.description for item in view.functions}
    if name in own:
        return own[name]
    return next((one.description for one in view.lookups if name.startswith(f"{one.name}_")), "")


def _made_by(view: FeatureView, name: str) -> str:
    for window in view.windows:
        for feature, length in zip(window.feature_names, window.lengths_microseconds, strict=True):
            if feature == name:
                of = window.column or window.condition or "events"
                where = f" where {window.where}" if window.where else ""
                delay = (
                    f", ending {window.delay_microseconds / 86_400_000_000:g} days before"
                    if window.delay_microseconds
                    else ""
                )
                return f"{window.aggregate} of {of}{where} over {length / 86_400_000_000:g} days{delay}"
    for row in view.rows:
        if row.name == name:
            return f"expression {row.expression}"
    for function in view.functions:
        if function.name == name:
            return f"function {function.function}"
    looked_up = next((one for one in view.lookups if name.startswith(f"{one.name}_")), None)
    return "category of the request" if looked_up is None else f"looked up in {looked_up.source}"


def _tables(view: FeatureView, name: str, versions: Mapping[str, str], state: StateThen | None) -> tuple[str, ...]:
    looked_up = [one.source for one in view.lookups if name.startswith(f"{one.name}_")]
    if looked_up:
        return tuple(versions.get(source, source) for source in looked_up)
    if not view.windows:
        return ()
    sources = {lookup.source for one in ([] if state is None else state.use_case.features) for lookup in one.lookups}
    return tuple(text for source, text in versions.items() if source not in sources)
