"""A bad version goes and a good one stays by verdict alone: the real proxy and watcher, real requests, two tiny services."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.registry import declared_plan
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.advance_rollout import RolloutStep, StepOutcome, advance_rollout
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.registry.base import CHAMPION
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets_tests.deploy.conftest import wait_for
from platform_assets_tests.serving.parking import DECLARATION, use_case
from platform_assets_tests.unit.pipelines.rollout_world import MemoryHome, MemoryModels

SERVICE = """
import json, os, random, uuid
from datetime import UTC, datetime

LOG = open(f"{os.environ['LOG']}/{uuid.uuid4()}.jsonl", "a", buffering=1)
VERSION, MODE = os.environ["VERSION"], os.environ["MODE"]

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    status, body = 200, VERSION.encode()
    if scope["path"].endswith("/score"):
        await receive()
        if MODE == "fails" and random.random() < 0.5:
            status = 500
        else:
            score = random.betavariate(2, 5)
            request = dict(scope["headers"])[b"x-request-id"].decode()
            LOG.write(json.dumps({
                "request_id": str(uuid.uuid4()), "scored_at": datetime.now(UTC).isoformat(), "arrival": request, "lot": 1,
                "score": score, "decision": "stop" if score >= 0.5 else "open", "release": os.environ["DIGEST"],
                "feature_contract": os.environ["CONTRACT"], "unknown_entities": "", "latency_ms": random.gammavariate(20, 0.2),
                "fallback": None, "caller_request_id": request, "role": "live",
            }) + "\\n")
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
"""
DIGESTS = {"1": "a" * 64, "2": "b" * 64, "3": "c" * 64}
LENIENT = {"error_ratio": 0.25, "latency_p99_ratio": 4.0, "score_shift": 0.6, "decision_shift": 0.7, "block_seconds": 1}


@dataclass
class Place:
    case: UseCase
    target: LocalTarget
    serving: MemoryHome
    models: MemoryModels
    folder: Path

    def release(self, number: str, mode: str = "") -> Release:
        environment = {
            "VERSION": number,
            "MODE": mode,
            "DIGEST": f"sha256:{DIGESTS[number]}",
            "LOG": str(self.serving.log_folder(self.case.name)),
            "CONTRACT": feature_contract_hash(self.case),
        }
        command = [sys.executable, "-m", "uvicorn", "logging_service:app", "--port", "{port}", "--log-level", "warning"]
        return Release(
            use_case=self.case.name,
            version=f"v{number}-{DIGESTS[number][:12]}",
            command=command,
            environment=environment,
            ready_path="/readyz",
            working_dir=self.folder,
        )

    def step(self) -> RolloutStep:
        return advance_rollout(self.case, self.models, self.serving, "run-1")

    def champion(self) -> str:
        version = self.models.registry().by_alias(self.case.name, CHAMPION)
        return "" if version is None else str(version.version)

    def actions(self) -> set[str]:
        return set(self.models.ledger(self.case.name).entries(self.case.name)["action"])


@contextmanager
def asked(address: str, per_second: float = 60) -> Iterator[list[int]]:
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=20) as client:
            while not over.is_set():
                statuses.append(client.post(f"{address}/score", content=b"{}").status_code)
                time.sleep(1 / per_second)

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        yield statuses
    finally:
        over.set()
        caller.join()


@pytest.fixture
def place(make_target: Callable[..., LocalTarget], tmp_path: Path) -> Place:
    rollout = [{"strategy": "canary", "steps_percent": [50], "step_minutes": 0, "at_most_hours": 1}]
    case = use_case(serving=DECLARATION["serving"] | {"rollout": rollout, "guards": LENIENT})
    target = make_target()
    folder = tmp_path / "target" / "logging_service"
    folder.mkdir(parents=True)
    (folder / "logging_service.py").write_text(SERVICE)
    registry = FakeRegistry()
    for digest in DIGESTS.values():
        registry.register(case.name, f"run {digest}", {"as_of": "2026-02-01", DIGEST_TAG: f"sha256:{digest}"})
    serving = MemoryHome(str(tmp_path / "home"), 0, memory=target)
    serving.log_folder(case.name).mkdir(parents=True)
    return Place(case, target, serving, MemoryModels("", Lake(str(tmp_path / "lake")), memory=registry), folder)


def test_by_verdict_a_failing_version_goes_and_one_that_is_no_worse_takes_over(place: Place) -> None:
    name, registry, plan = place.case.name, place.models.registry(), declared_plan(place.case)
    address = place.target.deploy(place.release("1")).address
    seen: list[Any] = []

    def decided() -> bool:
        seen.append(place.step())
        return seen[-1].outcome not in (StepOutcome.WAITING, StepOutcome.CHANGED)

    with asked(address) as statuses:
        registry.set_alias(name, CHAMPION, "2")
        assert place.target.deploy(place.release("2", "fails"), plan).waiting == "observing"
        wait_for(decided, 120)
        assert seen[-1].outcome is StepOutcome.ABORTED, seen[-1].sentence
        assert "error_ratio: worse" in seen[-1].sentence
        assert place.champion() == "1"
        place_of_abort = len(statuses)

        registry.set_alias(name, CHAMPION, "3")
        place.target.deploy(place.release("3"), plan)
        wait_for(decided, 240)
        assert seen[-1].outcome is StepOutcome.PROMOTED, seen[-1].sentence
    assert 500 in statuses[:place_of_abort]
    assert set(statuses[place_of_abort + 1 :]) == {200}
    assert httpx.post(f"{address}/score", content=b"{}", trust_env=False).text == "3"
    assert place.champion() == "3"
    assert {"rollout_aborted", "rolled_back", "rollout_promoted", "deployed", "rollout_finished"} <= place.actions()
