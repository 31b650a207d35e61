"""Hourly bike rentals of a city: weather, season, weekday, growth, and what people then do.

Belongs here: the process, and writing it as CSV files as a rental company would deliver them. Does not belong here:
faults (`faults`) and features.

Every day is a pure function of (seed, day). Weather and mood of a day carry over from the days before it: each is a
weighted sum of one draw for the day and one for each of the days before (a moving average), so that no day has to be
generated to have the next. For the hour h of day d the number of rentals is Poisson with mean

    base x growth^(d / 365) x season(d) x hour profile(h, working day or not) x weather(temperature, rain, wind) x mood(d)

The weather columns are a forecast: the rentals follow the true weather, which differs from it.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from platform_assets.simulation.generators import GeneratorError

FloatArray = NDArray[np.float64]

HOURS, RENTALS = "hours", "rentals"
FIRST_DAY = date(2018, 1, 1)
HOURS_PER_DAY = 24
CARRIED_DAYS = 5
_CARRY = 0.7 ** np.arange(CARRIED_DAYS)
"""Weight of the draws of the day and of the days before it."""

# One stream of random numbers per purpose: never renumber, or every data set made so far changes.
_TEMPERATURE, _RAIN, _WIND, _MOOD, _FORECAST, _RENTALS = range(1, 7)

_WORKING_DAY = np.array(
    [
        0.25,
        0.15,
        0.1,
        0.1,
        0.15,
        0.4,
        1.1,
        2.2,
        2.8,
        1.5,
        1.0,
        1.1,
        1.3,
        1.3,
        1.2,
        1.4,
        2.0,
        3.0,
        2.7,
        1.9,
        1.3,
        1.0,
        0.7,
        0.4,
    ]
)
_FREE_DAY = np.array(
    [
        0.6,
        0.5,
        0.4,
        0.2,
        0.15,
        0.15,
        0.3,
        0.5,
        0.9,
        1.3,
        1.7,
        2.0,
        2.2,
        2.2,
        2.2,
        2.1,
        2.0,
        1.8,
        1.6,
        1.3,
        1.0,
        0.9,
        0.8,
        0.6,
    ]
)
_HOLIDAYS = frozenset({(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)})


class BikeDemandSettings(BaseModel):
    """Settings of the simulated city."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, description="Decides every random choice.")
    base_rentals: float = Field(default=60.0, gt=0, description="Mean rentals of an hour in a mild month of 2018.")
    growth_per_year: float = Field(default=1.3, gt=0, description="Factor by which demand grows in a year.")


class BikeDemand:
    """Two tables: `hours`, the calendar with the weather forecast, known before the day begins, and `rentals`."""

    settings_type: ClassVar[type[BaseModel]] = BikeDemandSettings

    def __init__(self, settings: BikeDemandSettings) -> None:
        """Take the settings."""
        self._settings = settings

    @property
    def tables(self) -> tuple[str, ...]:
        """Both tables."""
        return (HOURS, RENTALS)

    def read(self, table: str, first_day: date | None, last_day: date | None) -> pl.DataFrame:
        """Rows of a table for an inclusive range of days, 24 a day.

        Raises:
            GeneratorError: there is no such table, or an end of the range is missing.
        """
        if table not in self.tables:
            raise GeneratorError(f"there is no table '{table}'; there are {', '.join(self.tables)}.")
        if first_day is None or last_day is None:
            raise GeneratorError(f"table '{table}' is made day by day: give the first and the last day.")
        days = [first_day + timedelta(days=i) for i in range((last_day - first_day).days + 1)]
        return pl.concat([self._day(table, day) for day in days])

    def _day(self, table: str, day: date) -> pl.DataFrame:
        number = (day - FIRST_DAY).days
        starts = pl.datetime_range(
            pl.datetime(day.year, day.month, day.day),
            pl.datetime(day.year, day.month, day.day, 23),
            "1h",
            time_zone="UTC",
        )
        keys = pl.select(starts.dt.cast_time_unit("us").alias("starts_at")).with_columns(
            pl.Series("hour_id", number * HOURS_PER_DAY + np.arange(HOURS_PER_DAY), dtype=pl.Int64)
        )
        temperature, rain, wind = self._weather(day)
        if table == RENTALS:
            return keys.select(
                "hour_id", "starts_at", pl.Series("rentals", self._rentals(day, temperature, rain, wind))
            )
        error = self._random(_FORECAST, number).normal(size=(3, HOURS_PER_DAY))
        return keys.select(
            "hour_id",
            "starts_at",
            pl.Series("network_id", np.full(HOURS_PER_DAY, 1), dtype=pl.Int64),
            pl.Series("hour_of_day", np.arange(HOURS_PER_DAY), dtype=pl.Int64),
            pl.Series("hour_of_week", day.weekday() * HOURS_PER_DAY + np.arange(HOURS_PER_DAY), dtype=pl.Int64),
            pl.Series("is_working_day", np.full(HOURS_PER_DAY, int(_is_working(day))), dtype=pl.Int64),
            pl.Series("temperature", (temperature + error[0]).round(1)),
            pl.Series("rain", np.maximum(0.0, rain + 0.3 * (rain > 0) * error[1]).round(1)),
            pl.Series("wind", np.maximum(0.0, wind + error[2]).round(1)),
        )

    def _random(self, stream: int, number: int) -> np.random.Generator:
        # Days before the first one carry over into it: shifted, because a seed may not be negative.
        return np.random.default_rng((self._settings.seed, stream, number + 100_000))

    def _carried(self, stream: int, number: int) -> float:
        """A standard normal draw for the day that resembles those of the days before it."""
        draws = np.array([self._random(stream, number - back).normal() for back in range(CARRIED_DAYS)])
        return float((_CARRY * draws).sum() / np.sqrt((_CARRY**2).sum()))

    def _weather(self, day: date) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Temperature in degrees Celsius, rain in millimetres, wind in metres a second; float64 [24] each."""
        number, hours = (day - FIRST_DAY).days, np.arange(HOURS_PER_DAY)
        season = -np.cos(2 * np.pi * (day.timetuple().tm_yday - 20) / 365.25)
        temperature = (
            10 + 9 * season + 3.5 * self._carried(_TEMPERATURE, number) - 4 * np.cos(2 * np.pi * (hours - 3) / 24)
        )
        wetness = self._carried(_RAIN, number)
        chance = 1 / (1 + np.exp(-(2.2 * wetness - 2.0)))
        random = self._random(_RAIN, 200_000 + number)
        rain = np.where(random.random(HOURS_PER_DAY) < chance, random.exponential(1.5, HOURS_PER_DAY), 0.0)
        wind = np.maximum(0.0, 4 + 2 * self._carried(_WIND, number) + np.sin(2 * np.pi * (hours - 9) / 24))
        return temperature, rain, wind

    def _rentals(self, day: date, temperature: FloatArray, rain: FloatArray, wind: FloatArray) -> NDArray[np.int64]:
        number = (day - FIRST_DAY).days
        profile = _WORKING_DAY if _is_working(day) else _FREE_DAY
        comfort = np.exp(-(((temperature - 22) / 14) ** 2)) * np.exp(-0.35 * np.minimum(rain, 4)) * np.exp(-0.03 * wind)
        mood = np.exp(0.12 * self._carried(_MOOD, number))
        growth = self._settings.growth_per_year ** (number / 365)
        mean = self._settings.base_rentals * growth * profile * comfort * mood
        rentals: NDArray[np.int64] = self._random(_RENTALS, number).poisson(mean)
        return rentals


def write_files(
    folder: Path, first_day: date, last_day: date, settings: BikeDemandSettings | None = None
) -> list[Path]:
    """Write both tables as CSV, a file for each month: `hours/2018-01.csv`, `rentals/2018-01.csv`.

    Returns:
        The files, the same bytes for the same arguments.
    """
    city, written = BikeDemand(settings or BikeDemandSettings()), []
    for table in city.tables:
        (folder / table).mkdir(parents=True, exist_ok=True)
        rows = city.read(table, first_day, last_day)
        for (month,), part in rows.group_by(pl.col("starts_at").dt.strftime("%Y-%m"), maintain_order=True):
            path = folder / table / f"{month}.csv"
            part.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            written.append(path)
    return written


def _is_working(day: date) -> bool:
    return day.weekday() < 5 and (day.month, day.day) not in _HOLIDAYS


if __name__ == "__main__":
    write_files(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]))
