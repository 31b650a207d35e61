"""When a version is dead beyond doubt, and what is written down while none is."""

from pathlib import Path
from typing import Any, cast

import pytest

from platform_assets.deployment.errors import RolloutChanged
from platform_assets.deployment.local.envoy import ArmCounts
from platform_assets.deployment.local.rollout_counters import append_counters, counters_file, read_counters
from platform_assets.deployment.local.rollout_watcher import ArmHistory, RolloutWatcher, why_dead
from platform_assets.deployment.local.state import Arm, Program, TargetState
from platform_assets.deployment.local.target import LocalTarget
from platform_assets.deployment.rollout.events import Abort
from platform_assets.deployment.rollout.stages import Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase, Rollout
from platform_assets.deployment.rollout.view import CounterBlock


def seen(*polls: tuple[int, int, bool]) -> ArmHistory:
    """An arm at each poll: requests and errors since the proxy began, and whether a process answers."""
    history = ArmHistory()
    for requests, errors, up in polls:
        history.add(ArmCounts(requests, errors, int(up)), up)
    return history


FINE = seen((0, 0, True), (100, 0, True))
FAILING = seen((0, 0, True), (100, 100, True))


@pytest.mark.parametrize(
    ("new", "old", "dead"),
    [
        (seen((0, 0, True), (0, 0, False), (0, 0, False)), FINE, True),
        (seen((0, 0, True), (0, 0, False)), FINE, False),  # one poll may be unlucky
        (seen((0, 0, False), (0, 0, False), (0, 0, False)), FINE, False),  # not back yet after a restart of all
        (seen((0, 0, True), (0, 0, False), (0, 0, False)), seen((0, 0, False)), False),  # nothing to go back to
        (seen((0, 0, True), (20, 20, True)), FINE, True),
        (seen((0, 0, True), (10, 10, True), (20, 20, True)), FINE, True),
        (seen((0, 0, True), (19, 19, True)), FINE, False),
        (seen((0, 0, True), (40, 39, True)), FINE, False),  # one was answered: a question of statistics
        (seen((0, 0, True), (20, 20, True), (21, 20, True), (39, 38, True)), FINE, False),
        (seen((0, 0, True), (50, 50, True)), FAILING, False),  # what both depend on is gone
        (seen((500, 500, True)), FINE, False),  # counted before anybody looked
    ],
)
def test_a_version_is_dead_when_nothing_of_it_answers_and_the_old_one_does(
    new: ArmHistory, old: ArmHistory, dead: bool
) -> None:
    assert (why_dead(new, old) is not None) == dead


def test_a_proxy_that_was_started_again_counts_from_nothing() -> None:
    history = seen((0, 0, True), (100, 5, True), (10, 1, True))
    assert history.taken("a", "t") == CounterBlock("t", "a", 110, 6)
    assert history.taken("a", "t") == CounterBlock("t", "a", 0, 0)


class StandIn:
    """A target whose old version answers and whose new one is as a test says."""

    def __init__(self, root: Path) -> None:
        arms = [
            Arm(name=name, version=name, fingerprint=name, ready_path="/", programs=(Program(name=name, port=1),))
            for name in ("old", "new")
        ]
        state = TargetState(target_id="t", envoy_port=1)
        for arm in arms:
            state = state.with_arm("churn", arm)
        rollout = Rollout(
            Phase.OBSERVING, "new", "old", planned([Stage(StageKind.WEIGHT, 50, observe=True)]), revision=7
        )
        self.root, self.state = root, state.with_rollout("churn", rollout)
        self.counts = {"old": ArmCounts(0, 0, 2), "new": ArmCounts(0, 0, 2)}
        self.aborts: list[Any] = []
        self.overtaken = False

    def stored(self) -> TargetState:
        return self.state

    def arm_counts(self) -> dict[str, ArmCounts]:
        return self.counts

    def advance(self, use_case: str, revision: int, decision: Abort) -> Rollout:
        if self.overtaken:
            raise RolloutChanged("a person was faster")
        self.aborts.append((use_case, revision, decision.by, decision.reason))
        self.state = self.state.with_rollout("churn", None)
        return Rollout(Phase.ROLLED_BACK, "new", "old")


def test_a_dead_version_is_aborted_once_at_the_revision_that_was_seen(tmp_path: Path) -> None:
    target, up = StandIn(tmp_path), {"old": True, "new": True}
    watcher = RolloutWatcher(cast(LocalTarget, target), accepts=lambda arm: up[arm.name])
    assert watcher.poll()
    up["new"] = False
    assert watcher.poll()
    target.overtaken = True
    assert watcher.poll(), "somebody else decided first, which is fine"
    assert target.aborts == []
    target.overtaken = False
    assert watcher.poll()
    assert target.aborts == [("churn", 7, "watcher", "version new is dead: no process of it answers any more")]
    assert not watcher.poll()


def test_counts_are_kept_in_blocks_and_files_of_old_rollouts_go(tmp_path: Path) -> None:
    target = StandIn(tmp_path)
    watcher = RolloutWatcher(cast(LocalTarget, target), accepts=lambda arm: True)
    watcher.poll()
    target.counts = {"old": ArmCounts(90, 1, 2), "new": ArmCounts(10, 2, 2)}
    watcher.watched["churn"].block_began -= 2
    watcher.poll()
    watcher.watched["churn"].block_began -= 2
    watcher.poll()  # nothing was asked: nothing is written
    blocks = read_counters(tmp_path, "churn", "new")
    assert [(block.arm, block.requests, block.errors) for block in blocks] == [("new", 10, 2), ("old", 90, 1)]
    with counters_file(tmp_path, "churn", "new").open("a") as file:
        file.write('{"at": "2026-')
    assert read_counters(tmp_path, "churn", "new") == blocks
    for number in range(12):
        append_counters(tmp_path, "churn", f"churn-{number}", blocks)
    assert len(list((tmp_path / "rollouts").iterdir())) == 10
    assert read_counters(tmp_path, "churn", "churn-0") == ()
