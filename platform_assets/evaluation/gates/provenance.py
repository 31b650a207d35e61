"""Whether a model is what it says: its predictions made without the test days, its bytes made from its training rows.

Belongs here: the two gates that fit the model's recipe again. Does not belong here: the recipe (`recipe`), making a model again from
old data versions (`registry`).
"""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from platform_assets.declaration.tasks.registry import is_higher_better
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.gates.bounds import is_better
from platform_assets.evaluation.judged_model import JudgedModel
from platform_assets.evaluation.recipe import fit_again, largest_difference, training_rows_of, with_features
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import MetricError, Vector
from platform_assets.tasks.plain import plain
from platform_assets.tasks.registry import metric_of
from platform_assets.training.compare import measure, scored

SAME = 1e-6
"""Predictions no further apart than this are the same."""


def not_trained_on_test_days(model: JudgedModel) -> GateResult:
    """The recorded predictions of the latest fold are those of a model that was fitted on the fold's training days alone.

    The recipe is fitted on these days and asked for the fold's rows: every figure that the other gates judge rests on the recorded
    predictions. Where the recipe is declared not to be reproducible, the selection metric is compared instead, and may be ahead by
    no more than the champion's tolerance.

    Raises:
        TrainingError: the fold's training days cannot be learned from.
        MetricError: the fold that was recorded is not the declared one.
    """
    name, fold, use_case = "not_trained_on_test_days", model.fold, model.use_case
    days = (fold.test_last - fold.test_first).days + 1
    if days != use_case.training.splits.test_days or fold.test_last > model.last_labelled_day:
        raise MetricError(
            f"the recorded fold tests on {fold.test_first} to {fold.test_last}, but {use_case.training.splits.test_days} days up to "
            f"{model.last_labelled_day} at the latest are declared; train the model again"
        )
    if date.fromisoformat(model.predictor.trained_on.last_day) > model.last_labelled_day:
        explanation = (
            f"The model was fitted up to {model.predictor.trained_on.last_day}, but labels are known up to "
            f"{model.last_labelled_day} only."
        )
        return GateResult(name, False, None, None, explanation)
    rows = with_features(
        model.dataset.rows(fold.train_first, fold.train_last).as_known(fold.test_first), model.predictor.features
    )
    honest = model.recipe(rows).predict(with_features(model.judged, model.predictor.features).X)
    by = use_case.training.select_by
    was, now = (_measured(model, by, prediction) for prediction in (model.prediction, honest))
    figures = f"{by} is {_shown(was)} as recorded and {_shown(now)} when fitted on {fold.train_first} to {fold.train_last} alone"
    details: dict[str, Any] = plain({"recorded": was, "fitted_again": now, "fold": fold.describe()})
    if use_case.gates.reproducible:
        difference = largest_difference(model.prediction, honest)
        passed = difference <= SAME
        explanation = f"Predictions of the latest fold differ by at most {difference:.2g}: {figures}."
        if not passed:
            explanation += " Either the model saw the test days, or its recipe gives another model each time."
        return GateResult(
            name, passed, difference if math.isfinite(difference) else None, SAME, explanation, details=details
        )
    sign = 1.0 if is_higher_better(by) else -1.0
    tolerance = use_case.gates.champion_tolerance
    passed = math.isfinite(was) and math.isfinite(now) and is_better(by, now, was - sign * tolerance)
    explanation = f"{figures}; ahead by {tolerance:g} at most is allowed."
    return GateResult(name, passed, sign * (was - now) if passed else None, tolerance, explanation, details=details)


def is_reproducible(model: JudgedModel) -> GateResult:
    """Fitting the winner again on its training rows gives the bytes that were registered.

    Raises:
        TrainingError: the rows cannot be learned from.
    """
    name, trained_on = "reproducible", model.predictor.trained_on
    rows = training_rows_of(model.predictor, model.dataset)
    if rows is None:
        explanation = (
            f"The training set no longer holds the {trained_on.rows:,} rows of {trained_on.first_day} to {trained_on.last_day} that "
            "the model was fitted on; train the model again."
        )
        return GateResult(name, False, None, None, explanation)
    again = fit_again(model.recipe, with_features(rows, model.predictor.features), model.predictor)
    passed = again.digest == model.digest
    verb = "gives the same model" if passed else "gives another model"
    explanation = f"Fitting {model.learner} again on the same {len(rows):,} rows {verb}"
    explanation += (
        "."
        if passed
        else f": predictions differ by up to {again.largest_difference:.2g}. Fix its seed and its threads."
    )
    details = {"registered": model.digest, "fitted_again": again.digest}
    return GateResult(name, passed, again.largest_difference, 0.0, explanation, details=plain(details))


def _measured(model: JudgedModel, metric: str, prediction: Vector) -> float:
    return measure(scored(model.judged, prediction), [metric_of(model.use_case, metric)])[0][metric]


def _shown(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "missing"


def not_trained_on_test_days_gate(inputs: GateInputs, name: str) -> GateResult:
    """None of the judged days was trained on."""
    return not_trained_on_test_days(inputs.model)


def reproducible_gate(inputs: GateInputs, name: str) -> GateResult:
    """Fitted again, it is the same model."""
    return is_reproducible(inputs.model)
