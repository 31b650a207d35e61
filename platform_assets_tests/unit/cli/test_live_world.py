"""A live world: where it begins, what its processes are told, when it has shown what it is for."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.live.driver import LiveDay, LiveStory
from platform_assets.cli.live.observation import LiveDecision, LiveModel, LiveVerdict
from platform_assets.cli.live.screen import print_day, print_story
from platform_assets.cli.live.world import LiveWorld, LiveWorldError, Wish, as_in_a_live_world, make_world
from platform_assets.cli.run.replay import Traffic
from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.monitoring.operations import RunFact, RunState
from platform_assets.orchestration.retrain_requests import CAUSE_TAG
from platform_assets.pipelines.due import can_train_as_of, is_training_day
from platform_assets.pipelines.timeline import plan_live
from platform_assets.settings import Settings
from platform_assets.testing.declare import declare

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def card_fraud() -> UseCase:
    return declared_use_cases("card_fraud")[0].use_case


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "default")})


def test_it_begins_on_a_day_on_which_a_model_is_trained_with_every_window_behind_it(card_fraud: UseCase) -> None:
    days = plan_live(card_fraud, 10)
    assert is_training_day(card_fraud, days.as_of)
    assert can_train_as_of(card_fraud, days.as_of)
    assert days.as_of == days.history.last + timedelta(days=1)
    assert (days.live.first - days.as_of).days == card_fraud.monitoring.window_days
    assert len(days.live.days) == 10
    longest = max(view.span_days for view in card_fraud.features)
    assert (days.as_of - days.history.first).days >= longest
    with pytest.raises(ValueError, match="Ask for fewer days"):
        plan_live(card_fraud, 100)


def test_it_declares_the_use_case_as_it_is_but_for_what_would_hide_the_answer_to_a_drift(
    settings: Settings, card_fraud: UseCase
) -> None:
    world = make_world(card_fraud, settings, Wish())
    world.prepare()
    here = world.declare(declared_use_cases("card_fraud")[0].folder)
    assert here.use_case == as_in_a_live_world(card_fraud)
    assert here.use_case.monitoring.retrain.labelled_days == 0
    assert here.use_case.training.every_days > card_fraud.training.every_days
    assert here.use_case.gates == card_fraud.gates
    assert (world.home / "definitions.py").is_file()


@pytest.mark.parametrize("drift", [None, "covariate", "upstream", "label", "concept"])
def test_no_model_is_due_by_the_calendar_while_the_days_go_by(
    settings: Settings, card_fraud: UseCase, drift: str | None
) -> None:
    world, here = make_world(card_fraud, settings, Wish(drift)), as_in_a_live_world(card_fraud)
    assert is_training_day(here, world.timeline.as_of)
    assert not any(is_training_day(here, day) for day in [*world.first_window.days, *world.days.days][1:])


def test_what_cannot_live_is_refused_with_the_reason(settings: Settings, card_fraud: UseCase) -> None:
    filed = declare(events={"visit": "int64", "at": "datetime", "speed": "float64?"}, label="late", features=["speed"])
    with pytest.raises(LiveWorldError, match="not from a simulator"):
        make_world(filed, settings, Wish())
    [batch] = declared_use_cases("bike_demand")
    with pytest.raises(LiveWorldError, match="answers no requests"):
        make_world(batch.use_case, settings, Wish())
    with pytest.raises(LiveWorldError, match="there are covariate, label, concept, upstream"):
        make_world(card_fraud, settings, Wish(drift="mood"))


def test_it_writes_below_its_own_home_whatever_the_caller_writes_to(settings: Settings, card_fraud: UseCase) -> None:
    world = make_world(card_fraud, settings, Wish(drift="concept"))
    told = Settings.from_environment(world.environment({"customers": 300}))
    assert told.home == settings.home.parent / "live"
    assert str(told.lake).startswith(str(told.home))
    assert told.automation == "on"
    assert told.simulated_clock == world.clock.path
    assert told.port != settings.port
    assert told.simulation == {
        "customers": 300,
        "terminals": 2000,
        "drift": {"kind": "concept", "day": str(world.drift_day)},
    }


def test_it_begins_anew_and_leaves_alone_what_is_no_live_world(
    settings: Settings, card_fraud: UseCase, tmp_path: Path
) -> None:
    world = make_world(card_fraud, settings, Wish())
    world.prepare()
    assert world.clock.now() == world.morning_of(world.timeline.as_of)
    world.clock.move(world.morning_of(world.days.last))
    (world.home / "lake").mkdir()
    world.prepare()
    assert not (world.home / "lake").exists()
    assert world.clock.now() == world.morning_of(world.timeline.as_of)

    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "table").touch()
    with pytest.raises(LiveWorldError, match="left alone"):
        replace(world, home=precious).prepare()
    assert (precious / "table").exists()


@pytest.fixture
def world(settings: Settings, card_fraud: UseCase) -> LiveWorld:
    return make_world(card_fraud, settings, Wish(drift="covariate", days=6))


def training(as_of: date, state: RunState = RunState.SUCCEEDED) -> RunFact:
    tags = ((CAUSE_TAG, "drift:amount@2018-07-03"),)
    return RunFact("r", "card_fraud", "train", str(as_of), 1, state, NOW, NOW, NOW, "train", tags)


def lived(world: LiveWorld, **of_the_last: Any) -> LiveStory:
    """A story of all days, quiet but for what is given for the last one."""
    first = LiveModel("1", world.days.first, {"v1-0a": 100}, False)
    quiet: dict[str, Any] = {
        "traffic": Traffic([1.0], []),
        "runs": (),
        "drift": LiveVerdict("ok", ()),
        "quality": None,
        "decision": LiveDecision("nothing", "Nothing is wrong."),
        "asked": (),
        "serving": first,
        "is_quiet": True,
        "seconds": 9.0,
    }
    days = [LiveDay(day=day, **quiet) for day in world.days.days]
    days[-1] = replace(days[-1], **of_the_last)
    return LiveStory(world, 60.0, days, None, 100.0)


DRIFTED = LiveVerdict("drift", ("drift:amount",))


def answered(world: LiveWorld, **other: Any) -> dict[str, Any]:
    """The last day of a world whose drift was answered."""
    day = world.days.last
    return {
        "drift": DRIFTED,
        "decision": LiveDecision("train", "2 of the last 3 windows are violated."),
        "asked": (training(day),),
        "serving": LiveModel("2", day, {"v2-0b": 100}, False),
        **other,
    }


def test_a_drift_is_answered_when_the_model_that_was_asked_for_answers_alone(world: LiveWorld) -> None:
    assert lived(world, **answered(world)).is_as_expected
    day = world.days.last
    for what, other in {
        "the old model serves on": {"serving": LiveModel("1", world.days.first, {"v1-0a": 100}, False)},
        "it shares the requests": {"serving": LiveModel("2", day, {"v1-0a": 50, "v2-0b": 50}, False)},
        "its rollout is under way": {"serving": LiveModel("2", day, {"v2-0b": 100}, True)},
        "another model than was asked for": {"serving": LiveModel("2", day - timedelta(days=1), {"v2-0b": 100}, False)},
        "its training failed": {"asked": (training(day, RunState.FAILED),)},
        "nobody asked for it": {"asked": ()},
    }.items():
        assert not lived(world, **answered(world, **other)).is_as_expected, what


def test_a_quiet_world_in_which_a_model_is_asked_for_is_not_as_expected(world: LiveWorld) -> None:
    quiet = replace(world, drift=None)
    assert lived(quiet).is_as_expected
    assert not lived(quiet, **answered(world)).is_as_expected


def test_wrong_data_is_noticed_and_not_learned_from(world: LiveWorld) -> None:
    wrong = replace(world, drift="upstream")
    assert not lived(wrong).is_as_expected, "nobody noticed"
    assert lived(wrong, drift=DRIFTED).is_as_expected
    assert not lived(wrong, **answered(world)).is_as_expected


def test_the_screen_says_what_happened_how_long_it_took_and_where_to_look(
    world: LiveWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    story = lived(world, **answered(world), runs=(training(world.days.last, RunState.FAILED),), is_quiet=False)
    print_day(world, story.days[-1])
    print_story(story)
    printed = " ".join(capsys.readouterr().out.split())
    for words in (
        "train failed",
        "drift (amount)",
        "decision train: 2 of the last 3 windows",
        "the next day begins although",
        "as expected: the drift was answered by version 2",
        f"known on {world.days.last + timedelta(days=1)}",
        "everything that was started is stopped",
        f"PLATFORM_ASSETS_HOME={world.home} PLATFORM_ASSETS_AUTOMATION=off make dev",
    ):
        assert words in printed


def test_a_shell_reads_the_settings_of_its_processes(settings: Settings, card_fraud: UseCase) -> None:
    world = make_world(card_fraud, settings, Wish(drift="concept"))
    world.prepare()
    environment = world.environment({"name": "it's"})
    world.write_settings(environment)
    script = f"set -a; . {world.home / 'world.env'}; exec {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    seen = json.loads(subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout)
    assert environment.items() <= seen.items()
    assert seen["PLATFORM_ASSETS_SIMULATED_CLOCK"] == str(world.clock.path)


def test_the_mark_names_the_world(world: LiveWorld) -> None:
    world.prepare()
    assert json.loads((world.home / "live-world.json").read_text())["drift"] == "covariate"


def test_the_command_says_why_a_world_cannot_begin() -> None:
    result = CliRunner().invoke(app, ["live", "bike_demand"])
    assert result.exit_code == 1
    assert "bike_demand answers no requests" in result.output
