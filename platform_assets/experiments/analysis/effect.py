"""The effect of a new version on a measure, with an interval that may be read at any time.

Belongs here: sums by entity, the adjustment by what was known before, the difference of means and its confidence sequence. Does not belong
here: what an effect means (`verdict.py`), or where rows come from (`pipelines/analyse_experiment.py`).

The measure's mean is a ratio of two sums over entities; its variance is the delta method's over entities, so that what happens to one of
them may depend on each other in any way (Deng, Knoblich, Lu 2018). The difference is adjusted by a regression on what each entity did
before the test (CUPED: Deng, Xu, Kohavi, Walker, Improving the Sensitivity of Online Controlled Experiments, 2013; with several covariates
as Lin 2013): assignment is independent of the past, so that the adjustment moves no mean and takes away the variance that the past
explains.

The interval is the normal mixture over the information gathered so far (Robbins 1970; Johari, Koomen, Pekelis, Walsh, Always Valid
Inference, 2022), mixed over effects of the size that the test was planned for: there it is tightest. It is asymptotic: the largest
entity's contribution is counted twice, and nothing is said below `LEAST_UNITS` entities of either version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from platform_assets.experiments.assignment import Variant

UNIT, VARIANT, DAY = "unit", "variant", "day"
LEAST_UNITS = 100
"""Of either version; with fewer, a mean of rare and large values is far from normal."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredVariant:
    """One version's share in an effect.

    Attributes:
        units: entities.
        events: of them.
        mean: of the measure over events.
    """

    units: int
    events: int
    mean: float


@dataclass(frozen=True)
class Effect:
    """Treatment minus control, as known on one day.

    Attributes:
        day: the latest event day whose outcomes are in it.
        control: the old version.
        treatment: the new version.
        difference: of the means, adjusted.
        low: it lies above, with confidence `1 - alpha` at all times together; None while nothing can be said.
        high: it lies below, likewise.
        unadjusted: the difference as it is.
        variance_reduction_ratio: share of the variance that the adjustment took away.
    """

    day: Any
    control: MeasuredVariant
    treatment: MeasuredVariant
    difference: float
    low: float | None
    high: float | None
    unadjusted: float
    variance_reduction_ratio: float


@dataclass(frozen=True)
class _Sums:
    """Entities of one version: sum of the measure, number of events, covariates float64 [units, k]."""

    total: Floats
    events: Floats
    covariates: Floats

    @property
    def mean(self) -> float:
        return float(self.total.sum() / self.events.sum())

    def influence(self) -> Floats:
        """Of each entity on the mean, times the number of entities."""
        influence: Floats = (self.total - self.mean * self.events) / self.events.mean()
        return influence

    def arm(self) -> MeasuredVariant:
        return MeasuredVariant(len(self.total), int(self.events.sum()), self.mean)


def effect(rows: pl.DataFrame, value: str, before: pl.DataFrame, *, mixing: float, alpha: float) -> Effect | None:
    """The effect in these rows; None while a version has none.

    Args:
        rows: events of the test with `unit`, `variant`, `day` and the measure.
        value: name of the measure's column.
        before: what each entity did before the test: `unit` and numbers, one row for each; entities without one did nothing.
        mixing: size of the effect that the test was planned for, absolute.
        alpha: of an interval that misses the effect at any time; two-sided.
    """
    control, treatment = (_sums(rows, value, before, variant) for variant in (Variant.CONTROL, Variant.TREATMENT))
    if control is None or treatment is None:
        return None
    raw = treatment.mean - control.mean
    unadjusted = _variance(control.influence(), treatment.influence())
    shift, old, new = _adjusted(control, treatment)
    variance = _variance(old, new)
    half = None
    if min(len(old), len(new)) >= LEAST_UNITS and variance > 0:
        half = half_width(variance + _largest(old, new), mixing, alpha)
    difference = raw - shift
    return Effect(
        day=rows[DAY].max(),
        control=control.arm(),
        treatment=treatment.arm(),
        difference=difference,
        low=None if half is None else difference - half,
        high=None if half is None else difference + half,
        unadjusted=raw,
        variance_reduction_ratio=1 - variance / unadjusted if unadjusted > 0 else 0.0,
    )


def effect_path(
    rows: pl.DataFrame, value: str, before: pl.DataFrame, *, mixing: float, alpha: float
) -> tuple[Effect, ...]:
    """The effect as it was known once each day's outcomes were there."""
    days: Sequence[Any] = rows[DAY].unique().sort().to_list()
    found = (effect(rows.filter(pl.col(DAY) <= day), value, before, mixing=mixing, alpha=alpha) for day in days)
    return tuple(one for one in found if one is not None)


def half_width(variance: float, mixing: float, alpha: float) -> float:
    """Half of the interval around an estimate of that variance, valid at all times together."""
    prior = mixing**2
    return math.sqrt(
        variance * (variance + prior) / prior * (math.log((variance + prior) / variance) + 2 * math.log(1 / alpha))
    )


def _sums(rows: pl.DataFrame, value: str, before: pl.DataFrame, variant: str) -> _Sums | None:
    units = (
        rows.filter(pl.col(VARIANT) == variant)
        .group_by(UNIT)
        .agg(pl.col(value).sum().cast(pl.Float64).alias("__total"), pl.len().cast(pl.Float64).alias("__events"))
        .sort(UNIT)
    )
    if units.is_empty():
        return None
    names = [name for name in before.columns if name != UNIT]
    known = units.join(before, on=UNIT, how="left", maintain_order="left").select(names).fill_null(0.0)
    covariates = known.cast(pl.Float64).to_numpy() if names else np.zeros((units.height, 0))
    return _Sums(units["__total"].to_numpy(), units["__events"].to_numpy(), covariates)


def _adjusted(control: _Sums, treatment: _Sums) -> tuple[float, Floats, Floats]:
    """What the entities' past explains of the difference, and the influences without what it explains."""
    old, new = control.influence(), treatment.influence()
    before = [side.covariates for side in (control, treatment)]
    centred = [values - values.mean(axis=0) for values in before]
    together = np.vstack(centred)
    enough = len(together) > 10 * max(1, together.shape[1])
    if not together.shape[1] or not enough or not together.any():
        return 0.0, old, new
    slope = np.linalg.lstsq(together, np.concatenate([old, new]), rcond=None)[0]
    shift = float((before[1].mean(axis=0) - before[0].mean(axis=0)) @ slope)
    return shift, old - centred[0] @ slope, new - centred[1] @ slope


def _variance(old: Floats, new: Floats) -> float:
    """Of the difference of means, from influences times the number of entities."""
    return float((old**2).sum() / len(old) ** 2 + (new**2).sum() / len(new) ** 2)


def _largest(old: Floats, new: Floats) -> float:
    return float(max((old**2).max() / len(old) ** 2, (new**2).max() / len(new) ** 2))


def covariates(history: pl.DataFrame, value: str) -> pl.DataFrame:
    """What each entity did before the test, as numbers to adjust by: its events, and the measure's sum and mean over them.

    Args:
        history: events before the test with `unit` and the measure.
        value: name of the measure's column.
    """
    return history.group_by(UNIT).agg(
        pl.len().cast(pl.Float64).alias("events_before"),
        pl.col(value).sum().cast(pl.Float64).alias("sum_before"),
        pl.col(value).mean().cast(pl.Float64).alias("mean_before"),
    )
