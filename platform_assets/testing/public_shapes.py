"""Tables in the shape of public data sets: their headers and their forms, with rows of our own.

Belongs here: look-alikes for tests of onboarding. Does not belong here: data that anybody published, and what is proposed for a table
(`onboarding/`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Shape:
    """A table, and what is to be predicted.

    Attributes:
        name: of the shape.
        rows: makes the table.
        label: the label's column as a user names it; None where it should be found.
        declared_label: the name that it is declared under.
    """

    name: str
    rows: Callable[[], pl.DataFrame]
    label: str | None
    declared_label: str


def bicycles(days: int = 70) -> pl.DataFrame:
    """A day and an hour in two columns, flags of the calendar, and a label that is the sum of two columns."""
    random = np.random.default_rng(0)
    hours = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(24 * days)]
    rush = 60 + 50 * np.sin(np.array([hour.hour for hour in hours]) / 24 * 2 * np.pi)
    casual, registered = random.poisson(20, len(hours)), random.poisson(rush)
    return pl.DataFrame(
        {
            "instant": range(1, len(hours) + 1),
            "dteday": [str(hour.date()) for hour in hours],
            "yr": [int(i >= len(hours) // 2) for i in range(len(hours))],
            "mnth": [hour.month for hour in hours],
            "hr": [hour.hour for hour in hours],
            "holiday": [int(hour.day == 1) for hour in hours],
            "workingday": [int(hour.weekday() < 5) for hour in hours],
            "temp": random.random(len(hours)).round(2),
            "casual": casual,
            "registered": registered,
            "cnt": casual + registered,
        }
    )


def census(rows: int = 3000) -> pl.DataFrame:
    """Hyphened and dotted headers, a sign for what is missing, a label of two texts, no key."""
    random = np.random.default_rng(1)
    age = random.integers(17, 90, rows)
    return pl.DataFrame(
        {
            "age": age,
            "workclass": random.choice(["Private", "?", "State-gov"], rows),
            "education-num": random.integers(1, 16, rows),
            "capital-gain": random.integers(0, 2, rows) * 5000,
            "hours-per-week": random.integers(20, 60, rows),
            "survey.date": [(date(2024, 1, 1) + timedelta(days=i // 50)).strftime("%d/%m/%Y") for i in range(rows)],
            "income": np.where(age + random.normal(0, 15, rows) > 60, ">50K", "<=50K"),
        }
    )


def taxis(rows: int = 4000) -> pl.DataFrame:
    """Capitals, brackets, a column that is called `extra`, codes that are no entities."""
    random = np.random.default_rng(2)
    fare = (random.random(rows) * 60).round(2)
    return pl.DataFrame(
        {
            "VendorID": random.integers(1, 3, rows),
            "tpep_pickup_datetime": [datetime(2026, 1, 1) + timedelta(minutes=15 * i) for i in range(rows)],
            "PULocationID": random.integers(1, 261, rows),
            "RatecodeID": random.integers(1, 7, rows),
            "store_and_fwd_flag": random.choice(["Y", "N"], rows),
            "fare_amount": fare,
            "extra": random.choice([0, 0.5, 1.0], rows),
            "Tip Amount ($)": (fare * 0.2 + random.random(rows) * 4).round(2),
        }
    )


def countries() -> pl.DataFrame:
    """A row for each country and year, codes in capitals."""
    random = np.random.default_rng(3)
    codes = [f"{first}{second}{third}" for first in "ABC" for second in "DEF" for third in "GH"]
    rows = [(code, year, i) for year in range(1960, 2021) for i, code in enumerate(codes)]
    size = np.array([1e4 * (1 + i) * 1.02 ** (year - 1960) for _, year, i in rows])
    return pl.DataFrame(
        {
            "Country Code": [code for code, _, _ in rows],
            "Year": [year for _, year, _ in rows],
            "Population": (size * random.uniform(0.5, 2, len(rows))).round(),
            "GDP (US$)": (size * random.uniform(0.8, 1.2, len(rows))).round(2),
        }
    )


def recidivism(rows: int = 2500) -> pl.DataFrame:
    """Capitals and underscores, days without a time, and the score of somebody else's model."""
    random = np.random.default_rng(4)
    score = random.integers(1, 11, rows)
    return pl.DataFrame(
        {
            "Name": [f"P{i}" for i in range(rows)],
            "Screening_Date": [str(date(2013, 1, 1) + timedelta(days=i // 25)) for i in range(rows)],
            "Age": random.integers(18, 70, rows),
            "Priors_Count": random.poisson(2, rows),
            "decile_score": score,
            "score_text": np.where(score > 7, "High", np.where(score > 4, "Medium", "Low")),
            "is_recid": (random.random(rows) < score / 12).astype(int),
        }
    )


SHAPES = (
    Shape("bicycles", bicycles, "cnt", "cnt"),
    Shape("census", census, None, "income"),
    Shape("taxis", taxis, "Tip Amount ($)", "tip_amount"),
    Shape("countries", countries, "GDP (US$)", "gdp_us"),
    Shape("recidivism", recidivism, None, "is_recid"),
)
