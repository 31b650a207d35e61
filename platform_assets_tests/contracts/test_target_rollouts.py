"""How every target takes a rollout that waits: each of the registry, and one that only this test knows.

Belongs here: deciding about stages, and that all who decide cannot disagree. Does not belong here: the verbs
(`test_targets.py`), and what is true of one kind of target only (`deploy/`).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from platform_assets.deployment.errors import InvalidEvent, NoRollout, RolloutChanged, RolloutHeld, RolloutUnderWay
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import Abort, Advance, HoldRollout, RaiseShare, ReleaseHold
from platform_assets.deployment.rollout.stages import Stage, StageKind, planned
from platform_assets.deployment.target import Target
from platform_assets_tests.contracts.target_worlds import (
    KINDS,
    MakeRelease,
    answers,
    load,
    opened,
    releases,
    steps,
    versions,
)


@pytest.fixture(scope="module", params=KINDS)
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_namespace: Callable[[], ClusterSettings],
) -> Iterator[Target]:
    with opened(request.param, tmp_path_factory.mktemp("targets"), new_namespace) as target:
        yield target


@pytest.fixture
def target(running: Target) -> Iterator[Target]:
    yield running
    running.stop("churn")
    assert running.rollout("churn") is None


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> MakeRelease:
    return releases(tmp_path_factory.mktemp("service"))


def decided(target: Target, decision: type[Any], **more: Any) -> Any:
    """Decide about the rollout as it stands."""
    view = target.rollout("churn")
    assert view is not None
    return target.advance("churn", view.rollout.revision, decision("seen enough", "a person", now(), **more))


def shares(target: Target) -> dict[str, int]:
    return dict(target.status().use_cases["churn"].weights)


def test_a_canary_waits_at_each_step_and_goes_on_when_somebody_decides(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    assert target.rollout("churn") is None
    with load(address) as counted:
        result = target.deploy(release("2"), steps(20, 60, observe=True))
        assert (result.changed, result.previous_version, result.waiting) == (True, "1", "observing")
        view = target.rollout("churn")
        assert view is not None
        assert view.rollout.since
        assert [(arm.version, arm.weight) for arm in view.arms] == [("1", 80), ("2", 20)]
        again = target.deploy(release("2"), steps(20, 60, observe=True))
        assert (again.changed, again.waiting) == (False, "observing")
        target.ensure_running()
        assert target.rollout("churn") == view, "what only looks, and what brings up, changes no revision"
        with pytest.raises(InvalidEvent, match="it never falls"):
            decided(target, RaiseShare, percent=10)
        assert decided(target, RaiseShare, percent=30).phase == "observing"
        assert shares(target) == {"1": 70, "2": 30}
        assert decided(target, Advance).phase == "observing"
        assert shares(target) == {"1": 40, "2": 60}
        assert decided(target, Advance).phase == "done"
    assert set(counted) <= {"1", "2"}
    assert (target.rollout("churn"), versions(target), answers(address, 10)) == (None, ["2"], {"2": 10})


def test_an_abort_gives_everything_back_at_once_and_the_new_version_goes(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    with load(address) as counted:
        target.deploy(release("2"), steps(50, observe=True))
        ended = decided(target, Abort)
    assert (ended.phase, ended.reason, ended.decided_by) == ("rolled_back", "seen enough", "a person")
    assert set(counted) <= {"1", "2"}
    assert (target.rollout("churn"), versions(target), answers(address, 10)) == (None, ["1"], {"1": 10})
    with pytest.raises(NoRollout, match="nothing of churn is being rolled out"):
        target.advance("churn", ended.revision, Abort("late", "a person", now()))


def test_the_old_version_is_kept_without_traffic_and_takes_over_again_at_once(
    target: Target, release: MakeRelease
) -> None:
    address = target.deploy(release("1")).address
    with load(address) as counted:
        for decision, stays in ((Abort, "1"), (Advance, "2")):
            assert target.deploy(release("2"), steps(keep_minutes=60)).waiting == "keeping"
            assert shares(target) == {"1": 0, "2": 100}
            assert answers(address, 10) == {"2": 10}
            assert sorted(versions(target)) == ["1", "2"]
            decided(target, decision)
            assert (versions(target), answers(address, 10)) == ([stays], {stays: 10})
    assert set(counted) <= {"1", "2"}


def test_a_rollout_that_is_held_goes_on_by_a_person_only(target: Target, release: MakeRelease) -> None:
    target.deploy(release("1"))
    target.deploy(release("2"), steps(20, 60, observe=True))
    assert decided(target, HoldRollout).held
    with pytest.raises(RolloutHeld, match="held by a person"):
        decided(target, Advance)
    assert not decided(target, ReleaseHold).held
    decided(target, HoldRollout)
    ended = decided(target, Advance, by_hand=True, to_end=True)
    assert (ended.phase, ended.held, versions(target)) == ("done", False, ["2"])


def test_another_release_waits_for_the_rollout_under_way(target: Target, release: MakeRelease) -> None:
    target.deploy(release("1"))
    target.deploy(release("2"), steps(20, observe=True))
    with pytest.raises(RolloutUnderWay, match=r"version 2 of churn .* `platform-assets rollout abort churn` before 3"):
        target.deploy(release("3"))
    assert shares(target) == {"1": 80, "2": 20}
    assert target.stop("churn")
    assert target.rollout("churn") is None
    assert target.deploy(release("3")).previous_version is None


def test_of_all_who_decide_about_one_state_one_is_heard(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    target.deploy(release("2"), steps(10, 20, 30, 40, observe=True))
    view = target.rollout("churn")
    assert view is not None
    came: Counter[str] = Counter()
    deciding: list[Advance | Abort] = [Advance("no worse", f"reader {n}", now()) for n in range(6)]
    deciding.insert(3, Abort("worse", "watcher", now()))

    def decide(decision: Advance | Abort) -> None:
        try:
            came[target.advance("churn", view.rollout.revision, decision).phase.value] += 1
        except (RolloutChanged, NoRollout) as error:
            came[type(error).__name__] += 1

    with load(address) as counted:
        threads = [threading.Thread(target=decide, args=(decision,)) for decision in deciding]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert came["observing"] + came["rolled_back"] == 1
    assert came.total() == 7
    assert shares(target) in ({"1": 80, "2": 20}, {"1": 100})
    assert set(counted) <= {"1", "2"}


def test_what_was_stopped_in_the_middle_of_a_rollout_waits_on_when_it_is_back(
    target: Target, release: MakeRelease
) -> None:
    address = target.deploy(release("1")).address
    shadow = Stage(StageKind.MIRROR, 40, observe=True)
    target.deploy(release("2"), planned([shadow, *steps(50, observe=True)]))
    decided(target, RaiseShare, percent=100)
    for phase, weights in (("mirroring", {"1": 100, "2": 0}), ("observing", {"1": 50, "2": 50})):
        view = target.rollout("churn")
        assert view is not None
        assert (view.rollout.phase, view.new is not None and view.new.mirror_percent) == (
            phase,
            100 if phase == "mirroring" else 0,
        )
        target.stop_all()
        target.ensure_running()
        assert target.rollout("churn") == view
        assert shares(target) == weights
        assert set(answers(address, 40)) == {version for version, weight in weights.items() if weight}
        decided(target, Advance)
    assert versions(target) == ["2"]
