"""Commands of delivery as somebody types them: a person's decisions about a rollout, a rehearsal, callers, Bentos."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.predict import stream as scoring
from platform_assets.cli.run import rehearsal
from platform_assets.cli.run.replay import Traffic
from platform_assets.declaration.sections.rollout import CanaryStage, ReplaceStage
from platform_assets.deployment.rollout.registry import declared_plan
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.installation import Installation
from platform_assets.pipelines.advance_rollout import StepOutcome
from platform_assets.settings import Settings
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets_tests.unit.pipelines.rollout_world import OLD, RolloutWorld

STAGES = (CanaryStage(strategy="canary", steps_percent=(20,), step_minutes=0), ReplaceStage(strategy="replace"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RolloutWorld:
    world = RolloutWorld(tmp_path)
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    installation = SimpleNamespace(models=world.models, serving=world.serving, feature_store=None)
    monkeypatch.setattr(Installation, "from_environment", lambda: installation)
    declared = SimpleNamespace(use_case=world.case, folder=tmp_path)
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda name=None, **_: [declared])
    return world


def typed(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_a_person_holds_promotes_and_aborts(world: RolloutWorld) -> None:
    assert "the market is odd" in typed("rollout", "hold", world.name, "--why", "the market is odd")
    assert world.target.state is not None
    assert world.target.state.held
    typed("rollout", "promote", world.name, "--why", "it is quiet again")
    assert not world.target.state.held
    assert "aborted" in typed("rollout", "abort", "--why", "callers complain")
    assert (world.target.serves, world.target.state) == (OLD, None)
    assert "nothing is rolled out" in typed("rollout", "status")


def test_a_person_raises_the_share_of_a_stage_and_it_never_falls(world: RolloutWorld) -> None:
    text = typed("rollout", "raise", world.name, "--to", "35", "--why", "a quiet evening")
    assert "raised: a quiet evening" in text
    assert "35 % of the requests" in text
    entries = world.models.ledger(world.name).entries(world.name)
    (kept,) = (json.loads(text) for text in entries.filter(pl.col("action") == "rollout_raised")["evidence"])
    assert (kept["why"], kept["weights_before"]["new"], kept["weights"]["new"]) == ("a quiet evening", 20, 35)
    for share, said in (("35", "it never falls"), ("50", "`rollout promote`")):
        refused = CliRunner().invoke(app, ["rollout", "raise", world.name, "--to", share])
        assert refused.exit_code == 1
        assert said in " ".join(refused.output.split())
    assert world.actions().count("rollout_raised") == 1


def test_a_rehearsal_judges_the_rollout_that_waits_under_traffic_until_its_verdict(
    world: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    looks = iter((StepOutcome.WAITING, StepOutcome.PROMOTED))

    def advance(use_case: Any, *parts: Any) -> Any:
        asked.append(use_case.serving.guards)
        return SimpleNamespace(outcome=next(looks), sentence="a reason")

    monkeypatch.setattr(rehearsal, "advance_rollout", advance)
    monkeypatch.setattr(rehearsal, "LOOK_SECONDS", 0)
    monkeypatch.setattr(rehearsal, "_traffic", lambda journey, day: nullcontext(Traffic()))
    monkeypatch.setattr(world.target, "ensure_running", lambda: None, raising=False)
    days = SimpleNamespace(live=SimpleNamespace(last=date(2026, 3, 1)))
    installation = SimpleNamespace(models=world.models, serving=world.serving)
    journey: Any = SimpleNamespace(use_case=world.case, installation=installation, days=days)
    rehearsal._rehearse(journey)
    assert len(asked) == 2, "it looks again until the rollout has ended"
    assert {guards.block_seconds for guards in asked} == {rehearsal.GUARDS["block_seconds"]}
    assert (world.serving.report_folder(world.name) / "rollouts.html").is_file()


def test_a_rehearsal_of_a_use_case_without_a_service_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: Callable[[], None]
) -> None:
    environment()
    monkeypatch.setattr(rehearsal.InProcess, "of", lambda *arguments: None)
    case = SimpleNamespace(name="hours", is_realtime=False, answers_requests=False)
    monkeypatch.setattr(rehearsal, "declared_use_cases", lambda *_, **__: [SimpleNamespace(use_case=case)])
    assert "hours answers no requests" in typed("rollout", "rehearse", "hours")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    def use() -> None:
        monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))

    return use


def test_an_installation_may_roll_out_in_other_stages_than_declared(tmp_path: Path) -> None:
    case = RolloutWorld(tmp_path).case
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")})
    assert Installation(settings).serving.rollout == ()
    chosen = Installation(settings, STAGES).serving
    assert isinstance(chosen, ServingHome)
    plan = declared_plan(case, chosen.rollout)
    assert [(stage.percent, stage.observe) for stage in plan] == [(20, True), (100, False)]
    assert declared_plan(case) != plan


def test_callers_are_put_in_force_where_nothing_runs(environment: Callable[[], None]) -> None:
    environment()
    assert "Nothing runs" in typed("callers", "apply")


def test_without_a_champion_there_is_no_bento_to_serve(world: RolloutWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    models = SimpleNamespace(registry=FakeRegistry)
    monkeypatch.setattr(Installation, "from_environment", lambda: SimpleNamespace(models=models, serving=world.serving))
    assert "there is no champion" in typed("bento", world.name)


@pytest.mark.parametrize(
    ("options", "called"),
    [
        ((), ("score", 0, None)),
        (("--detach", "--instance", "1"), ("detach_scoring", 1, None)),
        (("--end",), ("end_scoring", 0)),
    ],
)
def test_a_topic_is_scored_here_beside_the_services_or_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], called: tuple[Any, ...]
) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    seen: list[Any] = []
    for name in ("score", "detach_scoring", "end_scoring"):
        monkeypatch.setattr(scoring, name, lambda *words, name=name: seen.append((name, *words[1:])))
    typed("predict", "stream", "card_fraud", *options)
    assert seen == [called]
