"""Every feature store that tables are published in: the suite that teams run on theirs, on the template, on Unity Catalog (simulated), and
on the way from a declaration to a day that was published.

Belongs here: every store of the registry. Does not belong here: the online state that services answer from (`unit/features/test_store.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.connectors.access import Access
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.feature_stores import Databricks
from platform_assets.features.feature_stores.base import (
    FeatureStoreAway,
    FeatureStoreError,
    PublishedTable,
    PublishingStore,
)
from platform_assets.features.feature_stores.registry import FEATURE_STORES
from platform_assets.features.feature_stores.unity_catalog import UnityCatalog
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.publish_features import publish_features
from platform_assets.pipelines.steps import data
from platform_assets.testing.declare import declare
from platform_assets.testing.feature_store_suite import FIRST_DAY, FeatureStoreSuite, small_rows, small_table
from platform_assets.testing.folder_feature_store import FolderFeatureStore, open_store

from .members.simulated_unity_catalog import CATALOG, SCHEMA, TOKEN, SimulatedUnityCatalog, simulated_unity_catalog

RECORDED = json.loads((Path(__file__).parent / "members" / "unity_catalog_requests.json").read_text())["requests"]
DECLARED = Databricks(workspace="WORKSPACE", token="TOKEN", unity_schema=f"{CATALOG}.{SCHEMA}")
FOLDER = {"opened_by": "platform_assets.testing.folder_feature_store:open_store"}
DAY = date(2024, 3, 30)


class TestFolder(FeatureStoreSuite):
    def opened(self, folder: Path) -> PublishingStore:
        return open_store({"folder": str(folder)}, {})


class TestUnityCatalog(FeatureStoreSuite):
    """Its rows are those of the lake: a day is written there, and the catalog is told."""

    @pytest.fixture(autouse=True)
    def _workspace(self) -> Iterator[None]:
        with simulated_unity_catalog() as (address, _):
            self.address = address
            yield

    def opened(self, folder: Path) -> PublishingStore:
        return UnityCatalog(self.address, TOKEN, DECLARED, reachable=("file://",))

    def table(self, folder: Path) -> PublishedTable:
        return small_table(f"file://{folder / 'lake'}")

    def publish(self, store: PublishingStore, table: PublishedTable, day: date, rows: pl.DataFrame) -> None:
        where = f"event_day = '{day}'"
        path, options = table.location.removeprefix("file://"), {"predicate": where}
        is_new = not Path(path).exists()
        rows.write_delta(path, mode="overwrite", delta_write_options={} if is_new else options)
        store.take_day(table, day, rows)

    def test_a_day_is_read_as_it_was_given(self, tmp_path: Path) -> None:
        pl.DataFrame(schema=dict(small_table().columns)).write_delta(tmp_path / "lake")
        super().test_a_day_is_read_as_it_was_given(tmp_path)

    def test_rows_that_are_not_of_the_day_are_refused(self, tmp_path: Path) -> None:
        pl.DataFrame(schema=dict(small_table().columns)).write_delta(tmp_path / "lake")
        super().test_rows_that_are_not_of_the_day_are_refused(tmp_path)


@pytest.fixture
def workspace() -> Iterator[tuple[str, SimulatedUnityCatalog]]:
    with simulated_unity_catalog() as found:
        yield found


def unity_catalog(address: str, token: str = TOKEN, **changes: Any) -> UnityCatalog:
    return UnityCatalog(address, token, DECLARED.model_copy(update=changes))


def test_requests_are_those_of_the_makers_own_client(workspace: tuple[str, SimulatedUnityCatalog]) -> None:
    address, catalog = workspace
    store, table = unity_catalog(address, online_store="live"), small_table("s3://lake/parking/features/activity")
    store.apply(table)
    store.take_day(table, FIRST_DAY, small_rows(FIRST_DAY))
    assert [dict(zip(("method", "path", "body"), one, strict=True)) for one in catalog.requests] == RECORDED
    [(_, spec)] = catalog.online
    assert spec["online_table_name"] == "ml.features.parking_activity_online"


def test_an_online_table_that_follows_by_itself_is_published_once(workspace: tuple[str, SimulatedUnityCatalog]) -> None:
    address, catalog = workspace
    store = unity_catalog(address, online_store="live", publish_mode="continuous")
    table = small_table("s3://lake/parking/features/activity")
    store.apply(table)
    for _ in range(3):
        store.take_day(table, FIRST_DAY, small_rows(FIRST_DAY))
    assert len(catalog.online) == 1


def test_a_key_that_lacks_after_a_broken_attempt_is_added(workspace: tuple[str, SimulatedUnityCatalog]) -> None:
    address, catalog = workspace
    store, table = unity_catalog(address), small_table("s3://lake/parking/features/activity")
    store.apply(table)
    catalog.tables[f"{CATALOG}.{SCHEMA}.{table.name}"]["table_constraints"] = []
    store.apply(table)
    found = store.described(table.name)
    assert found is not None
    assert (found.key, found.time_column) == (("lot",), "at")


@pytest.mark.parametrize(
    ("status", "token", "kind", "message"),
    [
        (None, "other", FeatureStoreError, "Check the token in TOKEN, and its rights on ml.features"),
        (503, TOKEN, FeatureStoreAway, "the workspace answered 503. Try again later"),
        (400, TOKEN, FeatureStoreError, r"refuses GET .* \(400\): simulated"),
    ],
)
def test_what_the_workspace_refuses_is_one_sentence(
    status: int | None, token: str, kind: type[Exception], message: str, workspace: tuple[str, SimulatedUnityCatalog]
) -> None:
    address, catalog = workspace
    catalog.broken = status
    with pytest.raises(kind, match=message) as refused:
        unity_catalog(address, token).apply(small_table("s3://lake/parking"))
    assert TOKEN not in str(refused.value)
    assert TOKEN not in repr(unity_catalog(address))


def test_a_workspace_that_is_not_there_is_away() -> None:
    with pytest.raises(FeatureStoreAway, match=r"does not answer .* Check the address in WORKSPACE"):
        unity_catalog("http://127.0.0.1:9").apply(small_table("s3://lake/parking"))


def test_a_lake_on_this_machine_is_refused_before_anybody_is_asked(
    workspace: tuple[str, SimulatedUnityCatalog],
) -> None:
    address, catalog = workspace
    with pytest.raises(FeatureStoreError, match="which no workspace can read: put the lake"):
        unity_catalog(address).apply(small_table("/srv/lake/parking"))
    assert catalog.requests == []


def parked(feature_store: str, **sections: Any) -> UseCase:
    return declare(
        name="parking",
        events={"visit": "int64", "at": "datetime", "lot": "int32", "speed": "float64"},
        label="unpaid",
        features=["speed"],
        monitoring={"quality_metric": "auc_roc"},
        feature_store=feature_store,
        **sections,
    )


def computed(use_case: UseCase, folder: Path) -> Catalog:
    """A lake in which one day of the feature table was computed."""
    catalog = Catalog(use_case, Lake(str(folder / "lake")))
    [view] = use_case.features
    schema = use_case.feature_schema(view)
    values: dict[str, Any] = {"visit": [1, 2], "at": [DAY, DAY], "speed": [3.5, None], "event_day": [DAY, DAY]}
    rows = pl.DataFrame({name: values[name] for name in schema}).cast(dict(schema))
    catalog.features(view).write_partitions(rows, DAY, DAY)
    return catalog


def test_a_day_is_published_in_a_store_of_ones_own(tmp_path: Path) -> None:
    own = FOLDER | {"settings": {"folder": str(tmp_path / "published")}}
    use_case = parked("custom", custom_feature_store=own)
    catalog, [view] = computed(use_case, tmp_path), use_case.features
    published = publish_features(catalog, view, [DAY], Access)
    assert published is not None
    assert (published.store, published.table, published.rows) == ("custom", f"parking_{view.table}", 2)
    store, table = FolderFeatureStore(tmp_path / "published"), PublishedTable.of_view(use_case, view, "")
    assert store.read_day(table, DAY).sort("visit")["speed"].to_list() == [3.5, None]
    assert table.key == ("visit",)


def test_a_step_without_dagster_publishes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_case = parked("custom", custom_feature_store=FOLDER | {"settings": {"folder": str(tmp_path / "published")}})
    catalog, [view] = computed(use_case, tmp_path), use_case.features
    done = SimpleNamespace(completeness={}, rows=2, commit=SimpleNamespace(version=0), carried_state="used")
    monkeypatch.setattr(data, "compute_features", lambda *given: done)
    context: Any = SimpleNamespace(use_case=use_case, catalog=catalog, installation=SimpleNamespace(capacity=None))
    result = data.compute_view(context, view.table, DayRange(DAY, DAY))
    assert result.facts["published_in"] == f"custom: parking_{view.table}"
    assert (tmp_path / "published" / f"parking_{view.table}" / f"{DAY}.parquet").exists()


def test_a_store_that_shows_other_rows_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_case = parked("custom", custom_feature_store=FOLDER | {"settings": {"folder": str(tmp_path / "published")}})
    catalog, [view] = computed(use_case, tmp_path), use_case.features
    read = FolderFeatureStore.read_day
    monkeypatch.setattr(FolderFeatureStore, "read_day", lambda *given: read(*given).with_columns(speed=pl.lit(0.0)))
    with pytest.raises(FeatureStoreError, match="of 2 rows of 2024-03-30 the store custom shows 2, and not the same"):
        publish_features(catalog, view, [DAY], Access)


def test_a_store_that_lacks_a_call_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_case = parked("custom", custom_feature_store=FOLDER)
    catalog, [view] = computed(use_case, tmp_path), use_case.features
    with pytest.raises(FeatureStoreError, match="lacks `folder`"):
        publish_features(catalog, view, [DAY], Access)
    monkeypatch.setattr("platform_assets.testing.folder_feature_store.open_store", lambda *given: object())
    with pytest.raises(FeatureStoreError, match="which has no apply, described, take_day, read_day: return a store"):
        publish_features(catalog, view, [DAY], Access)


def test_variables_of_a_workspace_that_are_not_set_are_named(tmp_path: Path) -> None:
    use_case = parked("databricks", databricks=DECLARED.model_dump())
    catalog, [view] = computed(use_case, tmp_path), use_case.features
    with pytest.raises(FeatureStoreError, match="WORKSPACE and TOKEN, named by `databricks`, are not set"):
        publish_features(catalog, view, [DAY], Access)


def test_feast_takes_no_tables_and_every_value_has_what_carries_it_out(tmp_path: Path) -> None:
    use_case = parked("feast")
    [view] = use_case.features
    assert publish_features(computed(use_case, tmp_path), view, [DAY], Access) is None
    assert all(callable(FEATURE_STORES[name]) for name in ("feast", "databricks", "custom"))


def test_a_function_that_is_not_there_is_told_when_the_declaration_is_loaded() -> None:
    with pytest.raises(ValidationError, match="defines no function 'open_nothing'"):
        parked("custom", custom_feature_store={"opened_by": FOLDER["opened_by"].replace("open_store", "open_nothing")})


def test_a_type_that_the_catalog_does_not_have_is_named() -> None:
    odd = replace(small_table("s3://lake/x"), columns={"at": pl.Datetime("us", "UTC"), "lot": pl.List(pl.Int64())})
    with ExitStack() as stack:
        address, _ = stack.enter_context(simulated_unity_catalog())
        with pytest.raises(
            FeatureStoreError, match=r"column lot is List\(Int64\), for which Unity Catalog has no type"
        ):
            unity_catalog(address).apply(odd)
