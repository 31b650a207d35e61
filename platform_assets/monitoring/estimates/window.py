"""One window without labels: its estimates, whether they may be believed, and whether the bounds are likely to be kept.

Belongs here: putting the parts together. Does not belong here: each part (`estimate`, `belief`, `kept`), reading rows
(`pipelines/estimate_quality.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.monitoring.estimates.belief import (
    Belief,
    Control,
    calibration_control,
    implied_labels_control,
    support_control,
    truth_control,
)
from platform_assets.monitoring.estimates.estimate import (
    FittedOutcomes,
    MetricEstimate,
    ScoredRows,
    estimate_metric,
    fitted_outcomes,
)
from platform_assets.monitoring.estimates.kept import EstimatedQuality, ScoredEstimate, judged
from platform_assets.monitoring.quality import metric_bounds
from platform_assets.tasks.metric import MetricError, NamedMetric, Vector
from platform_assets.tasks.registry import metric_of, task_of

NEWEST_DAYS = 1
"""Labelled days that the calibration control looks at by themselves: a change shows there first."""
LEAST_REFERENCE_ROWS = 200


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Predictions of a model whose labels are known.

    Attributes:
        y: float64 [n].
        rows: the same rows.
        clusters: [n] identifiers of what rows may share, by name.
    """

    y: Vector
    rows: ScoredRows
    clusters: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


def scored_rows(log: pl.DataFrame, use_case: UseCase, features: Sequence[str]) -> ScoredRows:
    """Rows of the prediction log as arrays.

    Args:
        log: rows with scores that are numbers.
        use_case: task and group.
        features: inputs of the model, in its order.
    """
    group = use_case.training.group
    inputs = log.select(pl.col(FEATURE_PREFIX + name).fill_null(float("nan")) for name in features)
    return ScoredRows(
        task_of(use_case).logged_predictions(log, use_case),
        np.ascontiguousarray(inputs.to_numpy()),
        log[EVENT_DAY].to_numpy(),
        log[group].to_numpy() if group is not None and group in log.columns else None,
    )


def estimated_quality(
    use_case: UseCase,
    reference: LabelledRows | None,
    rows: ScoredRows,
    come: LabelledRows | None,
    promised: Mapping[str, float],
    features: Sequence[str],
    days: tuple[date, date],
    scored: Sequence[ScoredEstimate] = (),
) -> EstimatedQuality:
    """Estimate every metric that has a bound, and judge.

    Args:
        use_case: metrics and bounds.
        reference: labelled rows that the model has not learned, with its own outputs; None where there are none.
        rows: the window's predictions.
        come: predictions of the same model whose labels have come since; None without any.
        promised: the evaluation's figures by metric.
        features: inputs of the model, in its order.
        days: first and last day of the window.
        scored: earlier estimates beside the truth.
    """
    metric, least = use_case.monitoring.quality_metric, use_case.monitoring.min_rows
    names = list(dict.fromkeys([metric, *use_case.monitoring.bounds]))
    better = {name: metric_of(use_case, name).higher_is_better for name in names}
    known = [name for name in names if name != metric or metric in promised]
    bounds = metric_bounds(use_case, known, promised) if metric in promised else dict(use_case.monitoring.bounds)
    fitted = None if len(rows) < least or reference is None else _fitted(use_case, reference)
    estimates: dict[str, MetricEstimate] = {}
    problems = {} if fitted else {metric: _no_reference(reference)}
    belief = None
    if fitted is not None and reference is not None:
        estimates, problems = _estimates([metric_of(use_case, name) for name in names], fitted, rows)
        belief = _belief(use_case, fitted, reference, rows, come, features)
    status, explanation = judged(estimates, problems, bounds, better, metric, belief, len(rows), least)
    withdrawn = status == "withdrawn"
    return EstimatedQuality(
        first_day=days[0],
        last_day=days[1],
        rows=len(rows),
        metric=metric,
        estimates={} if withdrawn else estimates,
        withdrawn=estimates if withdrawn else {},
        problems=problems,
        bounds=bounds,
        belief=belief,
        dispersion=fitted.dispersion if fitted else None,
        clusters=fitted.clusters if fitted else "",
        reference_rows=fitted.rows if fitted else 0,
        scored=tuple(scored),
        status=status,
        explanation=explanation,
    )


def _fitted(use_case: UseCase, reference: LabelledRows) -> FittedOutcomes | None:
    y, rows = reference.y, reference.rows
    if len(y) < LEAST_REFERENCE_ROWS or task_of(use_case).nothing_to_learn(y) is not None:
        return None
    model = task_of(use_case).fit_outcomes(y, rows.prediction, rows.X)
    return fitted_outcomes(model, y, rows, reference.clusters, use_case.monitoring.window_days)


def _no_reference(reference: LabelledRows | None) -> str:
    if reference is None or len(reference.y) < LEAST_REFERENCE_ROWS:
        rows = 0 if reference is None else len(reference.y)
        return f"{rows} labelled rows lie before the model's training days, {LEAST_REFERENCE_ROWS} are needed"
    return "the labelled rows before the model's training days are all alike"


def _estimates(
    metrics: Sequence[NamedMetric], fitted: FittedOutcomes, rows: ScoredRows
) -> tuple[dict[str, MetricEstimate], dict[str, str]]:
    estimates: dict[str, MetricEstimate] = {}
    problems: dict[str, str] = {}
    for metric in metrics:
        try:
            estimates[metric.name] = estimate_metric(metric, fitted, rows)
        except MetricError as error:
            problems[metric.name] = str(error)
    return estimates, problems


def _belief(
    use_case: UseCase,
    fitted: FittedOutcomes,
    reference: LabelledRows,
    rows: ScoredRows,
    come: LabelledRows | None,
    features: Sequence[str],
) -> Belief:
    declared = use_case.monitoring.columns
    kept = [
        name for name in features if name not in declared or (declared[name].watched and not declared[name].seasonal)
    ]
    columns = np.array([list(features).index(name) for name in kept], dtype=np.int64)
    controls = [
        support_control(_only(reference.rows, columns), _only(rows, columns), kept),
        implied_labels_control(use_case, fitted, reference.y, rows),
    ]
    if come is None or len(come.y) == 0:
        controls.append(Control("truth", None, "No label has come of predictions of this model."))
        return Belief.of(controls)
    controls.append(calibration_control(fitted, come.y, come.rows))
    if len(np.unique(come.rows.event_day)) > NEWEST_DAYS:
        controls.append(calibration_control(fitted, come.y, come.rows, NEWEST_DAYS))
    metric = metric_of(use_case, use_case.monitoring.quality_metric)
    controls.append(truth_control(metric, fitted, come.y, come.rows))
    return Belief.of(controls)


def _only(rows: ScoredRows, columns: NDArray[np.int64]) -> ScoredRows:
    return ScoredRows(rows.prediction, rows.X[:, columns], rows.event_day, rows.group)
