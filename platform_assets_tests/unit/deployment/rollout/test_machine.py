"""The rollout's promises, held against a small world in which its actions really happen or fail."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.deployment.errors import InvalidEvent
from platform_assets.deployment.rollout import machine as rollout
from platform_assets.deployment.rollout.machine import Action, Event, Phase, Rollout

EVENTS = [
    rollout.ArmReady(),
    rollout.ArmFailed("no start"),
    rollout.ProbePassed(),
    rollout.ProbeRejected("wrong"),
    rollout.WeightsTaken(),
    rollout.WeightsRefused("refused"),
    rollout.Drained(),
    rollout.Removed(),
    rollout.Interrupted("killed"),
]


@dataclass
class World:
    """What a target would hold: running arms, arms that passed, and the weights in force."""

    running: set[str]
    passed: set[str]
    weights: dict[str, int]
    drained: set[str] = field(default_factory=set)
    had_traffic: set[str] = field(default_factory=set)

    def perform(self, action: Action, succeeds: bool) -> Event:
        """Do what is asked, or fail at it, and say so; breaks with an assertion when traffic would be lost."""
        match action:
            case rollout.Start(arm):
                if not succeeds:
                    return rollout.ArmFailed("no start")
                self.running.add(arm)
                return rollout.ArmReady()
            case rollout.Probe(arm):
                assert arm in self.running
                if not succeeds:
                    return rollout.ProbeRejected("wrong answer")
                self.passed.add(arm)
                return rollout.ProbePassed()
            case rollout.SetWeights(weights):
                assert sum(weights.values()) in (0, 100)
                assert set(weights) <= self.passed & self.running
                if not succeeds:
                    return rollout.WeightsRefused("refused")
                self.weights = dict(weights)
                self.had_traffic |= set(weights)
                self.drained -= set(weights)
                return rollout.WeightsTaken()
            case rollout.Drain(arm):
                assert self.weights.get(arm, 0) == 0
                self.drained.add(arm)
                return rollout.Drained()
            case rollout.Remove(arm):
                assert self.weights.get(arm, 0) == 0
                assert arm in self.drained or arm not in self.had_traffic
                self.running.discard(arm)
                return rollout.Removed()


def start(has_old: bool, steps: tuple[int, ...] = (100,)) -> tuple[World, Rollout, tuple[Action, ...]]:
    old = "old" if has_old else None
    world = World({"old"}, {"old"}, {"old": 100}, had_traffic={"old"}) if old else World(set(), set(), {})
    return world, *rollout.begin("new", old, steps)


STEPS = st.lists(st.integers(1, 99), unique=True, max_size=4).map(lambda shares: (*sorted(shares), 100))


@settings(max_examples=400)
@given(st.booleans(), STEPS, st.lists(st.sampled_from(["works", "fails", "interrupted", "undone"]), max_size=30))
def test_whatever_fails_or_is_interrupted_traffic_has_a_running_version(
    has_old: bool, steps: tuple[int, ...], fates: list[str]
) -> None:
    world, state, actions = start(has_old, steps)
    ever_up = has_old
    for fate in [*fates, *["works"] * 40]:
        if not actions:
            if state.phase is not Phase.STUCK:
                break
            state, actions = rollout.next(state, rollout.Interrupted("another try"))
            continue
        if fate == "undone":  # the controller died before the action happened
            event: Event = rollout.Interrupted("killed before")
        else:
            event = world.perform(actions[-1], fate != "fails")
            if fate == "interrupted":  # ... or after it happened, without knowing
                event = rollout.Interrupted("killed after")
        state, actions = rollout.next(state, event)
        ever_up = ever_up or sum(world.weights.values()) == 100
        if ever_up:
            assert sum(world.weights.values()) == 100 or not has_old
            assert set(world.weights) <= world.running & world.passed
    assert state.finished
    if has_old:
        survivor = "new" if state.phase is Phase.DONE else "old"
        assert world.running == {survivor}
        assert world.weights == {survivor: 100}
    else:
        assert world.running == ({"new"} if state.phase is Phase.DONE else set())
        assert world.weights == ({"new": 100} if state.phase is Phase.DONE else {})


@settings(max_examples=300)
@given(st.booleans(), STEPS, st.lists(st.sampled_from(EVENTS), max_size=30))
def test_any_order_of_events_keeps_the_promises(has_old: bool, steps: tuple[int, ...], events: list[Event]) -> None:
    _, state, actions = start(has_old, steps)
    passed = {"old"} if has_old else set()
    confirmed = {"old": 100} if has_old else {}
    asked: dict[str, int] = confirmed
    for event in events:
        before, asked_for = state, actions
        try:
            state, actions = rollout.next(state, event)
        except InvalidEvent:
            assert (state, actions) == (before, asked_for)
            continue
        if isinstance(event, rollout.ProbePassed):
            passed.add("new")
        if isinstance(event, rollout.WeightsTaken):
            confirmed = asked
        for action in actions:
            if isinstance(action, rollout.SetWeights):
                asked = dict(action.weights)
                assert set(asked) <= passed
                assert sum(asked.values()) == 100 or (asked == {} and not has_old)
            if isinstance(action, rollout.Remove | rollout.Drain):
                assert confirmed.get(action.arm, 0) == 0
                if has_old:
                    assert sum(confirmed.values()) == 100


def test_a_plain_replacement_goes_through_every_phase_in_order() -> None:
    world, state, actions = start(has_old=True)
    phases, kinds = [state.phase], []
    while actions:
        kinds.append(type(actions[0]).__name__)
        state, actions = rollout.next(state, world.perform(actions[0], True))
        phases.append(state.phase)
    assert kinds == ["Start", "Probe", "SetWeights", "Drain", "Remove"]
    assert phases == ["starting", "ready", "shifting", "draining", "retiring", "done"]


def test_steps_move_traffic_little_by_little_and_always_add_up() -> None:
    world, state, actions = start(has_old=True, steps=(5, 25, 100))
    seen = []
    while actions:
        if isinstance(actions[0], rollout.SetWeights):
            seen.append(dict(actions[0].weights))
        state, actions = rollout.next(state, world.perform(actions[0], True))
    assert seen == [{"new": 5, "old": 95}, {"new": 25, "old": 75}, {"new": 100}]


def test_a_failure_between_steps_gives_everything_back_to_the_old_version() -> None:
    world, state, actions = start(has_old=True, steps=(10, 100))
    while state.step == 0:
        state, actions = rollout.next(state, world.perform(actions[0], True))
    state, actions = rollout.next(state, rollout.ArmFailed("it died"))
    assert actions == (rollout.SetWeights({"old": 100}),)
    while actions:
        state, actions = rollout.next(state, world.perform(actions[0], True))
    assert (state.phase, state.reason) == (Phase.ROLLED_BACK, "it died")
    assert world.running == {"old"}


@pytest.mark.parametrize("steps", [(), (0, 100), (50,), (60, 50, 100), (50, 50, 100), (100, 110)])
def test_steps_that_make_no_sense_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rise within"):
        rollout.begin("new", "old", steps)


def test_a_finished_rollout_takes_no_events() -> None:
    done = Rollout(Phase.DONE, "new", "old", (100,))
    for event in EVENTS:
        with pytest.raises(InvalidEvent):
            rollout.next(done, event)
