"""Packaging and deploying without Dagster: which model, what a refusal says, and what the ledger keeps."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.deployment.errors import StartFailed, TargetUnavailable
from platform_assets.deployment.packaging.build import ROOT, write_context
from platform_assets.deployment.registry import TARGETS
from platform_assets.deployment.release import DeploymentResult, ProcessStatus, Release, TargetStatus, UseCaseStatus
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan, Stage, StageKind, planned
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.pipelines.deploy import deploy, what_serves
from platform_assets.pipelines.package import DIGEST_TAG, NotPromoted, PackagingFailed, package
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.ledger import Ledger, ledger_table
from platform_assets_tests.serving.parking import make_model, release_info, use_case
from serving.release import content_digest

AS_OF = "2024-01-08"


@dataclass
class OneVersion:
    """A registry with one version, trained as of one day."""

    version: RegisteredVersion
    champion: bool = True
    folder: Path = Path()

    def by_as_of(self, use_case: str, as_of: str) -> RegisteredVersion | None:
        return self.version if as_of == AS_OF else None

    def by_alias(self, use_case: str, alias: str) -> RegisteredVersion | None:
        return self.version if self.champion and alias == CHAMPION else None

    def run_folder(self, version: RegisteredVersion) -> Path:
        return self.folder

    def set_tags(self, version: RegisteredVersion, tags: dict[str, str]) -> None:
        self.version = replace(version, tags={**version.tags, **tags})


@dataclass
class AnyTarget:
    """Takes every release, or none."""

    refuses: bool = False
    taken: list[tuple[Release, Plan]] = field(default_factory=list)
    before: str | None = None
    ready: bool = True

    def status(self) -> TargetStatus:
        if self.before == "unknown":
            raise TargetUnavailable("the state cannot be read")
        process = ProcessStatus("parking-1-0", str(self.before), "RUNNING", 7, 1, self.ready, 1.0, 1)
        weights = {} if self.before is None else {self.before: 100}
        parking = UseCaseStatus("parking", self.before, "http://127.0.0.1:1", weights, (process,), None)
        return TargetStatus(True, "http://127.0.0.1:1", {}, {"parking": parking})

    def deploy(self, release: Release, plan: Plan = AT_ONCE) -> DeploymentResult:
        if self.refuses:
            raise StartFailed("parking-1-0", "it ended", log_path="a.log", log_lines=["no such model"])
        self.taken.append((release, plan))
        return DeploymentResult("parking", release.version, None, "http://127.0.0.1:1", True, "done", {"total": 2.0})


@dataclass
class World:
    registry: Any
    target: AnyTarget
    ledger: Ledger
    stores: tuple[Any, FeatureStore, ServingHome]
    digest: str

    def entries(self) -> list[dict[str, Any]]:
        return list(self.ledger.entries("parking").iter_rows(named=True))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Version 3 of parking is champion and its Bento lies where it was built."""
    predictor = make_model(tmp_path / "run" / "model" / "data" / "predictor", kind="constant")
    (tmp_path / "run" / "comparison.json").write_text("{}")
    context = tmp_path / "context"
    write_context(context, use_case(), tmp_path / "run" / "model" / "data" / "predictor", release_info(predictor), ROOT)
    digest = content_digest(context)
    bento = tmp_path / "bentos" / "bentos" / "parking" / digest.removeprefix("sha256:")[:16]
    bento.mkdir(parents=True)
    context.rename(bento / "src")
    (bento / "bento.yaml").write_text("")
    registry = OneVersion(RegisteredVersion("parking", "3", "run", {DIGEST_TAG: digest}), folder=tmp_path / "run")
    ledger, target = Ledger(ledger_table(str(tmp_path / "ledger"))), AnyTarget()
    models: Any = SimpleNamespace(registry=lambda: registry, ledger=lambda name: ledger, keeps_holds=False)
    feature_store = FeatureStore("sqlite://", {"type": "sqlite", "path": "online.db"}, str(tmp_path))
    with TARGETS.with_member("any", lambda home, port: target):  # type: ignore[arg-type, return-value]
        yield World(registry, target, ledger, (models, feature_store, ServingHome(str(tmp_path), 1024, "any")), digest)


def test_the_champion_s_service_is_deployed_and_the_ledger_says_so(world: World) -> None:
    deployed = deploy(use_case(), *world.stores, AS_OF, "run 7")
    [(release, plan)] = world.target.taken
    assert (deployed.model_version, deployed.digest) == ("3", world.digest)
    assert release.version == f"v3-{world.digest.removeprefix('sha256:')[:12]}" == deployed.result.version
    assert plan == AT_ONCE
    [entry] = world.entries()
    assert (entry["action"], entry["model_version"], entry["release"]) == ("deployed", "3", world.digest)
    assert entry["entry"] == f"parking/deployed/3/{world.digest}/run 7"
    assert "http://127.0.0.1:1" in str(entry["evidence"])


def test_the_plan_reaches_the_target(world: World) -> None:
    plan = planned([Stage(StageKind.WEIGHT, 10, observe=True)])
    deploy(use_case(), *world.stores, AS_OF, "run 7", plan)
    assert world.target.taken[0][1] == plan


def test_a_service_that_does_not_take_over_is_in_the_ledger_with_its_error(world: World) -> None:
    world.target.refuses = True
    with pytest.raises(StartFailed, match="no such model"):
        deploy(use_case(), *world.stores, AS_OF, "run 7")
    [entry] = world.entries()
    assert (entry["action"], entry["previous_version"]) == ("deployment_failed", None)
    assert "no such model" in str(entry["evidence"])


@pytest.mark.parametrize(
    ("before", "ready", "said"),
    [
        (None, True, "No version of parking serves: none had taken over before."),
        ("v2-a", True, "The version that served before still does: v2-a."),
        ("v2-a", False, "v2-a, which served before, has the requests and no process that is ready"),
        ("unknown", True, "is not known: the state cannot be read"),
    ],
)
def test_who_serves_after_a_failure_is_what_the_target_says(
    world: World, before: str | None, ready: bool, said: str
) -> None:
    world.target.before, world.target.ready = before, ready
    assert said in what_serves(use_case(), world.stores[2])


@pytest.mark.parametrize("why", ["not champion", "another day", "never built", "changed since"])
def test_what_is_not_the_champion_or_was_not_built_is_not_deployed(world: World, why: str, tmp_path: Path) -> None:
    if why == "not champion":
        world.registry.champion = False
    if why == "never built":
        world.registry.version = replace(world.registry.version, tags={})
    if why == "changed since":
        next((tmp_path / "bentos").rglob("release.json")).write_text("{}")
    with pytest.raises(NotPromoted, match="champion" if why in ("not champion", "another day") else "no service"):
        deploy(use_case(), *world.stores, "2024-01-09" if why == "another day" else AS_OF, "run 7")
    assert (world.target.taken, world.entries()) == ([], [])


def test_a_model_that_was_replaced_since_is_not_packed(world: World) -> None:
    with pytest.raises(PackagingFailed, match="was registered with"):
        package(use_case(), *world.stores, AS_OF, lambda line: None)
    assert world.registry.version.tags == {DIGEST_TAG: world.digest}


def test_the_log_of_a_service_is_where_monitoring_reads_it(world: World, tmp_path: Path) -> None:
    deploy(use_case(), *world.stores, AS_OF, "run 7")
    environment = world.target.taken[0][0].environment
    assert environment["PLATFORM_ASSETS_SERVING_LOG_FOLDER"] == str(tmp_path / "prediction_log" / "parking")
