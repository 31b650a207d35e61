"""Payments of cards at shops: a tiny use case with every aggregate, for tests and benchmarks of features.

Belongs here: its declaration, plain and rich, and the schemas of its tables. Does not belong here: rows, or what features should be
(`feature_oracle.py`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.testing.declare import declaration, row, window

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

DECLARATION = declaration(
    name="payments",
    table="payments",
    events={
        "payment_id": {"type": "int64", "unique": True},
        "paid_at": "datetime",
        "card_id": "int64",
        "shop_id": "int64",
        "amount": "float64?",
    },
    label={"is_bad": [0, 1]},
    label_delay_days=LABEL_DELAY_DAYS,
    history={"first_day": FIRST_DAY, "last_day": LAST_DAY},
    features=[
        {
            "name": "context",
            "rows": [
                row("amount", "amount"),
                row("is_night", "CASE WHEN EXTRACT(HOUR FROM paid_at) <= 6 THEN 1 ELSE 0 END"),
            ],
        },
        {
            "name": "card_activity",
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
            "entity": "shop",
            "windows": [
                window("shop_count", "count", None, [1, 3], delay_days=2),
                window("shop_bad_ratio", "mean", "is_bad", [1, 3], delay_days=2, when_empty=0),
            ],
        },
    ],
    training={"group": "card_id"},
)


def use_case(**changes: Any) -> UseCase:
    """Payments of cards at shops; `changes` replace sections of the declaration."""
    return UseCase.model_validate({**DECLARATION, **changes})


def view_of(case: UseCase, name: str) -> FeatureView:
    """The feature view of that name."""
    return next(view for view in case.features if view.name == name)


def rich_case(**changes: Any) -> UseCase:
    """Every aggregate, with filters, lengths below a day and delays below a day."""
    night, high, local = "EXTRACT(HOUR FROM paid_at) < 12", "amount > 0.15", "shop_id % 10 = 1"
    card = [
        window("n", "count", None, [2], lengths=["6h", "30m"]),
        window("n_high", "count", None, [1], where=high),
        window("n_before", "count", None, [1], own_event=False),
        window("total", "sum", "amount", [1, 3], lengths=["6h"], where=night),
        window("mean_before", "mean", "amount", [2], own_event=False, lengths=["90m"]),
        window("least", "min", "amount", [2], lengths=["6h"]),
        window("most", "max", "amount", [2], where=local, lengths=["1h"]),
        window("spread", "std", "amount", [1, 3]),
        window("high", "ratio", None, [1, 3], condition=high),
        window("high_here", "ratio", None, [3], condition=high, where=local, when_empty=-1),
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
