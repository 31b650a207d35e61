"""A day is judged by itself: its checks, what follows from them, and what its materialization says; alone and in a load of a range."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.in_process import InProcess

FOLDER = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"
NAME, TABLE = "card_fraud", "transactions"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PLAIN, WINDOWED = "transaction_context", "customer_activity"


class World:
    """Payments of a few customers, and an automation that was asked before anything happened."""

    def __init__(self, use_case: UseCase, lake: Lake, instance: dg.DagsterInstance) -> None:
        self.use_case, self.lake, self.instance = use_case, lake, instance
        self.assets = build_assets(use_case, FOLDER)
        self.resources = {
            "lake": lake,
            "capacity": NO_BOUND,
            "sources": SourceReader({"customers": 60, "terminals": 120}),
        }
        self.definitions = dg.Definitions(assets=self.assets, resources=dict.fromkeys(_resources(self.assets), None))
        self.selection = dg.AssetSelection.assets(*(self.key("features", view) for view in (PLAIN, WINDOWED)))
        self.cursor: Any = None
        for table in ("customers", "terminals"):
            self.loaded(table=table)
        self.requested()

    def key(self, layer: str, table: str) -> dg.AssetKey:
        return dg.AssetKey([NAME, layer, table])

    def day(self, number: int) -> date:
        return self.use_case.history.first_day + timedelta(days=number - 1)

    def numbers(self, days: Any) -> set[int]:
        return {(date.fromisoformat(day) - self.day(1)).days + 1 for day in days}

    def run(
        self,
        asset: tuple[str, str],
        first: int | None = None,
        last: int | None = None,
        spoilt: bool = False,
        alone: bool = False,
    ) -> bool:
        """Materialize a layer of a table for days by their numbers, with what is made in the same step or alone."""
        chosen = [item for item in self.assets if self.key(*asset) in item.keys]
        days: dict[str, Any] = {}
        if first is not None and last is not None and last > first:
            days = {"tags": {RANGE_START: str(self.day(first)), RANGE_END: str(self.day(last))}}
        elif first is not None:
            days = {"partition_key": str(self.day(first))}
        faults = [{"kind": "nulls", "column": "amount", "ratio": 0.5}]
        config = {"ops": {f"{NAME}__raw__{asset[1]}": {"config": {"faults": faults}}}} if spoilt else {}
        resources = {key: self.resources[key] for key in _resources(chosen) if key in self.resources}
        result = dg.materialize(
            chosen,
            selection=[self.key(*asset)] if alone else None,
            resources=resources,
            instance=self.instance,
            run_config=config,
            raise_on_error=False,
            **days,
        )
        return result.success

    def loaded(self, first: int | None = None, last: int | None = None, table: str = TABLE) -> None:
        """Deliver and publish days, or a reference table."""
        assert self.run(("raw", table), first, last)
        assert self.run(("clean", table), first, last)

    def requested(self) -> dict[str, set[int]]:
        """What the automation asks for now, which is taken as done."""
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, asset_selection=self.selection, cursor=self.cursor
        )
        self.cursor = result.cursor
        asked = {
            view: self.numbers(result.get_requested_partitions(self.key("features", view)))
            for view in (PLAIN, WINDOWED)
        }
        for view, numbers in asked.items():
            for number in numbers:
                done = dg.AssetMaterialization(self.key("features", view), partition=str(self.day(number)))
                self.instance.report_runless_asset_event(done)
        if any(asked.values()):
            assert not any(self.requested().values()), "what was done is not asked for again"
        return asked

    def verdicts(self, layer: str, check: str) -> dict[int, str]:
        """The newest verdict on each day."""
        infos = self.instance.event_log_storage.get_asset_check_partition_info(
            [dg.AssetCheckKey(self.key(layer, TABLE), check)]
        )
        return {
            (date.fromisoformat(info.partition_key) - self.day(1)).days + 1: info.latest_execution_status.value
            for info in infos
            if info.partition_key
        }

    def metadata(self, layer: str, number: int) -> dict[str, Any]:
        """What the newest materialization of a day says."""
        records = dg.AssetRecordsFilter(self.key(layer, TABLE), asset_partitions=[str(self.day(number))])
        event = self.instance.fetch_materializations(records, limit=1).records[0].asset_materialization
        assert event is not None
        return {name: value.value for name, value in event.metadata.items()}


def _resources(assets: list[dg.AssetsDefinition]) -> set[str]:
    return {key for item in assets if item.is_executable for key in item.required_resource_keys} - {"io_manager"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    use_case = load_use_case(FOLDER)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(use_case, Lake(str(tmp_path)), instance)


def test_a_good_day_opens_no_refused_one_and_a_refused_one_closes_no_good_one(world: World) -> None:
    world.loaded(1, 3)
    assert world.requested() == {PLAIN: {1, 2, 3}, WINDOWED: {1, 2, 3}}

    assert world.run(("raw", TABLE), 4, 6)
    assert world.run(("raw", TABLE), 5, spoilt=True)
    assert not world.run(("clean", TABLE), 4, 6)
    assert world.verdicts("clean", "quality") == {**dict.fromkeys((1, 2, 3, 4, 6), "SUCCEEDED"), 5: "FAILED"}
    assert world.requested() == {PLAIN: {4, 6}, WINDOWED: {4}}, "6 looks back at 5, which is not there"

    world.loaded(7)
    assert world.requested() == {PLAIN: {7}, WINDOWED: set()}, "a good day opens itself alone"

    world.loaded(5)
    assert world.requested() == {PLAIN: {5}, WINDOWED: {5, 6, 7}}, "mended"
    assert world.verdicts("clean", "quality")[5] == "SUCCEEDED"


def test_a_delivery_that_is_refused_leaves_the_days_around_it_open(world: World) -> None:
    world.loaded(1, 4)
    world.requested()
    assert world.run(("raw", TABLE), 3, spoilt=True)
    assert not world.run(("clean", TABLE), 3)
    assert world.requested() == {PLAIN: set(), WINDOWED: set()}
    world.loaded(5)
    assert world.requested() == {PLAIN: {5}, WINDOWED: {5}}, "3 is there as it was published before"
    assert not world.run(("clean", TABLE), 2, 4)
    assert world.requested() == {PLAIN: {2, 4}, WINDOWED: {2, 4, 5}}, "3 waits for its own delivery"


@pytest.mark.parametrize("length", [1, 3])
def test_what_a_day_says_is_the_days_and_not_the_runs(world: World, length: int) -> None:
    world.loaded(1, length)
    catalog = Catalog(world.use_case, world.lake)
    for layer, counts in (
        ("raw", catalog.raw(TABLE).stored.count_by_partition()),
        ("clean", catalog.clean(TABLE).count_by_day()),
        ("profile", catalog.profile(TABLE).count_by_partition()),
    ):
        for number in range(1, length + 1):
            said = world.metadata(layer, number)
            assert said["dagster/row_count"] == counts[world.day(number)], (layer, number)
    assert len({world.metadata("clean", number)["dagster/row_count"] for number in range(1, length + 1)}) == length
    for number in range(1, length):
        assert "rows_per_day" not in world.metadata("clean", number), "the picture stands on the day it ends with"
    assert "rows_per_day" in world.metadata("clean", length)


@pytest.mark.parametrize("last", [2, 3])
def test_clean_is_materialized_alone_and_what_is_made_with_it_is_told(world: World, last: int) -> None:
    world.loaded(1)
    assert world.run(("raw", TABLE), 2, last)
    assert world.run(("clean", TABLE), 2, last, alone=True)
    catalog = Catalog(world.use_case, world.lake)
    profiled = catalog.profile(TABLE).count_by_partition()
    for number in range(2, last + 1):
        assert (
            world.metadata("clean", number)["dagster/row_count"]
            == catalog.clean(TABLE).count_by_day()[world.day(number)]
        )
        assert world.metadata("profile", number)["dagster/row_count"] == profiled[world.day(number)]
        assert world.metadata("quarantine", number)["dagster/row_count"] == 0
    assert world.verdicts("clean", "quality") == dict.fromkeys(range(1, last + 1), "SUCCEEDED")
    assert not world.run(("quarantine", TABLE), 2, alone=True), "it is made with the clean table alone"
    assert world.verdicts("clean", "quality") == dict.fromkeys(range(1, last + 1), "SUCCEEDED")


def test_a_glance_stands_on_every_day(world: World) -> None:
    world.loaded(1, 3)
    glances = [world.metadata("clean", number)["glance"] for number in (1, 2, 3)]
    assert len(set(glances)) == 3, "each day is the marked one of its own"


def test_a_day_of_a_feature_table_says_its_own_rows_and_version(world: World) -> None:
    world.loaded(1, 3)
    assert world.run(("features", PLAIN), 1, 2)
    assert world.run(("features", PLAIN), 3)
    view = next(view for view in world.use_case.features if view.table == PLAIN)
    counts = Catalog(world.use_case, world.lake).features(view).count_by_partition()
    key = world.key("features", PLAIN)
    for number in (1, 2, 3):
        records = dg.AssetRecordsFilter(key, asset_partitions=[str(world.day(number))])
        event = world.instance.fetch_materializations(records, limit=1).records[0].asset_materialization
        assert event is not None
        assert event.metadata["dagster/row_count"].value == counts[world.day(number)]
        assert event.metadata["delta_version"].value == (1 if number < 3 else 2)


def test_a_red_day_stays_on_the_screen_until_it_is_mended(world: World) -> None:
    def red() -> dict[str, Any]:
        checks = InProcess(world.definitions, world.instance).checks(world.use_case)
        return {f"{check.asset}:{check.name}": check.metadata["failed_rules"] for check in checks if not check.passed}

    world.loaded(1)
    assert world.run(("raw", TABLE), 2, spoilt=True)
    assert not world.run(("clean", TABLE), 2)
    world.loaded(3)
    assert str(world.day(2)) in str(red()["clean/transactions:quality"]), "the good day after it makes it no better"
    world.loaded(2)
    assert red() == {}
