"""An explanation's events are exactly those that the oracle aggregates, and its value is the feature table's."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_assets.features.consistency.explain import entity_moment, explain_view, own_event, values_at
from platform_assets.features.entity_state import no_events, state_layout
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.testing.feature_oracle import window_value
from platform_assets_tests.unit.features.histories import (
    EVENT_SCHEMA,
    FIRST_DAY,
    LAST_DAY,
    MIDNIGHT,
    histories,
    rich_case,
    use_case,
    view_of,
    window,
)

RICH = rich_case()
CASE = use_case()


def payments(*rows: tuple[int, float, float | None]) -> pl.DataFrame:
    """Events of card 1 from (key, days since the first midnight, amount)."""
    found = [(key, at := MIDNIGHT + timedelta(days=days), 1, 1, amount, at.date()) for key, days, amount in rows]
    return pl.DataFrame(found, schema=EVENT_SCHEMA, orient="row").with_columns(pl.lit(None, pl.Int8).alias("is_bad"))


@hypothesis_settings(max_examples=40, deadline=None)
@given(history=histories(max_size=20), view_name=st.sampled_from(["card_rich", "shop_rich"]))
def test_the_events_that_count_make_the_value_of_the_feature_table(history: Any, view_name: str) -> None:
    events = join_labels(*history, RICH)
    view = view_of(RICH, view_name)
    key = RICH.entity(str(view.entity)).key
    table = {row["payment_id"]: row for row in compute_view(view, RICH, events, FIRST_DAY, LAST_DAY).to_dicts()}
    rows = {row["payment_id"]: row for row in events.to_dicts()}
    for row in rows.values():
        moment = entity_moment(view, RICH, events, row[key], row["paid_at"])
        own = own_event(moment)
        assert own is not None
        expected = table[int(own.key[0])]
        for explained in explain_view(moment):
            assert explained.value == expected[explained.feature]
            assert explained.newest - explained.oldest in [
                timedelta(microseconds=length) for length in explained.window.lengths_microseconds
            ]
            seen = [rows[event.key["payment_id"]] for event in explained.counted]
            assert explained.value == pytest.approx(window_value(explained.window, seen, row["paid_at"], "paid_at"))
            assert len(explained.events) == len(explained.counted) + sum(explained.left_out.values())


def test_each_event_is_told_why_it_does_not_count() -> None:
    windows = [
        window("high", "sum", "amount", [2], where="amount > 1"),
        window("before", "count", None, [2], own_event=False),
        window("delayed", "mean", "amount", [2], delay="12h"),
    ]
    case = use_case(features=[{"name": "v", "description": "v", "entity": "card", "windows": windows}])
    events = payments((1, 1.0, 5.0), (2, 3.5, 0.5), (3, 3.9, 7.0), (4, 4.0, 9.0), (5, 4.0, 2.0), (6, 5.0, 4.0))
    moment = entity_moment(case.features[0], case, events, 1, MIDNIGHT + timedelta(days=4))
    found = {explained.feature: [event.verdict for event in explained.events] for explained in explain_view(moment)}
    assert found == {
        "high_2d": ["too old", "filtered", "counts", "counts", "counts", "later"],
        "before_2d": ["too old", "counts", "counts", "counts", "own event left out", "later"],
        "delayed_2d": ["too old", "counts", "delayed", "delayed", "delayed", "later"],
    }
    missing = entity_moment(case.features[0], case, payments((1, 3.0, None)), 1, MIDNIGHT + timedelta(days=4))
    assert [explained.events[0].verdict for explained in explain_view(missing)] == ["filtered", "counts", "missing"]


def test_a_moment_without_an_event_has_no_own_event() -> None:
    view = view_of(CASE, "card_activity")
    events = payments((1, 3.0, 5.0), (2, 3.5, 7.0))
    moment = entity_moment(view, CASE, events, 1, MIDNIGHT + timedelta(days=3.6))
    assert own_event(moment) is None
    values = {explained.feature: explained.value for explained in explain_view(moment)}
    assert (values["card_count_1d"], values["card_sum_1d"]) == (2.0, 12.0)
    layout = state_layout(view, CASE)
    nobody = values_at(layout, no_events(layout), MIDNIGHT)
    assert (nobody["card_count_1d"], nobody["card_sum_1d"], nobody["card_mean_1d"]) == (0.0, 0.0, None)


def test_a_time_without_zone_is_refused() -> None:
    naive = MIDNIGHT.replace(tzinfo=None)
    with pytest.raises(FeatureError, match="carries no zone"):
        entity_moment(view_of(CASE, "card_activity"), CASE, payments(), 1, naive)
