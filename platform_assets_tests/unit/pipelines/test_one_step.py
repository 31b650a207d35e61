"""A step by itself: the days that it is due for, its gates, and what it answers."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets.pipelines.steps.base import StepContext, StepRefused
from platform_assets.pipelines.steps.graph import step_named
from platform_assets.pipelines.steps.run import AskedDays, StepAnswer, run_step
from platform_assets.settings import Settings
from platform_assets_tests.unit.pipelines.file_days import MONDAY, FileDays, sales


class Steps:
    """Steps of a use case of daily files."""

    def __init__(self, folder: Path) -> None:
        self.world = FileDays(folder)
        settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(folder)})
        declared = DeclaredUseCase(self.world.use_case, folder)
        self.context = StepContext(declared, Installation(settings), "run-1", lambda line: None)

    def run(self, name: str, day: date, since: date | None = None, days: DayRange | None = None) -> StepAnswer:
        return run_step(self.context, step_named(self.world.use_case, name), AskedDays(day, since, days))


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


def test_a_day_goes_through_steps_as_of_its_midnight(steps: Steps) -> None:
    steps.world.write(f"{MONDAY}.csv", sales(MONDAY, 5))
    tuesday = MONDAY + timedelta(days=1)
    loaded = steps.run("raw/events", tuesday)
    assert loaded.plain()["days"] == [MONDAY.isoformat()]
    assert loaded.plain()["facts"]["rows"] == 5
    published = steps.run("clean/events", tuesday)
    assert published.outcome is not None
    assert published.outcome.facts["rows_accepted"] == 5
    assert steps.world.catalog.clean("events").read(MONDAY, MONDAY).height == 5
    assert published.red == ()


def test_a_run_that_begins_with_the_history_loads_its_days_at_once(steps: Steps) -> None:
    for day in (MONDAY, MONDAY + timedelta(days=1)):
        steps.world.write(f"{day}.csv", sales(day, 3))
    answer = steps.run("raw/events", MONDAY + timedelta(days=2), since=MONDAY)
    assert answer.plain()["days"] == [str(MONDAY), str(MONDAY + timedelta(days=1))]


def test_a_step_that_is_asked_for_twice_leaves_the_same_rows(steps: Steps) -> None:
    steps.world.write(f"{MONDAY}.csv", sales(MONDAY, 5))
    only = DayRange(MONDAY, MONDAY)
    for _ in range(2):
        steps.run("raw/events", MONDAY, days=only)
        steps.run("clean/events", MONDAY, days=only)
    rows = steps.world.catalog.clean("events").read()
    assert rows.height == 5
    steps.world.write(f"{MONDAY}.csv", sales(MONDAY, 6))
    steps.run("raw/events", MONDAY, days=only)
    steps.run("clean/events", MONDAY, days=only)
    assert steps.world.catalog.clean("events").read().height == 6


def test_a_red_gate_is_in_the_answer_and_its_day_is_not_published(steps: Steps) -> None:
    lines = sales(MONDAY, 5)
    steps.world.write(f"{MONDAY}.csv", [*lines, *lines, *lines])
    only = DayRange(MONDAY, MONDAY)
    steps.run("raw/events", MONDAY, days=only)
    published = steps.run("clean/events", MONDAY, days=only)
    assert [check.name for check in published.red] == ["quality"]
    assert published.plain()["passed"] is False
    assert "not published (2024-03-04)" in published.red[0].explanation
    assert not steps.world.catalog.clean("events").exists()


def test_columns_that_changed_are_a_red_gate(steps: Steps) -> None:
    (steps.world.folder / f"{MONDAY}.csv").write_text("sale,at\n1,2024-03-04T08:00Z\n")
    loaded = steps.run("raw/events", MONDAY, days=DayRange(MONDAY, MONDAY))
    assert [check.name for check in loaded.red] == ["schema"]
    assert "items" in loaded.red[0].explanation


def test_days_that_were_never_made_refuse_a_step(steps: Steps) -> None:
    view = steps.world.use_case.features[0].table
    with pytest.raises(StepRefused, match="has no 2024-03-04"):
        steps.run(f"features/{view}", MONDAY, days=DayRange(MONDAY, MONDAY))


def test_what_is_not_due_says_why(steps: Steps) -> None:
    first = steps.world.use_case.history.first_day
    cases = {
        "raw/events": (first, "outside of the declared history"),
        "training/training_set": (first, "do not fit into the history"),
        "serving/prediction_log": (MONDAY, "no model was promoted yet"),
        "monitoring/drift": (MONDAY, "no model was promoted yet"),
    }
    for name, (day, words) in cases.items():
        answer = steps.run(name, day)
        assert answer.outcome is None
        assert words in answer.plain()["not_due"], name
        assert answer.plain()["due"] is False


def test_nothing_is_written_where_nothing_is_due(steps: Steps) -> None:
    steps.run("raw/events", steps.world.use_case.history.first_day)
    assert not steps.world.catalog.raw("events").stored.exists()
