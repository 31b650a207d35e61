"""A real Bento on the test cluster: first answer, a canary, a bad version that is taken back, under load without a failed request.

Belongs here: the whole way of one use case. Does not belong here: what every target does (`contracts/`), or how pods die
(`test_refused_starts.py`).
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from platform_assets.declaration import UseCase
from platform_assets.deployment.errors import StartFailed
from platform_assets.deployment.packaging import build_bento
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import Abort, Advance
from platform_assets.deployment.rollout.stages import Stage, StageKind, planned
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.deployment.target import Target
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.store import apply
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.pipelines.deploy import release_of
from platform_assets.registry.base import RegisteredVersion
from platform_assets.testing.servers import postgresql, redis
from platform_assets.training.predictor import Predictor
from platform_assets_tests.kubernetes.serving_world import serving_world
from platform_assets_tests.serving.parking import EVENT, make_model, release_info, use_case
from serving.settings import ServingSettings

logger = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)
pytestmark = pytest.mark.kubernetes
CALLERS, PER_SECOND = 5, 50
OK = 200
CANARY = planned([Stage(StageKind.WEIGHT, 30, observe=True)])


def patient() -> UseCase:
    """The use case, whose requests may wait: what is tried here is versions that come and go, on a machine that does more than answer."""
    case = use_case()
    overload = case.serving.overload.model_copy(update={"max_wait_ms": 5000.0})
    return case.model_copy(update={"serving": case.serving.model_copy(update={"overload": overload})})


@dataclass
class Place:
    target: Target
    folder: Path
    settings: ServingSettings
    predictor: Predictor

    def release(self, number: str, *, wrong: bool = False) -> Release:
        """A version of the service; a wrong one answers otherwise than its own rows say."""
        info = release_info(self.predictor, model_version=number)
        if wrong:
            rows = [row.model_copy(update={"score": 1 - row.score}) for row in info.self_test]
            info = info.model_copy(update={"self_test": tuple(rows)})
        bento = build_bento(patient(), self.folder / "model", info, self.folder / "bentos", drivers=("psycopg",))
        return release_of(patient(), RegisteredVersion("parking", number, "run", {}), bento, self.settings)

    def decide(self, decision: type[Advance] | type[Abort]) -> str:
        view = self.target.rollout("parking")
        assert view is not None
        return self.target.advance("parking", view.rollout.revision, decision("the guards", "a reader", now())).phase


@dataclass
class Asked:
    """What callers got: when, status and version of each answer, and what those without a score said."""

    answers: list[tuple[float, int, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def versions(self, since: float = 0.0) -> set[str]:
        return {version.partition("-")[0] for at, _, version in self.answers if at >= since}


@contextmanager
def asked(address: str) -> Iterator[Asked]:
    """Callers ask at a steady rate, whatever the answers take."""
    got, over = Asked(), threading.Event()

    def ask(caller: int) -> None:
        number, next_at = 0, time.monotonic()
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not over.is_set():
                number += 1
                event = EVENT | {"arrival": f"{caller}-{number}", "arrived_at": datetime.now(UTC).isoformat()}
                try:
                    answer = client.post(f"{address}/score", json=event)
                    got.answers.append(
                        (time.monotonic(), answer.status_code, answer.headers.get("x-service-version", ""))
                    )
                    if answer.status_code != OK:
                        got.reasons[answer.text[:300]] += 1
                except httpx.HTTPError as error:
                    got.reasons[repr(error)] += 1
                    got.answers.append((time.monotonic(), 0, type(error).__name__))
                next_at += CALLERS / PER_SECOND
                over.wait(max(0.0, next_at - time.monotonic()))

    callers = [threading.Thread(target=ask, args=(caller,)) for caller in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield got
    finally:
        over.set()
        for caller in callers:
            caller.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("service")
    predictor = make_model(folder / "model")
    with postgresql() as registry, redis() as store, serving_world(folder / "world") as world:
        feast = FeastSettings(
            project="parking", registry=registry.url, online_store=store.online_store, home=str(folder)
        )
        apply(patient(), feast)
        cluster = world.settings(start_timeout_seconds=180)
        home = ServingHome(str(folder / "home"), 8700, "kubernetes", cluster=cluster)
        settings = ServingSettings(feast=feast.model_dump(mode="json"), log_folder=home.log_folder("parking"))
        target = home.target()
        yield Place(target, folder, settings, predictor)
        target.stop_all()


def test_versions_come_and_go_under_load_without_a_failed_request(place: Place) -> None:
    target = place.target
    releases = {number: place.release(number, wrong=number == "4") for number in "1234"}
    first = target.deploy(releases["1"])
    logger.info("the first version answers: %s", dict(first.timings_seconds))
    assert (first.previous_version, first.address) == (None, target.address("parking"))
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.post(f"{first.address}/score", json=EVENT).json()
    assert 0 <= answer["probability"] <= 1
    with asked(first.address) as got:
        second = target.deploy(releases["2"], CANARY)
        assert second.waiting == "observing"
        logger.info("the second version is a canary: %s", dict(second.timings_seconds))
        target.counters("parking")
        seen = len(got.answers)
        while len(got.answers) < seen + 60:
            time.sleep(0.05)
        counted = {block.arm: block for block in target.counters("parking")}
        assert len(counted) == 2
        assert all(block.requests > 0 and block.errors == 0 for block in counted.values())
        assert place.decide(Advance) == "done"

        target.deploy(releases["3"], CANARY)
        while "v3" not in got.versions():
            time.sleep(0.05)
        decided = time.monotonic()
        logger.info("the third version is a canary, and is taken back")
        assert place.decide(Abort) == "rolled_back"
        seen = len(got.answers)
        while len(got.answers) < seen + 25:
            time.sleep(0.05)
        with pytest.raises(StartFailed, match="self-test rows differ") as refused:
            target.deploy(releases["4"])
    assert any("version v2" in note and "keeps serving" in note for note in refused.value.__notes__)
    assert not got.reasons
    assert got.versions() == {"v1", "v2", "v3"}
    bad = [at for at, _, version in got.answers if version.startswith("v3")]
    seconds = max(0.0, max(bad) - decided)
    logger.info("rollback: %.2f s from the decision to the last answer of the bad version", seconds)
    logger.info("%d answers, %d failed", len(got.answers), got.reasons.total())
    status = target.status()
    assert status.problems == ()
    assert {process.version.partition("-")[0] for process in status.use_cases["parking"].processes} == {"v2"}
    assert target.prune(remove=False) == []
    logged = read_segments(place.settings.log_folder, patient()).frame
    assert logged.height >= len(got.answers)
