"""A day from carried state equals the same day of the whole history, and the state equals one made from scratch."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings

from platform_assets.declaration import UseCase
from platform_assets.features.entity_state import entity_state
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.carried_state import carried_state
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.testing.carried_days import days_touched, newly_labelled_day, next_day
from platform_assets_tests.unit.features.histories import (
    FIRST_DAY,
    LAST_DAY,
    MIDNIGHT,
    histories,
    rich_case,
    use_case,
    view_of,
)

CASE, RICH = use_case(), rich_case()
History = tuple[pl.DataFrame, pl.DataFrame]


def without_later_labels(events: pl.DataFrame, day: date) -> pl.DataFrame:
    known = pl.col("event_day") + pl.duration(days=CASE.label_delay_days) <= day
    return events.with_columns(pl.when(known).then(pl.col("is_bad")).alias("is_bad"))


@settings(max_examples=8, deadline=None)
@given(history=histories())
def test_day_after_day_equals_the_whole_history(history: History) -> None:
    labelled = join_labels(*history, CASE)
    for case in (CASE, RICH):
        for view in case.features:
            if view.windows:
                check_view(case, view.name, labelled)


def check_view(case: UseCase, name: str, labelled: pl.DataFrame) -> None:
    view = view_of(case, name)
    whole = compute_view(view, case, labelled, FIRST_DAY, LAST_DAY)
    state = carried_state(view, case, labelled.clear(), FIRST_DAY)
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=number)
        new = newly_labelled_day(case, day)
        today = without_later_labels(labelled.filter(pl.col("event_day") == day), day)
        features, state = next_day(state, today, labelled.filter(pl.col("event_day") == new))
        assert features.equals(whole.filter(pl.col("event_day") == day))
        assert state.day == day + timedelta(days=1)
        assert state.rows.equals(carried_state(view, case, labelled, state.day).rows)
    assert state.entity_state().equals(entity_state(view, case, labelled, state.day))


def test_rows_of_another_day_are_refused() -> None:
    view = view_of(CASE, "card_activity")
    events = pl.DataFrame(
        {
            "payment_id": [1],
            "paid_at": [MIDNIGHT],
            "card_id": [1],
            "shop_id": [1],
            "amount": [1.0],
            "event_day": [FIRST_DAY],
        },
        schema_overrides={"paid_at": pl.Datetime("us", "UTC")},
    )
    state = carried_state(view, CASE, events.clear(), LAST_DAY)
    with pytest.raises(FeatureError, match="1 of 1 rows are not of 2024-03-08"):
        next_day(state, events)


def test_a_change_touches_the_days_whose_windows_reach_it() -> None:
    assert days_touched(view_of(CASE, "card_activity"), date(2024, 3, 1)) == (date(2024, 3, 1), date(2024, 3, 5))
    assert newly_labelled_day(CASE, date(2024, 3, 1)) == date(2024, 2, 29)
