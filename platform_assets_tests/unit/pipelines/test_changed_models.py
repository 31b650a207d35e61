"""A registered model whose files were changed is refused by everything that reads it, not by evaluation and the service alone."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.predict import predict
from platform_assets.pipelines.promote import promote_model
from platform_assets.pipelines.reproduce import reproduce
from platform_assets.pipelines.roll_back import roll_back_model
from platform_assets.pipelines.watch import watch_drift, watch_quality
from platform_assets.pipelines.write_model_card import write_model_card
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.champion_moves import move_champion
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.pins import DATA_VERSIONS
from platform_assets.registry.training_run import read_model_run
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training.artifact import ArtifactError

from .conftest import AS_OF, Trained

DAY = AS_OF + timedelta(days=20)
AT = datetime(2018, 6, 2, tzinfo=UTC)


@dataclass
class ChangedModel:
    """A champion of whose model one byte was changed, and an earlier one of the same files, in an empty lake."""

    use_case: UseCase
    catalog: Catalog
    registry: FakeRegistry
    models: ModelStore
    version: RegisteredVersion
    folder: Path

    @property
    def serving(self) -> ServingHome:
        return ServingHome(home=str(self.folder), port=18799)


@pytest.fixture
def changed(use_case: UseCase, first: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangedModel:
    folder = tmp_path / "run"
    shutil.copytree(first.run.folder, folder)
    payload = next(path for path in read_model_run(folder).predictor_folder.iterdir() if path.name != "model.json")
    payload.write_bytes(payload.read_bytes()[:-1] + b"~")
    batch = use_case.model_copy(update={"serving": use_case.serving.model_copy(update={"mode": "batch"})})
    contract = feature_contract_hash(use_case)
    tags = {**first.version.tags, DATA_VERSIONS: '{"/card_fraud/clean/labels": 1}', "feature_contract": contract}
    registry = FakeRegistry()
    known = registry.add(replace(first.version, tags=tags), folder)
    other = registry.add(replace(known, version="9", run_id="another run"), folder)
    models = ModelStore("", Lake(str(tmp_path / "lake")))
    for version in (known, other, known):
        move_champion(registry, models.ledger(use_case.name), "promoted", version, {}, AT, f"run {version.version}")
    monkeypatch.setattr(ModelStore, "registry", lambda self: registry)
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    return ChangedModel(batch, Catalog(batch, models.lake), registry, models, known, tmp_path)


def some_predictions(changed: ChangedModel) -> None:
    """One prediction of the model on a day, all else in it null."""
    table = changed.catalog.predictions
    row = {"model_version": changed.version.version, "event_day": DAY}
    table.write_partitions(pl.DataFrame([{**dict.fromkeys(table.schema), **row}], schema=table.schema), DAY, DAY)


def drift(changed: ChangedModel) -> None:
    some_predictions(changed)
    watch_drift(changed.catalog, changed.registry, changed.folder, DAY)


def quality(changed: ChangedModel) -> None:
    some_predictions(changed)
    labels = changed.catalog.labels.stored
    labels.write_partitions(pl.DataFrame(schema=labels.schema), DAY, DAY, allow_empty=True)
    watch_quality(changed.catalog, changed.registry, DAY)


def predictions(changed: ChangedModel) -> None:
    use_case, catalog = changed.use_case, changed.catalog
    for table in (catalog.events.stored, *(catalog.features(view) for view in use_case.features)):
        table.write_partitions(pl.DataFrame(schema=table.schema), DAY, DAY, allow_empty=True)
    predict(catalog, changed.registry, DayRange(DAY, DAY))


def reproduction(changed: ChangedModel) -> None:
    reproduce(changed.catalog, changed.registry, changed.version)


def card(changed: ChangedModel) -> None:
    write_model_card(changed.use_case, changed.models, changed.folder, AS_OF.isoformat())


def promotion(changed: ChangedModel) -> None:
    ledger = changed.models.ledger(changed.use_case.name)
    promote_model(changed.catalog, changed.registry, ledger, changed.version, "run")


def rollback(changed: ChangedModel) -> None:
    store = FeatureStore(registry="sqlite://", online_store={}, home=str(changed.folder))
    roll_back_model(changed.use_case, changed.models, store, changed.serving, "run", why="declines", who="somebody")


@pytest.mark.parametrize("reads", [drift, quality, predictions, reproduction, card, promotion, rollback])
def test_it_is_refused(changed: ChangedModel, reads: Callable[[ChangedModel], None]) -> None:
    with pytest.raises(ArtifactError, match="does not match its manifest"):
        reads(changed)


@pytest.mark.parametrize("command", [("compare", "card_fraud@1", "9"), ("reproduce", "card_fraud@1")])
def test_the_command_line_refuses_it(changed: ChangedModel, command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["models", *command])
    assert result.exit_code == 1
    assert "does not match its manifest" in " ".join(result.output.split())
    assert changed.registry.by_alias("card_fraud", CHAMPION) is not None
