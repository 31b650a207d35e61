"""A small lake with three good weeks, for planting faults on the day after.

Belongs here: the world that the data gates are tried on. Does not belong here: models and services.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.clean import clean_asset
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.orchestration.assets.raw import raw_asset

FOLDER = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"
GOOD_DAYS = 21
WORLD = {"customers": 300, "terminals": 600}


@dataclass
class World:
    """Assets, resources and one instance; each test works on a copy of the good lake."""

    use_case: UseCase
    root: Path
    assets: list[dg.AssetsDefinition]
    instance: dg.DagsterInstance
    resources: dict[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The day after the good ones: faults are planted here."""
        return self.use_case.history.first_day + timedelta(days=GOOD_DAYS)

    def materialize(
        self,
        selection: list[list[str]],
        first: date | None,
        last: date | None = None,
        faults: list[dict[str, Any]] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets for a day or a range, with faults planted in the raw layer."""
        last = last or first
        tags = {}
        if first is not None:
            tags = {
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat() if last else "",
            }
        raws = [f"{self.use_case.name}__raw__{key[2]}" for key in selection if key[1] == "raw"]
        config = {"ops": {name: {"config": {"faults": faults}} for name in raws}} if faults else {}
        return dg.materialize(
            self.assets,
            selection=dg.AssetSelection.assets(*selection),
            resources=self.resources,
            instance=self.instance,
            tags=tags,
            run_config=config,
            raise_on_error=False,
        )

    def table(self, *names: str) -> list[list[str]]:
        """Keys of raw, clean and quarantine of tables."""
        return [
            [self.use_case.name, layer, name] for name in names for layer in ("raw", "clean", "quarantine", "profile")
        ]

    def lake(self) -> Lake:
        """The lake."""
        return Lake(root=str(self.root))


def build_world(root: Path, use_case: UseCase, instance: dg.DagsterInstance) -> World:
    assets = [raw_asset(use_case=use_case, source=source, folder=FOLDER) for source in use_case.sources]
    assets += [clean_asset(use_case=use_case, source=source) for source in use_case.sources]
    assets += [feature_table_asset(use_case=use_case, view=view) for view in use_case.features]
    home = ServingHome(str(root / "home"), 8700)
    resources = {
        "lake": Lake(root=str(root)),
        "capacity": NO_BOUND,
        "sources": SourceReader(simulation=WORLD),
        "serving": home,
    }
    return World(use_case, root, assets, instance, resources)


@pytest.fixture(scope="session")
def good_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three weeks without a fault, loaded once."""
    root = tmp_path_factory.mktemp("good") / "lake"
    use_case = load_use_case(FOLDER)
    with dg.DagsterInstance.ephemeral() as instance:
        world = build_world(root, use_case, instance)
        first, last = use_case.history.first_day, use_case.history.first_day + timedelta(days=GOOD_DAYS - 1)
        assert world.materialize(world.table("customers", "terminals"), None).success
        assert world.materialize(world.table("transactions", "labels"), first, last).success
    return root


@pytest.fixture
def world(good_lake: Path, tmp_path: Path) -> Iterator[World]:
    root = tmp_path / "lake"
    shutil.copytree(good_lake, root)
    with dg.DagsterInstance.ephemeral() as instance:
        yield build_world(root, load_use_case(FOLDER), instance)
