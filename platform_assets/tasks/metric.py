"""Metrics: rows with what was predicted for them, and something measured on them under the name a requirement uses.

Belongs here: the one form that every metric of every kind of task has. Does not belong here: the metrics themselves (`binary/`,
`multiclass/`, `regression/`), bounds on them (`evaluation/gates`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
Measure: TypeAlias = Callable[[Counts], float]
"""A metric of the rows, each cluster of them taken so many times."""


class MetricError(ValueError):
    """A metric that cannot be computed on these rows; the message says why."""


class LabelsDoNotVary(MetricError):
    """A metric that these rows do not allow whatever is predicted for them: it needs labels of more than one kind."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows with what was predicted for them.

    Attributes:
        y: float64 [n], the labels; of a multi-class task the class indices.
        prediction: float64 [n], probability or value; of a multi-class task float64 [n, K], the probability of each class.
        event_day: datetime64[D] [n].
        group: [n] identifiers that belong together, or None.
    """

    y: Vector
    prediction: Vector
    event_day: NDArray[np.datetime64]
    group: NDArray[Any] | None


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """A metric under the name a requirement uses.

    Attributes:
        name: what a requirement calls it.
        higher_is_better: which way is better.
        function: the metric on rows as they are.
        by_cluster: the metric as a function of how often each cluster of rows is taken, from rows and cluster of each row; None where
            it needs the rows themselves.
        by_day: the values whose mean it is, by ISO day; None where it is no mean over days.
        at: the metric of decisions by a threshold; None where it looks at the predictions themselves.
        of_labels: the metric as a function of labels alone, for many draws of labels to the same predictions; None where nothing is
            saved by it.
    """

    name: str
    higher_is_better: bool
    function: Callable[[Scored], float]
    by_cluster: Callable[[Scored, Counts], Measure] | None = None
    by_day: Callable[[Scored], Mapping[str, float]] | None = None
    at: Callable[[float], NamedMetric] | None = None
    of_labels: Callable[[Scored], Callable[[Vector], float]] | None = None

    def __call__(self, rows: Scored) -> float:
        """The metric on `rows`; `MetricError` says why it cannot be computed."""
        if len(rows.y) == 0:
            raise MetricError("there are no rows")
        broken = int((~np.isfinite(rows.prediction)).sum())
        if broken:
            raise MetricError(f"{broken} of {len(rows.y)} predictions are not finite")
        return float(self.function(rows))


def known_metric(name: str, metrics: Mapping[str, NamedMetric], others: Iterable[str] = ()) -> NamedMetric:
    """The metric of that name.

    Raises:
        MetricError: there is none; the message lists those that are, and `others`.
    """
    if name not in metrics:
        raise MetricError(f"metric {name!r} does not exist; the metrics are {', '.join([*metrics, *others])}")
    return metrics[name]
