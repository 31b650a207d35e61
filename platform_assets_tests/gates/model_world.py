"""A small world in which models are trained for real: five weeks of payments, few learners, one fold.

Belongs here: building the world once for all tests of a session, and materializing parts of its graph. Does not belong
here: the faults that are planted in it.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.sections.training import DeclaredLearner, Splits
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.resources.tracking import TrackingAddress, tracker_resource
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.mlflow_registry import MlflowRegistry
from platform_assets.registry.model_store import ModelStore

FOLDER = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"
WORLD = {"customers": 800, "terminals": 1600}
SPLITS = Splits(train_days=5, delay_days=7, test_days=5, folds=1)
FIRST_DAY = date(2018, 4, 1)
AS_OF, LATER = FIRST_DAY + timedelta(days=35), FIRST_DAY + timedelta(days=40)
"""Two days to train as of: the later one's test days are days that the earlier model was not trained on."""
UNUSED_PORT = 18799

MODEL, EVALUATION, CHAMPION = ("model", "classifier"), ("model", "evaluation"), ("model", "champion")
SERVICE, DEPLOYMENT = ("serving", "service"), ("serving", "deployment")
CHAIN = (MODEL, EVALUATION, CHAMPION, SERVICE, DEPLOYMENT)


def learner(kind: str, *, baseline: bool = False, **settings: Any) -> DeclaredLearner:
    return DeclaredLearner(name=kind, kind=kind, baseline=baseline, settings=settings)


CONSTANT = learner("constant", baseline=True)
LOGISTIC = learner("logistic_regression", baseline=True)
FOREST = learner("random_forest", n_estimators=40, max_samples=0.7, threads=1)
LOOSE = Gates(min_training_rows=500, min_positives=5, champion_tolerance=0.05)
"""The champion was fitted on later days than the fold's model: it is expected to be ahead a little."""


def declared(
    learners: Sequence[DeclaredLearner] = (CONSTANT, LOGISTIC, FOREST), gates: Gates = LOOSE, **training: Any
) -> UseCase:
    """The default use case, made small."""
    use_case = load_use_case(FOLDER)
    changed = use_case.training.model_copy(update={"learners": tuple(learners), "splits": SPLITS, **training})
    return UseCase.model_validate(use_case.model_copy(update={"training": changed, "gates": gates}).model_dump())


@dataclass
class ModelWorld:
    """One lake, one registry, one folder to serve from; nothing runs."""

    root: Path
    lake_root: Path
    use_case: UseCase = field(default_factory=declared)

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def registry(self) -> ModelRegistry:
        return MlflowRegistry(self.tracking_uri)

    @property
    def ledger(self) -> Ledger:
        return ModelStore(tracking_uri=self.tracking_uri, lake=Lake(str(self.lake_root))).ledger(self.use_case.name)

    @property
    def home(self) -> Path:
        return self.root / "home"

    def resources(self) -> dict[str, Any]:
        store = {"type": "sqlite", "path": str(self.home / "online.db")}
        return {
            "capacity": NO_BOUND,
            "lake": Lake(root=str(self.lake_root)),
            "sources": SourceReader(simulation=WORLD),
            "feast": FeatureStore(registry=f"sqlite:///{self.home}/feast.db", online_store=store, home=str(self.home)),
            "mlflow": tracker_resource(TrackingAddress(self.tracking_uri, str(self.root / "artifacts"), "gates")),
            "models": ModelStore(tracking_uri=self.tracking_uri, lake=Lake(str(self.lake_root))),
            "serving": ServingHome(home=str(self.home), port=UNUSED_PORT),
        }

    def materialize(
        self,
        selection: Iterable[tuple[str, str]],
        *,
        days: tuple[date, date] | None = None,
        as_of: date | None = None,
        use_case: UseCase | None = None,
        faults: dict[str, list[dict[str, Any]]] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets for event days or as of a day, with faults planted in raw tables."""
        use_case = use_case or self.use_case
        keys = [[use_case.name, *key] for key in selection]
        tags = {}
        if days is not None:
            tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"] = map(str, days)
        ops = {
            f"{use_case.name}__raw__{table}": {"config": {"faults": planted}}
            for table, planted in (faults or {}).items()
        }
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                build_assets(use_case, FOLDER),
                selection=dg.AssetSelection.assets(*keys),
                resources=self.resources(),
                instance=instance,
                partition_key=as_of.isoformat() if as_of else None,
                tags=tags,
                run_config={"ops": ops} if ops else {},
                raise_on_error=False,
            )

    def load(self, tables: Sequence[str], days: tuple[date, date] | None, **faults: list[dict[str, Any]]) -> None:
        keys = [(layer, table) for table in tables for layer in ("raw", "clean", "quarantine", "profile")]
        assert self.materialize(keys, days=days, faults=faults).success


def shared(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all test modules of a session share, whatever folder they stand in."""
    return factory.getbasetemp() / name


def empty_store(factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them; making them takes seconds, copying the file does not."""
    path = shared(factory, "empty_mlflow.db")
    if not path.exists():
        MlflowRegistry(f"sqlite:///{path}").versions("none")
    return path


def good_lake(factory: pytest.TempPathFactory) -> Path:
    """A lake with everything that both as-of days need, training sets included."""
    lake = shared(factory, "model_lake")
    if not lake.exists():
        world = ModelWorld(shared(factory, "model_lake_home"), lake)
        world.load(["customers", "terminals"], None)
        world.load(["labels"], (FIRST_DAY, LATER - timedelta(days=world.use_case.label_delay_days)))
        days = (FIRST_DAY, LATER - timedelta(days=1))
        world.load(["transactions"], days)
        assert world.materialize([("features", view.name) for view in world.use_case.features], days=days).success
        for as_of in (AS_OF, LATER):
            assert world.materialize([("training", "training_set")], as_of=as_of).success
    return lake


def new_world(factory: pytest.TempPathFactory, root: Path, use_case: UseCase | None = None) -> ModelWorld:
    """A world of its own: the good lake and an empty registry."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(good_lake(factory), root / "lake")
    shutil.copyfile(empty_store(factory), root / "mlflow.db")
    return ModelWorld(root, root / "lake", use_case or declared())


def copied(world: ModelWorld, root: Path) -> ModelWorld:
    """A copy to change; artifacts, those of new runs too, stay where the experiment of the first world keeps them."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(world.lake_root, root / "lake")
    shutil.copyfile(world.root / "mlflow.db", root / "mlflow.db")
    return ModelWorld(root, root / "lake", world.use_case)
