"""The newest day of a window by itself: what moved within a day, and what rather looks like a fault of the data.

Belongs here: figures of one day against what the model knows, and the line between a world that moved and data that is wrong. Does not
belong here: the verdict on the window (`drift.py`), or what follows from either (`retrain_decision.py`).

A window of a week notices what began yesterday only when it is seven times as large as its limit; the day alone shows it at once, and
shows whether it still goes on while the window remembers what was mended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from platform_assets.monitoring.drift_limits import DriftLimits
from platform_assets.monitoring.drift_statistics import (
    FloatArray,
    as_floats,
    ks_noise,
    ks_statistic,
    number_counts,
    population_stability_index,
    without_last_bits,
)

ERROR_RATE = 0.001
"""Probability that chance alone makes any column of a day look as if it had moved: once in three years of days."""

MIN_ROWS = 50
MARGIN = 0.5
"""A value is unheard of when it lies further outside the known range than half of that range."""


@dataclass(frozen=True, slots=True)
class NewestDay:
    """One column on the newest day.

    Attributes:
        ks: Kolmogorov-Smirnov distance from what the model knows.
        psi: population stability index.
        has_moved: whether either is past the column's declared limit, whatever chance may do in so few rows.
        is_noticed: whether the distance is more than that and than chance explains.
        unheard_of_ratio: share of values far outside of everything that the model knows.
        further_missing_ratio: how much larger the share of missing values is.
    """

    ks: float
    psi: float
    has_moved: bool
    is_noticed: bool
    unheard_of_ratio: float
    further_missing_ratio: float

    @property
    def fault_ratio(self) -> float:
        """Share of values that are unheard of, or missing where values were."""
        return max(self.unheard_of_ratio, self.further_missing_ratio)


def newest_day_figures(
    reference: pl.DataFrame,
    day: pl.DataFrame,
    columns: Collection[str],
    limits: DriftLimits,
    by_column: Mapping[str, DriftLimits],
    independent: tuple[int, int],
) -> dict[str, NewestDay]:
    """Figures of each numeric column that both sides have; none of a day with too few rows.

    Args:
        reference: rows that the model knows.
        day: rows of the newest day.
        columns: which to look at.
        limits: how far a column may move.
        by_column: limits of columns that have their own.
        independent: how many independent observations reference and day hold.
    """
    if min(day.height, reference.height, *independent) < MIN_ROWS:
        return {}
    noise = ks_noise(*independent, ERROR_RATE / max(1, len(columns)))
    found = {}
    for name in columns:
        if name in reference.columns and name in day.columns and reference[name].dtype.is_numeric():
            before, now = as_floats(reference[name]), as_floats(day[name])
            if not (np.isnan(before).all() or np.isinf(before).any() or np.isinf(now).any()):
                found[name] = _figures(before, now, by_column.get(name, limits), noise)
    return found


def _figures(before: FloatArray, now: FloatArray, limits: DriftLimits, noise: float) -> NewestDay:
    before, now = without_last_bits(before, now)
    ks, psi = ks_statistic(before, now), population_stability_index(*number_counts(before, now))
    missing = float(np.isnan(now).mean() - np.isnan(before).mean())
    low, high = np.nanmin(before), np.nanmax(before)
    reach = MARGIN * (high - low)
    unheard_of = float(((now < low - reach) | (now > high + reach)).mean()) if high > low else 0.0
    return NewestDay(
        ks=ks,
        psi=psi,
        has_moved=ks > limits.max_ks or psi > limits.max_psi,
        is_noticed=ks > max(limits.max_ks, noise),
        unheard_of_ratio=unheard_of,
        further_missing_ratio=max(0.0, missing),
    )
