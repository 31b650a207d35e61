"""Whether a model is what it says: its predictions made without the test days, its bytes made from its training rows.

Belongs here: the two gates that fit the model's recipe again. Does not belong here: the recipe (`recipe`), making a model again from
old data versions (`registry`).
"""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from platform_assets.declaration.sections.training import HIGHER_IS_BETTER
from platform_assets.evaluation.gates.verdict import GateResult, is_better, plain
from platform_assets.evaluation.judged_model import Subject
from platform_assets.evaluation.metrics.scored_rows import Vector, make_metrics
from platform_assets.evaluation.recipe import fit_again, largest_difference, training_rows_of, with_features
from platform_assets.training.compare import MetricError, measure, scored

SAME = 1e-6
"""Predictions no further apart than this are the same."""


def not_trained_on_test_days(subject: Subject) -> GateResult:
    """The recorded predictions of the latest fold are those of a model that was fitted on the fold's training days alone.

    The recipe is fitted on these days and asked for the fold's rows: every figure that the other gates judge rests on the recorded
    predictions. Where the recipe is declared not to be reproducible, the selection metric is compared instead, and may be ahead by
    no more than the champion's tolerance.

    Raises:
        TrainingError: the fold's training days cannot be learned from.
        MetricError: the fold that was recorded is not the declared one.
    """
    name, fold, use_case = "not_trained_on_test_days", subject.fold, subject.use_case
    days = (fold.test_last - fold.test_first).days + 1
    if days != use_case.training.splits.test_days or fold.test_last > subject.last_labelled_day:
        raise MetricError(
            f"the recorded fold tests on {fold.test_first} to {fold.test_last}, but {use_case.training.splits.test_days} days up to "
            f"{subject.last_labelled_day} at the latest are declared; train the model again"
        )
    if date.fromisoformat(subject.predictor.trained_on.last_day) > subject.last_labelled_day:
        told = (
            f"The model was fitted up to {subject.predictor.trained_on.last_day}, but labels are known up to "
            f"{subject.last_labelled_day} only."
        )
        return GateResult(name, False, None, None, told)
    rows = with_features(subject.dataset.rows(fold.train_first, fold.train_last), subject.predictor.features)
    honest = subject.recipe(rows).predict(with_features(subject.judged, subject.predictor.features).X)
    by = use_case.training.select_by
    was, now = (_measured(subject, by, prediction) for prediction in (subject.prediction, honest))
    figures = f"{by} is {_shown(was)} as recorded and {_shown(now)} when fitted on {fold.train_first} to {fold.train_last} alone"
    details: dict[str, Any] = plain({"recorded": was, "fitted_again": now, "fold": fold.describe()})
    if use_case.gates.reproducible:
        difference = largest_difference(subject.prediction, honest)
        passed = difference <= SAME
        told = f"Predictions of the latest fold differ by at most {difference:.2g}: {figures}."
        if not passed:
            told += " Either the model saw the test days, or its recipe gives another model each time."
        return GateResult(name, passed, difference if math.isfinite(difference) else None, SAME, told, details=details)
    sign = 1.0 if by in HIGHER_IS_BETTER else -1.0
    tolerance = use_case.gates.champion_tolerance
    passed = math.isfinite(was) and math.isfinite(now) and is_better(by, now, was - sign * tolerance)
    told = f"{figures}; ahead by {tolerance:g} at most is allowed."
    return GateResult(name, passed, sign * (was - now) if passed else None, tolerance, told, details=details)


def is_reproducible(subject: Subject) -> GateResult:
    """Fitting the winner again on its training rows gives the bytes that were registered.

    Raises:
        TrainingError: the rows cannot be learned from.
    """
    name, trained_on = "reproducible", subject.predictor.trained_on
    rows = training_rows_of(subject.predictor, subject.dataset)
    if rows is None:
        told = (
            f"The training set no longer holds the {trained_on.rows:,} rows of {trained_on.first_day} to {trained_on.last_day} that "
            "the model was fitted on; train the model again."
        )
        return GateResult(name, False, None, None, told)
    again = fit_again(subject.recipe, with_features(rows, subject.predictor.features), subject.predictor)
    passed = again.digest == subject.digest
    verb = "gives the same model" if passed else "gives another model"
    told = f"Fitting {subject.learner} again on the same {len(rows):,} rows {verb}"
    told += (
        "."
        if passed
        else f": predictions differ by up to {again.largest_difference:.2g}. Fix its seed and its threads."
    )
    details = {"registered": subject.digest, "fitted_again": again.digest}
    return GateResult(name, passed, again.largest_difference, 0.0, told, details=plain(details))


def _measured(subject: Subject, metric: str, prediction: Vector) -> float:
    return measure(scored(subject.judged, prediction), make_metrics([metric]))[0][metric]


def _shown(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "missing"
