"""Metrics on scored rows, each with a stated definition.

Belongs here: numbers from labels and predictions. Probabilities by class go to `class_metrics`, where a metric of the same name is
defined for them. Does not belong here: bounds on them (`verdict`) and pictures (`plots`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from platform_assets.evaluation.metrics import classes as class_metrics
from platform_assets.evaluation.metrics.classes import OF_CONFUSION
from platform_assets.training.compare import MetricError, Scored

Vector: TypeAlias = NDArray[np.float64]

_LEAST_PROBABILITY = 1e-15
_CARD_PRECISION = re.compile(r"card_precision_at_([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """A metric under the name a requirement uses."""

    name: str
    higher_is_better: bool
    function: Callable[[Scored], float]

    def __call__(self, rows: Scored) -> float:
        """The metric on `rows`; `MetricError` says why it cannot be computed."""
        if len(rows.y) == 0:
            raise MetricError("there are no rows")
        broken = int((~np.isfinite(rows.prediction)).sum())
        if broken:
            raise MetricError(f"{broken} of {len(rows.y)} predictions are not finite")
        return float(self.function(rows))


def auc_roc(y: Vector, prediction: Vector) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties half.

    Raises:
        MetricError: only one class occurs.
    """
    from sklearn.metrics import roc_auc_score

    _both_classes(y)
    return float(roc_auc_score(y, prediction))


def average_precision(y: Vector, prediction: Vector) -> float:
    """Mean precision weighted by the gain in recall, without interpolation; tied scores enter together.

    Raises:
        MetricError: only one class occurs.
    """
    from sklearn.metrics import average_precision_score

    _both_classes(y)
    return float(average_precision_score(y, prediction))


def card_precision_at_k(
    y: Vector,
    prediction: Vector,
    event_day: NDArray[np.datetime64],
    group: NDArray[Any],
    k: int,
    remove_found: bool = True,
) -> float:
    """Mean over the days of `card_precision_by_day`.

    Raises:
        MetricError: there are no rows, or k is less than 1.
    """
    daily = card_precision_by_day(y, prediction, event_day, group, k, remove_found)
    return float(np.mean(list(daily.values())))


def card_precision_by_day(
    y: Vector,
    prediction: Vector,
    event_day: NDArray[np.datetime64],
    group: NDArray[Any],
    k: int,
    remove_found: bool = True,
) -> dict[str, float]:
    """Of the k cards one would look at each day, the share that are compromised.

    Each day the cards are ranked by their highest score; cards with the same score by their identifier, lowest first. A card counts
    as compromised when any of its rows that day is positive. Compromised cards found among a day's top k are blocked: with
    `remove_found` they take no part on later days. The share is of k even on a day with fewer cards. This is the definition of
    Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, chapter 4, with the order of ties fixed.

    Args:
        y: float64 [n], 0.0 or 1.0.
        prediction: float64 [n], higher is more suspicious.
        event_day: datetime64[D] [n], in any order.
        group: [n] card identifiers.
        k: how many cards are looked at each day.
        remove_found: leave found cards out on later days.

    Returns:
        Share by ISO day, days in order.

    Raises:
        MetricError: there are no rows, or k is less than 1.
    """
    if k < 1 or len(y) == 0:
        raise MetricError(f"card precision needs k of at least 1 and rows; k is {k} and there are {len(y)} rows")
    cards, card = np.unique(group, return_inverse=True)
    found = np.zeros(len(cards), dtype=np.bool_)
    result: dict[str, float] = {}
    for day in np.unique(event_day):
        rows = np.flatnonzero((event_day == day) & ~found[card])
        score = np.full(len(cards), -np.inf)
        np.maximum.at(score, card[rows], prediction[rows])
        compromised = np.zeros(len(cards), dtype=np.bool_)
        compromised[card[rows[y[rows] == 1.0]]] = True
        seen = np.unique(card[rows])
        top = seen[np.lexsort((seen, -score[seen]))][:k]
        hits = top[compromised[top]]
        result[str(day)] = len(hits) / k
        if remove_found:
            found[hits] = True
    return result


def brier(y: Vector, prediction: Vector) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((prediction - y) ** 2))


def log_loss(y: Vector, prediction: Vector) -> float:
    """Mean negative log likelihood, in nats; probabilities are kept 1e-15 away from 0 and 1."""
    p = np.clip(prediction, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log(1.0 - p)))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows with similar probabilities: what was promised and what happened."""

    rows: int
    mean_prediction: float
    observed_ratio: float


def reliability_bins(y: Vector, prediction: Vector, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Rows in bins of about equal size by probability, lowest first; equal probabilities are never split.

    Raises:
        MetricError: there are no rows, or a prediction is no probability.
    """
    if len(y) == 0:
        raise MetricError("there are no rows")
    if prediction.min() < 0.0 or prediction.max() > 1.0:
        raise MetricError(f"predictions from {prediction.min():g} to {prediction.max():g} are no probabilities")
    order = np.argsort(prediction, kind="stable")
    p, outcome = prediction[order], y[order]
    cuts = np.unique(np.searchsorted(p, p[(np.arange(1, bins) * len(p)) // bins], side="left"))
    edges = [0, *[int(cut) for cut in cuts if cut > 0], len(p)]
    return tuple(
        ReliabilityBin(stop - start, float(p[start:stop].mean()), float(outcome[start:stop].mean()))
        for start, stop in itertools.pairwise(edges)
    )


def calibration_error(y: Vector, prediction: Vector, bins: int = 10) -> float:
    """Expected calibration error: mean distance of promised and observed share over `reliability_bins`, weighted by rows.

    Raises:
        MetricError: as `reliability_bins`.
    """
    found = reliability_bins(y, prediction, bins)
    return sum(item.rows * abs(item.mean_prediction - item.observed_ratio) for item in found) / len(y)


@dataclass(frozen=True, slots=True)
class Confusion:
    """What happens when rows at or above a threshold are flagged."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Share of flagged rows that are positive; 0 when none is flagged."""
        flagged = self.true_positives + self.false_positives
        return self.true_positives / flagged if flagged else 0.0

    @property
    def recall(self) -> float:
        """Share of positive rows that are flagged; 0 when there is none."""
        positive = self.true_positives + self.false_negatives
        return self.true_positives / positive if positive else 0.0

    @property
    def flagged_ratio(self) -> float:
        """Share of all rows that are flagged."""
        rows = self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
        return (self.true_positives + self.false_positives) / rows if rows else 0.0


def confusion_at(y: Vector, prediction: Vector, threshold: float) -> Confusion:
    """Count rows by label and by whether the prediction reaches `threshold`."""
    flagged, positive = prediction >= threshold, y == 1.0
    return Confusion(
        threshold=threshold,
        true_positives=int((flagged & positive).sum()),
        false_positives=int((flagged & ~positive).sum()),
        false_negatives=int((~flagged & positive).sum()),
        true_negatives=int((~flagged & ~positive).sum()),
    )


def rmse(y: Vector, prediction: Vector) -> float:
    """Root of the mean squared error, in the label's unit."""
    return float(np.sqrt(np.mean((prediction - y) ** 2)))


def mae(y: Vector, prediction: Vector) -> float:
    """Mean absolute error, in the label's unit."""
    return float(np.mean(np.abs(prediction - y)))


def r2(y: Vector, prediction: Vector) -> float:
    """Share of the label's variance that is explained; below 0 is worse than the mean of these rows.

    Raises:
        MetricError: the label does not vary.
    """
    spread = float(((y - y.mean()) ** 2).sum())
    if spread == 0.0:
        raise MetricError(f"all {len(y)} labels are {y[0]:g}: there is no variance to explain")
    return 1.0 - float(((y - prediction) ** 2).sum()) / spread


def make_metric(name: str) -> NamedMetric:
    """The metric a requirement calls `name`; `card_precision_at_K` exists for every K from 1 on.

    Raises:
        MetricError: there is no such metric.
    """
    if name in _PLAIN:
        higher_is_better, function = _PLAIN[name]
        return NamedMetric(name, higher_is_better, lambda rows: _by_kind(name, function, rows))
    if name in OF_CONFUSION:
        return NamedMetric(name, True, lambda rows: OF_CONFUSION[name](_confusion(name, rows)))
    card = _CARD_PRECISION.fullmatch(name)
    if card is None:
        raise MetricError(
            f"metric {name!r} does not exist; the metrics are {', '.join([*_PLAIN, *OF_CONFUSION])}, card_precision_at_100"
        )
    return NamedMetric(name, True, lambda rows: _card_precision(rows, int(card.group(1))))


def make_metrics(names: Iterable[str]) -> tuple[NamedMetric, ...]:
    """Several metrics by name, in the same order.

    Raises:
        MetricError: as `make_metric`.
    """
    return tuple(make_metric(name) for name in names)


def _by_kind(name: str, function: Callable[[Vector, Vector], float], rows: Scored) -> float:
    """The metric, as it is defined for one prediction of each row or for a probability of each class."""
    if rows.prediction.ndim == 1:
        return function(rows.y, rows.prediction)
    of_classes = _OF_CLASSES.get(name)
    if of_classes is None:
        raise MetricError(f"{name} does not apply to probabilities by class; these do: {', '.join(_OF_CLASSES)}")
    return of_classes(rows.y, rows.prediction)


def _confusion(name: str, rows: Scored) -> NDArray[np.int64]:
    if rows.prediction.ndim == 1:
        raise MetricError(f"{name} needs a probability for each class")
    return class_metrics.confusion(rows.y, rows.prediction)


def _card_precision(rows: Scored, k: int) -> float:
    if rows.group is None:
        raise MetricError("no group column is declared: the card or customer that a row belongs to")
    return card_precision_at_k(rows.y, rows.prediction, rows.event_day, rows.group, k)


def _both_classes(y: Vector) -> None:
    if len(y) == 0:
        raise MetricError("there are no rows")
    if (y == y[0]).all():
        raise MetricError(f"all {len(y)} labels are {y[0]:g}: both classes are needed")


_PLAIN: Mapping[str, tuple[bool, Callable[[Vector, Vector], float]]] = MappingProxyType(
    {
        "auc_roc": (True, auc_roc),
        "average_precision": (True, average_precision),
        "brier": (False, brier),
        "log_loss": (False, log_loss),
        "calibration_error": (False, calibration_error),
        "rmse": (False, rmse),
        "mae": (False, mae),
        "r2": (True, r2),
    }
)
_OF_CLASSES: Mapping[str, Callable[[Vector, Vector], float]] = MappingProxyType(
    {
        "auc_roc": class_metrics.auc_one_vs_rest,
        "average_precision": class_metrics.average_precision_one_vs_rest,
        "log_loss": class_metrics.log_loss,
        "calibration_error": lambda y, probabilities: calibration_error(*class_metrics.correctness(y, probabilities)),
    }
)
