"""What every rollout strategy is to the state machine: each of the registry, and one that only this test knows."""

from dataclasses import dataclass
from typing import Any

import pytest

from platform_assets.deployment.rollout import machine
from platform_assets.deployment.rollout.canary import Canary
from platform_assets.deployment.rollout.registry import STRATEGIES
from platform_assets.deployment.rollout.strategy import REPLACE, Strategy


@dataclass(frozen=True)
class Halves:
    """Half of what is left, a number of times, then everything."""

    times: int = 3

    @property
    def steps(self) -> tuple[int, ...]:
        return (*(100 - 100 // 2 ** (n + 1) for n in range(self.times)), 100)


@pytest.fixture(params=[*STRATEGIES.names, "halves"])
def strategy(request: pytest.FixtureRequest) -> Strategy:
    with STRATEGIES.with_member("halves", Halves):
        return STRATEGIES[request.param]()


def test_the_new_version_ends_up_with_everything_and_shares_always_add_up(strategy: Strategy) -> None:
    events: dict[type, Any] = {
        machine.Start: machine.ArmReady(),
        machine.Probe: machine.ProbePassed(),
        machine.SetWeights: machine.WeightsTaken(),
        machine.Drain: machine.Drained(),
        machine.Remove: machine.Removed(),
    }
    state, actions = machine.begin("new", "old", strategy.steps)
    shares = []
    while actions:
        shares += [dict(action.weights) for action in actions if isinstance(action, machine.SetWeights)]
        state, actions = machine.next(state, events[type(actions[-1])])
    assert state.phase is machine.Phase.DONE
    assert all(sum(share.values()) == 100 for share in shares)
    assert [share["new"] for share in shares] == list(strategy.steps)


def test_a_first_version_gets_everything_at_once_whatever_the_strategy(strategy: Strategy) -> None:
    assert machine.begin("new", None, strategy.steps)[0].steps == (100,)


def test_the_steps_of_a_canary_are_declared_and_checked() -> None:
    assert STRATEGIES["canary"](steps=(10, 50, 100)) == Canary((10, 50, 100))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="rise within"):
        Canary((50, 10, 100))
    assert STRATEGIES["replace"]() == REPLACE
