"""Event times that can be scored: from the declared history to a few minutes ahead of the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from platform_assets.features.clock_skew import LONGEST_CLOCK_SKEW_SECONDS, latest_event_time
from platform_assets_tests.serving.parking import use_case
from serving.event_times import EventTimes
from serving.refusals import RequestRefused

NOW = datetime(2024, 3, 31, 10, 0, tzinfo=UTC)
TIMES = EventTimes(use_case())


def refused(arrived_at: datetime, skew: float = 60.0, times: EventTimes = TIMES) -> str:
    with pytest.raises(RequestRefused) as caught:
        times.check({"arrived_at": arrived_at}, NOW, skew)
    assert caught.value.status == 422
    assert caught.value.problems[0].field == "arrived_at"
    return caught.value.problems[0].reason


def test_the_future_is_refused_beyond_the_allowed_skew() -> None:
    TIMES.check({"arrived_at": NOW + timedelta(seconds=60)}, NOW, 60.0)
    assert "at most 60 are accepted" in refused(NOW + timedelta(seconds=61))


@pytest.mark.parametrize(
    "ahead", [timedelta(minutes=6), timedelta(hours=23, minutes=59), timedelta(days=1), timedelta(days=400)]
)
def test_a_day_ahead_is_not_minutes(ahead: timedelta) -> None:
    assert LONGEST_CLOCK_SKEW_SECONDS <= 900
    assert "in the future" in refused(NOW + ahead, LONGEST_CLOCK_SKEW_SECONDS)


def test_the_last_microsecond_of_the_calendar_is_an_event_of_the_future() -> None:
    assert "in the future" in refused(datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "early",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2023, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_what_lies_before_the_declared_history_is_refused(early: datetime) -> None:
    assert "2024-01-01" in refused(early)


def test_the_first_moment_of_the_history_is_part_of_it() -> None:
    TIMES.check({"arrived_at": datetime(2024, 1, 1, tzinfo=UTC)}, NOW, 60.0)


def test_events_that_are_declared_to_come_ahead_may_come_ahead() -> None:
    ahead = use_case(history={"first_day": "2024-01-01", "days_ahead": 2})
    times = EventTimes(ahead)
    times.check({"arrived_at": NOW + timedelta(days=2)}, NOW, 60.0)
    assert "in the future" in refused(NOW + timedelta(days=2, seconds=61), times=times)
    assert latest_event_time(ahead, NOW) == NOW + timedelta(days=2, seconds=LONGEST_CLOCK_SKEW_SECONDS)
