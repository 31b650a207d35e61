"""The rollback asset: the earlier service takes over first, the alias follows, and a service that does not start changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.release import DeploymentResult, ProcessStatus, Release, TargetStatus, UseCaseStatus
from platform_assets.deployment.rollout.events import Abort
from platform_assets.deployment.rollout.stages import Plan, Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase, Rollout
from platform_assets.deployment.rollout.view import ArmView, RolloutView
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.rollback import rollback_asset
from platform_assets.pipelines import deploy as deploying
from platform_assets.pipelines import roll_back as module
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.champion_moves import move_champion
from platform_assets.registry.ledger import Ledger, ledger_table
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import SAMPLE_FILE
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets_tests.unit.registry.test_moves import AT

from .conftest import Trained


@dataclass
class Target:
    """Takes every release, or none."""

    refuses: bool = False
    deployed: list[str] = field(default_factory=list)
    coming: RolloutView | None = None

    def rollout(self, use_case: str) -> RolloutView | None:
        return self.coming

    def status(self) -> TargetStatus:
        process = ProcessStatus(
            "card_fraud-2-0", "v2-b", "RUNNING", 7, 1, ready=True, uptime_seconds=1.0, resident_bytes=1
        )
        serving = UseCaseStatus("card_fraud", "v2-b", "http://127.0.0.1:1", {"v2-b": 100}, (process,), None)
        return TargetStatus(True, "http://127.0.0.1:1", {}, {"card_fraud": serving})

    def advance(self, use_case: str, revision: int, decision: Abort) -> Rollout:
        assert self.coming is not None
        assert revision == self.coming.rollout.revision
        self.deployed.append(f"aborted by {decision.by}: {decision.reason}")
        self.coming = None
        return Rollout(Phase.ROLLED_BACK, "new", "old")

    def deploy(self, release: Release, plan: Plan) -> DeploymentResult:
        if self.refuses:
            raise DeploymentError("the service ended with 3 before it was ready")
        self.deployed.append(release.version)
        timings = {"start": 2.0, "probe": 0.1, "total": 2.2}
        return DeploymentResult(release.use_case, release.version, "v2-b", "http://127.0.0.1:1", True, "done", timings)


@dataclass
class World:
    """A champion that replaced another one, and what rolling back needs."""

    use_case: UseCase
    registry: FakeRegistry
    ledger: Ledger
    target: Target
    resources: dict[str, Any]

    def roll_back(self, **config: Any) -> dg.ExecuteInProcessResult:
        asset = rollback_asset(use_case=self.use_case)
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [asset],
                resources=self.resources,
                instance=instance,
                run_config={"ops": {asset.op.name: {"config": {"why": "declines doubled", **config}}}},
                raise_on_error=False,
            )

    @property
    def champion(self) -> str:
        version = self.registry.by_alias(self.use_case.name, CHAMPION)
        assert version is not None
        return version.version

    def actions(self) -> list[tuple[str, str]]:
        rows = self.ledger.entries(self.use_case.name).iter_rows(named=True)
        return [(row["action"], row["model_version"]) for row in rows]


Build = Callable[..., World]


@pytest.fixture
def world(use_case: UseCase, first: Trained, second: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """`world(realtime=True)`: version 2 is champion, version 1 was."""

    def build(realtime: bool = True) -> World:
        contract = feature_contract_hash(use_case)
        versions = [
            replace(
                item.version, tags={**item.version.tags, "feature_contract": contract, "release_digest": "sha256:kept"}
            )
            for item in (first, second)
        ]
        registry = FakeRegistry()
        for version, item in zip(versions, (first, second), strict=True):
            registry.add(version, item.run.folder)
        ledger = Ledger(ledger_table(str(tmp_path / "lake" / "card_fraud" / "model" / "ledger")))
        for version in versions:
            move_champion(registry, ledger, "promoted", version, {}, AT, f"run {version.version}")
        target = Target()
        monkeypatch.setattr(ModelStore, "registry", lambda self: registry)
        monkeypatch.setattr(ServingHome, "target", lambda self: target)
        kept = BuiltBento("card_fraud:1", tmp_path, "sha256:kept", 1, reused=True)
        monkeypatch.setattr(module, "find_bento", lambda use_case, digest, root: kept)
        monkeypatch.setattr(deploying, "serving_settings", lambda *_, **__: None)
        monkeypatch.setattr(
            deploying, "release_of",
            lambda use_case, version, bento, settings: Release(use_case.name, f"v{version.version}", ["{port}"], "/readyz", tmp_path),
        )  # fmt: skip
        declared = use_case
        if not realtime:
            declared = use_case.model_copy(update={"serving": use_case.serving.model_copy(update={"mode": "batch"})})
        resources = {
            "models": ModelStore(tracking_uri="", lake=Lake(str(tmp_path / "lake"))),
            "serving": ServingHome(home=str(tmp_path), port=18798),
            "feast": FeatureStore(registry="sqlite://", online_store={}, home=str(tmp_path)),
        }
        return World(declared, registry, ledger, target, resources)

    return build


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(
        event.step_failure_data.user_failure_data.description or ""
        for event in result.all_events
        if event.event_type_value == "STEP_FAILURE" and event.step_failure_data.user_failure_data
    )


def test_service_alias_and_ledger_go_back(world: Build) -> None:
    found = world()
    result = found.roll_back(who="head of risk")
    assert result.success
    assert found.target.deployed == ["v1"]
    assert found.champion == "1"
    assert found.actions() == [("promoted", "1"), ("promoted", "2"), ("deployed", "1"), ("rolled_back", "1")]
    told = metadata(result)
    assert (told["model_version"], told["rolled_back_from"], told["why"]) == ("1", "2", "declines doubled")


def test_a_version_that_is_being_rolled_out_is_aborted_first(world: Build) -> None:
    found = world()
    plan = planned([Stage(StageKind.WEIGHT, 5, observe=True)])
    arms = (ArmView("old", "v2-b", "f", 95), ArmView("new", "v3-c", "g", 5))
    found.target.coming = RolloutView("card_fraud", Rollout(Phase.OBSERVING, "new", "old", plan, revision=4), arms)
    result = found.roll_back(who="head of risk")
    assert result.success
    assert found.target.deployed == ["aborted by head of risk: declines doubled", "v1"]
    assert "v3-c" in str(metadata(result))


def test_a_service_that_does_not_start_changes_nothing_and_is_recorded(world: Build) -> None:
    found = world()
    found.target.refuses = True
    result = found.roll_back()
    assert not result.success
    assert "version that served before still does: v2-b" in failure(result)
    assert found.champion == "2"
    assert found.actions() == [("promoted", "1"), ("promoted", "2"), ("deployment_failed", "1")]


def test_a_declaration_with_other_features_is_not_gone_back_under(world: Build) -> None:
    found = world()
    found.registry.set_tags(found.registry.get(found.use_case.name, "1"), {"feature_contract": "of last year"})
    result = found.roll_back()
    assert not result.success
    assert "trained on feature contract of last year" in failure(result)
    assert found.target.deployed == []
    assert found.champion == "2"


@pytest.mark.parametrize(("config", "words"), [({"why": "  "}, "say why"), ({"to": "2"}, "is the champion now")])
def test_what_cannot_be_asked_for_is_told(world: Build, config: dict[str, str], words: str) -> None:
    found = world()
    assert words in failure(found.roll_back(**config))
    assert found.champion == "2"


def test_without_a_service_the_model_itself_is_asked(world: Build, first: Trained) -> None:
    found = world(realtime=False)
    path = first.run.folder / SAMPLE_FILE
    kept = path.read_bytes()
    try:
        pl.read_parquet(path).with_columns(pl.col("score") + 0.1).write_parquet(path)
        refused = found.roll_back()
    finally:
        path.write_bytes(kept)
    assert "otherwise than when it was trained" in failure(refused)
    assert found.champion == "2"
    result = found.roll_back()
    assert result.success
    assert found.champion == "1"
    assert found.target.deployed == []
    assert found.actions()[-1] == ("rolled_back", "1")


def test_nothing_starts_it_by_itself(world: Build) -> None:
    assert not rollback_asset(use_case=world().use_case).automation_conditions_by_key
