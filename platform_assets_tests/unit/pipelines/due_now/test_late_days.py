"""A day that does not come, or is refused: what is made from it waits, or goes on without it, and is made up for."""

from datetime import timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DRIFT, EVALUATION, PREDICTION_LOG
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, MONITORING, SERVING
from platform_assets.pipelines.due_now.attempts import MAX_ATTEMPTS
from platform_assets.pipelines.jobs import (
    COMPUTE,
    LOAD,
    ONLINE,
    TRAIN,
)
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


def test_after_a_run_no_label_and_no_day_is_left_out() -> None:
    """`run` ends at a day whose last labels are known later; the sensor goes on from there, whenever it is turned on."""
    made = world()
    made.off_until(day(40))
    made.settle()
    everything_is_there(made, day(39))


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
