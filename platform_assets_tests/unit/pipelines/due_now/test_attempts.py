"""What failed is asked again by rule, with a bound, never twice at once, and keeps nothing else from being done."""

from datetime import timedelta
from itertools import pairwise

from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DRIFT, PREDICTION_LOG
from platform_assets.lake.layout import MONITORING, SERVING
from platform_assets.pipelines.due_now.answer import Request
from platform_assets.pipelines.due_now.attempts import MAX_ATTEMPTS
from platform_assets.pipelines.jobs import (
    LABELS,
    LOAD,
    LOG,
    WATCH,
)
from platform_assets_tests.unit.pipelines.due_now.due_world import DELAY, day, everything_is_there, text, world


def test_what_fails_is_asked_again_by_rule_with_a_bound_and_blocks_nobody() -> None:
    made = world()
    made.live(day(4))
    made.fails = lambda request: request.due.job == WATCH
    made.live(day(6))
    tries = [one for one in made.asked if one.due.job == WATCH and one.about.first == day(4)]
    first_day = [one for one in tries if one.asked_at.date() == day(5)]
    assert len(first_day) == MAX_ATTEMPTS
    gaps = [later.asked_at - one.asked_at for one, later in pairwise(first_day)]
    assert gaps == [timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6)]
    everything_is_there(made, day(5))
    [stuck] = [one for one in made.answer().waiting if one.is_stuck]
    assert str(stuck).startswith(f"watch {text(4, 5)}: failed {MAX_ATTEMPTS} times today")
    made.fails = lambda request: False
    made.live(day(7))
    assert made.days(MONITORING, DRIFT) == set(DayRange(day(3), day(6)).days)


def test_one_failing_day_keeps_no_other_day_from_being_done() -> None:
    made = world()
    made.live(day(4))

    def fails(request: Request) -> bool:
        return request.due.job == LOG and day(4) in request.about.days

    made.fails = fails
    made.off_until(day(8))
    made.live(day(9))
    assert set(DayRange(day(5), day(8)).days) <= made.days(SERVING, PREDICTION_LOG)


def test_while_a_run_is_queued_or_in_progress_nothing_is_asked_again() -> None:
    made = world()
    made.slow = {LABELS}
    made.live(day(1))
    assert made.of(LABELS) == [text(1 - DELAY)]
    assert made.of(LOAD) == [text(0)], "labels of yesterday's noon were there"
    made.live(day(2))
    assert made.of(LABELS) == [text(1 - DELAY)]
    made.finish("failed")
    made.slow = set()
    made.live(day(3))
    everything_is_there(made, day(2))


def test_two_who_ask_at_once_ask_under_the_same_keys() -> None:
    one, other = world(), world()
    for made in (one, other):
        made.off_until(day(3))
    assert [request.key for request in one.answer().requests] == [request.key for request in other.answer().requests]


def test_a_source_that_is_silent_for_weeks_has_no_more_runs_fail_each_day() -> None:
    made = world()
    made.live(day(2))
    made.not_delivered = {("events", day(offset)) for offset in range(2, 30)}
    made.live(day(12))
    tries = [one for one in made.asked if one.asked_at.date() == day(11) and one.due.job == LOAD]
    assert len(tries) <= 2 * MAX_ATTEMPTS + 8, "the oldest and the newest several times, each of the others once"
    made.not_delivered = set()
    made.live(day(13))
    everything_is_there(made, day(12))


def test_windows_without_a_verdict_are_given_up_some_day() -> None:
    made = world()
    made.live(day(4))
    made.fails = lambda request: request.due.job == WATCH
    made.live(day(14))
    tries = [one for one in made.asked if one.due.job == WATCH and one.asked_at.date() == day(13)]
    assert len(tries) <= 2 * MAX_ATTEMPTS + 7
    [given_up] = [
        one for one in made.answer().waiting if "is given up after 7 days" in one.reason and one.days.first == day(4)
    ]
    assert given_up.is_stuck
    made.fails = lambda request: False
    made.live(day(15))
    assert {day(9), day(13), day(14)} <= made.days(MONITORING, DRIFT)


def test_runs_that_are_forgotten_are_asked_for_under_a_new_key() -> None:
    made = world()
    made.fails = lambda request: request.due.job == LABELS
    made.live(day(1))
    made.runs.clear()
    made.off_until(day(2))
    assert LABELS in {one.due.job for one in made.tick()}


def test_after_one_day_of_a_job_was_done_a_day_that_failed_before_is_tried_at_once() -> None:
    made = world()
    made.live(day(2))
    made.not_delivered = {("events", day(2)), ("events", day(3))}
    made.off_until(day(4), hour=11)
    made.settle()
    made.not_delivered = set()
    made.now += timedelta(hours=1)
    made.settle()
    everything_is_there(made, day(3))
