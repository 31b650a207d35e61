"""What every target does, whatever it runs services on: each of the registry, and one that only this test knows.

Belongs here: the verbs, the commands made of them, and what happens when one is interrupted. Does not belong here: what is true of one kind
of target only (`deploy/test_local_target.py`).
"""

import shutil
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.deployment.errors import (
    NoRollout,
    ProbeFailed,
    RolloutChanged,
    RolloutHeld,
    RolloutUnderWay,
    StartFailed,
)
from platform_assets.deployment.registry import TARGETS
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.engine import now, roll_out
from platform_assets.deployment.rollout.events import Abort, Advance, Hold, ReleaseHold
from platform_assets.deployment.rollout.session import TargetSession
from platform_assets.deployment.rollout.stages import Plan, Stage, StageKind, planned
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.deployment.target import Target
from platform_assets.installation import Settings, SettingsError
from platform_assets_tests.contracts.members.in_process_target import open_in_process_target

IN_PROCESS = "in_process"
VERBS = ("start", "probe", "set_weights", "drain", "remove")
SERVICE = Path(__file__).parent / "members" / "tiny_service.py"

MakeRelease = Callable[..., Release]


@pytest.fixture(params=[*TARGETS.names, IN_PROCESS])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """The target of an installation that chose this kind."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with TARGETS.with_member(IN_PROCESS, open_in_process_target):
        opened = ServingHome(str(tmp_path / "home"), port, request.param).target()
    yield opened
    opened.stop_all()
    assert not opened.status().running


@pytest.fixture
def release(tmp_path: Path) -> MakeRelease:
    """`release("2", mode="never ready", ...)`: a version of the tiny service."""
    shutil.copy(SERVICE, tmp_path)

    def build(version: str, mode: str = "", **changes: Any) -> Release:
        command = [sys.executable, "tiny_service.py", "{port}"]
        values: dict[str, Any] = {"use_case": "churn", "ready_path": "/readyz", "working_dir": tmp_path}
        return Release(
            version=version, command=command, environment={"VERSION": version, "MODE": mode}, **values | changes
        )

    return build


def answers(address: str, count: int = 1) -> Counter[str]:
    """What that many requests got, by answer or status."""
    counted: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=20) as client:
        for _ in range(count):
            answer = client.post(f"{address}/score", content=b"{}")
            counted[answer.text if answer.status_code == 200 else f"status {answer.status_code}"] += 1
    return counted


@contextmanager
def load(address: str) -> Iterator[Counter[str]]:
    """One client asks all the while; counts what it got, errors included."""
    counted: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                counted.update(answers(address, 5))
            except httpx.HTTPError as error:
                counted[type(error).__name__] += 1

    client = threading.Thread(target=ask)
    client.start()
    try:
        while not counted:
            time.sleep(0.01)
        yield counted
    finally:
        over.set()
        client.join()


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


def steps(*shares: int, observe: bool = False, keep_minutes: float = 0) -> Plan:
    """A canary of these shares, then everything."""
    last = Stage(StageKind.WEIGHT, 100, observe=False, minutes=keep_minutes)
    return planned([*(Stage(StageKind.WEIGHT, share, observe=observe) for share in shares), last])


def interrupted(target: Target, release: Release, plan: Plan, verb: str, times: int = 1) -> None:
    """Deploy, and be killed after a verb took effect."""
    with target.session() as session:
        observed: Any = Observed(session, verb, times)
        with pytest.raises(KeyboardInterrupt):
            roll_out(observed, release, plan, target.address(release.use_case), time.perf_counter())


def versions(target: Target) -> list[str]:
    status = target.status().use_cases.get("churn")
    return [process.version for process in status.processes] if status else []


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
        time.sleep(0.1)

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
    assert decided(target, Hold).held
    with pytest.raises(RolloutHeld, match="held by a person"):
        decided(target, Advance)
    assert not decided(target, ReleaseHold).held
    decided(target, Hold)
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
    shadow = Stage(StageKind.MIRROR, 100, observe=True)
    target.deploy(release("2"), planned([shadow, *steps(50, observe=True)]))
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
