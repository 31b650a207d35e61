"""A use case that is predicted a day at a time: no service, no online store, and still promoted and watched."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DAILY_PREDICTIONS
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, prediction_log_schema
from platform_assets.lake.layout import MONITORING, PREDICTIONS
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.orchestration.in_process import RunFailed
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.jobs import PREDICT

from .conftest import Onboarded


@pytest.fixture(scope="module")
def predictions(bike_demand: Onboarded) -> pl.DataFrame:
    return bike_demand.table(PREDICTIONS, DAILY_PREDICTIONS, prediction_log_schema(bike_demand.use_case))


def test_nothing_is_served(bike_demand: Onboarded) -> None:
    keys = {key.path[-1] for key in bike_demand.journey.jobs.definitions.resolve_asset_graph().get_all_asset_keys()}
    assert {"daily", "champion", "drift", "quality"} <= keys
    assert not keys & {"online_store", "service", "deployment", "prediction_log"}
    assert bike_demand.traffic is None
    assert bike_demand.ledger["action"].to_list() == ["promoted"]


def test_every_hour_of_the_live_days_is_predicted_once(bike_demand: Onboarded, predictions: pl.DataFrame) -> None:
    live = bike_demand.days.live
    assert predictions[EVENT_DAY].unique().sort().to_list() == live.days
    assert predictions.height == 24 * len(live.days)
    assert predictions["hour_id"].is_unique().all()
    assert set(predictions["model_version"]) == {bike_demand.champion.version}
    assert predictions["score"].is_finite().all()


def test_a_prediction_knows_nothing_of_its_own_day(bike_demand: Onboarded, predictions: pl.DataFrame) -> None:
    """The mean of the last day's rentals at this hour is yesterday's value, counted by hand."""
    rentals = bike_demand.clean("rentals").select("starts_at", "rentals")
    name = FEATURE_PREFIX + "hour_mean_rentals_1d"
    yesterday = rentals.select(pl.col("starts_at") + timedelta(days=1), pl.col("rentals").cast(pl.Float64).alias(name))
    expected = predictions.select("starts_at").join(yesterday, on="starts_at", how="left")[name]
    np.testing.assert_array_equal(predictions[name].to_numpy(), expected.to_numpy())


def test_the_model_beats_last_week(bike_demand: Onboarded, predictions: pl.DataFrame) -> None:
    joined = predictions.join(bike_demand.clean("rentals").select("hour_id", "rentals"), on="hour_id")
    assert joined.height == predictions.height

    def error(column: str) -> float:
        return float(np.sqrt(((joined[column] - joined["rentals"]) ** 2).to_numpy().mean()))

    assert error("score") < 0.8 * error(FEATURE_PREFIX + "week_hour_mean_rentals_7d")


@pytest.mark.parametrize("table", ["drift", "quality"])
def test_predictions_are_watched(bike_demand: Onboarded, table: str) -> None:
    verdicts = bike_demand.table(MONITORING, table, VERDICT_SCHEMA)
    assert verdicts[EVENT_DAY].to_list() == [bike_demand.days.live.last]
    assert verdicts["status"].to_list() == ["ok"]


def test_days_that_the_champion_already_knows_are_refused(bike_demand: Onboarded) -> None:
    day = bike_demand.days.as_of - timedelta(days=1)
    with pytest.raises(RunFailed, match="would use the future"):
        bike_demand.journey.execute(DueJob(PREDICT, DayRange(day, day)))


def test_the_screen_shows_predictions_instead_of_a_service(bike_demand: Onboarded) -> None:
    assert "predictions" in bike_demand.screen
    assert "curl" not in bike_demand.screen
