"""Entity states: what the online side needs to compute the same windows, and nothing it must not know."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.features.entity_state import (
    EntityEvents,
    StateEvent,
    entity_state,
    no_events,
    state_layout,
    trimmed,
)
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import microseconds
from platform_assets.features.offline.feature_table import join_labels
from platform_assets.features.state_events import state_event
from platform_assets_tests.unit.features.histories import MIDNIGHT, histories, use_case, view_of

CASE = use_case()
LAYOUT = state_layout(view_of(CASE, "card_activity"), CASE)
History = tuple[pl.DataFrame, pl.DataFrame]


@settings(max_examples=80, deadline=None)
@given(history=histories(), hours=st.integers(0, 13 * 24))
def test_a_state_holds_what_windows_can_reach_in_order_and_only_labels_known_by_then(
    history: History, hours: int
) -> None:
    events = join_labels(*history, CASE)
    at = MIDNIGHT + timedelta(hours=hours)
    for name, entity_key in [("card_activity", "card_id"), ("shop_risk", "shop_id")]:
        layout = state_layout(view_of(CASE, name), CASE)
        expected: dict[int, list[dict[str, Any]]] = {}
        for row in sorted(events.to_dicts(), key=lambda row: (row["paid_at"], row["payment_id"])):
            if at - timedelta(days=layout.span_days) < row["paid_at"] < at:
                if row["event_day"] + timedelta(days=CASE.label_delay_days) > at.date():
                    row["is_bad"] = None
                expected.setdefault(row[entity_key], []).append(row)
        found = entity_state(layout.view, CASE, events, at)
        assert dict(found.schema) == layout.schema
        assert found[entity_key].to_list() == sorted(expected)
        for state in found.to_dicts():
            rows = expected[state[entity_key]]
            assert state["state_time"] == at
            assert state["event_times"] == [microseconds(row["paid_at"]) for row in rows]
            assert state["key_payment_id"] == [row["payment_id"] for row in rows]
            for column in layout.value_columns:
                values = [np.nan if row[column] is None else float(row[column]) for row in rows]
                np.testing.assert_array_equal(state[f"value_{column}"], values)


def test_a_date_means_its_midnight() -> None:
    events = pl.DataFrame(
        {
            "payment_id": [1, 2],
            "paid_at": [MIDNIGHT + timedelta(days=1), MIDNIGHT + timedelta(days=1, microseconds=-1)],
            "card_id": [7, 7],
            "shop_id": [0, 0],
            "amount": [1.0, 2.0],
        },
        schema_overrides={"paid_at": pl.Datetime("us", "UTC")},
    ).with_columns(pl.col("paid_at").dt.date().alias("event_day"))
    state = entity_state(LAYOUT.view, CASE, events, MIDNIGHT.date() + timedelta(days=1))
    assert state["key_payment_id"].to_list() == [[2]]


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(FeatureError, match="carries no zone"):
        entity_state(LAYOUT.view, CASE, pl.DataFrame(), datetime(2024, 3, 1))


def test_a_view_without_windows_has_no_state() -> None:
    with pytest.raises(FeatureError, match="'context' has no windows"):
        state_layout(view_of(CASE, "context"), CASE)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), unique_by=lambda row: row[1], max_size=20))
def test_events_added_one_by_one_lie_in_order(rows: list[tuple[int, int]]) -> None:
    events = no_events(LAYOUT)
    for time, key in rows:
        events, place = events.add(StateEvent(time, (key,), (float(key),)))
        assert (int(events.times[place]), events.keys[0][place]) == (time, key)
    assert list(zip(events.times.tolist(), events.keys[0], strict=True)) == sorted(rows)
    assert events.values[0].tolist() == [float(key) for key in events.keys[0]]
    for time, key in rows:
        place_found = events.find(StateEvent(time, (key,), (0.0,)))
        assert place_found is not None
        assert events.without(place_found).find(StateEvent(time, (key,), (0.0,))) is None


def test_trimming_keeps_what_the_newest_event_reaches() -> None:
    day = 86_400_000_000
    times = np.array([0, 1, 5 * day], dtype=np.int64)
    events = EntityEvents(times, ([1, 2, 3],), np.zeros((1, 3)))
    assert LAYOUT.span_days == 5
    assert trimmed(events, LAYOUT).keys == ([2, 3],)


def test_a_request_is_kept_with_the_label_not_known_and_missing_values_as_nan() -> None:
    shop = state_layout(view_of(CASE, "shop_risk"), CASE)
    request = {"payment_id": 3, "paid_at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "amount": None, "is_bad": 1}
    assert state_event(LAYOUT, request).time == 1_000_000
    np.testing.assert_array_equal(state_event(LAYOUT, request).values, [np.nan])
    np.testing.assert_array_equal(state_event(shop, request).values, [np.nan])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paid_at": datetime(2024, 3, 1)}, "a time with its zone is needed"),
        ({"payment_id": None}, "lacks 'payment_id'"),
        ({"amount": "much"}, "'amount' is 'much'; a number is needed"),
    ],
)
def test_a_request_that_cannot_be_kept_is_refused(change: dict[str, Any], message: str) -> None:
    request = {"payment_id": 3, "paid_at": MIDNIGHT, "card_id": 1, "shop_id": 1, "amount": 1.0, **change}
    with pytest.raises(FeatureError, match=message):
        state_event(LAYOUT, request)
