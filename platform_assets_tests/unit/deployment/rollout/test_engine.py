"""Performing a rollout when anything may fail or be interrupted, before or after it took effect."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.deployment.errors import InvalidEvent, NoRollout, RoutingRefused, StartFailed, TargetUnavailable
from platform_assets.deployment.local.envoy import Envoy
from platform_assets.deployment.local.services import Services
from platform_assets.deployment.local.session import LocalSession
from platform_assets.deployment.local.state import Arm, Program, StateStore, TargetState, load_state
from platform_assets.deployment.rollout import events
from platform_assets.deployment.rollout import machine as rollout
from platform_assets.deployment.rollout.engine import RolloutEngine, advance, settle
from platform_assets.deployment.rollout.stages import Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase

ERRORS: dict[str, Callable[[], BaseException]] = {
    "start": lambda: StartFailed("p", "it ended", log_path="p.log", log_lines=[]),
    "unavailable": lambda: TargetUnavailable("no answer"),
    "refused": lambda: RoutingRefused("rejected"),
    "interrupt": KeyboardInterrupt,
}
FATES = ["works", *(f"{when} {error}" for when in ("before", "after") for error in ERRORS)]


class Machine:
    """Stands in for processes and proxy: holds what is in force, and fails as the fates say."""

    def __init__(self, fates: list[str]) -> None:
        self.fates = fates
        self.running = {"old"}
        self.clusters = {"old"}
        self.weights = {"old": 100}
        self.mirror: str | None = None

    def happen(self, change: Callable[[], None]) -> None:
        when, _, error = (self.fates.pop(0) if self.fates else "works").partition(" ")
        if when == "before":
            raise ERRORS[error]()
        change()
        self.check()
        if when == "after":
            raise ERRORS[error]()

    def check(self) -> None:
        assert sum(self.weights.values()) == 100
        assert set(self.weights) <= self.clusters & self.running
        assert self.mirror is None or (self.mirror in self.clusters & self.running and self.mirror not in self.weights)

    # what the session asks of services
    def start(self, arm: Arm) -> None:
        self.happen(lambda: self.running.add(arm.name))

    def wait_ready(self, arm: Arm, timeout_seconds: float) -> None:
        self.happen(lambda: None)

    def remove(self, arm: Arm) -> None:
        self.happen(lambda: self.running.discard(arm.name))

    # what the session asks of the proxy
    def set_clusters(self, state: TargetState) -> None:
        self.happen(lambda: setattr(self, "clusters", {arm.name for _, arm in state.arms() if arm.exposed}))

    def set_routes(self, state: TargetState) -> None:
        def change() -> None:
            self.weights = {a.name: a.weight for _, a in state.arms() if a.weight}
            self.mirror = state.use_case("churn").mirror

        self.happen(change)

    def drain(self, arm_name: str, timeout_seconds: float) -> bool:
        self.happen(lambda: None)
        return True


def arm(name: str, **changes: Any) -> Arm:
    values = {"version": name, "fingerprint": name, "ready_path": "/", "programs": (Program(name=f"{name}-0", port=1),)}
    return Arm(name=name, **values | changes)


def session(machine: Machine, folder: str) -> LocalSession:
    state = TargetState(target_id="t", envoy_port=1, admin_port=2)
    for each in (arm("old", weight=100, exposed=True), arm("new")):
        state = state.with_arm("churn", each)
    store = StateStore(Path(folder) / "state.json", state)
    return LocalSession(store, cast(Services, machine), cast(Envoy, machine), 1.0, 1.0)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(FATES), max_size=14), st.sampled_from([(), (10,)]))
def test_whatever_fails_one_version_ends_up_with_everything_and_the_other_is_gone(
    fates: list[str], steps: tuple[int, ...]
) -> None:
    with TemporaryDirectory() as folder:
        machine = Machine(fates)
        target = session(machine, folder)
        run = RolloutEngine(target, "churn")
        try:
            run.run(*rollout.begin("new", "old", planned(Stage(StageKind.WEIGHT, s, observe=False) for s in steps)))
        except BaseException as error:
            if not any(isinstance(error, type(make())) for make in ERRORS.values()):
                raise
        for _ in range(20):  # later commands on the target, each of which may fail again
            try:
                run.resume()
            except (StartFailed, TargetUnavailable, RoutingRefused, KeyboardInterrupt):
                continue
        stored = load_state(target.store.path)
        assert stored == target.store.state
        assert stored is not None
        use_case = stored.use_case("churn")
        assert use_case.rollout is None
        assert [(each.name, each.weight) for each in use_case.arms] == list(machine.weights.items())
        assert machine.running == machine.clusters == set(machine.weights)
        assert list(machine.weights.values()) == [100]


KEEP = Stage(StageKind.WEIGHT, 100, observe=False, minutes=60)
WAITING = planned(
    [Stage(StageKind.MIRROR, 50, observe=True), *(Stage(StageKind.WEIGHT, s, observe=True) for s in (10, 40)), KEEP]
)
DECISIONS: list[type[Any]] = [events.Advance, events.Advance, events.Advance, events.HoldRollout, events.Abort]


def attempt(command: Callable[[], object]) -> None:
    """A command that may fail like any other, or come too late."""
    try:
        command()
    except (StartFailed, TargetUnavailable, RoutingRefused, KeyboardInterrupt, InvalidEvent, NoRollout):
        return


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(FATES), max_size=30), st.lists(st.sampled_from(DECISIONS), max_size=8))
def test_whatever_fails_while_decisions_are_taken_it_waits_or_ends_with_one_version(
    fates: list[str], decisions: list[type[Any]]
) -> None:
    with TemporaryDirectory() as folder:
        machine = Machine(fates)
        target = session(machine, folder)

        def decide(decision: events.RolloutDecision) -> None:
            state = target.rollout("churn")
            advance(target, "churn", state.revision if state else 0, decision)

        attempt(lambda: RolloutEngine(target, "churn").run(*rollout.begin("new", "old", WAITING)))
        for made in decisions:
            before = target.rollout("churn")
            attempt(lambda: settle(target, "churn"))  # what every command begins with
            if before is not None and before.waiting:
                seen = target.rollout("churn")
                assert seen == before or fates, "a restart alone changes nothing"
            attempt(lambda made=made: decide(made("seen", "somebody", "")))
        for _ in range(20):
            attempt(lambda: settle(target, "churn"))
            state = target.rollout("churn")
            if state is not None and state.waiting:
                attempt(lambda: decide(events.Advance("seen", "a person", "", by_hand=True)))
        use_case = target.store.state.use_case("churn")
        assert use_case.rollout is None
        assert use_case.mirror is machine.mirror is None
        assert [(each.name, each.weight) for each in use_case.arms] == list(machine.weights.items())
        assert machine.running == machine.clusters == set(machine.weights)
        assert list(machine.weights.values()) == [100]


def test_a_probe_is_asked_past_the_proxy_and_its_failure_is_told_with_what_serves(tmp_path: Path) -> None:
    asked: list[str] = []

    def probe(url: str) -> None:
        asked.append(url)
        raise ValueError("row 3 is wrong")

    run = RolloutEngine(session(Machine([]), str(tmp_path)), "churn", probe)
    with pytest.raises(Exception, match="row 3 is wrong") as failure:
        run.run(*rollout.begin("new", "old"))
    assert asked == ["http://127.0.0.1:1"]
    assert failure.value.__notes__ == ["churn: the rollout is rolled_back; version old keeps serving"]


def test_when_the_proxy_takes_nothing_both_versions_are_kept(tmp_path: Path) -> None:
    machine = Machine(["works"] * 3 + ["before refused"] * 2)  # the new weights, and then the old ones
    target = session(machine, str(tmp_path))
    run = RolloutEngine(target, "churn")
    with pytest.raises(RoutingRefused) as failure:
        run.run(*rollout.begin("new", "old"))
    assert "both versions are kept" in failure.value.__notes__[0]
    assert machine.running == {"old", "new"}
    stuck = target.rollout("churn")
    assert stuck is not None
    assert stuck.phase is Phase.STUCK
    run.resume()
    assert machine.running == {"old"}
