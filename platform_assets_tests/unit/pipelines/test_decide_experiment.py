"""What an A/B test's verdict does to the rollout that runs it, and that it does nothing to any other."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from platform_assets.deployment.rollout import machine
from platform_assets.deployment.rollout.stages import Assignment, Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase
from platform_assets.experiments.analysis.sample_ratio import sample_ratio
from platform_assets.experiments.analysis.verdict import ExperimentOutcome, ExperimentVerdict
from platform_assets.pipelines.decide_experiment import act_on_experiment
from platform_assets.registry.base import CHAMPION

from .rollout_world import NEW, OLD, RolloutWorld

RUNNING = "newer_model_v2"
SPLIT = Stage(StageKind.SPLIT, 50, observe=True, assignment=Assignment(RUNNING, "lot", 10_000, 5_000))


@pytest.fixture
def world(tmp_path: Path) -> RolloutWorld:
    """A rollout whose A/B stage waits."""
    world = RolloutWorld(tmp_path)
    world.target.state = world.target._play(*machine.begin("new", "old", planned([SPLIT])))
    assert world.target.state.phase is Phase.SPLIT
    return world


def act(world: RolloutWorld, outcome: ExperimentOutcome, name: str = RUNNING) -> str:
    ratio = sample_ratio(np.zeros(0, dtype=bool), 0.5)
    verdict = ExperimentVerdict(outcome, f"{outcome}: as planted", None, ratio, (), ())
    analysed: Any = SimpleNamespace(analysis=SimpleNamespace(name=name, verdict=verdict))
    return act_on_experiment(world.case, analysed, world.models, world.serving, "run-1")


def champion(world: RolloutWorld) -> str:
    version = world.registry.by_alias(world.name, CHAMPION)
    assert version is not None
    return str(version.version)


def test_a_better_version_takes_over_with_its_evidence_in_the_ledger(world: RolloutWorld) -> None:
    assert "better: as planted" in act(world, ExperimentOutcome.BETTER)
    assert (world.target.serves, champion(world)) == (NEW, "2")
    entries = world.models.ledger(world.name).entries(world.name)
    assert entries["action"][0] == "rollout_promoted"
    assert f"experiment {RUNNING}: better: as planted" in entries["evidence"][0]
    assert '"who": "experiment"' in entries["evidence"][0]


@pytest.mark.parametrize("outcome", [ExperimentOutcome.WORSE, ExperimentOutcome.NO_EFFECT])
def test_a_version_that_is_worse_or_not_worth_it_goes_and_the_alias_with_it(
    world: RolloutWorld, outcome: ExperimentOutcome
) -> None:
    act(world, outcome)
    assert (world.target.serves, world.target.state, champion(world)) == (OLD, None, "1")
    assert "rollout_aborted" in world.actions()


def test_evidence_that_cannot_be_used_holds_the_rollout_for_a_person(world: RolloutWorld) -> None:
    act(world, ExperimentOutcome.NOT_VALID)
    assert world.target.state is not None
    assert (world.target.state.phase, world.target.state.held) == (Phase.SPLIT, True)
    assert act(world, ExperimentOutcome.BETTER).startswith("held by experiment")
    assert world.target.state.phase is Phase.SPLIT
    assert world.actions() == ["rollout_held"]


def test_an_open_test_goes_on(world: RolloutWorld) -> None:
    before = world.target.state
    assert act(world, ExperimentOutcome.CANNOT_TELL) == "the test goes on"
    assert world.target.state == before


def test_the_verdict_of_another_test_or_of_none_that_runs_is_only_reported(world: RolloutWorld, tmp_path: Path) -> None:
    assert "another test" in act(world, ExperimentOutcome.WORSE, "newer_model_v1")
    canary = RolloutWorld(tmp_path / "canary")
    assert "only reported" in act(canary, ExperimentOutcome.WORSE)
    canary.target.state = None
    assert "only reported" in act(canary, ExperimentOutcome.BETTER)
    assert world.actions() == canary.actions() == []
