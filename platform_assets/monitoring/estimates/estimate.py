"""A metric of rows whose labels are not known yet, with an interval.

Labels are drawn from the model of outcomes many times, and the metric is measured on each draw: its mean is the estimate. The interval has
three parts: labels are chance (the spread over draws), rows of a day or an entity share their luck (the dispersion that labelled rows
showed), and the model of outcomes was fitted on a sample (drawn anew for each draw).

Belongs here: estimates and intervals. Does not belong here: whether they may be believed (`belief`), bounds (`kept`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from platform_assets.tasks.metric import Counts, Matrix, MetricError, NamedMetric, Scored, Vector
from platform_assets.tasks.outcomes import OutcomeModel, Redraw, Residuals

CONFIDENCE = 0.95
DRAWS = 60
"""Of labels, twice: from the model of outcomes as it is, and from redrawn ones. The spread of 60 draws is known to 9 %."""
MOST_ROWS = 50_000
"""A larger window is estimated on so many of its rows; the interval is that of these."""
_Z = 1.959963984540054


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows of the prediction log as arrays; labels are not among them.

    Attributes:
        prediction: float64 [n], or [n, k].
        X: float64 [n, f], the model's inputs; NaN is missing.
        event_day: datetime64[D] [n].
        group: [n] identifiers of the declared group, or None.
    """

    prediction: Vector
    X: Matrix
    event_day: NDArray[np.datetime64]
    group: NDArray[np.generic] | None = None

    def __len__(self) -> int:
        return len(self.prediction)

    def taken(self, rows: NDArray[np.int64]) -> ScoredRows:
        """Some of the rows."""
        group = None if self.group is None else self.group[rows]
        return ScoredRows(self.prediction[rows], self.X[rows], self.event_day[rows], group)

    def with_labels(self, y: Vector) -> Scored:
        """The rows as metrics take them."""
        return Scored(y, self.prediction, self.event_day, self.group)


@dataclass(frozen=True, eq=False)
class FittedOutcomes:
    """A model of outcomes with what its own labelled rows say of its uncertainty.

    Attributes:
        model: fitted on labelled rows that the judged model has not learned.
        redraw: the same from another sample of clusters.
        dispersion: variance of sums over clusters within a window as a multiple of that of independent rows, at least 1.
        dispersion_of_a_day: the same within a day.
        clusters: what rows were counted together by, for people: `day`, or the name of an entity's key.
        rows: how many rows it was fitted on.
    """

    model: OutcomeModel
    redraw: Redraw
    dispersion: float
    dispersion_of_a_day: float
    clusters: str
    rows: int


@dataclass(frozen=True, slots=True)
class MetricEstimate:
    """What a metric is likely to be.

    Attributes:
        metric: its name.
        value: mean over the draws.
        low: lower end of the 95 % interval.
        high: upper end.
        rows: rows that it was estimated on.
    """

    metric: str
    value: float
    low: float
    high: float
    rows: int


def fitted_outcomes(
    model: OutcomeModel,
    y: Vector,
    rows: ScoredRows,
    clusters: Mapping[str, NDArray[np.generic]],
    window_days: int = 7,
) -> FittedOutcomes:
    """Measure how uncertain a model of outcomes is on the rows that it was fitted on.

    Args:
        model: of `Task.fit_outcomes`.
        y: float64 [n], the labels.
        rows: the same rows.
        clusters: what rows may share, by name; the division in which they share most is taken. Days are among them in any case.
        window_days: how long the windows are that will be estimated: what an entity's rows share over longer does not add up in one.
    """
    residuals = model.residuals(y, rows.prediction, rows.X)
    codes = {name: _codes(values) for name, values in {"day": rows.event_day, **clusters}.items()}
    dispersion = _dispersion(residuals, codes, rows.event_day, window_days)
    of_a_day = max(1.0, *_dispersion(residuals, codes, rows.event_day, 1).values())
    most = max(dispersion, key=lambda name: dispersion[name])
    if dispersion[most] <= 1.0:  # nothing is shared: every row for itself
        return FittedOutcomes(model, model.uncertainty(np.arange(len(y))), 1.0, of_a_day, "row", len(y))
    return FittedOutcomes(model, model.uncertainty(codes[most]), dispersion[most], of_a_day, most, len(y))


def _dispersion(
    residuals: Residuals, codes: Mapping[str, Counts], event_day: NDArray[np.datetime64], days: int
) -> dict[str, float]:
    """By division: what an entity's rows share within so many days."""
    period = _codes((event_day - event_day.min()).astype(np.int64) // days)
    periods = int(period.max()) + 1
    return {name: residuals.dispersion(_codes(cluster * periods + period)) for name, cluster in codes.items()}


def estimate_metric(metric: NamedMetric, outcomes: FittedOutcomes, rows: ScoredRows, seed: int = 0) -> MetricEstimate:
    """Estimate a metric of rows without labels.

    Args:
        metric: what is estimated.
        outcomes: of the model that gave the predictions.
        rows: at least one.
        seed: the same seed gives the same estimate.

    Raises:
        MetricError: the metric cannot be computed on most draws, such as one that needs both classes where hardly any row is positive.
    """
    random = np.random.default_rng(seed)
    if len(rows) > MOST_ROWS:
        rows = rows.taken(np.sort(random.choice(len(rows), MOST_ROWS, replace=False)))
    as_fitted = _values(metric, [outcomes.model] * DRAWS, rows, random)
    redrawn = _values(metric, [outcomes.redraw(random) for _ in range(DRAWS)], rows, random)
    value = float(as_fitted.mean())
    by_chance = float(as_fitted.var(ddof=1))
    by_fit = max(0.0, float(redrawn.var(ddof=1)) - by_chance)
    spread = math.sqrt(outcomes.dispersion * by_chance + by_fit)
    estimate = MetricEstimate(metric.name, value, value - _Z * spread, value + _Z * spread, len(rows))
    return _within(estimate, metric)


def _values(
    metric: NamedMetric, models: list[OutcomeModel], rows: ScoredRows, random: np.random.Generator
) -> NDArray[np.float64]:
    values, why = [], ""
    unlabelled = rows.with_labels(np.zeros(len(rows)))
    measure = metric.of_labels(unlabelled) if metric.of_labels else lambda y: metric(rows.with_labels(y))
    for model in models:
        try:
            values.append(measure(model.draw(rows.prediction, rows.X, random)))
        except MetricError as error:
            why = str(error)
    if len(values) < max(2, len(models) // 2):
        raise MetricError(f"{metric.name} has no value for {len(models) - len(values)} of {len(models)} draws: {why}")
    return np.array(values)


def _within(estimate: MetricEstimate, metric: NamedMetric) -> MetricEstimate:
    """No end lies beyond what the metric can be: 0 for all but explained variance, and 1 where higher is better."""
    low = estimate.low if metric.name == "r2" else max(0.0, estimate.low)
    return replace(estimate, low=low, high=min(1.0, estimate.high) if metric.higher_is_better else estimate.high)


def _codes(values: NDArray[np.generic]) -> Counts:
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)
