"""A tiny use case, random histories for it, and the slow obvious oracle that the window engine is held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from platform_assets.spec import FeatureView, UseCase

FIRST_DAY = date(2024, 2, 26)
LAST_DAY = date(2024, 3, 8)
MIDNIGHT = datetime(2024, 2, 26, tzinfo=UTC)
LABEL_DELAY_DAYS = 2

EVENT_SCHEMA = {
    "payment_id": pl.Int64,
    "paid_at": pl.Datetime("us", "UTC"),
    "card_id": pl.Int64,
    "shop_id": pl.Int64,
    "amount": pl.Float64,
    "event_day": pl.Date,
}
LABEL_SCHEMA = {"payment_id": pl.Int64, "paid_at": pl.Datetime("us", "UTC"), "is_bad": pl.Int8, "event_day": pl.Date}

_CONNECTOR = {"kind": "files", "format": "csv", "path": "none.csv"}


def window(name: str, aggregate: str, column: str | None, lengths: Sequence[int], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": name,
        "aggregate": aggregate,
        "column": column,
        "lengths_days": list(lengths),
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


def expected_row(view: FeatureView, case: UseCase, events: pl.DataFrame, event: dict[str, Any]) -> dict[str, Any]:
    """The view's window features of one event, by looking at every other event (label joined in)."""
    assert view.entity is not None
    entity_key, time_name = case.entity(view.entity).key, case.event_time
    keys = case.event_source.primary_key

    def place(other: dict[str, Any]) -> tuple[Any, ...]:
        return (other[time_name], *(other[key] for key in keys))

    same = [other for other in events.to_dicts() if other[entity_key] == event[entity_key]]
    found: dict[str, Any] = {}
    for item in view.windows:
        for length in item.lengths_days:
            newest = event[time_name] - timedelta(days=item.delay_days)
            oldest = newest - timedelta(days=length)
            seen = [o for o in same if oldest < o[time_name] <= newest and place(o) <= place(event)]
            seen.sort(key=place)
            if item.column is None:
                found[item.feature_name(length)] = float(len(seen))
                continue
            values = [o[item.column] for o in seen if o[item.column] is not None]
            found[item.feature_name(length)] = _aggregate(item.aggregate, values, item.when_empty)
    return found


def _aggregate(aggregate: str, values: list[float], when_empty: float | None) -> float | None:
    if not values:
        return 0.0 if aggregate == "count" and when_empty is None else when_empty
    total = math.fsum(values)
    return {
        "count": float(len(values)),
        "sum": total,
        "mean": total / len(values),
        "min": float(min(values)),
        "max": float(max(values)),
    }[aggregate]
