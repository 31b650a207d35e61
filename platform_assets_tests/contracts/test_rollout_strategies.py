"""What every rollout strategy is to the state machine: each of the registry, and one that only this test knows."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from pydantic import ValidationError

from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.declaration.sections.rollout import (
    DECLARED_STRATEGIES,
    AbStage,
    CanaryStage,
    ReplaceStage,
    RolloutStage,
    ShadowStage,
)
from platform_assets.deployment.rollout import actions, events, machine
from platform_assets.deployment.rollout.registry import STRATEGIES
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan, Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase, Rollout
from platform_assets.deployment.rollout.strategy import PlannedExperiment, Strategy

EXPERIMENT = PlannedExperiment(
    "churn-1",
    Experiment(
        hypothesis="a newer model keeps more customers",
        measure="stayed",
        direction="increase",
        minimum_effect_ratio=0.1,
        assign_by="customer_id",
        traffic_ratio=0.5,
        treatment_ratio=0.2,
    ),
)
ANSWERS: dict[type, Any] = {
    actions.Start: events.ArmReady(),
    actions.Probe: events.ProbePassed(),
    actions.SetWeights: events.WeightsTaken("2026-01-01T00:00:00+00:00"),
    actions.Mirror: events.MirrorTaken("2026-01-01T00:00:00+00:00"),
    actions.Drain: events.Drained(),
    actions.Remove: events.Removed(),
}


class HalvesStage(RolloutStage):
    """Half of what is left, a number of times."""

    strategy: Literal["halves"]
    times: int = 3
    behaviour: ClassVar[str] = "platform_assets_tests.contracts.test_rollout_strategies:Halves"


@dataclass(frozen=True)
class Halves:
    declared: HalvesStage
    experiment: PlannedExperiment | None = None

    def stages(self) -> tuple[Stage, ...]:
        shares = [100 - 100 // 2 ** (n + 1) for n in range(self.declared.times)]
        return tuple(Stage(StageKind.WEIGHT, share, observe=True) for share in shares)


@pytest.fixture(params=[*DECLARED_STRATEGIES.names, "halves"])
def strategy(request: pytest.FixtureRequest) -> Strategy:
    with DECLARED_STRATEGIES.with_member("halves", HalvesStage):
        model = DECLARED_STRATEGIES[request.param]
        return STRATEGIES[request.param](model(strategy=request.param), EXPERIMENT)


def promoted(plan: Plan) -> tuple[Rollout, list[Any]]:
    """Every stage advanced as soon as it waits."""
    asked: list[Any] = []
    state, due = machine.begin("new", "old", plan)
    while due or state.waiting:
        asked += due
        event = ANSWERS[type(due[-1])] if due else events.Advance("no worse", "verdict", "")
        state, due = machine.next(state, event)
    return state, asked


def test_the_new_version_ends_up_with_everything_and_shares_always_add_up(strategy: Strategy) -> None:
    plan = planned(strategy.stages())
    state, asked = promoted(plan)
    shares = [dict(action.weights) for action in asked if isinstance(action, actions.SetWeights)]
    assert state.phase is Phase.DONE
    assert all(sum(share.values()) == 100 for share in shares)
    assert [share["new"] for share in shares] == [s.percent for s in plan if s.kind is not StageKind.MIRROR]
    assert shares[-1] == {"new": 100}


def test_a_stage_that_compares_two_versions_waits_and_an_abort_gives_everything_back(strategy: Strategy) -> None:
    plan = planned(strategy.stages())
    for waits in range(sum(stage.observe for stage in plan)):
        state, due = machine.begin("new", "old", plan)
        for _ in range(waits + 1):
            while due:
                state, due = machine.next(state, ANSWERS[type(due[-1])])
            if _ < waits:
                state, due = machine.next(state, events.Advance("no worse", "verdict", ""))
        assert state.waiting
        assert state.since
        state, due = machine.next(state, events.Abort("worse", "verdict", ""))
        assert due[-1] == actions.SetWeights({"old": 100})
        while due:
            state, due = machine.next(state, ANSWERS[type(due[-1])])
        assert (state.phase, state.reason) == (Phase.ROLLED_BACK, "worse")


def test_a_first_version_gets_everything_at_once_whatever_the_strategy(strategy: Strategy) -> None:
    assert machine.begin("new", None, planned(strategy.stages()))[0].plan == AT_ONCE


def test_what_is_declared_of_a_strategy_becomes_its_stages() -> None:
    canary = CanaryStage(strategy="canary", steps_percent=(10, 50), step_minutes=3, at_most_hours=2)
    shadow = ShadowStage(strategy="shadow", share_percent=20, minutes=5)
    replace = ReplaceStage(strategy="replace", keep_minutes=60)
    stages = [s for declared in (shadow, canary, replace) for s in STRATEGIES[declared.strategy](declared).stages()]
    assert planned(stages, "abort") == (
        Stage(StageKind.MIRROR, 20, True, 5, 1440, "abort"),
        Stage(StageKind.WEIGHT, 10, True, 3, 120, "abort"),
        Stage(StageKind.WEIGHT, 50, True, 3, 120, "abort"),
        Stage(StageKind.WEIGHT, 100, False, 60),
    )
    [split] = STRATEGIES["ab"](AbStage(strategy="ab", at_most_days=7), EXPERIMENT).stages()
    assert (split.percent, split.at_most_minutes) == (10, 7 * 1440)
    assert split.assignment is not None
    assert (split.assignment.traffic_buckets, split.assignment.treatment_buckets) == (5000, 2000)


@pytest.mark.parametrize("steps", [(), (0, 50), (50, 100), (50, 20), (20, 20)])
def test_the_steps_of_a_canary_rise_within_what_replace_leaves(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match=r"rise within|at least 1 item"):
        CanaryStage(strategy="canary", steps_percent=steps)


def test_a_stage_that_would_end_before_it_may_is_refused() -> None:
    with pytest.raises(ValidationError, match="before the 120 minutes"):
        ShadowStage(strategy="shadow", minutes=120, at_most_hours=1)
