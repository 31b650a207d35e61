"""The simulated city: the same day is the same bytes, and people behave as the process says."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import platform_assets
from platform_assets.simulation.bike_demand import HOURS, RENTALS, BikeDemand, BikeDemandSettings, write_files
from platform_assets.simulation.generators import Generator, GeneratorError

FIRST, LAST = date(2018, 4, 1), date(2018, 9, 30)
SHIPPED = Path(platform_assets.__file__).parent / "defs" / "bike_demand" / "data"
CITY = BikeDemand(BikeDemandSettings())


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    last = date(2018, 12, 31)
    first = date(2018, 1, 1)
    return CITY.read(HOURS, first, last).join(CITY.read(RENTALS, first, last), on=["hour_id", "starts_at"])


def test_it_is_a_generator() -> None:
    assert isinstance(CITY, Generator)


def test_a_day_does_not_depend_on_the_days_around_it() -> None:
    whole = CITY.read(HOURS, FIRST, FIRST + timedelta(days=40))
    day = FIRST + timedelta(days=17)
    assert_frame_equal(CITY.read(HOURS, day, day), whole.filter(pl.col("starts_at").dt.date() == day))


def test_another_seed_is_another_city() -> None:
    other = BikeDemand(BikeDemandSettings(seed=1))
    assert not other.read(RENTALS, FIRST, FIRST).equals(CITY.read(RENTALS, FIRST, FIRST))


def test_the_shipped_files_are_what_the_simulator_writes(tmp_path: Path) -> None:
    written = write_files(tmp_path, FIRST, LAST)
    assert len(written) == 12
    for path in written:
        assert path.read_bytes() == (SHIPPED / path.relative_to(tmp_path)).read_bytes(), path.name


def test_each_hour_of_the_year_once(year: pl.DataFrame) -> None:
    assert year.height == 365 * 24
    assert year["hour_id"].is_unique().all()
    assert (year["starts_at"].dt.hour() == year["hour_of_day"]).all()
    assert (year["starts_at"].dt.weekday().cast(pl.Int64) * 24 - 24 + year["hour_of_day"] == year["hour_of_week"]).all()


def test_people_commute_and_mind_rain_and_cold(year: pl.DataFrame) -> None:
    def mean(*where: pl.Expr) -> float:
        return float(str(year.filter(*where)["rentals"].mean()))

    working, hour = pl.col("is_working_day") == 1, pl.col("hour_of_day")
    assert mean(working, hour == 8) > 2 * mean(working, hour == 11)
    assert mean(~working, hour == 8) < mean(~working, hour == 13)
    july = pl.col("starts_at").dt.month() == 7
    assert mean(july, pl.col("rain") > 2) < 0.7 * mean(july, pl.col("rain") == 0)
    assert mean(july) > 2 * mean(pl.col("starts_at").dt.month() == 1)


def test_demand_grows() -> None:
    def total(year: int) -> int:
        return int(CITY.read(RENTALS, date(year, 1, 1), date(year, 12, 31))["rentals"].sum())

    assert 1.1 < total(2019) / total(2018) < 1.6


def test_unknown_tables_and_open_ranges_are_refused() -> None:
    with pytest.raises(GeneratorError, match="there are hours, rentals"):
        CITY.read("stations", FIRST, LAST)
    with pytest.raises(GeneratorError, match="give the first and the last day"):
        CITY.read(HOURS, FIRST, None)
