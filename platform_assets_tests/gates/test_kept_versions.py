"""An existing lake under a changed declaration, and upkeep that never takes away what a model was made from."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.sections.retention import Hold, Retention
from platform_assets.declaration.sections.training import Splits
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.evolution import EVOLVE, MIGRATIONS
from platform_assets.lake.lake import Lake
from platform_assets.lake.pins import table_path
from platform_assets.orchestration.assets.maintenance import maintenance_asset
from platform_assets.orchestration.assets.training import training_set_asset
from platform_assets.pipelines.build_training_set import training_rows
from platform_assets.pipelines.maintain import read_pins
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.pins import versions_behind
from platform_assets.testing.fake_registry import FakeRegistry

from .conftest import FOLDER, World, build_world

TRAINING_KEY = ["training", "training_set"]


@dataclass(frozen=True)
class Registered(ModelStore):
    """Models that were trained elsewhere: the data versions of each."""

    known: dict[str, str] = field(default_factory=dict)

    def registry(self) -> ModelRegistry:
        registry, tags = FakeRegistry(), {"as_of": "2018-04-20"}
        for number, text in self.known.items():
            made_from = {"data_versions": text} if text else {}
            registry.add(RegisteredVersion("card_fraud", number, "run", {**tags, **made_from}))
            registry.set_alias("card_fraud", CHAMPION, number)
        return registry


def changed(world: World, **sections: Any) -> World:
    """The same lake under another declaration."""
    use_case = UseCase.model_validate({**world.use_case.model_dump(), **sections})
    again = build_world(world.root, use_case, world.instance)
    again.assets += [training_set_asset(use_case=use_case), maintenance_asset(use_case=use_case)]
    again.resources["models"] = Registered(tracking_uri="", lake=Lake(str(world.root)), known={})
    return again


def source_with(world: World, name: str, **changes: Any) -> list[dict[str, Any]]:
    """All sources, one of them changed."""
    sources = [source.model_dump() for source in world.use_case.sources]
    return [{**source, **changes} if source["name"] == name else source for source in sources]


def features_of(world: World) -> list[list[str]]:
    return [[world.use_case.name, "features", view.name] for view in world.use_case.features]


def small_splits(world: World) -> dict[str, Any]:
    return {
        **world.use_case.training.model_dump(),
        "splits": Splits(train_days=2, delay_days=7, test_days=2, folds=1).model_dump(),
    }


def materialize(world: World, key: list[str], **how: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        world.assets,
        selection=dg.AssetSelection.assets([world.use_case.name, *key]),
        resources=world.resources,
        instance=world.instance,
        raise_on_error=False,
        **how,
    )


def test_a_new_feature_is_computed_for_all_days_of_its_table_at_once(world: World) -> None:
    before = changed(world, training=small_splits(world))
    first, last = before.use_case.history.first_day, before.day - timedelta(days=1)
    assert before.materialize(features_of(before), first, last).success
    assert materialize(before, TRAINING_KEY, partition_key=str(last)).success
    views = [view.model_dump() for view in before.use_case.features]
    views[0]["rows"] = (
        *views[0]["rows"],
        {"name": "amount_squared", "expression": "amount * amount", "description": "Square of the amount"},
    )
    views[1]["windows"][0]["lengths_days"] = (1, 3, 7, 30)
    after = changed(before, features=views)
    view = after.use_case.features[0]
    table = after.lake().table(after.use_case.name, "features", view.name, after.use_case.feature_schema(view))
    version = table.version()
    assert not after.materialize(features_of(after), last).success, "a table never mixes two meanings"
    assert table.version() == version
    assert after.materialize(features_of(after), first, last).success
    assert table.read(first, last)["amount_squared"].null_count() == 0
    assert materialize(after, TRAINING_KEY, partition_key=str(last)).success


def test_declared_migrations_reach_deliveries_and_stored_tables(world: World) -> None:
    source = world.use_case.source("labels")
    stored = Catalog(world.use_case, world.lake()).clean(source.name).read()
    columns = [column.model_dump() for column in source.columns]
    columns[3] |= {"name": "scenario", "type": "int32"}
    columns.append({"name": "channel", "type": "string", "description": "How it was reported", "nullable": True})
    why = "the processor changed its export"
    migrations = [
        {"kind": "rename", "column": "scenario", "was": "fraud_scenario", "why": why},
        {"kind": "widen", "column": "scenario", "was": "int8", "why": why},
        {"kind": "default", "column": "channel", "value": "complaint", "why": why},
    ]
    undeclared = changed(world, sources=source_with(world, "labels", columns=columns))
    refused = undeclared.materialize(undeclared.table("labels"), world.day)
    assert not refused.success
    after = changed(world, sources=source_with(world, "labels", columns=columns, migrations=migrations))
    done = after.materialize(after.table("labels"), world.day)
    assert done.success
    tables = Catalog(after.use_case, after.lake())
    rows = tables.clean("labels").read()
    old_rows = rows.filter(pl.col("event_day") < world.day)
    assert old_rows["scenario"].cast(pl.Int8).to_list() == stored["fraud_scenario"].to_list()
    assert old_rows["transaction_id"].to_list() == stored["transaction_id"].to_list()
    assert set(rows["channel"]) == {"complaint"}
    assert rows.schema["scenario"] == pl.Int32
    for table in (tables.clean("labels").stored, tables.raw("labels").stored):
        [evolved] = [entry for entry in table.history() if entry.operation == EVOLVE]
        assert [why in change for change in json.loads(evolved.metadata[MIGRATIONS])] == [True] * 3
    [raw] = [event for event in done.get_asset_materialization_events() if event.asset_key.path[1] == "raw"]
    told = raw.step_materialization_data.materialization.metadata["migrations"].value
    assert isinstance(told, list)
    assert f"rename fraud_scenario to scenario: {why}" in told


def reloaded(world: World) -> World:
    """The world under a declaration with a hold, and with models."""
    holds = (Hold(table="clean/labels", version=3, why="an audit", who="team:risk"),)
    again = changed(world, training=small_splits(world), retention=Retention(holds=holds).model_dump())
    made_from = json.dumps({"/card_fraud/clean/labels": 2, "/card_fraud/features/gone": None})
    again.resources["models"] = Registered(tracking_uri="", lake=Lake(str(again.root)), known={"7": made_from})
    return again


@pytest.fixture(scope="module")
def reloaded_lake(good_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After reloads: version 1 of the clean labels went into a training set, 2 into a model, 3 is held."""
    root = tmp_path_factory.mktemp("reloaded") / "lake"
    shutil.copytree(good_lake, root)
    with dg.DagsterInstance.ephemeral() as instance:
        world = reloaded(build_world(root, load_use_case(FOLDER), instance))
        first, last = world.use_case.history.first_day, world.day - timedelta(days=1)
        assert world.materialize(features_of(world), first, last).success
        assert materialize(world, TRAINING_KEY, partition_key=str(last)).success
        for _ in range(4):
            assert world.materialize(world.table("labels"), last).success
    return root


@pytest.fixture
def kept(reloaded_lake: Path, tmp_path: Path) -> Iterator[World]:
    root = tmp_path / "kept"
    shutil.copytree(reloaded_lake, root)
    with dg.DagsterInstance.ephemeral() as instance:
        yield reloaded(build_world(root, load_use_case(FOLDER), instance))


def upkeep(world: World, **config: Any) -> dict[str, Any]:
    """Metadata of a run of the maintenance asset."""
    name = f"{world.use_case.name}__maintenance__tables"
    done = materialize(world, ["maintenance", "tables"], run_config={"ops": {name: {"config": config}}})
    assert done.success
    [event] = done.get_asset_materialization_events()
    return {key: value.value for key, value in event.step_materialization_data.materialization.metadata.items()}


def test_upkeep_keeps_every_pinned_version_and_takes_the_others(kept: World) -> None:
    labels = Catalog(kept.use_case, kept.lake()).clean("labels")
    pinned = {version: labels.read(version=version) for version in (1, 2, 3, 5)}
    assert labels.version() == 5
    told = upkeep(kept, dry_run=True, keep_days=0)
    assert told["removed_files"] > 0
    assert labels.read(version=4).height
    assert upkeep(kept)["removed_files"] == 0  # 30 days by declaration
    done = upkeep(kept, keep_days=0)
    assert done["removed_files"] == told["removed_files"]
    assert done["stored_bytes_after"] < done["stored_bytes_before"]
    for version, rows in pinned.items():
        assert labels.read(version=version).equals(rows), version
    with pytest.raises(LakeVersionMissing, match=r"version 4 .*nothing pinned it"):
        labels.read(version=4)
    assert "clean/labels" in done["tables"]
    assert done["plot"].startswith("![plot]")


def test_a_training_set_is_made_again_from_the_versions_it_recorded(kept: World) -> None:
    as_of = kept.day - timedelta(days=1)
    schema = training_set_schema(kept.use_case)
    table = kept.lake().table("card_fraud", "training", "training_set", schema, partition_by="as_of")
    recorded = versions_behind(table, as_of)
    assert recorded["/card_fraud/clean/labels"] == 1
    upkeep(kept, keep_days=0)
    again = training_rows(Catalog(kept.use_case, kept.lake()), as_of, recorded).frame
    assert again.select(list(schema)).equals(table.read(as_of, as_of, version=recorded[f"/{table_path(table.uri)}"]))
    with pytest.raises(LakeVersionMissing, match="nothing pinned it"):
        training_rows(Catalog(kept.use_case, kept.lake()), as_of, {**recorded, "/card_fraud/clean/labels": 4})


def test_the_reasons_are_named(kept: World) -> None:
    registry = kept.resources["models"].registry()
    pins = read_pins(Catalog(kept.use_case, kept.lake()), registry, datetime.now(UTC), keep_days=0).pins
    labels = {pin.version: pin.why for pin in pins if pin.table == "card_fraud/clean/labels"}
    assert labels == {
        1: f"training set as of {kept.day - timedelta(days=1)}",
        2: "model version 7 (champion, as of 2018-04-20)",
        3: "held for team:risk: an audit",
        5: "the current version",
    }


@pytest.mark.parametrize("text", ["not JSON", ""])
def test_a_model_whose_data_cannot_be_told_stops_the_upkeep(kept: World, text: str) -> None:
    kept.resources["models"] = Registered(tracking_uri="", lake=Lake(str(kept.root)), known={"7": text})
    done = materialize(kept, ["maintenance", "tables"])
    assert not done.success
    with pytest.raises(RegistryError, match=r"model version 7 .*nothing can be removed safely"):
        read_pins(Catalog(kept.use_case, kept.lake()), kept.resources["models"].registry(), datetime.now(UTC))


def test_what_a_model_is_made_from_is_told_after_upkeep_as_before(kept: World) -> None:
    as_of = kept.day - timedelta(days=1)
    table = kept.lake().table("card_fraud", "training", "training_set", {"as_of": pl.Date()}, partition_by="as_of")
    before = versions_behind(table, as_of)
    assert materialize(kept, TRAINING_KEY, partition_key=str(as_of)).success
    again = versions_behind(table, as_of)
    upkeep(kept, keep_days=0)
    assert versions_behind(table, as_of) == again
    assert before["/card_fraud/training/training_set"] == 1
    assert again["/card_fraud/training/training_set"] == 2
    assert table.history(1)[0].operation != "write_partitions"


def test_upkeep_of_a_lake_that_is_not_there_yet(kept: World) -> None:
    shutil.rmtree(kept.root / kept.use_case.name)
    told = upkeep(kept, dry_run=True)
    assert told["removed_files"] == 0
    assert told["idle_holds"] == ["clean/labels version 3, held for team:risk (there is no such table)"], (
        "a hold that keeps nothing is told"
    )
