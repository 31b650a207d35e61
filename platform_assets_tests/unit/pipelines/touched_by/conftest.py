"""A small world of payments that came in files and were answered; one file was delivered, seen by requests, and taken back."""

from datetime import timedelta

import polars as pl
import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.testing.filed_world import FiledWorld
from platform_assets.testing.payments import FIRST_DAY, rich_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

TAKEN_BACK = f"payments/{SERVED - timedelta(days=1)}-a.csv"


@pytest.fixture(scope="package")
def filed(tmp_path_factory: pytest.TempPathFactory) -> FiledWorld:
    """Two days that were answered and loaded; before the second one a file of the day before the first was taken back."""
    events, labels = payments(each_day=24)
    events = events.with_columns(pl.when(pl.col("payment_id") % 11 > 0).then("amount").alias("amount"))
    world = FiledWorld(tmp_path_factory.mktemp("filed"), rich_case(), events, labels)
    world.load(FIRST_DAY, SERVED - timedelta(days=1))
    for view in world.use_case.features:
        compute_features(world.catalog, view, DayRange(FIRST_DAY, SERVED - timedelta(days=1)))
    build_training_set(world.catalog, SERVED)
    world.release("1", world.train("logistic_regression", SERVED))
    world.serve(SERVED)
    world.left_out.add(TAKEN_BACK)
    world.load(SERVED - timedelta(days=1), SERVED - timedelta(days=1))
    world.serve(SERVED + timedelta(days=1))
    return world
