"""What every aggregate keeps to: one value, whichever path computes it, and the one that its plain definition gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration import UseCase
from platform_assets.declaration.aggregates import AGGREGATES, Aggregate
from platform_assets.declaration.sections.features import Window
from platform_assets.features.aggregation import operations
from platform_assets.features.consistency.explain import rows_as_events
from platform_assets.features.consistency.few_windows import windows_of_each
from platform_assets.features.entity_state import no_events, state_layout, trimmed
from platform_assets.features.event_frames import event_order
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.online.request_windows import reaches_back, window_values
from platform_assets.features.state_events import state_event
from platform_assets.features.streaming.writer import upserted
from platform_assets.testing.feature_oracle import is_known
from platform_assets_tests.contracts.members.value_range import VALUE_RANGE
from platform_assets_tests.unit.features.histories import (
    CONDITIONS,
    FIRST_DAY,
    LAST_DAY,
    expected_features,
    histories,
    use_case,
    window,
)

History = tuple[pl.DataFrame, pl.DataFrame]
OF_A_TEST = "value_range"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "hours": {"lengths": ["6h", "30m"]},
    "filtered": {"where": "shop_id % 10 = 1", "when_empty": -1.0},
    "delayed": {"delay": "3h"},
    "before": {"own_event": False},
    "days": {"delay_days": 1, "resolution": "day"},
}


@pytest.fixture(params=[*AGGREGATES.names, OF_A_TEST])
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each name in the list, and one that no file of the product knows."""
    if request.param != OF_A_TEST:
        yield request.param
        return
    with AGGREGATES.with_member(OF_A_TEST, VALUE_RANGE):
        yield OF_A_TEST


def declared(name: str) -> UseCase:
    """Windows of one aggregate, in every shape that a declaration can give it."""
    member = AGGREGATES[name]
    column = "amount" if member.needs_column else None
    more = {"condition": "amount > 0.15"} if member.input == "condition" else {}
    windows = [window(variant, name, column, [1, 3], **more, **fields) for variant, fields in VARIANTS.items()]
    if not member.needs_column and member.input == "number":
        windows.append(window("of_column", name, "amount", [2]))
    if not member.needs_numbers and member.needs_column:
        windows.append(window("of_codes", name, "shop_id", [2]))
    return use_case(features=[{"name": "only", "description": "one", "entity": "card", "windows": windows}])


def plain_value(item: Window, seen: list[dict[str, Any]], now: datetime, time_name: str) -> float | None:
    """A window's value by the aggregate's plain definition."""
    member = AGGREGATES[item.aggregate]
    pairs: list[tuple[float, float]] = []
    for event in seen:
        age = (now - event[time_name]) / timedelta(seconds=1)
        if member.input == "condition":
            assert item.condition is not None
            if is_known(item.condition, event):
                pairs.append((float(CONDITIONS[item.condition](event)), age))
        elif item.column is None:
            pairs.append((1.0, age))
        elif event[item.column] is not None and event[item.column] == event[item.column]:
            pairs.append((float(event[item.column]), age))
    value = member.plainly([value for value, _ in pairs], [age for _, age in pairs]) if pairs else None
    return item.value_when_empty if value is None else value


@settings(max_examples=12, deadline=None)
@given(history=histories(), order=st.randoms(use_true_random=False))
def check_all_paths(case: UseCase, history: History, order: Any) -> None:
    """The feature table, a single request over a batch's state, one over a stream's, few events, and the plain definition."""
    view, events = case.features[0], history[0]
    table = compute_view(view, case, events, FIRST_DAY, LAST_DAY)
    rows, layout = events.to_dicts(), state_layout(view, case)
    streamed: dict[Any, Any] = {}
    arrivals = [*rows, *rows]
    order.shuffle(arrivals)
    for row in arrivals:  # in any order, each twice
        before = streamed.get(row["card_id"], no_events(layout))
        streamed[row["card_id"]] = upserted(before, state_event(layout, row))[0]
    for row in table.to_dicts():
        event = next(other for other in rows if other["payment_id"] == row["payment_id"])
        values = {feature: row[feature] for feature in view.feature_names}
        assert values == expected_features(view, case, rows, event, plain_value)
        ordered = events.filter(pl.col("card_id") == event["card_id"]).sort(event_order(case))
        batch = rows_as_events(layout, ordered.filter(pl.col("paid_at") <= event["paid_at"]))
        for state in (batch, streamed[event["card_id"]]):
            own = state_event(layout, event)
            computed = window_values(layout, trimmed(state, layout) if reaches_back(state, own) else state, own)
            online = dict(zip(layout.plan.names, computed.tolist(), strict=True))
            assert {n: None if v != v else v for n, v in online.items()} == values
        place = np.array([batch.find(state_event(layout, event))], dtype=np.int64)
        few = windows_of_each(layout.plan, batch.times, np.array([0, len(batch)]), batch.values, place)[:, 0].tolist()
        assert {n: None if v != v else v for n, v in zip(layout.plan.names, few, strict=True)} == values


def test_every_path_gives_the_value_of_the_plain_definition(name: str) -> None:
    check_all_paths(declared(name))


def test_its_operations_are_the_kernel_s_and_its_traits_fit_together(name: str) -> None:
    member: Aggregate = AGGREGATES[name]
    known = {value for text, value in vars(operations).items() if text.isupper()}
    assert member.operations
    assert set(member.operations) <= known
    assert not (member.needs_numbers and not member.needs_column)
    assert not (member.input == "condition" and member.needs_column)
    results = np.array([[3.0, np.nan]] * len(member.operations))
    assert member.combine(results).shape == (2,)
    assert np.isnan(member.combine(results)[1]), "without values there is no value"


def test_an_aggregate_that_is_not_in_the_list_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Input should be 'count'.* or 'seconds_since_last'"):
        declared_raw("value_range")
    with AGGREGATES.with_member(OF_A_TEST, VALUE_RANGE):
        assert declared_raw("value_range").features[0].windows[0].aggregate == OF_A_TEST


def declared_raw(name: str) -> UseCase:
    """One plain window."""
    windows = [window("w", name, "amount", [1])]
    return use_case(features=[{"name": "only", "description": "one", "entity": "card", "windows": windows}])
