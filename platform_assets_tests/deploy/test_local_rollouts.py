"""Rollouts on the local target: copies, experiments and dead versions, behind the real proxy."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.declaration.names import EXPERIMENT_HEADER, SHADOW_HEADER, VARIANT_HEADER
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import Abort, Advance
from platform_assets.deployment.rollout.stages import Assignment, Plan, Stage, StageKind, planned
from platform_assets.deployment.rollout.view import RolloutView
from platform_assets.experiments.assignment import Split, Variant, assign
from platform_assets_tests.deploy.conftest import load, processes, wait_for

MakeRelease = Callable[..., Release]
ASSIGNMENT = Assignment("card_fraud-1", "customer", 10_000, 4_000)
CALLERS_OWN = {SHADOW_HEADER: "1", VARIANT_HEADER: "treatment", EXPERIMENT_HEADER: "mine;who;10000;9999"}


def shadowing(percent: int = 100) -> Plan:
    return planned([Stage(StageKind.MIRROR, percent, observe=True)])


def canary(percent: int) -> Plan:
    return planned([Stage(StageKind.WEIGHT, percent, observe=True)])


def view(target: LocalTarget) -> RolloutView:
    found = target.rollout("card_fraud")
    assert found is not None
    return found


def decide(target: LocalTarget, decision: type[Any]) -> Any:
    return target.advance("card_fraud", view(target).rollout.revision, decision("seen enough", "a person", now()))


def received(folder: Path, version: str) -> list[dict[str, str]]:
    """The headers of the requests that a version got."""
    file = folder / f"received-{version}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "target" / "service"


def test_copies_are_marked_carry_the_request_s_id_and_callers_cannot_pretend(
    target: LocalTarget, release: MakeRelease, folder: Path
) -> None:
    address = target.deploy(release("1", "records")).address
    target.deploy(release("2", "records"), shadowing())
    with httpx.Client(trust_env=False, timeout=20) as client:
        for number in range(40):
            headers = {"x-request-id": f"request-{number}", **CALLERS_OWN}
            assert client.post(f"{address}/record", content=b"{}", headers=headers).text == "1"
    wait_for(lambda: len(received(folder, "2")) == 40)
    live, copies = received(folder, "1"), received(folder, "2")
    assert {row["x-request-id"] for row in live} == {row["x-request-id"] for row in copies}
    assert {row.get(SHADOW_HEADER) for row in copies} == {"1"}
    assert not any({SHADOW_HEADER, VARIANT_HEADER, EXPERIMENT_HEADER} & set(row) for row in live)
    with load(f"{address}/score", 40):
        wait_for(
            lambda: {block.arm for block in target.counters("card_fraud")} == {arm.name for arm in view(target).arms}
        )
    assert sum(block.errors for block in target.counters("card_fraud")) == 0
    assert decide(target, Advance).phase == "done"
    with httpx.Client(trust_env=False, timeout=20) as client:
        assert client.post(f"{address}/record", content=b"{}", headers=CALLERS_OWN).text == "2"
    assert SHADOW_HEADER not in received(folder, "2")[-1]


def test_a_shadow_that_hangs_or_dies_costs_no_answer(
    make_target: Callable[..., LocalTarget], release: MakeRelease
) -> None:
    target = make_target(request_timeout_seconds=2.0)
    address = target.deploy(release("1", processes=2)).address
    target.deploy(release("2", "hangs"), shadowing())
    with load(f"{address}/score", 60, timeout_seconds=3) as seen:
        wait_for(lambda: target.rollout("card_fraud") is None)  # each of its last requests failed
    assert seen.pop("sent") == seen["1"]
    assert set(seen) == {"1"}
    target.deploy(release("3"), shadowing(50))
    with load(f"{address}/score", 60, timeout_seconds=3) as seen:
        kill_for_good(target, "3")
        wait_for(lambda: target.rollout("card_fraud") is None)
    assert seen.pop("sent") == seen["1"]
    assert [process.version for process in processes(target)] == ["1", "1"]


def kill_for_good(target: LocalTarget, version: str) -> float:
    """Kill a version's processes, which never come back; when."""
    folder = target.root / "service"
    (folder / "broken").touch()
    for process in processes(target):
        if process.version == version and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
    return time.monotonic()


@contextmanager
def entities(address: str, count: int) -> Iterator[dict[str, Counter[str]]]:
    """Customers ask all the while; counts which versions each got."""
    got: dict[str, Counter[str]] = {f"c{number}": Counter() for number in range(count)}
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=20) as client:
            while not over.is_set():
                for customer, counted in got.items():
                    try:
                        answer = client.post(f"{address}/score", json={"customer": customer}, headers=CALLERS_OWN)
                        counted[answer.text if answer.status_code == 200 else "refused"] += 1
                    except httpx.HTTPError:
                        counted["stopped"] += 1

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield got
    finally:
        over.set()
        client.join()


def test_an_experiment_gives_each_entity_always_the_version_that_is_its_own(
    target: LocalTarget, release: MakeRelease
) -> None:
    address = target.deploy(release("1")).address
    target.deploy(release("2"), planned([Stage(StageKind.SPLIT, 40, observe=True, assignment=ASSIGNMENT)]))
    split = Split("card_fraud", ASSIGNMENT.experiment, ASSIGNMENT.entity, 10_000, 4_000)
    with entities(address, 60) as got:
        wait_for(lambda: min(counted.total() for counted in got.values()) >= 3)
        target.stop_all()
        target.ensure_running()
        before = {customer: counted["1"] + counted["2"] for customer, counted in got.items()}
        wait_for(lambda: all(counted["1"] + counted["2"] > before[customer] + 2 for customer, counted in got.items()))
    for customer, counted in got.items():
        expected = "2" if assign(split, customer) is Variant.TREATMENT else "1"
        assert {answer for answer in counted if answer in ("1", "2")} == {expected}, customer
    assert httpx.post(f"{address}/score", content=b"no json", headers=CALLERS_OWN, trust_env=False).text == "1"
    assert decide(target, Advance).phase == "done"
    assert httpx.post(f"{address}/score", json={"customer": "c1"}, trust_env=False).text == "2"


@pytest.mark.parametrize("stands", ["observing", "keeping"])
def test_a_version_that_dies_is_taken_off_without_anybody_s_decision(
    target: LocalTarget, release: MakeRelease, stands: str
) -> None:
    address = target.deploy(release("1")).address
    keep = planned([Stage(StageKind.WEIGHT, 100, observe=False, minutes=60)])
    assert target.deploy(release("2"), canary(50) if stands == "observing" else keep).waiting == stands
    with load(f"{address}/score", 40):
        wait_for(lambda: target.counters("card_fraud"))
        kill_for_good(target, "2")
        wait_for(lambda: target.rollout("card_fraud") is None, 40)
    with load(f"{address}/score", 40) as seen:
        time.sleep(0.5)
    assert set(seen) == {"sent", "1"}
    assert [process.version for process in processes(target)] == ["1"]
    log = (target.root / "logs" / "rollout-watcher.log").read_text()
    assert "version 2 is dead: no process of it answers any more" in log


def test_a_watcher_that_was_killed_comes_back_and_one_with_nothing_to_watch_goes(
    target: LocalTarget, release: MakeRelease
) -> None:
    target.deploy(release("1"))
    target.deploy(release("2"), canary(50))
    infos = target._supervisor.infos
    wait_for(lambda: (found := infos().get("rollout-watcher")) and found.pid)
    first = infos()["rollout-watcher"].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: infos()["rollout-watcher"].pid not in (None, first))
    decide(target, Abort)
    target.ensure_running()
    assert "rollout-watcher" not in infos()
