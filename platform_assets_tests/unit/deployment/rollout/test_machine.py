"""The rollout's promises, held against a small world in which its actions really happen or fail."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.deployment.errors import InvalidEvent, RolloutHeld
from platform_assets.deployment.rollout import actions, events, machine
from platform_assets.deployment.rollout.actions import Action
from platform_assets.deployment.rollout.events import Event
from platform_assets.deployment.rollout.stages import AT_ONCE, Assignment, Plan, Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase, Rollout

AT = "2026-01-01T00:00:00+00:00"
EXPERIMENT = Assignment("churn-1", "customer_id", 10_000, 3_000)
DECISIONS: list[Event] = [
    events.Advance("no worse", "verdict", AT),
    events.Advance("seen enough", "a person", AT, by_hand=True),
    events.Advance("seen enough", "a person", AT, by_hand=True, to_end=True),
    events.Abort("worse", "verdict", AT),
    events.RaiseShare("it is quiet", "a person", AT, percent=60),
    events.HoldRollout("wait", "a person", AT),
    events.ReleaseHold("go on", "a person", AT),
]
EVENTS: list[Event] = [
    events.ArmReady(),
    events.ArmFailed("no start"),
    events.ProbePassed(),
    events.ProbeRejected("wrong"),
    events.WeightsTaken(AT),
    events.MirrorTaken(AT),
    events.WeightsRefused("refused"),
    events.Drained(),
    events.Removed(),
    events.Interrupted("killed"),
    *DECISIONS,
]


@dataclass
class World:
    """What a target would hold: running arms, arms that passed, the weights in force, and who gets copies."""

    running: set[str]
    passed: set[str]
    weights: dict[str, int]
    mirror: str | None = None
    drained: set[str] = field(default_factory=set)
    had_traffic: set[str] = field(default_factory=set)

    def perform(self, action: Action, succeeds: bool) -> Event:
        """Do what is asked, or fail at it, and say so; breaks with an assertion when traffic would be lost."""
        match action:
            case actions.Start(arm):
                if not succeeds:
                    return events.ArmFailed("no start")
                self.running.add(arm)
                return events.ArmReady()
            case actions.Probe(arm):
                assert arm in self.running
                if not succeeds:
                    return events.ProbeRejected("wrong answer")
                self.passed.add(arm)
                return events.ProbePassed()
            case actions.SetWeights(weights, treated, assignment):
                assert sum(weights.values()) in (0, 100)
                assert set(weights) <= self.passed & self.running
                assert self.mirror not in weights
                assert (treated is None) == (assignment is None)
                assert treated is None or treated in weights
                if not succeeds:
                    return events.WeightsRefused("refused")
                self.weights = dict(weights)
                self.had_traffic |= set(weights)
                self.drained -= set(weights)
                return events.WeightsTaken(AT)
            case actions.Mirror(mirrored, percent):
                assert mirrored is None or (mirrored in self.passed & self.running and 1 <= percent <= 100)
                assert mirrored is None or self.weights.get(mirrored, 0) == 0
                if not succeeds:
                    return events.WeightsRefused("refused")
                self.mirror = mirrored
                if mirrored is not None:
                    self.had_traffic.add(mirrored)
                    self.drained -= {mirrored}
                return events.MirrorTaken(AT)
            case actions.Drain(arm):
                assert self.weights.get(arm, 0) == 0
                assert self.mirror != arm
                self.drained.add(arm)
                return events.Drained()
            case actions.Remove(arm):
                assert self.weights.get(arm, 0) == 0
                assert self.mirror != arm
                assert arm in self.drained or arm not in self.had_traffic
                self.running.discard(arm)
                return events.Removed()

    def all_of(self, due: tuple[Action, ...], fate: str) -> Event:
        """Perform actions in order; the first may have been done when the second fails or is never reached."""
        for action in due[:-1]:
            self.perform(action, succeeds=True)
        if fate == "undone":  # the controller died before the action happened
            return events.Interrupted("killed before")
        event = self.perform(due[-1], fate != "fails")
        return events.Interrupted("killed after") if fate == "interrupted" else event


def start(has_old: bool, plan: Plan = AT_ONCE) -> tuple[World, Rollout, tuple[Action, ...]]:
    old = "old" if has_old else None
    world = World({"old"}, {"old"}, {"old": 100}, had_traffic={"old"}) if old else World(set(), set(), {})
    return world, *machine.begin("new", old, plan)


def weight(percent: int, **more: Any) -> Stage:
    return Stage(StageKind.WEIGHT, percent, **({"observe": True} | more))


MIRROR = Stage(StageKind.MIRROR, 40, observe=True)
SPLIT = Stage(StageKind.SPLIT, 30, observe=True, assignment=EXPERIMENT)
LAST = weight(100, observe=False)
KEEP = weight(100, observe=False, minutes=60)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    shares = draw(st.lists(st.integers(1, 99), unique=True, max_size=3).map(sorted))
    stages = [MIRROR] if draw(st.booleans()) else []
    stages += [weight(share, observe=draw(st.booleans())) for share in shares]
    stages += [SPLIT] if draw(st.booleans()) else []
    return planned([*stages, draw(st.sampled_from([LAST, KEEP]))])


def decide(state: Rollout, decision: Event) -> tuple[Rollout, tuple[Action, ...]]:
    """What a target does with a decision: one that has no meaning changes nothing."""
    try:
        return machine.next(state, decision)
    except InvalidEvent:
        return state, ()


FATES = st.lists(
    st.tuples(st.sampled_from(["works", "works", "fails", "interrupted", "undone"]), st.sampled_from(DECISIONS)),
    max_size=30,
)


@settings(max_examples=500, deadline=None)
@given(st.booleans(), plans(), FATES)
def test_whatever_fails_is_interrupted_or_decided_traffic_has_a_running_version(
    has_old: bool, plan: Plan, fates: list[tuple[str, Event]]
) -> None:
    world, state, due = start(has_old, plan)
    ever_up, aborted = has_old, False
    promote = events.Advance("seen enough", "a person", AT, by_hand=True)
    for fate, decision in [*fates, *[("works", promote)] * 60]:
        before = state
        if due:
            state, due = machine.next(state, world.all_of(due, fate))
        elif state.waiting:
            state, due = decide(state, events.Interrupted("restarted") if fate == "interrupted" else decision)
            aborted = aborted or isinstance(decision, events.Abort)
        elif state.phase is Phase.STUCK:
            state, due = machine.next(state, events.Interrupted("another try"))
        else:
            break
        assert state.revision == before.revision + (state != before)
        ever_up = ever_up or sum(world.weights.values()) == 100
        if ever_up:
            assert sum(world.weights.values()) == 100 or not has_old
            assert set(world.weights) <= world.running & world.passed
        assert world.mirror is None or world.weights.get(world.mirror, 0) == 0
    assert state.finished
    assert world.mirror is None
    if has_old:
        survivor = "new" if state.phase is Phase.DONE else "old"
        assert world.running == {survivor}
        assert world.weights == {survivor: 100}
    else:
        assert world.running == ({"new"} if state.phase is Phase.DONE else set())
        assert world.weights == ({"new": 100} if state.phase is Phase.DONE else {})


@settings(max_examples=400, deadline=None)
@given(st.booleans(), plans(), st.lists(st.sampled_from(EVENTS), max_size=40))
def test_any_order_of_events_keeps_the_promises(has_old: bool, plan: Plan, happened: list[Event]) -> None:
    _, state, due = start(has_old, plan)
    passed = {"old"} if has_old else set()
    confirmed = {"old": 100} if has_old else {}
    asked: dict[str, int] = confirmed
    for event in happened:
        before, asked_for = state, due
        try:
            state, due = machine.next(state, event)
        except InvalidEvent:
            assert (state, due) == (before, asked_for)
            continue
        assert state.revision == before.revision + (state != before)
        if before.waiting:
            forward = isinstance(event, events.Advance | events.RaiseShare)
            back = isinstance(event, events.Abort | events.ArmFailed | events.WeightsRefused)
            assert (state.phase != before.phase or state.step != before.step) == (forward or back)
            assert not back or due[-1] == actions.SetWeights({"old": 100})
            assert not forward or not before.held or getattr(event, "by_hand", False)
            assert not isinstance(event, events.RaiseShare) or state.step == before.step
        if isinstance(event, events.ProbePassed):
            passed.add("new")
        if isinstance(event, events.WeightsTaken):
            confirmed = asked
        for action in due:
            if isinstance(action, actions.SetWeights):
                asked = dict(action.weights)
                assert set(asked) <= passed
                assert sum(asked.values()) == 100 or (asked == {} and not has_old)
            if isinstance(action, actions.Mirror) and action.arm is not None:
                assert action.arm in passed
                assert confirmed.get(action.arm, 0) == 0
            if isinstance(action, actions.Remove | actions.Drain):
                assert confirmed.get(action.arm, 0) == 0
                if has_old:
                    assert sum(confirmed.values()) == 100


def play(world: World, state: Rollout, due: tuple[Action, ...]) -> tuple[Rollout, list[str]]:
    """Until nothing is due; with the phases on the way."""
    phases = [state.phase.value]
    while due:
        state, due = machine.next(state, world.all_of(due, "works"))
        phases.append(state.phase.value)
    return state, phases


def test_a_plain_replacement_goes_through_every_phase_in_order() -> None:
    world, state, due = start(has_old=True)
    _, phases = play(world, state, due)
    assert phases == ["starting", "ready", "shifting", "draining", "retiring", "done"]


def test_shadow_then_canary_then_replace_waits_at_each_stage_and_copies_end_before_requests_come() -> None:
    world, state, due = start(True, planned([MIRROR, weight(5), weight(50), KEEP]))
    state, phases = play(world, state, due)
    assert (state.phase, world.mirror, world.weights) == (Phase.MIRRORING, "new", {"old": 100})
    waits = [state.phase]
    while not state.finished:
        state, due = machine.next(state, events.Advance("no worse", "verdict", AT))
        if state.phase is Phase.SHIFTING and waits == [Phase.MIRRORING]:
            assert due == (actions.Mirror(None), actions.SetWeights({"new": 5, "old": 95}))
        state, more = play(world, state, due)
        phases += more
        waits.append(state.phase)
    assert waits == [Phase.MIRRORING, Phase.OBSERVING, Phase.OBSERVING, Phase.KEEPING, Phase.DONE]
    assert (state.decided_by, state.decided_why) == ("verdict", "no worse")


def test_a_split_names_the_treated_arm_and_goes_back_to_chance_afterwards() -> None:
    world, state, due = start(True, planned([SPLIT]))
    while state.phase is not Phase.SHIFTING:
        state, due = machine.next(state, world.all_of(due, "works"))
    assert due == (actions.SetWeights({"new": 30, "old": 70}, "new", EXPERIMENT),)
    state, _ = play(world, state, due)
    assert machine.next(state, events.Advance("better", "verdict", AT))[1] == (actions.SetWeights({"new": 100}),)


@pytest.mark.parametrize("plan", [[MIRROR], [weight(20)], [SPLIT], [KEEP]])
def test_a_crash_while_it_waits_asserts_what_stands_and_changes_nothing(plan: list[Stage]) -> None:
    world, state, due = start(True, planned(plan))
    state, _ = play(world, state, due)
    weights, mirror = dict(world.weights), world.mirror
    again, due = machine.next(state, events.Interrupted("killed"))
    assert again == state
    assert due
    assert play(world, again, due)[0] == state
    assert (world.weights, world.mirror) == (weights, mirror)


def test_a_failure_between_steps_gives_everything_back_to_the_old_version() -> None:
    world, state, due = start(True, planned([weight(10, observe=False)]))
    while state.step == 0:
        state, due = machine.next(state, world.all_of(due, "works"))
    state, due = machine.next(state, events.ArmFailed("it died"))
    assert due == (actions.SetWeights({"old": 100}),)
    state, _ = play(world, state, due)
    assert (state.phase, state.reason) == (Phase.ROLLED_BACK, "it died")
    assert world.running == {"old"}


def test_a_rollout_that_is_held_names_who_holds_it() -> None:
    world, state, due = start(True, planned([weight(10)]))
    state, _ = play(world, state, due)
    state, _ = machine.next(state, events.HoldRollout("the shop opens", "a person", AT))
    with pytest.raises(RolloutHeld, match=r"held by a person \(the shop opens\)"):
        machine.next(state, events.Advance("no worse", "verdict", AT))
    aborted, due = machine.next(state, events.Abort("worse", "verdict", AT))
    assert (aborted.phase, due) == (Phase.RESTORING, (actions.SetWeights({"old": 100}),))


@pytest.mark.parametrize(
    ("stage", "percent", "does"),
    [
        (MIRROR, 100, (actions.Mirror("new", 100),)),
        (weight(20), 49, (actions.SetWeights({"new": 49, "old": 51}),)),
    ],
)
def test_a_share_is_raised_within_its_stage_and_the_rest_of_the_plan_stays(
    stage: Stage, percent: int, does: tuple[Action, ...]
) -> None:
    world, state, due = start(True, planned([stage, weight(50)]))
    before, _ = play(world, state, due)
    state, due = machine.next(before, events.RaiseShare("it is quiet", "a person", AT, percent=percent))
    assert due == does
    state, _ = play(world, state, due)
    assert (state.phase, state.step, state.plan[1:]) == (before.phase, 0, before.plan[1:])
    assert (state.decided_by, state.decided_why) == ("a person", "it is quiet")
    advanced, _ = machine.next(state, events.Advance("no worse", "verdict", AT))
    assert advanced.weights == {"new": 50, "old": 50}


def test_more_entities_take_part_in_an_experiment_and_none_changes_its_version() -> None:
    some = Assignment("churn-1", "customer_id", 5_000, 3_000)
    world, state, due = start(True, planned([Stage(StageKind.SPLIT, 15, observe=True, assignment=some)]))
    state, _ = play(world, state, due)
    _, due = machine.next(state, events.RaiseShare("it is quiet", "a person", AT, percent=80))
    assert due == (
        actions.SetWeights({"new": 24, "old": 76}, "new", Assignment("churn-1", "customer_id", 8_000, 3_000)),
    )


@pytest.mark.parametrize(
    ("plan", "percent", "message"),
    [
        ([MIRROR], 40, r"is 40 % and can be raised to 100 % at most, got 40 %"),
        ([MIRROR], 101, "100 % at most"),
        ([weight(20), weight(50)], 10, "it never falls"),
        ([weight(20), weight(50)], 50, r"raised to 49 % at most, got 50 %.* `rollout promote`"),
        ([weight(20)], 100, "raised to 99 % at most"),
        ([SPLIT], 100, "share of this stage is 100 %"),
        ([KEEP], 50, "has all requests already"),
    ],
)
def test_a_share_that_falls_or_is_the_next_stages_is_refused(plan: list[Stage], percent: int, message: str) -> None:
    world, state, due = start(True, planned(plan))
    state, _ = play(world, state, due)
    with pytest.raises(InvalidEvent, match=message):
        machine.next(state, events.RaiseShare("more", "a person", AT, percent=percent))


def test_the_share_of_a_rollout_that_is_held_is_not_raised() -> None:
    world, state, due = start(True, planned([weight(20)]))
    state, _ = play(world, state, due)
    state, _ = machine.next(state, events.HoldRollout("the shop opens", "ops", AT))
    with pytest.raises(RolloutHeld, match=r"held by ops \(the shop opens\)"):
        machine.next(state, events.RaiseShare("more", "a person", AT, percent=50))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([weight(0)], "rise within"),
        ([weight(60), weight(50)], "rise within"),
        ([weight(50), weight(50)], "rise within"),
        ([LAST, weight(50)], "rise within"),
        ([weight(100)], "rise within"),
        ([weight(5), MIRROR], "shadow comes first"),
        ([Stage(StageKind.SPLIT, 50, observe=True)], "needs an assignment"),
    ],
)
def test_stages_that_make_no_sense_are_refused(stages: list[Stage], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planned(stages)
    with pytest.raises(ValueError, match="last stage"):
        machine.begin("new", "old", ())


def test_a_finished_rollout_takes_no_events() -> None:
    done = Rollout(Phase.DONE, "new", "old")
    for event in EVENTS:
        with pytest.raises(InvalidEvent):
            machine.next(done, event)
