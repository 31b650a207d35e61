"""A year of scored events that drifts from a day on, small enough to be replayed day by day many times.

Belongs here: events and labels of a day, and what a planted drift does to them. Does not belong here: models, windows and decisions
(`replay.py`), or the rules that are compared (`rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declare

Kind = Literal["quiet", "covariate", "label", "concept", "upstream"]
KINDS: tuple[Kind, ...] = ("quiet", "covariate", "label", "concept", "upstream")
FEATURES = ("amount", "income", "purchases", "hour", "distance", "noise")
FIRST_DAY = date(2023, 1, 1)
HISTORY_DAYS, YEAR_DAYS = 60, 365
ROWS_A_DAY = 220
LABEL_DELAY_DAYS = 7
FAULT_DAYS = 10
"""The source that is at fault is mended after so many days; a world that moved stays where it is."""
CENTS = 100.0

Floats = NDArray[np.float64]


def declared() -> UseCase:
    """The use case: the platform's default limits, labels that take a week."""
    columns = dict.fromkeys(FEATURES, "float64")
    return declare(
        events={"payment": "int64", "at": "datetime", **columns},
        label="is_bad",
        label_delay_days=LABEL_DELAY_DAYS,
        features=list(FEATURES),
        training={
            "learners": [
                {"name": "constant", "kind": "constant", "baseline": True},
                {"name": "xgboost", "kind": "xgboost"},
            ],
            "metrics": ["average_precision"],
            "select_by": "average_precision",
        },
        monitoring={"quality_metric": "average_precision"},
    )


@dataclass(frozen=True)
class Rows:
    """Events: float64 [n, features] and labels [n]."""

    X: Floats
    y: Floats


@dataclass(frozen=True)
class World:
    """One seed's world.

    Attributes:
        seed: of every draw; days before the drift are the same whatever drifts.
    """

    seed: int

    @cached_property
    def drift_day(self) -> int:
        """Number of the day on which something changes, another one in each world."""
        return HISTORY_DAYS + 180 + int(np.random.default_rng([self.seed, 7]).integers(0, 90))

    def regime(self, kind: Kind, day: int) -> Kind:
        """What is in force on a day."""
        ends = self.drift_day + FAULT_DAYS if kind == "upstream" else HISTORY_DAYS + YEAR_DAYS
        return kind if self.drift_day <= day < ends else "quiet"

    def day(self, kind: Kind, day: int) -> Rows:
        """What happens on a day: more on some than on others, dearer at weekends, and no two days quite alike."""
        rng = np.random.default_rng([self.seed, 1, day])
        rows = int(rng.poisson(ROWS_A_DAY * rng.uniform(0.85, 1.15)))
        weekend = date_of(day).weekday() >= 5
        shift = rng.normal(0, 0.04, 2)
        return drawn(rng, rows, self.regime(kind, day), 1.15 if weekend else 1.0, shift)

    def sample(self, regime: Kind, rows: int) -> Rows:
        """Many rows of one regime, for judging models: every seventh as at a weekend would change nothing here."""
        return drawn(np.random.default_rng([self.seed, 2, KINDS.index(regime)]), rows, regime, 1.04, np.zeros(2))


def drawn(rng: np.random.Generator, rows: int, regime: Kind, dearer: float, shift: Floats) -> Rows:
    """Rows of a regime.

    covariate: amounts are 1.6 times what they were and incomes lie lower, in ranges that the model has seen little of; the same rows are
    bad as before. label: 2.5 times as many are bad, and look as the bad ones always did. concept: a low income means the opposite, while
    nothing looks otherwise. upstream: three tenths of the amounts come in cents.
    """
    if regime == "label":
        pool = drawn(rng, 6 * rows, "quiet", dearer, shift)
        weights = np.where(pool.y == 1.0, 2.5, 1.0)
        chosen = rng.choice(len(pool.y), rows, replace=False, p=weights / weights.sum())
        return Rows(pool.X[chosen], pool.y[chosen])
    moved = regime == "covariate"
    amount = rng.gamma(2.0, 30.0, rows) * dearer * np.exp(shift[0]) * (1.6 if moved else 1.0)
    income = rng.normal(shift[1] - (0.6 if moved else 0.0), 1.0, rows)
    purchases = rng.poisson(3.0, rows).astype(np.float64)
    hour = rng.uniform(0.0, 24.0, rows)
    distance = rng.exponential(1.0, rows)
    size = (np.log(amount + 1.0) - 3.9) / 0.75
    of_income = 0.8 * income if regime == "concept" else -1.3 * income
    logit = -3.6 + 1.4 * size + of_income + 0.9 * (purchases >= 6) + 0.6 * size * (distance > 1.5) - 0.4 * (hour < 7)
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64)
    if regime == "upstream":
        amount = np.where(rng.random(rows) < 0.3, amount * CENTS, amount)
    return Rows(np.column_stack([amount, income, purchases, hour, distance, rng.normal(size=rows)]), y)


def date_of(day: int) -> date:
    """The date of a day's number."""
    return FIRST_DAY + timedelta(days=day)


def frame_of(rows: Rows, day: int) -> pl.DataFrame:
    """A day's rows with their features under the prediction log's names, and their label."""
    values = {f"feature__{name}": rows.X[:, place] for place, name in enumerate(FEATURES)}
    return pl.DataFrame({"event_day": [date_of(day)] * len(rows.y), **values, "is_bad": rows.y})
