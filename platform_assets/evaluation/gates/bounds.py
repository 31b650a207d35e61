"""Gates that hold a measured figure to a declared bound.

Belongs here: floors, what is too good to be true, calibration. Does not belong here: comparisons with other models (`comparisons`),
measuring (`evaluation/metrics`, `tasks`).

Silence is failure: a figure that is missing or not finite fails its gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from platform_assets.declaration.sections.gates import Floor
from platform_assets.declaration.tasks.registry import is_higher_better
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.tasks.gate_result import GateResult
from platform_assets.training.compare import scored

PERFECT_FROM = 0.9995
"""What rounds to 1.000: from here on a metric that ends at 1 is taken to be perfect, where the best baseline leaves ten times more."""
PERFECT_REST = 0.1
PERFECT_ERROR, PERFECT_ERROR_IN_UNITS = 0.001, 0.03
"""Share of the best baseline's error below which an error is; a distance in the label's own unit at a larger share, for it is no square."""
IN_UNITS_OF_THE_LABEL = frozenset({"rmse", "mae"})
MAY_BE_PERFECT = frozenset(
    {"calibration_error", "precision", "recall", "worst_class_recall", "mean_error"} | {"group_precision_at_100"}
)
"""Metrics that honest models reach their end of: they say nothing of how much is left over."""


def is_better(metric: str, value: float, bound: float) -> bool:
    """Whether a value keeps a bound: at least it, or at most it for an error metric. NaN keeps none."""
    return value >= bound if is_higher_better(metric) else value <= bound


def keeps_floor(means: Mapping[str, float], floor: Floor) -> GateResult:
    """A metric's mean over the folds keeps a declared floor, or ceiling of an error metric."""
    value = means.get(floor.metric)
    passed = is_finite(value) and is_better(floor.metric, value if value is not None else math.nan, floor.bound)
    shown = f"{value:.4f}" if value is not None else "missing"
    word = "floor" if is_higher_better(floor.metric) else "ceiling"
    explanation = f"{floor.metric} is {shown}; its {word} is {floor.bound:g}."
    return GateResult(f"floor_{floor.metric}", passed, if_finite(value), floor.bound, explanation)


def is_plausible(means: Mapping[str, float], metric: str, bound: float) -> GateResult:
    """A metric is not as good as its declared bound or better: what is too good to be true is looked at before it is believed."""
    value = means.get(metric)
    known = is_finite(value)
    passed = known and value is not None and not is_better(metric, value, bound)
    shown = f"{value:.4f}" if known and value is not None else "missing"
    explanation = f"{metric} is {shown}; from {bound:g} on it is too good to be true."
    if known and not passed:
        explanation += (
            " Look for a feature that knows the label, and declare a bypass of this gate when it is right all the same."
        )
    return GateResult(f"plausible_{metric}", passed, if_finite(value), bound, explanation)


def is_calibrated(error: float | None, bound: float) -> GateResult:
    """The expected calibration error keeps its declared bound."""
    passed = is_finite(error) and error is not None and error <= bound
    shown = f"{error:.4f}" if error is not None else "missing"
    explanation = f"The calibration error is {shown}; at most {bound:g} is allowed."
    return GateResult("calibration", passed, if_finite(error), bound, explanation)


def is_finite(value: float | None) -> bool:
    """Whether there is a value, and a finite one."""
    return value is not None and math.isfinite(value)


def if_finite(value: float | None) -> float | None:
    """The value if it is finite."""
    return value if is_finite(value) else None


def floors_gate(inputs: GateInputs, name: str) -> GateResult:
    """A metric keeps its floor."""
    [floor] = [floor for floor in inputs.gates.floors if name == f"floor_{floor.metric}"]
    return keeps_floor(inputs.model.means, floor)


def plausible_gate(inputs: GateInputs, name: str) -> GateResult:
    """A metric is not too good to be true."""
    metric = name.removeprefix("plausible_")
    return is_plausible(inputs.model.means, metric, inputs.gates.plausible[metric])


def calibration_gate(inputs: GateInputs, name: str) -> GateResult:
    """Its mean over the folds where it is measured, else that of the latest fold."""
    model, metric = inputs.model, inputs.task.metric("calibration_error")
    error = model.means.get(metric.name)
    if metric.name not in model.means:
        error = metric(scored(model.judged, model.prediction))
    assert inputs.gates.max_calibration_error is not None
    return is_calibrated(error, inputs.gates.max_calibration_error)


def relative_calibration_gate(inputs: GateInputs, name: str) -> GateResult:
    """Probabilities are right in proportion."""
    model = inputs.model
    [result] = inputs.task.relative_calibration(model.judged.y, model.prediction, inputs.gates)
    return result


def mean_prediction_gate(inputs: GateInputs, name: str) -> GateResult:
    """The mean prediction is near the share of positives."""
    model = inputs.model
    [result] = inputs.task.mean_prediction(model.judged.y, model.prediction, model.use_case)
    return result


def plausible_by_default_gate(inputs: GateInputs, name: str) -> GateResult:
    """No metric without a declared bound is perfect: nobody predicts everything."""
    model, metrics = inputs.model, inputs.model.use_case.training.metrics
    judged = [metric for metric in metrics if metric not in inputs.gates.plausible and metric not in MAY_BE_PERFECT]
    return nothing_is_perfect(judged, model.means, model.baseline_means)


def nothing_is_perfect(
    metrics: Sequence[str], means: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]
) -> GateResult:
    """Metrics that end at 1 stay below it, errors above a part of the best baseline's.

    Args:
        metrics: names of those that are judged.
        means: the model's.
        baselines: each baseline's, by name.
    """
    perfect: dict[str, float] = {}
    for metric in metrics:
        value = means.get(metric)
        if value is None or not math.isfinite(value):
            continue
        others = [one[metric] for one in baselines.values() if math.isfinite(one.get(metric, math.nan))]
        if is_higher_better(metric):
            left = 1.0 - max(others, default=0.0)
            is_perfect = value >= PERFECT_FROM and 1.0 - value <= PERFECT_REST * left
        else:
            share = PERFECT_ERROR_IN_UNITS if metric in IN_UNITS_OF_THE_LABEL else PERFECT_ERROR
            is_perfect = value <= share * min(others, default=0.0)
        if is_perfect:
            perfect[metric] = value
    shown = ", ".join(f"{metric} {value:.4f}" for metric, value in perfect.items())
    explanation = (
        f"{shown} is too good to be true: look for a feature that knows the label, or is made from it, and declare a bypass of this gate "
        "when it is right all the same."
        if perfect
        else f"None of {', '.join(metrics) or 'the metrics'} is perfect."
    )
    first = next(iter(perfect.values()), None)
    return GateResult("plausible", not perfect, first, PERFECT_FROM, explanation, details={"perfect": perfect})
