"""What starts by itself: everything since the handover, in order, each once, at its time of day."""

from datetime import date, timedelta

import pytest

from platform_assets.cli.run import steps as run
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DEPLOYMENT, DRIFT, PREDICTION_LOG, QUALITY
from platform_assets.lake.layout import CLEAN, FEATURES, MONITORING, RAW, SERVING
from platform_assets.pipelines.due import DueJob, due
from platform_assets.pipelines.due_now.behind import days_behind
from platform_assets.pipelines.jobs import (
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
from platform_assets.pipelines.run_visits import Visit
from platform_assets.pipelines.timeline import plan
from platform_assets_tests.unit.pipelines.due_now.due_world import (
    DELAY,
    FIRST,
    START,
    VIEW,
    DueWorld,
    day,
    everything_is_there,
    payments,
    text,
    world,
)


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


def test_a_clock_that_is_set_back_asks_for_nothing_again() -> None:
    made = world()
    made.live(day(5))
    made.off_until(day(3))
    assert {one.due.job for one in made.settle()} <= {MAINTAIN}, "upkeep at most, which may be done at any time"
    made.live(day(7))
    everything_is_there(made, day(6))
    loads = [each for one in made.asked if one.due.job == LOAD for each in one.about.days]
    assert len(loads) == len(set(loads))


def test_of_missed_training_days_the_newest_is_caught_up() -> None:
    made = world()
    made.live(day(3))
    made.off_until(day(20))
    made.settle()
    assert made.of(TRAIN) == [str(FIRST + timedelta(days=49))]
    assert made.early == []


def test_before_anything_was_loaded_nothing_is_asked() -> None:
    made = DueWorld(payments())
    made.off_until(START)
    answer = made.answer()
    assert answer.requests == ()
    assert "platform-assets run small" in answer.notes[0]


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


def test_how_many_days_each_job_is_behind() -> None:
    made = world()
    made.live(day(4))
    assert not any(days_behind(made.use_case, made.materialized, made.now).values())
    made.off_until(day(6))
    behind = days_behind(made.use_case, made.materialized, made.now)
    assert behind[LOAD] == behind[WATCH] == [day(4), day(5)]
    assert behind[ONLINE] == [day(4), day(5)]
    assert behind[LABELS] == [day(5 - DELAY), day(6 - DELAY)]
    assert not any(days_behind(made.use_case, {}, made.now).values()), "nothing was loaded yet"


def test_after_the_steps_of_the_command_line_nothing_is_left_out() -> None:
    """`platform-assets run` goes to the last day whose labels come within the history; the sensor takes over from there."""
    history = {"first_day": str(FIRST), "last_day": str(START)}
    made = DueWorld(payments(history=history))
    journey = Steps(made)
    run.train_on_history(journey)  # type: ignore[arg-type]
    for live in journey.days.live.days:
        run.load_live_day(journey, live)  # type: ignore[arg-type]
    run._watch(journey)  # type: ignore[arg-type]
    made.off_until(START + timedelta(days=400))
    made.settle()
    assert made.days(CLEAN, "events") == made.days(CLEAN, "labels") == set(DayRange(FIRST, START).days)
    assert made.days(FEATURES, VIEW) == set(DayRange(FIRST, START).days)
    assert max(made.days(FEATURES, "online_store")) == START
    assert made.days(SERVING, PREDICTION_LOG) == set(DayRange(journey.days.live.first, START).days)
    assert made.early == []
    assert made.settle() == []


def test_changes_are_taken_in_before_a_day_is_loaded_and_later_ones_make_it_again() -> None:
    document = payments().model_dump(mode="json")
    document["sources"][0]["connector"] = {"kind": "change_feed", "path": "in"}
    document["sources"][0]["changes"] = {"deletes": "history"}
    made = DueWorld(UseCase.model_validate(document))
    made.handed_over(START)
    made.touched = {("events", day(0))}
    made.off_until(day(1), hour=1)
    jobs = [one.due.job for one in made.settle()]
    assert jobs.count("feed") == 1
    assert jobs.index("feed") < jobs.index(LOAD)
    assert made.of(LOAD) == [text(0)]
    made.touched = {("events", day(-1))}
    made.off_until(day(1), hour=2)
    made.settle()
    assert [one.due.part for one in made.asked if one.due.job == LOAD] == ["", "", "compute"]
    assert made.of(LOAD)[1:] == [text(-1), text(0)], "the day itself, and the day that looks back at it"
    assert made.features_are_right()
    made.slow = {"feed"}
    made.off_until(day(2), hour=1)
    made.settle()
    assert any("changes are taken in first" in str(one) for one in made.answer().waiting)


class Steps:
    """What the steps of a run need of a journey, on a platform whose jobs take no time."""

    def __init__(self, made: DueWorld) -> None:
        self.made, self.use_case, self.days = made, made.use_case, plan(made.use_case)

    def execute(self, due_job: DueJob) -> None:
        assert self.made._make(due_job.job, due_job.part, due_job.days)

    def visit(self, visit: Visit) -> None:
        self.catch_up(visit.as_of, dict(visit.wanted))

    def catch_up(self, at: date, wanted: dict[str, DayRange]) -> None:
        for due_job in due(self.use_case, self.made.materialized, at, wanted):
            self.execute(due_job)
