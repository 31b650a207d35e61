"""Which predictions a file touched that features look into: each address carries its own number, so a value names its row."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.explain_prediction.state_then import state_then
from platform_assets.pipelines.touched_by.file_rows import find_file_rows
from platform_assets.pipelines.touched_by.predictions import touched_predictions
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.filed_world import FiledWorld
from platform_assets.testing.payments import DECLARATION, FIRST_DAY, MIDNIGHT, use_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

DAY, CARDS, FEATURE = timedelta(days=1), 8, "address_zone"


def case_with_addresses(mode: str) -> UseCase:
    columns = {"row_id": "int64", "card": "int64", "valid_from": "datetime", "zone": "float64"}
    addresses = {
        "name": "addresses",
        "description": "addresses",
        "connector": {"kind": "files", "format": "csv", "path": "x.csv"},
        "columns": [{"name": name, "description": name, "type": kind} for name, kind in columns.items()],
        "primary_key": ["row_id"],
        "event_time": "valid_from",
    }
    on = {"name": "address", "description": "of the card", "source": "addresses", "columns": ["zone"]}
    lookup = {**on, "on": {"card_id": "card"}, "max_age_days": 4}
    activity = next(view for view in DECLARATION["features"] if view["name"] == "card_activity")
    holder = {"name": "holder", "description": "holder", "lookups": [lookup]}
    case = use_case(sources=[*DECLARATION["sources"], addresses], features=[activity, holder])
    return case.model_copy(update={"serving": case.serving.model_copy(update={"mode": mode})})


def address_file(row: Mapping[str, Any]) -> str:
    return f"addresses/{row['event_day']}-{row['card'] % 2}.csv"


def deliver_addresses(world: FiledWorld) -> None:
    """An address a day for half of the cards, in turns, each with its own number as its value."""
    world.held["addresses"] = []
    for number in range((SERVED - FIRST_DAY).days + 1):
        day, at = FIRST_DAY + number * DAY, MIDNIGHT + number * DAY + timedelta(hours=9)
        cards = [card for card in range(CARDS) if (card // 2 + number) % 2]
        rows = [(100 * number + card, card, at, float(100 * number + card), day) for card in cards]
        schema = {"row_id": pl.Int64, "card": pl.Int64, "valid_from": pl.Datetime("us", "UTC"), "zone": pl.Float64}
        frame = pl.DataFrame(rows, schema={**schema, "event_day": pl.Date}, orient="row")
        world._deliver("addresses", world.catalog.raw("addresses"), frame, day, address_file)


def scored_world(folder: Path, mode: str) -> FiledWorld:
    """Two days of predictions that were made when everything was loaded."""
    world = FiledWorld(folder, case_with_addresses(mode), *payments(each_day=16))
    deliver_addresses(world)
    world.load(FIRST_DAY, SERVED)
    if mode == "batch":
        for view in world.use_case.features:
            compute_features(world.catalog, view, DayRange(FIRST_DAY, SERVED))
    table = world.catalog.predictions
    rows = world.events.filter(pl.col("event_day").is_between(SERVED - DAY, SERVED)).with_columns(
        pl.format("p-{}", "payment_id").alias("request_id"),
        pl.lit("1").alias("model_version"),
        pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC")).alias("scored_at"),
        pl.lit(0.5).alias("score"),
        pl.lit("decline").alias("decision"),
        pl.lit(feature_contract_hash(world.use_case)).alias("feature_contract"),
    )
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in table.schema.items() if name not in rows.columns]
    table.write_partitions(rows.with_columns(lacking).select(list(table.schema)), SERVED - DAY, SERVED)
    return world


def looked_up(world: FiledWorld) -> dict[str, float | None]:
    """The number of the address behind each prediction."""
    rows = world.catalog.predictions.read()
    if world.use_case.is_realtime:
        return {
            row["request_id"]: state_then(world.catalog, row).features()[FEATURE][0]
            for row in rows.iter_rows(named=True)
        }
    view = next(view for view in world.use_case.features if view.name == "holder")
    stored = world.catalog.features(view).read(SERVED - DAY, SERVED)
    joined = rows.select("request_id", "payment_id").join(stored, on="payment_id", how="left")
    return dict(joined.select("request_id", FEATURE).iter_rows())


@pytest.mark.parametrize("mode", ["batch", "realtime"])
def test_a_file_touches_the_predictions_that_found_one_of_its_rows(mode: str, tmp_path: Path) -> None:
    world = scored_world(tmp_path, mode)
    numbers = looked_up(world)
    assert any(number is not None for number in numbers.values())
    seen = set[str]()
    for back in range(6):
        for half in (0, 1):
            file = f"addresses/{SERVED - back * DAY}-{half}.csv"
            own = {float(one.row["row_id"]) for one in world.held["addresses"] if one.file == file}
            expected = {request for request, number in numbers.items() if number in own}
            found = touched_predictions(find_file_rows(world.catalog, file), world.serving, FakeRegistry())
            assert set(found.by_features["request_id"]) == expected, file
            assert {name for names in found.by_features["features"].to_list() for name in names} <= {FEATURE}
            assert found.untold.is_empty()
            seen |= expected
    assert len(seen) > 10, "most predictions found an address"
