"""The tiny use case with everything a window cannot say: look-ups, pairs, functions; its tables; and the oracle of look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from platform_assets.declaration import UseCase
from platform_assets_tests.unit.features.histories import FIRST_DAY, MIDNIGHT, row, use_case, window

FUNCTIONS = "platform_assets_tests.unit.features.pure_functions"
HOLDER_SCHEMA: dict[str, Any] = {
    "change_id": pl.Int64,
    "changed_at": pl.Datetime("us", "UTC"),
    "card_id": pl.Int64,
    "limit": pl.Float64,
    "tier": pl.String,
    "opened": pl.Date,
    "event_day": pl.Date,
}
SHOP_SCHEMA: dict[str, Any] = {"shop_id": pl.Int64, "size": pl.Int32, "open": pl.Boolean}
HOLDER_MAX_AGE_DAYS, HOLDER_DELAY_DAYS = 5, 2
_CONNECTOR = {"kind": "files", "format": "csv", "path": "none.csv"}


def _columns(schema: dict[str, Any], **kinds: str) -> list[dict[str, Any]]:
    names = [name for name in schema if name != "event_day"]
    return [{"name": name, "type": kinds[name], "description": name, "nullable": True} for name in names]


HOLDERS: dict[str, Any] = {
    "name": "holders",
    "description": "what was agreed with the holder of a card, from when on",
    "connector": _CONNECTOR,
    "columns": _columns(
        HOLDER_SCHEMA,
        change_id="int64",
        changed_at="datetime",
        card_id="int64",
        limit="float64",
        tier="string",
        opened="date",
    ),
    "primary_key": ["change_id"],
    "event_time": "changed_at",
    "arrival_delay_days": HOLDER_DELAY_DAYS,
}
SHOPS: dict[str, Any] = {
    "name": "shops",
    "description": "shops",
    "connector": _CONNECTOR,
    "columns": _columns(SHOP_SCHEMA, shop_id="int64", size="int32", open="bool"),
    "primary_key": ["shop_id"],
}
HOLDER_LOOKUP: dict[str, Any] = {
    "name": "holder",
    "description": "the holder",
    "source": "holders",
    "on": {"card_id": "card_id"},
    "columns": ["limit"],
    "inputs": ["tier", "opened"],
    "max_age_days": HOLDER_MAX_AGE_DAYS,
}
SHOP_LOOKUP: dict[str, Any] = {
    "name": "shop",
    "description": "the shop",
    "source": "shops",
    "columns": ["size", "open"],
    "defaults": {"size": -1},
}
SHARE: dict[str, Any] = {
    "name": "share_of_limit",
    "description": "share",
    "function": f"{FUNCTIONS}:rounded_share",
    "columns": ["amount", "holder_limit"],
    "default": -2,
}


def wide_view(**changes: Any) -> dict[str, Any]:
    return {
        "name": "pairs",
        "description": "a card at a shop, and what is known of both",
        "entity": "card_at_shop",
        "windows": [
            window("pair_count", "count", None, [1, 3]),
            window("pair_mean", "mean", "amount", [3], own_event=False),
        ],
        "rows": [
            row("over_limit", "amount / holder_limit") | {"default": 0.5},
            row("is_gold", "CASE WHEN holder_tier = 'gold' THEN 1 ELSE 0 END"),
            row("opened_in", "EXTRACT(DAY FROM holder_opened)"),
            row("size_to_mean", "shop_size / pair_mean_3d"),
        ],
        "lookups": [HOLDER_LOOKUP, SHOP_LOOKUP],
        "functions": [SHARE],
        **changes,
    }


def wide_document(view: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    document = use_case().model_dump(mode="json")
    document["sources"] += [HOLDERS, SHOPS]
    document["entities"].append(
        {"name": "card_at_shop", "keys": ["card_id", "shop_id"], "description": "a card at a shop"}
    )
    document["features"] = [view or wide_view()]
    return {**document, **changes}


def wide_case(view: dict[str, Any] | None = None, **changes: Any) -> UseCase:
    return UseCase.model_validate(wide_document(view, **changes))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, pl.DataFrame]:
    """Holders that change their agreement, some at the same instant, and some of the shops."""
    holders = []
    for key in range(draw(st.integers(0, 14))):
        changed = MIDNIGHT + timedelta(hours=12 * draw(st.integers(0, 23)))
        opened = st.none() | st.dates(date(2020, 1, 1), date(2024, 1, 1))
        amount = st.none() | st.sampled_from([0.0, 3.0, 1e3])
        values = draw(st.integers(0, 2)), draw(amount), draw(st.sampled_from([None, "", "gold", "ba|r"])), draw(opened)
        holders.append((key, changed, *values, changed.date()))
    shops = [
        (shop, draw(st.none() | st.integers(1, 9)), draw(st.none() | st.booleans()))
        for shop in range(draw(st.integers(0, 3)))
    ]
    return {
        "holders": pl.DataFrame(draw(st.permutations(holders)), schema=HOLDER_SCHEMA, orient="row"),
        "shops": pl.DataFrame(shops, schema=SHOP_SCHEMA, orient="row"),
    }


def expected_holder(holders: Sequence[dict[str, Any]], event: dict[str, Any]) -> dict[str, Any]:
    """By looking at every row: the newest that has arrived by the event's midnight and is not too old."""
    today = event["paid_at"].date()
    known = [
        other
        for other in holders
        if other["card_id"] == event["card_id"]
        and other["event_day"] + timedelta(days=HOLDER_DELAY_DAYS) <= today
        and other["event_day"] + timedelta(days=HOLDER_MAX_AGE_DAYS) >= today
    ]
    nothing = dict.fromkeys(HOLDER_SCHEMA)
    return max(known, key=lambda other: (other["changed_at"], other["change_id"]), default=nothing)


def moment(day: int, hour: int = 0) -> datetime:
    """An hour of a day of the history."""
    return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, hour, tzinfo=UTC) + timedelta(days=day)
