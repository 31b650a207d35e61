"""What every target does, whatever it runs services on: each of the registry, and one that only this test knows.

Belongs here: the verbs, the commands made of them, and what happens when one is interrupted. Does not belong here: what is true of one kind
of target only (`deploy/test_local_target.py`).
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.deployment.errors import (
    ProbeFailed,
    StartFailed,
)
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.registry import TARGETS
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.engine import roll_out
from platform_assets.deployment.rollout.session import TargetSession
from platform_assets.deployment.rollout.stages import Plan
from platform_assets.deployment.target import Target
from platform_assets.settings import Settings, SettingsError
from platform_assets_tests.contracts.members.in_process_target import open_in_process_target
from platform_assets_tests.contracts.target_worlds import (
    IN_PROCESS,
    KINDS,
    MakeRelease,
    answers,
    load,
    opened,
    releases,
    steps,
    versions,
)

VERBS = ("start", "probe", "set_weights", "drain", "remove")


@pytest.fixture(params=KINDS)
def target(
    request: pytest.FixtureRequest, tmp_path: Path, new_namespace: Callable[[], ClusterSettings]
) -> Iterator[Target]:
    with opened(request.param, tmp_path, new_namespace) as one:
        yield one


@pytest.fixture
def release(tmp_path: Path) -> MakeRelease:
    return releases(tmp_path)


class Observed:
    """A session that tells which verbs were asked of it, and dies at one of them like a process that is killed."""

    def __init__(self, session: TargetSession, dies_after: str = "", times: int = 1) -> None:
        self._session, self._dies_after, self._left, self._dead = session, dies_after, times, False
        self.weights: list[dict[str, int]] = []

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._session, verb)

        def performed(*arguments: Any) -> Any:
            if self._dead:
                raise KeyboardInterrupt
            result = method(*arguments)
            if verb == "set_weights":
                self.weights.append(dict(arguments[1]))
            self._left -= verb == self._dies_after
            if self._dies_after and not self._left:
                self._dead = True
                raise KeyboardInterrupt
            return result

        return performed


def interrupted(target: Target, release: Release, plan: Plan, verb: str, times: int = 1) -> None:
    """Deploy, and be killed after a verb took effect."""
    with target.session() as session:
        observed: Any = Observed(session, verb, times)
        with pytest.raises(KeyboardInterrupt):
            roll_out(observed, release, plan, target.address(release.use_case), time.perf_counter())


def test_a_first_deployment_answers_and_shows_in_the_status(target: Target, release: MakeRelease) -> None:
    assert target.address("churn") == target.address() + "/v1/churn"
    probed: list[str] = []
    result = target.deploy(release("1", probe=probed.append))
    assert len(probed) == 1
    assert not probed[0].startswith(target.address())
    assert answers(result.address) == {"1": 1}
    assert (result.address, result.changed, result.previous_version) == (target.address("churn"), True, None)
    assert set(result.timings_seconds) == {"start", "probe", "shift", "total"}
    status = target.status()
    seen = status.use_cases["churn"]
    assert status.running
    assert (seen.version, dict(seen.weights), seen.serving, seen.rollout) == ("1", {"1": 100}, True, None)
    assert httpx.get(f"{target.address('other')}/score", trust_env=False).status_code == 404


def test_a_second_version_takes_over_without_a_lost_request(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    with load(address) as counted:
        result = target.deploy(release("2"))
        time.sleep(0.2)
    assert set(counted) == {"1", "2"}
    assert (result.previous_version, versions(target)) == ("1", ["2"])
    again = target.deploy(release("2"))
    assert (again.changed, again.previous_version) == (False, "2")


def test_a_request_in_flight_is_answered_by_the_version_that_got_it(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    got: list[str] = []
    slow = threading.Thread(target=lambda: got.append(httpx.get(f"{address}/slow", trust_env=False).text))

    def send_one(url: str) -> None:
        slow.start()
        while httpx.get(f"{address}/count", trust_env=False).text == "0":
            time.sleep(0.01)

    target.deploy(release("2", probe=send_one))
    slow.join()
    assert got == ["1"]


def test_a_version_that_does_not_start_or_answers_wrong_leaves_the_old_one_and_says_why(
    target: Target, release: MakeRelease
) -> None:
    address = target.deploy(release("1")).address

    def wrong(url: str) -> None:
        raise AssertionError("row 7 scored 0.2, the model says 0.9")

    with load(address) as counted:
        with pytest.raises(StartFailed, match="cannot load the model: file is missing") as failure:
            target.deploy(release("2", "does not start"))
        with pytest.raises(ProbeFailed, match="row 7"):
            target.deploy(release("3", probe=wrong))
    assert any("version 1 keeps serving" in note for note in failure.value.__notes__)
    assert set(counted) == {"1"}
    assert versions(target) == ["1"]


def test_a_first_version_that_does_not_start_leaves_nothing(target: Target, release: MakeRelease) -> None:
    with pytest.raises(StartFailed):
        target.deploy(release("1", "does not start"))
    assert versions(target) == []
    assert target.deploy(release("2")).previous_version is None


def test_weights_are_taken_exactly(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    with target.session() as session:
        [old] = session.arms("churn")
        new = session.prepare(release("2"))
        session.start("churn", new)
        assert answers(address, 50) == {"1": 50}
        for share in (25, 100, 0):
            session.set_weights("churn", {new: share, old.name: 100 - share})
            assert {arm.version: arm.weight for arm in session.arms("churn")} == {"1": 100 - share, "2": share}
            got = answers(address, 200)
            assert sum(got.values()) == 200
            assert set(got) <= {"1", "2"}
            assert abs(got["2"] - 2 * share) <= (0 if share in (0, 100) else 35)  # nearly six standard deviations
        session.drain("churn", new)
        session.remove("churn", new)
        session.remove("churn", new)
    assert answers(address) == {"1": 1}
    assert versions(target) == ["1"]


def test_a_mirror_gets_every_request_and_answers_none(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    urls: list[str] = []
    with target.session() as session:
        shadow = session.prepare(release("2"))
        session.start("churn", shadow)
        session.probe("churn", shadow, urls.append)
        session.mirror("churn", shadow)
        assert answers(address, 30) == {"1": 30}
        deadline = time.monotonic() + 10
        while httpx.get(f"{urls[0]}/count", trust_env=False).text != "30":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    seen = target.ensure_running().use_cases["churn"]
    assert (seen.mirror, dict(seen.weights)) == ("2", {"1": 100, "2": 0})
    with target.session() as session:
        session.mirror("churn", None)
        assert answers(address, 10) == {"1": 10}
        assert httpx.get(f"{urls[0]}/count", trust_env=False).text == "30"
        session.mirror("churn", shadow)
        session.remove("churn", shadow)
        assert session.mirrored("churn") is None
    assert answers(address, 5) == {"1": 5}
    assert versions(target) == ["1"]


def test_weights_go_through_the_planned_steps(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    with load(address) as counted, target.session() as session:
        [old] = session.arms("churn")
        observed: Any = Observed(session)
        roll_out(observed, release("2"), steps(20, 60), address, time.perf_counter())
        [new] = session.arms("churn")
    assert observed.weights == [{new.name: 20, old.name: 80}, {new.name: 60, old.name: 40}, {new.name: 100}]
    assert set(counted) <= {"1", "2"}


@pytest.mark.parametrize(
    ("verb", "times", "serves"),
    [("start", 1, "1"), ("probe", 1, "1"), ("set_weights", 1, "1"), ("set_weights", 2, "1"), ("drain", 1, "2"), ("remove", 1, "2")],
)  # fmt: skip
def test_a_rollout_that_was_killed_at_any_step_is_restored_or_finished(
    target: Target, release: MakeRelease, verb: str, times: int, serves: str
) -> None:
    address = target.deploy(release("1")).address
    with load(address) as counted:
        interrupted(target, release("2", probe=lambda url: None), steps(30), verb, times)
        seen = target.ensure_running().use_cases["churn"]
    assert (seen.version, seen.rollout, versions(target)) == (serves, None, [serves])
    assert set(counted) <= {"1", "2"}
    assert answers(address, 10) == {serves: 10}
    assert target.deploy(release("3")).previous_version == serves


def test_what_was_stopped_serves_again_and_a_use_case_can_be_withdrawn(target: Target, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    target.stop_all()
    target.stop_all()
    assert not target.status().running
    assert target.ensure_running().use_cases["churn"].serving
    assert answers(address) == {"1": 1}
    assert target.stop("churn")
    assert answers(address) == {"status 404": 1}
    assert not target.stop("churn")
    assert not target.status().use_cases


def test_a_process_beside_the_services_runs_until_it_is_ended(target: Target, tmp_path: Path) -> None:
    file = tmp_path / "works"
    work = f"import time; open({str(file)!r}, 'w').close(); time.sleep(600)"
    target.keep_beside("beside-work", [sys.executable, "-c", work], {}, tmp_path)
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert target.end_beside("beside-work")
    assert not target.end_beside("beside-work")


def test_an_installation_chooses_its_target_by_name(tmp_path: Path) -> None:
    environment = {"PLATFORM_ASSETS_HOME": str(tmp_path), "PLATFORM_ASSETS_TARGET": IN_PROCESS}
    assert Settings.from_environment({}).target == "local"
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_TARGET"):
        Settings.from_environment(environment)
    with TARGETS.with_member(IN_PROCESS, open_in_process_target):
        assert Settings.from_environment(environment).target == IN_PROCESS
