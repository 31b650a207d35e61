"""The window engine against an oracle that looks at every pair of events."""

import math
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.features.aggregation.event_values import codes
from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.offline.feature_table import compute_view, history_needed, join_labels, uses_label
from platform_assets_tests.unit.features.histories import (
    EVENT_SCHEMA,
    FIRST_DAY,
    LABEL_SCHEMA,
    LAST_DAY,
    MIDNIGHT,
    expected_row,
    histories,
    rich_case,
    use_case,
    view_of,
    window,
)

CASE = use_case()
RICH = rich_case()
WINDOWED = [view_of(CASE, "card_activity"), view_of(CASE, "shop_risk")]
History = tuple[pl.DataFrame, pl.DataFrame]


def events_at(*rows: tuple[int, float, int, float | None]) -> pl.DataFrame:
    """Events from (key, days since the first midnight, card, amount), all at shop 0."""
    return pl.DataFrame(
        [
            (key, time := MIDNIGHT + timedelta(days=days), card, 0, amount, time.date())
            for key, days, card, amount in rows
        ],
        schema=EVENT_SCHEMA,
        orient="row",
    )


def one_window(*windows: dict[str, Any]) -> UseCase:
    return use_case(features=[{"name": "only", "description": "one", "entity": "card", "windows": list(windows)}])


def features_of(case: UseCase, events: pl.DataFrame) -> dict[int, dict[str, Any]]:
    """Feature values by event key."""
    view = case.features[0]
    table = compute_view(view, case, events, FIRST_DAY, LAST_DAY)
    return {row["payment_id"]: {name: row[name] for name in view.feature_names} for row in table.to_dicts()}


@settings(max_examples=150, deadline=None)
@given(history=histories())
def test_every_value_equals_the_oracle(history: History) -> None:
    events = join_labels(*history, CASE)
    for view in [*WINDOWED, *RICH.features]:
        table = compute_view(view, CASE, events, FIRST_DAY, LAST_DAY)
        assert len(table) == len(events)
        for row in table.to_dicts():
            event = events.row(by_predicate=pl.col("payment_id") == row["payment_id"], named=True)
            expected = expected_row(view, CASE, events, event)
            assert {name: row[name] for name in expected} == expected


@settings(max_examples=60, deadline=None)
@given(history=histories(), first=st.integers(0, 11), days=st.integers(0, 11))
def test_a_range_of_days_equals_the_same_days_of_the_full_history(history: History, first: int, days: int) -> None:
    events = join_labels(*history, CASE)
    first_day = FIRST_DAY + timedelta(days=first)
    last_day = first_day + timedelta(days=days)
    for view in [*CASE.features, *RICH.features]:
        full = compute_view(view, CASE, events, FIRST_DAY, LAST_DAY)
        needed = events.filter(pl.col("event_day") >= history_needed(view, first_day))
        part = compute_view(view, CASE, needed, first_day, last_day)
        assert part.equals(full.filter(pl.col("event_day").is_between(first_day, last_day)))


@settings(max_examples=60, deadline=None)
@given(history=histories(), today=st.integers(0, 11), poison=st.sampled_from([float("nan"), 1e9]))
def test_a_label_that_is_not_known_yet_changes_nothing(history: History, today: int, poison: float) -> None:
    """Rows of day D are computed with every label of event days after D - delay replaced by poison."""
    day = FIRST_DAY + timedelta(days=today)
    events = join_labels(*history, CASE).with_columns(pl.col("is_bad").cast(pl.Float64))
    unknown = pl.col("event_day") + pl.duration(days=CASE.label_delay_days) > day
    poisoned = events.with_columns(pl.when(unknown).then(poison).otherwise(pl.col("is_bad")).alias("is_bad"))
    for case, view in [(CASE, view_of(CASE, "shop_risk")), (RICH, view_of(RICH, "shop_rich"))]:
        assert compute_view(view, case, poisoned, day, day).equals(compute_view(view, case, events, day, day))


@settings(max_examples=40, deadline=None)
@given(history=histories(), today=st.integers(0, 11), days=st.integers(0, 3))
def test_what_happens_after_an_event_never_changes_its_features(history: History, today: int, days: int) -> None:
    events = join_labels(*history, CASE)
    last_day = FIRST_DAY + timedelta(days=today)
    first_day = last_day - timedelta(days=days)
    earlier = events.filter(pl.col("event_day") <= last_day)
    for view in [*CASE.features, *RICH.features]:
        assert compute_view(view, CASE, earlier, first_day, last_day).equals(
            compute_view(view, CASE, events, first_day, last_day)
        )


def test_window_edges_the_oldest_instant_is_out_and_the_newest_is_in() -> None:
    case = one_window(window("now", "count", None, [1]), window("late", "count", None, [1], delay_days=1))
    found = features_of(case, events_at((1, 0, 7, 1.0), (2, 1, 7, 1.0), (3, 2, 7, 1.0)))
    assert found[2] == {"now_1d": 1.0, "late_1d": 1.0}
    assert found[3] == {"now_1d": 1.0, "late_1d": 1.0}


def test_a_window_of_whole_days_holds_all_of_its_newest_day_and_nothing_of_the_day_before_its_oldest() -> None:
    case = one_window(window("days", "count", None, [1, 2], delay_days=1, resolution="day"))
    instant = 1 / (24 * 60 * 60 * 1_000_000)
    times = [0, 1 - instant, 1, 2 - instant, 2, 2.5, 3 - instant]
    found = features_of(case, events_at(*((key, time, 7, 1.0) for key, time in enumerate(times))))
    assert [found[key]["days_1d"] for key in range(7)] == [0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert [found[key]["days_2d"] for key in range(7)] == [0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 4.0]


def test_edges_of_windows_in_minutes_are_the_same() -> None:
    case = one_window(
        window("now", "count", None, [], lengths=["30m"]),
        window("late", "count", None, [], lengths=["30m"], delay="15m"),
    )
    minute = 1 / (24 * 60)
    found = features_of(case, events_at((1, 0, 7, 1.0), (2, 30 * minute, 7, 1.0), (3, 45 * minute, 7, 1.0)))
    assert found[2] == {"now_30m": 1.0, "late_30m": 1.0}
    assert found[3] == {"now_30m": 2.0, "late_30m": 1.0}


def test_the_own_event_counts_unless_the_window_asks_what_was_before() -> None:
    case = one_window(
        window("mean", "mean", "amount", [1]),
        window("before", "mean", "amount", [1], own_event=False),
        window("last", "last", "amount", [1]),
        window("own", "last", "amount", [1], own_event=True),
        window("since", "seconds_since_last", None, [1]),
        window("since_large", "seconds_since_last", None, [1], where="amount > 5"),
    )
    found = features_of(case, events_at((1, 0, 7, 10.0), (2, 0.25, 7, 2.0), (3, 0.5, 7, 6.0), (4, 0.5, 7, None)))
    assert found[1] == {
        "mean_1d": 10.0, "before_1d": None, "last_1d": None, "own_1d": 10.0, "since_1d": None, "since_large_1d": None
    }  # fmt: skip
    assert found[3] == {
        "mean_1d": 6.0, "before_1d": 6.0, "last_1d": 2.0, "own_1d": 6.0, "since_1d": 21600.0, "since_large_1d": 43200.0
    }  # fmt: skip
    assert found[4] == {
        "mean_1d": 6.0, "before_1d": 6.0, "last_1d": 6.0, "own_1d": 6.0, "since_1d": 0.0, "since_large_1d": 0.0
    }  # fmt: skip


def test_a_condition_that_is_not_known_does_not_hold() -> None:
    case = one_window(
        window("large", "count", None, [1], where="amount > 5"),
        window("not_large", "count", None, [1], where="NOT amount > 5"),
        window("share", "ratio", None, [1], condition="amount > 5"),
    )
    found = features_of(case, events_at((1, 0, 7, 10.0), (2, 0.25, 7, None), (3, 0.5, 7, 2.0)))
    assert found[3] == {"large_1d": 1.0, "not_large_1d": 1.0, "share_1d": 0.5}


def test_a_filter_that_looks_at_other_rows_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"windows\.0\.where\n.*looks at other rows \(AVG\)"):
        one_window(window("odd", "count", None, [1], where="amount > AVG(amount)"))


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([0.1] * 10, 1.0),
        ([1e300, 1.0, -1e300], 1.0),
        ([2.0**53, 1.0, 1.0], 2.0**53 + 2),
        ([2.0**53, 1.0], 2.0**53),
        ([2.0**53 + 2, 1.0], 2.0**53 + 4),
        ([2.0**53 + 2, 1.0, 2.0**-60], 2.0**53 + 4),
        ([2.0**53, 1.0, 2.0**-10], 2.0**53 + 2),
        ([-0.0, 0.0], 0.0),
        ([5e-324, 5e-324], 1e-323),
        ([float("inf"), 1.0], float("inf")),
        ([float("inf"), -float("inf")], None),
        ([1.7e308, 1.7e308], float("inf")),
    ],
)
def test_sums_are_exact_and_rounded_once(amounts: list[float], expected: float | None) -> None:
    case = one_window(window("total", "sum", "amount", [1]))
    rows = [(place, 0.001 * place, 7, amount) for place, amount in enumerate(amounts)]
    assert features_of(case, events_at(*rows))[len(amounts) - 1] == {"total_1d": expected}


@settings(max_examples=200, deadline=None)
@given(
    amounts=st.lists(
        st.floats(-1e3, 1e3).map(lambda x: round(x, 2))
        | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e290, max_value=1e290)
        | st.integers(-(2**62), 2**62).map(float),
        min_size=1,
        max_size=30,
    )
)
def test_any_sum_is_the_correctly_rounded_one(amounts: list[float]) -> None:
    case = one_window(window("total", "sum", "amount", [], lengths=["10m"]))
    minute = 1 / (24 * 60)
    found = features_of(case, events_at(*((place, place * minute, 7, amount) for place, amount in enumerate(amounts))))
    for place in range(len(amounts)):
        assert found[place]["total_10m"] == math.fsum(amounts[max(0, place - 9) : place + 1])


def test_texts_and_large_numbers_are_told_apart() -> None:
    texts = ["a", "b", "a", None, "ä", ""]
    assert codes(pl.Series(texts)).n_unique() == 5
    assert codes(pl.Series(texts))[0] == codes(pl.Series(["a"]))[0] == codes(pl.Series(texts))[2]
    numbers = pl.Series([2**53 + 1, 2**53, 2**60, 2**60 + 1, None])
    assert codes(numbers).n_unique() == 5
    assert codes(numbers)[1] == 2.0**53


def test_events_at_the_same_time_are_seen_in_key_order() -> None:
    case = one_window(window("total", "sum", "amount", [1]))
    found = features_of(case, events_at((3, 1, 7, 100.0), (1, 1, 7, 1.0), (2, 1, 7, 10.0)))
    assert [found[key]["total_1d"] for key in (1, 2, 3)] == [1.0, 11.0, 111.0]


def test_missing_values_do_not_count_and_an_empty_window_is_what_was_declared() -> None:
    case = one_window(
        window("mean", "mean", "amount", [1]),
        window("filled", "mean", "amount", [1], when_empty=-1),
        window("events", "count", None, [1]),
        window("amounts", "count", "amount", [1]),
    )
    found = features_of(case, events_at((1, 0.1, 7, None), (2, 0.2, 7, 5.0), (3, 0.3, 8, float("nan"))))
    assert found[1] == {"mean_1d": None, "filled_1d": -1.0, "events_1d": 1.0, "amounts_1d": 0.0}
    assert found[2] == {"mean_1d": 5.0, "filled_1d": 5.0, "events_1d": 2.0, "amounts_1d": 1.0}
    assert found[3] == {"mean_1d": None, "filled_1d": -1.0, "events_1d": 1.0, "amounts_1d": 0.0}


def test_an_event_without_entity_shares_no_history() -> None:
    case = one_window(window("events", "count", None, [1]))
    events = events_at((1, 0.1, 7, 1.0), (2, 0.2, 7, 1.0), (3, 0.3, 7, 1.0)).with_columns(
        pl.when(pl.col("payment_id") > 1).then(None).otherwise(pl.col("card_id")).alias("card_id")
    )
    assert {key: value["events_1d"] for key, value in features_of(case, events).items()} == {1: 1.0, 2: 1.0, 3: 1.0}


def test_the_table_has_the_declared_columns_order_and_types() -> None:
    events = join_labels(
        events_at((2, 3, 1, 1.0), (1, 3, 2, 2.0), (3, 1, 1, None)), pl.DataFrame(schema=LABEL_SCHEMA), CASE
    )
    for view in CASE.features:
        table = compute_view(view, CASE, events, FIRST_DAY, LAST_DAY)
        assert dict(table.schema) == CASE.feature_schema(view)
        assert table["payment_id"].to_list() == [3, 1, 2]
        empty = compute_view(view, CASE, events, date(2024, 3, 5), date(2024, 3, 5))
        assert empty.is_empty()
        assert dict(empty.schema) == CASE.feature_schema(view)


def test_row_features_see_the_windows_of_their_view() -> None:
    events = events_at((1, 0.5, 7, None), (2, 0.6, 7, 10.0), (3, 0.7, 7, 30.0))
    table = compute_view(view_of(CASE, "card_activity"), CASE, events, FIRST_DAY, LAST_DAY)
    assert table["amount_to_mean"].to_list() == [None, 1.0, 1.5]


def test_views_that_use_the_label_say_so() -> None:
    assert [uses_label(view, CASE) for view in CASE.features] == [False, False, True]


def test_a_label_window_without_labels_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"'shop_risk'.*lack the label 'is_bad'.*join_labels"):
        compute_view(view_of(CASE, "shop_risk"), CASE, events_at((1, 0, 1, 1.0)), FIRST_DAY, LAST_DAY)


def test_a_repeated_event_is_refused_by_name() -> None:
    events = events_at((1, 0, 1, 1.0), (1, 1, 2, 1.0), (2, 1, 2, 1.0))
    with pytest.raises(PointInTimeError, match=r"2 of 3 rows repeat a key.*'payment_id': 1"):
        compute_view(view_of(CASE, "card_activity"), CASE, events, FIRST_DAY, LAST_DAY)


def test_an_event_with_two_labels_is_refused_by_name() -> None:
    labels = pl.DataFrame([(1, MIDNIGHT, 0, FIRST_DAY), (1, MIDNIGHT, 1, FIRST_DAY)], schema=LABEL_SCHEMA, orient="row")
    with pytest.raises(PointInTimeError, match=r"labels of 'labels': 2 of 2 rows repeat a key"):
        join_labels(events_at((1, 0, 1, 1.0)), labels, CASE)


def test_wrong_columns_and_types_are_refused() -> None:
    view = view_of(CASE, "card_activity")
    events = events_at((1, 0, 1, 1.0))
    with pytest.raises(FeatureError, match=r"lack columns \['amount'\]"):
        compute_view(view, CASE, events.drop("amount"), FIRST_DAY, LAST_DAY)
    with pytest.raises(FeatureError, match=r"'paid_at' as Datetime\(time_unit='ms'.*must be"):
        compute_view(view, CASE, events.cast({"paid_at": pl.Datetime("ms", "UTC")}), FIRST_DAY, LAST_DAY)
    with pytest.raises(FeatureError, match=r"1 of 1 rows have no 'paid_at'"):
        compute_view(
            view, CASE, events.with_columns(pl.lit(None, EVENT_SCHEMA["paid_at"]).alias("paid_at")), FIRST_DAY, LAST_DAY
        )


def test_a_row_feature_that_looks_at_other_rows_is_refused() -> None:
    rows = [{"name": "share", "description": "of all", "expression": "amount / SUM(amount)"}]
    with pytest.raises(ValidationError, match=r"rows\.0\.expression\n.*looks at other rows \(SUM\)"):
        use_case(features=[{"name": "only", "description": "one", "rows": rows}])


def test_a_window_that_would_count_labels_before_they_are_known_is_refused() -> None:
    view = view_of(CASE, "shop_risk")
    early = view.model_copy(
        update={"windows": (view.windows[1].model_copy(update={"aggregate": "count", "delay_days": 1}),)}
    )
    events = events_at((1, 0, 1, 1.0)).with_columns(pl.lit(1).alias("is_bad"))
    with pytest.raises(FeatureError, match=r"'shop_bad_ratio' ends 1 days before the event.*known only after 2"):
        compute_view(early, CASE, events, FIRST_DAY, LAST_DAY)
