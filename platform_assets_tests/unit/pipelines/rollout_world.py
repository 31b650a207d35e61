"""A rollout without processes: the real machine behind a target of memory, a registry of memory, and logs that are written down."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.sections.rollout import CanaryStage, ReplaceStage, ShadowStage
from platform_assets.deployment.errors import NoRollout, RolloutChanged
from platform_assets.deployment.release import TargetStatus, UseCaseStatus
from platform_assets.deployment.rollout import actions, events, machine
from platform_assets.deployment.rollout.events import RolloutDecision
from platform_assets.deployment.rollout.registry import declared_plan
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import ArmView, CounterBlock, RolloutView
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets_tests.serving.parking import DECLARATION, use_case

OLD, NEW = "v1-0123456789ab", "v2-ba9876543210"
DIGESTS = {OLD: "sha256:0123456789ab" + "0" * 52, NEW: "sha256:ba9876543210" + "0" * 52}
BEGAN = datetime(2026, 3, 1, 10, tzinfo=UTC)


class MemoryTarget:
    """The engine's machine with verbs that always succeed."""

    def __init__(self, case: UseCase, plan: Any) -> None:
        self.case, self.blocks, self.now = case, list[CounterBlock](), BEGAN
        self.state: Rollout | None = self._play(*machine.begin("new", "old", plan))
        self.versions = {"old": OLD, "new": NEW}
        self.serves = OLD

    def address(self, use_case: str | None = None) -> str:
        return f"http://127.0.0.1:8700/v1/{use_case}" if use_case else "http://127.0.0.1:8700"

    def _play(self, state: Rollout, due: Sequence[Any]) -> Rollout:
        while due:
            for action in due:
                at = self.now.isoformat()
                match action:
                    case actions.Start():
                        event: Any = events.ArmReady()
                    case actions.Probe():
                        event = events.ProbePassed()
                    case actions.SetWeights(weights):
                        self.serves = OLD if weights.get("old", 0) >= 50 else NEW
                        event = events.WeightsTaken(at)
                    case actions.Mirror():
                        event = events.MirrorTaken(at)
                    case actions.Drain():
                        event = events.Drained()
                    case actions.Remove():
                        event = events.Removed()
            state, due = machine.next(state, event)
        return state

    def rollout(self, name: str) -> RolloutView | None:
        if self.state is None:
            return None
        weights = self.state.weights
        arms = tuple(ArmView(arm, self.versions[arm], arm, weights.get(arm, 0)) for arm in ("old", "new"))
        return RolloutView(name, self.state, arms)

    def advance(self, name: str, revision: int, decision: RolloutDecision) -> Rollout:
        if self.state is None:
            raise NoRollout("over")
        if self.state.revision != revision:
            raise RolloutChanged("it has gone on meanwhile")
        after = self._play(*machine.next(self.state, decision))
        self.state = None if after.finished else after
        return after

    def counters(self, name: str) -> Sequence[CounterBlock]:
        return self.blocks

    def status(self) -> TargetStatus:
        one = UseCaseStatus(self.case.name, self.serves, "http://x", {self.serves: 100}, (), None)
        return TargetStatus(True, "http://x", {}, {self.case.name: one})


@dataclass(frozen=True)
class MemoryHome(ServingHome):
    """Folders on disk, and the target of memory."""

    memory: Any = None

    def target(self) -> Any:
        return self.memory


@dataclass(frozen=True)
class MemoryModels(ModelStore):
    """A ledger on disk, and the registry of memory."""

    memory: Any = None

    def registry(self) -> Any:
        return self.memory


@dataclass
class RolloutWorld:
    folder: Path
    stages: Sequence[Any] = (CanaryStage(strategy="canary", steps_percent=(20, 50), step_minutes=5, at_most_hours=1),)
    guards: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        serving = DECLARATION["serving"]
        rollout = [json.loads(stage.model_dump_json()) for stage in self.stages]
        self.case = use_case(serving=serving | {"rollout": rollout, "guards": self.guards})
        self.target = MemoryTarget(self.case, declared_plan(self.case))
        self.serving = MemoryHome(str(self.folder / "home"), 0, memory=self.target)
        self.registry = FakeRegistry()
        for version in (OLD, NEW):
            self.registry.register(self.case.name, version, {"as_of": "2026-02-01", DIGEST_TAG: DIGESTS[version]})
        self.registry.set_alias(self.case.name, CHAMPION, "2")
        self.models = MemoryModels("", Lake(str(self.folder / "lake")), memory=self.registry)
        self.log = self.serving.log_folder(self.case.name)
        self.log.mkdir(parents=True)
        self.random = np.random.default_rng(7)

    @property
    def name(self) -> str:
        return self.case.name

    def actions(self) -> list[str]:
        return self.models.ledger(self.name).entries(self.name)["action"].to_list()

    def answered(self, minutes: float, *, per_second: float = 10, lots: int = 1000, **new: Any) -> datetime:
        """Traffic from the beginning on: requests to both arms by their weights, or copies; returns the moment after it."""
        assert self.target.state is not None
        state, lines, event = self.target.state, [], 0
        share = state.weights.get("new", 0) / 100
        for second in range(int(minutes * 60)):
            at = BEGAN + timedelta(seconds=second)
            counts = {"old": [0, 0], "new": [0, 0]}
            for part in range(int(per_second)):
                moment = at + timedelta(seconds=(part + 0.5) / per_second)
                event += 1
                score = float(self.random.beta(2, 5))
                arms = ["old", "new"] if share == 0 else ["new" if self.random.random() < share else "old"]
                for arm in arms:
                    given = new if arm == "new" else {}
                    failed = self.random.random() < given.get("errors", 0.001)
                    counts[arm][0] += 1
                    counts[arm][1] += failed
                    if not failed:
                        shadow = share == 0 and arm == "new"
                        lines.append(self.line(arm, moment, score, (event, 1 + event % lots), given, shadow=shadow))
            for arm, (requests, errors) in counts.items():
                self.target.blocks.append(CounterBlock((at + timedelta(seconds=1)).isoformat(), arm, requests, errors))
        (self.log / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.target.now = BEGAN + timedelta(minutes=minutes)
        return self.target.now

    def line(
        self,
        arm: str,
        moment: datetime,
        score: float,
        named: tuple[int, int],
        given: dict[str, Any],
        *,
        shadow: bool = False,
    ) -> dict[str, Any]:
        event, lot = named
        moved = min(1.0, score + given.get("shift", 0.0))
        return {
            "request_id": f"{arm}-{event}",
            "scored_at": (moment + timedelta(milliseconds=3 if shadow else 0)).isoformat(),
            "arrival": f"A{event}",
            "lot": lot,
            "score": moved,
            "decision": "stop" if moved >= 0.5 else "open",
            "release": DIGESTS[OLD if arm == "old" else NEW],
            "feature_contract": feature_contract_hash(self.case),
            "unknown_entities": "",
            "latency_ms": float(self.random.gamma(20, 0.2)) * given.get("slower", 1.0),
            "fallback": None,
            "caller_request_id": f"c{event}",
            "role": "shadow" if shadow else "live",
            "feature__kmh": 10.0,
            "feature__lot_count_1d": float(event % 7),
            "feature__lot_speed_7d": 10.0 + (1.0 if event % given.get("wrong_each", 10**9) == 0 else 0.0),
        }


SHADOW = (ShadowStage(strategy="shadow", minutes=5, at_most_hours=1),)
CANARY_AND_KEEP = (
    CanaryStage(strategy="canary", steps_percent=(50,), step_minutes=5, at_most_hours=1),
    ReplaceStage(strategy="replace", keep_minutes=10),
)
