"""A tiny use case, random histories for it, and the slow obvious oracle that the window engine is held to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.sections.features import Window

FIRST_DAY = date(2024, 2, 26)
LAST_DAY = date(2024, 3, 8)
MIDNIGHT = datetime(2024, 2, 26, tzinfo=UTC)
LABEL_DELAY_DAYS = 2

EVENT_SCHEMA: dict[str, Any] = {
    "payment_id": pl.Int64,
    "paid_at": pl.Datetime("us", "UTC"),
    "card_id": pl.Int64,
    "shop_id": pl.Int64,
    "amount": pl.Float64,
    "event_day": pl.Date,
}
LABEL_SCHEMA: dict[str, Any] = {
    "payment_id": pl.Int64,
    "paid_at": pl.Datetime("us", "UTC"),
    "is_bad": pl.Int8,
    "event_day": pl.Date,
}

_CONNECTOR = {"kind": "files", "format": "csv", "path": "none.csv"}


def window(name: str, aggregate: str, column: str | None, days: Sequence[int], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": name,
        "aggregate": aggregate,
        "column": column,
        "lengths_days": list(days),
        **more,
    }


def row(name: str, expression: str) -> dict[str, Any]:
    return {"name": name, "description": name, "expression": expression}


def use_case(**changes: Any) -> UseCase:
    """Payments of cards at shops; `changes` replace sections of the declaration."""
    columns = [
        {"name": "payment_id", "type": "int64", "description": "key", "unique": True},
        {"name": "paid_at", "type": "datetime", "description": "time"},
        {"name": "card_id", "type": "int64", "description": "card"},
        {"name": "shop_id", "type": "int64", "description": "shop"},
        {"name": "amount", "type": "float64", "description": "amount", "nullable": True},
    ]
    document: dict[str, Any] = {
        "name": "payments",
        "description": "A tiny use case",
        "owner": "team:tests",
        "history": {"first_day": FIRST_DAY, "last_day": LAST_DAY},
        "sources": [
            {
                "name": "payments",
                "description": "payments",
                "connector": _CONNECTOR,
                "columns": columns,
                "primary_key": ["payment_id"],
                "event_time": "paid_at",
            },
            {
                "name": "labels",
                "description": "labels",
                "connector": _CONNECTOR,
                "columns": [
                    *columns[:2],
                    {"name": "is_bad", "type": "int8", "description": "label", "allowed": [0, 1]},
                ],
                "primary_key": ["payment_id"],
                "event_time": "paid_at",
                "arrival_delay_days": LABEL_DELAY_DAYS,
            },
        ],
        "events": "payments",
        "label": {"source": "labels", "column": "is_bad"},
        "entities": [
            {"name": "card", "key": "card_id", "description": "card"},
            {"name": "shop", "key": "shop_id", "description": "shop"},
        ],
        "features": [
            {
                "name": "context",
                "description": "the payment",
                "rows": [
                    row("amount", "amount"),
                    row("is_night", "CASE WHEN EXTRACT(HOUR FROM paid_at) <= 6 THEN 1 ELSE 0 END"),
                ],
            },
            {
                "name": "card_activity",
                "description": "the card",
                "entity": "card",
                "windows": [
                    window("card_count", "count", None, [1, 3]),
                    window("card_sum", "sum", "amount", [1, 3], when_empty=0),
                    window("card_mean", "mean", "amount", [1, 3]),
                    window("card_min", "min", "amount", [3]),
                    window("card_max", "max", "amount", [3], delay_days=1),
                    window("card_amounts", "count", "amount", [3]),
                ],
                "rows": [row("amount_to_mean", "amount / COALESCE(card_mean_3d, 1)")],
            },
            {
                "name": "shop_risk",
                "description": "the shop",
                "entity": "shop",
                "windows": [
                    window("shop_count", "count", None, [1, 3], delay_days=2),
                    window("shop_bad_ratio", "mean", "is_bad", [1, 3], delay_days=2, when_empty=0),
                ],
            },
        ],
        "training": {
            "task": "binary",
            "group": "card_id",
            "learners": [
                {"name": "constant", "kind": "constant", "baseline": True},
                {"name": "logistic", "kind": "logistic_regression"},
            ],
            "splits": {"train_days": 2, "delay_days": LABEL_DELAY_DAYS, "test_days": 2, "folds": 1},
            "metrics": ["auc_roc"],
            "select_by": "auc_roc",
        },
        "serving": {
            "request": ["payment_id", "paid_at", "card_id", "shop_id", "amount"],
            "decision": {"threshold": 0.5},
        },
        "monitoring": {"quality_metric": "auc_roc"},
    }
    return UseCase.model_validate({**document, **changes})


def view_of(case: UseCase, name: str) -> FeatureView:
    return next(view for view in case.features if view.name == name)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events in random order with their labels: few entities, coarse times, so that ties and edges are common."""
    minutes = st.one_of(
        st.integers(0, 12 * 24 - 1).map(lambda hour: hour * 60.0),
        st.integers(0, 11).map(lambda day: day * 24 * 60.0),
        st.floats(0, 12 * 24 * 60 - 1),
    )
    amounts = st.none() | st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([0.1, 0.2, 0.3])
    count = draw(st.integers(0, max_size))
    rows, labels = [], []
    for key in draw(st.permutations(range(count))):
        time = MIDNIGHT + timedelta(minutes=draw(minutes))
        entity = st.integers(0, 2)
        rows.append((key, time, draw(entity), draw(entity), draw(amounts), time.date()))
        label = draw(st.sampled_from([0, 1, None]))
        if label is not None:
            labels.append((key, time, label, time.date()))
    return (
        pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row"),
        pl.DataFrame(labels, schema=LABEL_SCHEMA, orient="row"),
    )


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


def rich_case(**changes: Any) -> UseCase:
    """Every aggregate, with filters, lengths below a day and delays below a day."""
    night, high, here = "EXTRACT(HOUR FROM paid_at) < 12", "amount > 0.15", "shop_id % 10 = 1"
    card = [
        window("n", "count", None, [2], lengths=["6h", "30m"]),
        window("n_high", "count", None, [1], where=high),
        window("n_before", "count", None, [1], own_event=False),
        window("total", "sum", "amount", [1, 3], lengths=["6h"], where=night),
        window("mean_before", "mean", "amount", [2], own_event=False, lengths=["90m"]),
        window("least", "min", "amount", [2], lengths=["6h"]),
        window("most", "max", "amount", [2], where=here, lengths=["1h"]),
        window("spread", "std", "amount", [1, 3]),
        window("high", "ratio", None, [1, 3], condition=high),
        window("high_here", "ratio", None, [3], condition=high, where=here, when_empty=-1),
        window("shops", "distinct", "shop_id", [1, 3], lengths=["2h"]),
        window("amounts", "distinct", "amount", [3], delay="3h"),
        window("latest", "last", "amount", [3], lengths=["6h"]),
        window("latest_own", "last", "amount", [3], own_event=True),
        window("since", "seconds_since_last", None, [3], lengths=["6h"]),
        window("since_high", "seconds_since_last", None, [3], where=high),
        window("since_amount", "seconds_since_last", "amount", [2], delay="5h"),
    ]
    shop = [
        window("bad", "count", None, [1, 3], where="is_bad = 1", delay_days=2),
        window("bad_sum", "sum", "amount", [3], where="is_bad = 1 AND amount > 0.15", delay="48h"),
        window("bad_share", "ratio", None, [3], condition="is_bad = 1", delay_days=2),
        window("late", "count", None, [], lengths=["6h"], delay="12h"),
        window("days", "count", None, [1, 3], delay_days=1, resolution="day"),
        window("days_bad", "mean", "is_bad", [1, 3], delay_days=2, resolution="day"),
        window("days_since", "seconds_since_last", None, [3], where="is_bad = 1", delay_days=2, resolution="day"),
    ]
    features = [
        {"name": "card_rich", "description": "the card", "entity": "card", "windows": card},
        {"name": "shop_rich", "description": "the shop", "entity": "shop", "windows": shop},
    ]
    return use_case(features=features, **changes)


_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def _duration(text: str) -> timedelta:
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def expected_row(view: FeatureView, case: UseCase, events: pl.DataFrame, event: dict[str, Any]) -> dict[str, Any]:
    """The view's window features of one event, by looking at every other event (label joined in)."""
    return expected_features(view, case, events.to_dicts(), event)


def expected_features(
    view: FeatureView, case: UseCase, events: list[dict[str, Any]], event: dict[str, Any]
) -> dict[str, Any]:
    """The same over events as rows."""
    assert view.entity is not None
    entity_key, time_name = case.entity(view.entity).key, case.event_time
    keys = case.event_source.primary_key

    def place(other: dict[str, Any]) -> tuple[Any, ...]:
        return (other[time_name], *(other[key] for key in keys))

    def counts(other: dict[str, Any]) -> bool:
        """Whether the event is among those a window without own event may hold."""
        return other[entity_key] == event[entity_key] if event[entity_key] is not None else place(other) == place(event)

    same = sorted((other for other in events if counts(other)), key=place)
    found: dict[str, Any] = {}
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
                and (place(other) < place(event) or (with_own and place(other) == place(event)))
                and (item.where is None or CONDITIONS[item.where](other))
            ]
            found[f"{item.name}_{length}"] = _aggregate(item, seen, event[time_name], time_name)
    return found


def _aggregate(item: Window, seen: list[dict[str, Any]], now: datetime, time_name: str) -> float | None:
    if item.aggregate == "ratio":
        assert item.condition is not None
        holding = [CONDITIONS[item.condition](other) for other in seen if _is_known(item.condition, other)]
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
        squares = 0.0
        for value in values:
            squares += (value - mean) * (value - mean)
        return math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else item.when_empty
    return {
        "sum": total,
        "mean": mean,
        "min": float(min(values)),
        "max": float(max(values)),
        "distinct": float(len(set(values))),
        "last": float(values[-1]),
    }[item.aggregate]


def _is_known(condition: str, event: dict[str, Any]) -> bool:
    """Whether all columns that a condition names are there."""
    return all(event[name] is not None for name in ("amount", "shop_id", "is_bad") if name in condition)
