"""A registry on a real MLflow database, made once for a module, and a ledger in a lake of its own for each test."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from platform_assets.lake.table import LakeTable
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import LEDGER_SCHEMA, Ledger
from platform_assets.registry.mlflow_registry import MlflowRegistry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MlflowRegistry:
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("mlflow")
    registry = MlflowRegistry(f"sqlite:///{folder / 'mlflow.db'}")
    MlflowClient(registry.tracking_uri).create_experiment("unit", artifact_location=str(folder / "artifacts"))
    return registry


def new_run(registry: MlflowRegistry) -> str:
    """A tracked run that a version can be registered from."""
    from mlflow import MlflowClient

    client = MlflowClient(registry.tracking_uri)
    experiment = client.get_experiment_by_name("unit")
    return str(client.create_run(experiment.experiment_id).info.run_id)


@pytest.fixture
def use_case() -> str:
    """A name that no other test registers models under."""
    return f"use_case_{uuid4().hex[:12]}"


@pytest.fixture
def register(registry: MlflowRegistry, use_case: str) -> Callable[[str], RegisteredVersion]:
    """`register(as_of)`: a new version of the use case's model."""

    def register(as_of: str) -> RegisteredVersion:
        run_id = new_run(registry)
        return registry.register(use_case, run_id, {"as_of": as_of, "data_versions": '{"clean/payments": 3}'})

    return register


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LakeTable(uri=str(tmp_path / "card_fraud" / "model" / "ledger"), schema=LEDGER_SCHEMA))
