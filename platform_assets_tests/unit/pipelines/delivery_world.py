"""Ledger, registry, git and target in memory, each of which may end the process before and after anything it does.

What runs is the installation's own: promoting, rolling back, deploying, rollouts and the reconciler. Only the edges are made here: where
bytes are stored, whether a Bento is built, and the processes behind a target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import polars as pl
import pytest

from platform_assets.declaration import feature_contract_hash
from platform_assets.declaration.sections.rollout import CanaryStage
from platform_assets.deployment.errors import NoRollout, RolloutChanged, RolloutUnderWay
from platform_assets.deployment.gitops.release_file import ReleaseFile
from platform_assets.deployment.gitops.repository import FoundRelease
from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.release import DeploymentResult, Release, TargetStatus, UseCaseStatus
from platform_assets.deployment.rollout import actions, events, machine
from platform_assets.deployment.rollout.events import Abort, Advance, RolloutDecision
from platform_assets.deployment.rollout.stages import Plan
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import ArmView, RolloutView
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import LEDGER_SCHEMA
from platform_assets.pipelines import advance_rollout, deploy, package, promote, roll_back
from platform_assets.pipelines.gitops import delivery, propose
from platform_assets.pipelines.gitops.delivery import InstalledDelivery
from platform_assets.pipelines.gitops.delivery_state import release_name
from platform_assets.pipelines.gitops.describe_release import describe_release
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.memory_releases import MemoryReleases
from platform_assets_tests.serving.parking import DECLARATION, use_case
from platform_assets_tests.unit.deployment.gitops_files import digest

VERSIONS = ("1", "2", "3", "4")
CANARY = CanaryStage(strategy="canary", steps_percent=(20, 50), step_minutes=5, at_most_hours=1)


class Killed(BaseException):
    """The process ends here: nothing below may catch it."""


@dataclass
class Fuse:
    """Ends the process at a point of time that is counted in things done."""

    left: int | None = None
    kills: int = 0

    def __call__(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            self.kills += 1
            raise Killed


@dataclass(frozen=True)
class MemoryTable:
    """A table that rows are appended to."""

    uri: str
    fuse: Fuse
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    known: str | None = None
    copied_to: Any = None

    def exists(self) -> bool:
        return bool(self.rows.get(self.uri))

    def scan(self, *, columns: Sequence[str] | None = None, ordered: bool = True) -> pl.LazyFrame:
        rows = pl.DataFrame(self.rows.get(self.uri, []), schema=LEDGER_SCHEMA).lazy()
        return rows if columns is None else rows.select(columns)

    def append(self, frame: pl.DataFrame, *, idempotency_key: str | None = None) -> Any:
        self.fuse()
        written = idempotency_key is not None and idempotency_key in self.keys
        if not written:
            self.rows.setdefault(self.uri, []).extend(frame.to_dicts())
            self.keys.update([idempotency_key] if idempotency_key is not None else [])
        self.fuse()
        return SimpleNamespace(already_committed=written)


@dataclass(frozen=True)
class MemoryRegistry(FakeRegistry):
    fuse: Fuse = field(default_factory=Fuse)

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        self.fuse()
        super().set_alias(use_case, alias, version)
        self.fuse()


@dataclass
class FusedReleases(MemoryReleases):
    fuse: Fuse = field(default_factory=Fuse)

    def write(self, *arguments: Any, **named: Any) -> str:
        self.fuse()
        commit = super().write(*arguments, **named)
        self.fuse()
        return commit


class MemoryTarget:
    """The engine's machine with verbs that always succeed, for one release after the other."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse, self.state, self.serves = fuse, None, None
        self.state: Rollout | None
        self.serves: str | None
        self.arms: dict[str, str] = {}
        self.number, self.refuses = 0, ""

    def address(self, use_case: str | None = None) -> str:
        return f"http://127.0.0.1:8700/v1/{use_case}" if use_case else "http://127.0.0.1:8700"

    def deploy(self, release: Release, plan: Plan) -> DeploymentResult:
        self.fuse()
        if self.refuses and self.refuses in release.version:
            from platform_assets.deployment.errors import StartFailed

            raise StartFailed(release.version, "it ended with 3", log_path="a.log", log_lines=[])
        before = self.serves
        if self.state is not None:
            if self.arms[self.state.new] != release.version:
                raise RolloutUnderWay(f"{self.arms[self.state.new]} is being rolled out")
        elif before is None or before == release.version:
            self.serves = release.version
        else:
            self.number += 1
            old, new = f"arm{self.number}a", f"arm{self.number}b"
            self.arms.update({old: before, new: release.version})
            begun = self._play(*machine.begin(new, old, plan))
            self.state = None if begun.finished else begun
        self.fuse()
        waiting = None if self.state is None else str(self.state.phase)
        changed = before != release.version
        return DeploymentResult(release.use_case, release.version, before, "http://x", changed, "done", {}, waiting)

    def _play(self, state: Rollout, due: Sequence[Any]) -> Rollout:
        while due:
            for action in due:
                event: Any = {
                    actions.Start: events.ArmReady(),
                    actions.Probe: events.ProbePassed(),
                    actions.SetWeights: events.WeightsTaken("2026-03-01T10:00:00+00:00"),
                    actions.Mirror: events.MirrorTaken("2026-03-01T10:00:00+00:00"),
                    actions.Drain: events.Drained(),
                    actions.Remove: events.Removed(),
                }[type(action)]
                if isinstance(action, actions.SetWeights):
                    self.serves = self.arms[max(action.weights, key=lambda arm: action.weights[arm])]
            state, due = machine.next(state, event)
        return state

    def rollout(self, name: str) -> RolloutView | None:
        if self.state is None:
            return None
        named = [name for name in (self.state.old, self.state.new) if name]
        arms = tuple(ArmView(arm, self.arms[arm], arm, self.state.weights.get(arm, 0)) for arm in named)
        return RolloutView(name, self.state, arms)

    def advance(self, name: str, revision: int, decision: RolloutDecision) -> Rollout:
        self.fuse()
        if self.state is None:
            raise NoRollout("over")
        if self.state.revision != revision:
            raise RolloutChanged("it has gone on meanwhile")
        after = self._play(*machine.next(self.state, decision))
        self.state = None if after.finished else after
        self.fuse()
        return after

    def counters(self, name: str) -> Sequence[Any]:
        return ()

    def status(self) -> TargetStatus:
        weights = {self.serves: 100} if self.serves else {}
        one = UseCaseStatus("parking", self.serves, "http://x", weights, (), None)
        return TargetStatus(True, "http://x", {}, {"parking": one} if self.serves else {})


@dataclass(frozen=True)
class MemoryHome(ServingHome):
    memory: Any = None

    def target(self) -> Any:
        return self.memory


@dataclass(frozen=True)
class MemoryStore(ModelStore):
    memory: Any = None
    table: Any = None

    def registry(self) -> Any:
        return self.memory

    def ledger(self, use_case: str) -> Ledger:
        return Ledger(self.table, self.environment, self.keeps_holds)


class DeliveryWorld:
    """An installation in memory with four versions of one model, none of which is champion yet."""

    name: ClassVar[str] = "parking"

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, stages: Sequence[Any] = (CANARY,)) -> None:
        self.fuse = Fuse()
        rollout = [stage.model_dump(mode="json") for stage in stages]
        self.case = use_case(serving=DECLARATION["serving"] | {"rollout": rollout})
        self.registry, self.releases = MemoryRegistry(fuse=self.fuse), FusedReleases(fuse=self.fuse)
        self.target = MemoryTarget(self.fuse)
        self.table = MemoryTable("ledger", self.fuse)
        self.models = MemoryStore(
            "", Lake(str(folder / "lake")), keeps_holds=True, memory=self.registry, table=self.table
        )
        self.serving = MemoryHome(str(folder / "home"), 0, memory=self.target)
        self.processes = 0
        self.broken: set[str] = set()
        for number in VERSIONS:
            self.registry.register(self.name, f"run {number}", self.tags(number))
        self._patch(patch, folder)

    def tags(self, number: str) -> dict[str, str]:
        contract = feature_contract_hash(self.case)
        return {
            "as_of": f"2026-02-{int(number):02d}", "model_digest": f"model-{number}", "feature_contract": contract,
            "learner": "xgboost", "code_version": "c0de", DIGEST_TAG: digest(number),
        }  # fmt: skip

    def evidence(self, number: str) -> dict[str, Any]:
        champion = self.registry.by_alias(self.name, CHAMPION)
        compared = None if champion is None else champion.version
        return {"passed": True, "reason": "It is better.", "model_version": number, "champion": compared, "gates": [{}]}

    def _patch(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        def bento(number: str) -> BuiltBento:
            return BuiltBento(f"parking:{number}", folder, digest(number), 1, reused=True)

        def run(registry: Any, version: Any) -> Any:
            return SimpleNamespace(
                evidence=lambda: self.evidence(version.version), predictor_folder=folder, folder=folder, declaration=lambda: self.case,
                comparison={"metrics": {}, "folds": [], "candidates": {"xgboost": {"mean": {}, "std": {}, "seconds": 3.0}}},
            )  # fmt: skip

        def packaged(case: Any, version: Any, *_: Any) -> Any:
            if version.version in self.broken:
                raise package.PackagingFailed(f"version {version.version} answers known rows otherwise")
            tested = SimpleNamespace(rows=20, max_difference=0.0, startup_seconds=1.0, resident_bytes=1)
            return SimpleNamespace(bento=bento(version.version), model_version=version.version, self_test=tested)

        for module in (delivery, promote, roll_back, propose):
            patch.setattr(module, "registered_run", run)
        for module in (delivery, propose):
            patch.setattr(module, "package_version", packaged)
        for module in (promote, propose):
            patch.setattr(module, "require_parity", lambda *_: "equal")
        patch.setattr(promote, "read_manifest", lambda _: {"versions": {}})
        for module in (deploy, roll_back):
            patch.setattr(module, "find_bento", lambda case, wanted, root: bento(str(int(wanted[7:], 16))))
        patch.setattr(BuiltBento, "lacks", lambda self, drivers: [])
        patch.setattr(deploy, "serving_settings", lambda *_, **__: None)
        patch.setattr(
            deploy, "release_of",
            lambda case, version, built, settings: Release(
                case.name, release_name(version.version, built.digest), ["{port}"], "/readyz", folder
            ),
        )  # fmt: skip
        patch.setattr("platform_assets.pipelines.rollout_evidence.gather_evidence", lambda *_, **__: None)
        self._bento = bento

    @property
    def ledger(self) -> Ledger:
        return self.models.ledger(self.name)

    def process(self) -> InstalledDelivery:
        """A reconciler in a process of its own."""
        self.processes += 1
        drivers: Any = SimpleNamespace(drivers=lambda: (), credentials=None, secrets=None)
        run_id = f"run {self.processes}"
        return InstalledDelivery(self.case, self.models, drivers, self.serving, self.releases, run_id)

    def file(self, number: str, **fields: Any) -> ReleaseFile:
        """The release that somebody proposes now, on top of what the ledger says."""
        moves = self.ledger.moves(self.name)
        return describe_release(
            self.registry.get(self.name, number), self.evidence(number), "production", service_digest=digest(number),
            decided=("head of risk", "it is better", datetime(2026, 3, 1, 10, tzinfo=UTC)),
            ledger_entry=None if moves.is_empty() else str(moves["entry"][-1]),
        ).model_copy(update=fields)  # fmt: skip

    def merge(self, number: str, **fields: Any) -> None:
        """A person merges it; nobody can kill that."""
        from platform_assets.deployment.gitops.release_file import write_release_file

        self.releases.files["production", self.name] = write_release_file(self.file(number, **fields))
        self.releases.messages.append(f"Merge {number}")

    def decide(self, decision: type[Abort] | type[Advance]) -> None:
        """A verdict about the rollout under way."""
        self.processes += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = decision("the guards say so", "verdict", at)
        advance_rollout.decide(self.case, self.models, self.serving, f"run {self.processes}", said)

    def roll_back(self) -> None:
        """A person goes back."""
        self.processes += 1
        drivers: Any = SimpleNamespace(drivers=lambda: (), credentials=None, secrets=None)
        roll_back.roll_back_model(
            self.case, self.models, drivers, self.serving, f"run {self.processes}", why="declines doubled", who="on call"
        )  # fmt: skip

    def actions(self) -> list[tuple[str, str]]:
        rows = self.ledger.entries(self.name).iter_rows(named=True)
        return [(row["action"], row["model_version"]) for row in rows]

    @property
    def champion(self) -> str | None:
        version = self.registry.by_alias(self.name, CHAMPION)
        return None if version is None else version.version

    @property
    def git(self) -> FoundRelease:
        return self.releases.read("production", self.name)


Act = Callable[[DeliveryWorld], None]
