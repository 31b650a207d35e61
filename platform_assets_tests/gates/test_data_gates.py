"""Each data gate goes red on the fault that it is meant for, and nothing downstream changes."""

from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.lake.catalog import Catalog
from platform_assets.lake.table import LakeTable

from .conftest import World, build_world

ROW_FAULTS = [
    ({"kind": "nulls", "column": "amount", "ratio": 0.02}, "not_null", "amount"),
    ({"kind": "duplicates", "ratio": 0.02}, "unique", "transaction_id"),
    ({"kind": "out_of_range", "column": "amount", "ratio": 0.02}, "minimum", "amount"),
    ({"kind": "late_rows", "ratio": 0.02}, "late", "transaction_time"),
]
SCHEMA_FAULTS = [
    ({"kind": "missing_column", "column": "amount"}, "amount"),
    ({"kind": "changed_type", "column": "amount"}, "amount"),
]


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    found = [evaluation for evaluation in result.get_asset_check_evaluations() if evaluation.check_name == name]
    assert len(found) == 1, f"expected one evaluation of {name}, found {len(found)}"
    return found[0]


def clean(world: World, table: str = "transactions") -> LakeTable:
    return Catalog(world.use_case, world.lake()).clean(table).stored


def raw(world: World, table: str = "transactions") -> LakeTable:
    return Catalog(world.use_case, world.lake()).raw(table).stored


def quarantine(world: World, table: str = "transactions") -> pl.DataFrame:
    return Catalog(world.use_case, world.lake()).quarantine(table).read(world.day, world.day)


def test_a_good_day_is_published(world: World) -> None:
    result = world.materialize(world.table("transactions"), world.day)
    assert result.success
    assert check(result, "schema").passed
    assert check(result, "quality").passed
    assert world.day in clean(world).partitions()
    assert quarantine(world).is_empty()


@pytest.mark.parametrize(("fault", "rule", "column"), ROW_FAULTS, ids=[fault["kind"] for fault, _, _ in ROW_FAULTS])
def test_bad_rows_are_kept_and_the_day_is_not_published(
    world: World, fault: dict[str, Any], rule: str, column: str
) -> None:
    before = clean(world).version()
    features = [[world.use_case.name, "features", view.name] for view in world.use_case.features]
    result = world.materialize([*world.table("transactions"), *features], world.day, faults=[fault])
    assert not result.success
    verdict = check(result, "quality")
    assert not verdict.passed
    assert verdict.blocking
    refused = quarantine(world)
    assert refused.height == verdict.metadata["rows_refused"].value > 0
    assert set(refused["rule"]) == {rule}
    assert column in set(refused["column"])
    assert refused["source_position"].is_not_null().all()
    assert clean(world).version() == before, "the refused day must not change what is readable"
    started = {event.step_key for event in result.all_events if event.event_type_value == "STEP_START"}
    assert not {step for step in started if "__features__" in step}, "nothing downstream may start"


@pytest.mark.parametrize(("fault", "column"), SCHEMA_FAULTS, ids=[fault["kind"] for fault, _ in SCHEMA_FAULTS])
def test_a_reshaped_source_stops_at_the_door(world: World, fault: dict[str, Any], column: str) -> None:
    before = clean(world).version()
    result = world.materialize(world.table("transactions"), world.day, faults=[fault])
    assert not result.success
    verdict = check(result, "schema")
    assert not verdict.passed
    assert column in str(verdict.metadata["explanation"].value)
    assert clean(world).version() == before
    assert world.day not in raw(world).partitions(), "nothing is written to the raw table"


def test_a_volume_drop_is_refused(world: World) -> None:
    result = world.materialize(world.table("transactions"), world.day, faults=[{"kind": "volume_drop", "ratio": 0.8}])
    verdict = check(result, "quality")
    assert not verdict.passed
    assert any("volume" in str(rule) or "rows" in str(rule) for rule in verdict.metadata["failed_rules"].value)
    assert world.day not in clean(world).partitions()


def test_a_few_bad_rows_are_set_aside_and_the_rest_is_published(world: World) -> None:
    """Below the declared share the day is published without its bad rows."""
    loose = world.use_case.model_copy(
        update={
            "sources": tuple(
                source.model_copy(update={"quality": source.quality.model_copy(update={"max_refused_ratio": 0.05})})
                for source in world.use_case.sources
            )
        }
    )
    tolerant = build_world(world.root, loose, world.instance)
    result = tolerant.materialize(world.table("transactions"), world.day, faults=[ROW_FAULTS[0][0]])
    assert result.success
    refused = quarantine(world).height
    published = clean(world).count_by_partition()[world.day]
    assert refused > 0
    assert published + refused == check(result, "schema").metadata["rows"].value


def test_a_bad_day_does_not_hold_back_the_good_days_of_its_range(world: World) -> None:
    last = world.day + timedelta(days=2)
    bad = world.day + timedelta(days=1)
    fault = {
        "kind": "nulls",
        "column": "amount",
        "ratio": 0.1,
        "first_day": bad.isoformat(),
        "last_day": bad.isoformat(),
    }
    result = world.materialize(world.table("transactions"), world.day, last, faults=[fault])
    assert not result.success
    published = clean(world).partitions()
    assert world.day in published
    assert last in published
    assert bad not in published
    reported = {
        event.partition
        for event in result.all_events
        if event.is_step_materialization and "clean" in event.asset_key.path
    }
    assert bad.isoformat() not in reported
    assert {world.day.isoformat(), last.isoformat()} <= reported


def test_a_day_that_was_refused_is_mended_by_loading_it_again(world: World) -> None:
    assert not world.materialize(world.table("transactions"), world.day, faults=[ROW_FAULTS[0][0]]).success
    result = world.materialize(world.table("transactions"), world.day)
    assert result.success
    assert quarantine(world).is_empty()
    assert world.day in clean(world).partitions()


def test_unknown_references_are_refused(world: World) -> None:
    """A transaction of a customer that the reference table does not have."""
    source = world.use_case.source("customers")
    table = world.lake().table(world.use_case.name, "clean", "customers", source.polars_schema())
    table.replace(table.read().filter(pl.col("customer_id") != 1))
    result = world.materialize(world.table("transactions"), world.day)
    refused = quarantine(world)
    if not refused.is_empty():
        assert set(refused["rule"]) == {"reference"}
        assert set(refused["value"]) == {"1"}
        assert not check(result, "quality").passed
