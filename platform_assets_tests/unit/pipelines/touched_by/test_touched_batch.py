"""Which predictions of a day a file touched where no service answers: the features are those that the tables held when it was scored."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.touched_by.file_rows import find_file_rows
from platform_assets.pipelines.touched_by.predictions import TouchedPredictions, touched_predictions
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.filed_world import FiledWorld, touched_rows_by_account
from platform_assets.testing.payments import FIRST_DAY, rich_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

DAY = timedelta(days=1)
TAKEN_BACK = f"payments/{SERVED - DAY}-b.csv"


def batch_case() -> UseCase:
    """Payments that are scored once a day."""
    case = rich_case()
    return case.model_copy(update={"serving": case.serving.model_copy(update={"mode": "batch"})})


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[FiledWorld, datetime]:
    """Two days of predictions from feature tables; afterwards a file was taken back and the features made again."""
    world = FiledWorld(tmp_path_factory.mktemp("batch"), batch_case(), *payments(each_day=16))
    world.load(FIRST_DAY, SERVED)
    days = DayRange(FIRST_DAY, SERVED)
    for view in world.use_case.features:
        compute_features(world.catalog, view, days)
    moment = datetime.now(UTC)
    table = world.catalog.predictions
    rows = world.events.filter(pl.col("event_day").is_between(SERVED - DAY, SERVED)).with_columns(
        pl.format("p-{}", "payment_id").alias("request_id"),
        pl.lit("1").alias("model_version"),
        pl.lit(moment).cast(pl.Datetime("us", "UTC")).alias("scored_at"),
        pl.lit(0.5).alias("score"),
        pl.lit("decline").alias("decision"),
        pl.lit(feature_contract_hash(world.use_case)).alias("feature_contract"),
    )
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in table.schema.items() if name not in rows.columns]
    table.write_partitions(rows.with_columns(lacking).select(list(table.schema)), SERVED - DAY, SERVED)
    world.left_out.add(TAKEN_BACK)
    world.load(SERVED - DAY, SERVED - DAY)
    for view in world.use_case.features:
        compute_features(world.catalog, view, days)
    return world, moment


def touched(world: FiledWorld, file: str) -> TouchedPredictions:
    return touched_predictions(find_file_rows(world.catalog, file), world.serving, FakeRegistry())


def test_each_file_of_events_touches_what_the_account_says(scored: tuple[FiledWorld, datetime]) -> None:
    world, moment = scored
    rows = world.catalog.predictions.read()
    files = [f"payments/{SERVED - back * DAY}-{half}.csv" for back in range(6) for half in "ab"]
    counts = {}
    for file in files:
        found = touched(world, file)
        account = touched_rows_by_account(world, file, rows, moment)
        assert set(found.by_features["payment_id"]) == account, file
        assert found.untold.is_empty()
        counts[file] = len(account)
    assert counts[TAKEN_BACK] > 8, "what was taken back afterwards touched what was scored before"
    assert len(set(counts.values())) > 4, counts


def test_labels_touch_through_windows_alone(scored: tuple[FiledWorld, datetime]) -> None:
    world, moment = scored
    file = f"labels/{SERVED - 3 * DAY}-0.csv"
    found = touched(world, file)
    named = {name for names in found.by_features["features"].to_list() for name in names}
    assert set(found.by_features["payment_id"]) == touched_rows_by_account(
        world, file, world.catalog.predictions.read(), moment
    )
    assert named
    assert all("bad" in name or "days_since" in name for name in named), named


def test_a_model_that_is_not_registered_is_said_and_not_guessed(scored: tuple[FiledWorld, datetime]) -> None:
    world, _ = scored
    [model] = touched(world, f"payments/{SERVED}-a.csv").models
    assert (model.version, model.training_set, model.predictions) == ("1", None, 32)
    assert model.why_not
