"""What starts by itself: everything since the handover, in order, once; what failed again by rule; nothing waits for what it needs not."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DEPLOYMENT, DRIFT, EVALUATION, PREDICTION_LOG, QUALITY
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, MONITORING, RAW, SERVING
from platform_assets.pipelines.due_now.answer import Request
from platform_assets.pipelines.due_now.attempts import MAX_ATTEMPTS
from platform_assets.pipelines.due_now.behind import days_behind
from platform_assets.pipelines.jobs import (
    COMPUTE,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    MAINTAIN,
    ONLINE,
    PROMOTE,
    PUBLISH,
    TRAIN,
    WATCH,
)
from platform_assets_tests.unit.pipelines.due_now.due_world import DELAY, FIRST, DueWorld, payments

START = FIRST + timedelta(days=30)
VIEW = "activity"


def world(**more: Any) -> DueWorld:
    """Handed over at noon of `START`."""
    made = DueWorld(payments(**more))
    made.handed_over(START)
    return made


def day(offset: int) -> date:
    return START + timedelta(days=offset)


def text(first: int, last: int | None = None) -> str:
    return str(DayRange(day(first), day(first if last is None else last)))


def everything_is_there(made: DueWorld, newest: date) -> None:
    """Events and features up to a day, labels as far as they have arrived, in order and none before its input."""
    days = set(DayRange(FIRST, newest).days)
    assert made.days(CLEAN, "events") == days
    assert made.days(FEATURES, VIEW) == days
    assert made.days(CLEAN, "labels") == set(DayRange(FIRST, newest + timedelta(days=1 - DELAY)).days)
    assert newest in made.days(FEATURES, "online_store")
    assert made.features_are_right()
    assert made.early == []


def test_healthy_days_run_each_job_once() -> None:
    made = world()
    made.live(day(10))
    everything_is_there(made, day(9))
    each = [text(offset) for offset in range(10)]
    assert made.of(LOAD) == made.of(LOG) == each
    assert made.of(ONLINE) == each
    assert made.of(LABELS) == [text(offset - DELAY) for offset in range(1, 11)]
    assert made.of(WATCH) == each[3:], "the first whole window"
    assert made.of(JUDGE) == [text(offset) for offset in range(3, 11 - DELAY)]
    assert made.of("decide") == [text(offset) for offset in range(4, 11)]
    assert {one.attempt for one in made.asked} == {1}
    assert made.days(SERVING, PREDICTION_LOG) == set(DayRange(START, day(9)).days)


@pytest.mark.parametrize("slow", [LABELS, LOAD, LOG, WATCH, JUDGE])
def test_a_day_is_decided_after_its_windows_were_judged_however_long_what_they_are_made_from_takes(slow: str) -> None:
    made = world()
    made.live(day(8))
    made.slow = {slow}
    made.off_until(day(9))
    made.settle()
    assert made.of("decide")[-1] == text(8), "not yet"
    made.slow, made.runs = set(), [run for run in made.runs if run.outcome != "under_way"]
    made.keys.clear()  # asked once more, and done at once: as though it had come to its end
    made.settle()
    assert made.of("decide")[-1] == text(9)
    jobs = [one.due.job for one in made.asked]
    assert jobs[::-1].index("decide") < min(jobs[::-1].index(WATCH), jobs[::-1].index(JUDGE))


def test_a_model_is_trained_on_each_training_day_and_upkeep_is_done_on_sundays() -> None:
    made = world()
    made.live(day(20))
    assert made.of(TRAIN) == [
        str(FIRST + timedelta(days=35)),
        str(FIRST + timedelta(days=42)),
        str(FIRST + timedelta(days=49)),
    ]
    assert [date.fromisoformat(one).weekday() for one in made.of(MAINTAIN)] == [6, 6, 6]


def test_nothing_starts_before_its_time_of_day() -> None:
    made = world()
    made.live(day(0))
    made.settle()
    made.now = made.now.replace(hour=23, minute=59)
    assert made.settle() == []
    made.off_until(day(1), hour=0)
    made.now += timedelta(minutes=6)
    assert [one.due.job for one in made.settle()] == [LABELS]
    made.now += timedelta(minutes=10)
    assert [one.due.job for one in made.settle()] == [LOAD]


def test_two_days_off_are_caught_up_in_order_and_once() -> None:
    made = world()
    made.live(day(5))
    before = len(made.asked)
    made.off_until(day(8))
    made.settle()
    caught = made.asked[before:]
    assert [str(one.about) for one in caught if one.due.job == LABELS] == [text(6 - DELAY, 8 - DELAY)]
    assert [str(one.about) for one in caught if one.due.job == LOAD] == [text(5, 7)]
    assert [str(one.about) for one in caught if one.due.job == ONLINE] == [text(7)], "the newest day alone"
    jobs = [one.due.job for one in caught]
    assert jobs.index(LABELS) < jobs.index(LOAD) < jobs.index(ONLINE)
    assert [str(one.about) for one in caught if one.due.job == WATCH] == [text(5), text(6), text(7)]
    everything_is_there(made, day(7))
    assert made.days(MONITORING, DRIFT) == set(DayRange(day(3), day(7)).days)


def test_of_missed_training_days_the_newest_is_caught_up() -> None:
    made = world()
    made.live(day(3))
    made.off_until(day(20))
    made.settle()
    assert made.of(TRAIN) == [str(FIRST + timedelta(days=49))]
    assert made.early == []


def test_after_a_run_no_label_and_no_day_is_left_out() -> None:
    """`run` ends at a day whose last labels are known later; the sensor goes on from there, whenever it is turned on."""
    made = world()
    made.off_until(day(40))
    made.settle()
    everything_is_there(made, day(39))


def test_before_anything_was_loaded_nothing_is_asked() -> None:
    made = DueWorld(payments())
    made.off_until(START)
    answer = made.answer()
    assert answer.requests == ()
    assert "platform-assets run small" in answer.notes[0]


def test_a_file_two_days_late_holds_what_needs_it_and_nothing_else() -> None:
    made = world()
    made.live(day(4))
    late = day(4)
    made.not_delivered = {("events", late)}
    made.live(day(7))
    assert late not in made.days(CLEAN, "events")
    assert {day(5), day(6)} <= made.days(CLEAN, "events"), "later days are published meanwhile"
    assert {day(4), day(5), day(6)} <= made.days(SERVING, PREDICTION_LOG), "predictions are stored"
    assert not {day(5), day(6)} & made.days(FEATURES, VIEW)
    assert day(7 - DELAY) in made.days(CLEAN, "labels")
    assert {day(5), day(6)} <= made.days(MONITORING, DRIFT)
    made.not_delivered = set()
    made.live(day(8))
    everything_is_there(made, day(7))
    loads = [one for one in made.asked if one.due.job == LOAD and late in one.about.days and not one.due.part]
    assert 1 < len(loads) <= 4 * MAX_ATTEMPTS + 1


def test_a_refused_day_that_is_mended_is_caught_up_and_freezes_nothing() -> None:
    made = world()
    made.live(day(4))
    made.refused = {("events", day(4))}
    made.live(day(6))
    assert max(made.days(FEATURES, "online_store")) == day(3)
    made.refused = set()
    made.live(day(7))
    everything_is_there(made, day(6))
    assert made.days(MODEL, EVALUATION) >= {FIRST + timedelta(days=35)}


def test_a_day_that_is_published_again_makes_features_and_store_again() -> None:
    made = world()
    made.live(day(6))
    before = len(made.asked)
    made._number += 1
    made.materialized[CLEAN, "events"][day(2)] = made._number
    made.settle()
    again = made.asked[before:]
    assert [(one.due.job, one.due.part, str(one.about)) for one in again] == [
        (LOAD, "compute", text(2, 5)),
        (ONLINE, "", text(5)),
    ]
    everything_is_there(made, day(5))


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


def test_a_red_gate_is_an_answer_and_training_is_not_tried_again() -> None:
    made = world()
    training = FIRST + timedelta(days=35)
    made.red_gates = {training}
    made.live(training + timedelta(days=2))
    assert made.of(TRAIN) == [str(training)]
    assert training not in made.days(SERVING, DEPLOYMENT)


def test_a_promotion_that_red_parity_stopped_is_tried_again_once_it_is_green() -> None:
    made = world()
    training = FIRST + timedelta(days=35)
    made.parity_is_red = True
    made.live(training + timedelta(days=2))
    assert made.of(TRAIN) == [str(training)]
    assert any("no model is promoted" in str(one) for one in made.answer().waiting)
    made.parity_is_red = False
    [request] = [one for one in made.settle() if one.due.job == TRAIN]
    assert (request.due.part, str(request.about)) == (PROMOTE, str(training))
    assert training in made.days(SERVING, DEPLOYMENT)


def test_two_who_ask_at_once_ask_under_the_same_keys() -> None:
    one, other = world(), world()
    for made in (one, other):
        made.off_until(day(3))
    assert [request.key for request in one.answer().requests] == [request.key for request in other.answer().requests]


def test_reference_tables_are_loaded_again_each_day() -> None:
    terminals = {
        "name": "terminals",
        "connector": {"kind": "files", "format": "csv", "path": "terminals.csv"},
        "columns": [{"name": "terminal", "type": "int64", "description": "terminal"}],
        "primary_key": ["terminal"],
    }
    made = DueWorld(payments(sources=[terminals]))
    made.handed_over(START)
    made.live(day(3))
    assert made.of("reference") == [text(0), text(1), text(2), text(3)]


def test_quality_waits_for_labels() -> None:
    made = world()
    made.live(day(5))
    made.not_delivered = {("labels", day(3))}
    made.live(day(8))
    assert day(3) not in made.days(MONITORING, QUALITY)
    made.not_delivered = set()
    made.live(day(9))
    assert made.days(MONITORING, QUALITY) >= {day(3), day(4), day(5)}
    everything_is_there(made, day(8))
    assert (RAW, "labels") in made.materialized
    assert PUBLISH in {one.due.part for one in made.asked}


def going_on(source: str, wait_days: int = 2) -> DueWorld:
    """A world whose events, or labels, are not waited for longer than some days."""
    document = payments().model_dump(mode="json")
    for one in document["sources"]:
        if one["name"] == source:
            one["late"] = {"wait_days": wait_days, "then": "go_on"}
    made = DueWorld(UseCase.model_validate(document))
    made.handed_over(START)
    return made


def test_with_go_on_features_store_and_training_go_on_without_the_day_and_say_so() -> None:
    made = going_on("events")
    late = day(2)
    made.not_delivered = {("events", late)}
    made.live(day(4))
    assert max(made.days(FEATURES, "online_store")) == day(1), "it waits two days"
    made.live(day(6))
    everything = set(DayRange(FIRST, day(5)).days) - {late}
    assert made.days(FEATURES, VIEW) == everything
    assert max(made.days(FEATURES, "online_store")) == day(5)
    assert made.days(MODEL, EVALUATION) >= {FIRST + timedelta(days=35)}
    without = [one for one in made.asked if one.without]
    assert {one.due.job for one in without} == {LOAD, ONLINE, TRAIN}
    assert all(one.without == {"events": [late]} for one in without)
    assert made.early == []
    tries = [
        one for one in made.asked if one.due.job == LOAD and late in one.about.days and one.asked_at.date() == day(6)
    ]
    assert len(tries) <= 2, "once a day, and once more after a later day was done"


def test_a_day_that_comes_after_it_was_left_out_is_caught_up_with_all_that_looks_back_at_it() -> None:
    made = going_on("events")
    made.not_delivered = {("events", day(2))}
    made.live(day(8))
    made.not_delivered = set()
    before = len(made.asked)
    made.live(day(9))
    caught = made.asked[before:]
    everything_is_there(made, day(8))
    assert not [one for one in caught if one.without]
    again = [str(one.about) for one in caught if one.due.job == LOAD and one.due.part == COMPUTE]
    assert again == [text(3, 7)], "the days whose windows of a week reach it"


def test_the_same_of_labels() -> None:
    made = going_on("labels", wait_days=1)
    late = day(1)
    made.not_delivered = {("labels", late)}
    made.live(day(1 + DELAY))
    assert day(DELAY + 1) not in made.days(FEATURES, VIEW)
    made.live(day(3 + DELAY))
    assert day(2 + DELAY) in made.days(FEATURES, VIEW)
    assert day(2 + DELAY) in made.days(FEATURES, "online_store")
    made.not_delivered = set()
    made.live(day(4 + DELAY))
    everything_is_there(made, day(3 + DELAY))


def test_by_default_it_is_waited_for() -> None:
    made = world()
    made.not_delivered = {("events", day(2))}
    made.live(day(8))
    assert max(made.days(FEATURES, "online_store")) == day(1)
    assert not [one for one in made.asked if one.without]
    assert any("events has no" in str(one) for one in made.answer().waiting)


def test_how_many_days_each_job_is_behind() -> None:
    made = world()
    made.live(day(4))
    assert not any(days_behind(made.use_case, made.materialized, made.now).values())
    made.off_until(day(6))
    behind = days_behind(made.use_case, made.materialized, made.now)
    assert behind[LOAD] == behind[WATCH] == [day(4), day(5)]
    assert behind[LABELS] == [day(5 - DELAY), day(6 - DELAY)]
    assert not any(days_behind(made.use_case, {}, made.now).values()), "nothing was loaded yet"


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
