"""The slow obvious oracle that the window engine is held to: every event looks at every other one.

Belongs here: what a window's value should be, by the definition of its aggregate, for the conditions of `payments.rich_case`. Does not
belong here: anything of the engine (`platform_assets/features/aggregation/`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Any

import polars as pl

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.sections.features import Window

CONDITIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "amount > 0.15": lambda event: event["amount"] is not None and event["amount"] > 0.15,
    "shop_id % 10 = 1": lambda event: event["shop_id"] % 10 == 1,
    "EXTRACT(HOUR FROM paid_at) < 12": lambda event: event["paid_at"].hour < 12,
    "is_bad = 1": lambda event: event["is_bad"] == 1,
    "is_bad = 1 AND amount > 0.15": lambda event: (
        event["is_bad"] == 1 and event["amount"] is not None and event["amount"] > 0.15
    ),
}
"""Conditions as SQL, and the same for the oracle; what is not known does not hold."""


_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def _duration(text: str) -> timedelta:
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def expected_row(view: FeatureView, case: UseCase, events: pl.DataFrame, event: dict[str, Any]) -> dict[str, Any]:
    """The view's window features of one event, by looking at every other event (label joined in)."""
    return expected_features(view, case, events.to_dicts(), event)


def expected_features(
    view: FeatureView,
    case: UseCase,
    events: list[dict[str, Any]],
    event: dict[str, Any],
    value: Callable[[Window, list[dict[str, Any]], datetime, str], float | None] | None = None,
) -> dict[str, Any]:
    """The same over events as rows; `value` is a window's value from the events in it, by default as written down here."""
    assert view.entity is not None
    entity_key, time_name = case.entity(view.entity).key, case.event_time
    keys = case.event_source.primary_key

    def position(other: dict[str, Any]) -> tuple[Any, ...]:
        return (other[time_name], *(other[key] for key in keys))

    def counts(other: dict[str, Any]) -> bool:
        """Whether the event is among those a window without own event may hold."""
        return (
            other[entity_key] == event[entity_key]
            if event[entity_key] is not None
            else position(other) == position(event)
        )

    same = sorted((other for other in events if counts(other)), key=position)
    result: dict[str, Any] = {}
    for item in view.windows:
        delay = timedelta(days=item.delay_days) if item.delay is None else _duration(item.delay)
        newest = event[time_name] - delay
        if item.resolution == "day":
            newest = datetime.combine(newest.date(), time.max, tzinfo=UTC)
        with_own = (
            item.own_event if item.own_event is not None else item.aggregate not in ("last", "seconds_since_last")
        )
        for length in [*(f"{days}d" for days in item.lengths_days), *item.lengths]:
            oldest = newest - _duration(length)
            seen = [
                other
                for other in same
                if oldest < other[time_name] <= newest
                and (position(other) < position(event) or (with_own and position(other) == position(event)))
                and (item.where is None or CONDITIONS[item.where](other))
            ]
            result[f"{item.name}_{length}"] = (value or window_value)(item, seen, event[time_name], time_name)
    return result


def window_value(item: Window, seen: list[dict[str, Any]], now: datetime, time_name: str) -> float | None:
    """A window's value from the events in it, oldest first."""
    if item.aggregate == "ratio":
        assert item.condition is not None
        holding = [CONDITIONS[item.condition](other) for other in seen if is_known(item.condition, other)]
        return sum(holding) / len(holding) if holding else item.when_empty
    if item.column is not None:
        seen = [other for other in seen if other[item.column] is not None and other[item.column] == other[item.column]]
    if not seen:
        return 0.0 if item.aggregate in ("count", "distinct") and item.when_empty is None else item.when_empty
    if item.aggregate == "count":
        return float(len(seen))
    if item.aggregate == "seconds_since_last":
        since: timedelta = now - seen[-1][time_name]
        return since / timedelta(seconds=1)
    assert item.column is not None
    values = [other[item.column] for other in seen]
    total = math.fsum(values)
    mean = total / len(values)
    if item.aggregate == "std":
        if len(values) < 2:
            return item.when_empty
        exact = [Fraction(value) if abs(value) >= 2.0**-300 else Fraction(0) for value in values]
        numerator = len(exact) * sum(value * value for value in exact) - sum(exact) ** 2
        return math.sqrt(float(numerator) / (len(exact) * (len(exact) - 1)))
    return {
        "sum": total,
        "mean": mean,
        "min": float(min(values)),
        "max": float(max(values)),
        "distinct": float(len(set(values))),
        "last": float(values[-1]),
    }[item.aggregate]


def is_known(condition: str, event: dict[str, Any]) -> bool:
    """Whether all columns that a condition names are there."""
    return all(event[name] is not None for name in ("amount", "shop_id", "is_bad") if name in condition)
