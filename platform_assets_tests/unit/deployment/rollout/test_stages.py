"""What a clock says of a stage that waits."""

from datetime import datetime, timedelta

import pytest

from platform_assets.deployment.rollout.stages import Due, Stage, StageKind, due

BEGAN = "2026-01-01T12:00:00.000+00:00"
STAGE = Stage(StageKind.WEIGHT, 5, observe=True, minutes=10, at_most_minutes=60)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (-0.01, Due.CLOCK_BEHIND),
        (-600, Due.CLOCK_BEHIND),
        (0, Due.NOT_YET),
        (9.9, Due.NOT_YET),
        (10, Due.OVER),
        (59.9, Due.OVER),
        (60, Due.AT_MOST_OVER),
    ],
)
def test_time_counts_forwards_only(minutes: float, said: Due) -> None:
    assert due(STAGE, BEGAN, datetime.fromisoformat(BEGAN) + timedelta(minutes=minutes)) is said


def test_a_clock_of_another_zone_says_the_same_and_a_stage_without_an_end_waits_on() -> None:
    assert due(STAGE, BEGAN, datetime.fromisoformat("2026-01-01T17:40:00+05:30")) is Due.OVER
    endless = Stage(StageKind.WEIGHT, 100, observe=False, minutes=10)
    assert due(endless, BEGAN, datetime.fromisoformat(BEGAN) + timedelta(days=900)) is Due.OVER
