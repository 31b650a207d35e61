"""What each feature added to one answer.

Belongs here: the answer of a whole predictor taken apart, imputation included, and the way for models that are no sum. Does not belong
here: the sums of particular models (`learners/`), what people are shown of it (`pipelines/explain_prediction`).
"""

from __future__ import annotations

import math

import numpy as np

from platform_assets.training.learners.additive import OUTPUT, AdditiveAnswer, additive_answer
from platform_assets.training.learners.base import Matrix, Vector
from platform_assets.training.predictor import Predictor

SAMPLED = (
    "Shapley values by sampled orders of the features (Štrumbelj and Kononenko 2014), against {rows} training rows: approximate, "
    "{orders} orders of each"
)
ORDERS = 32
"""Pairs of an order and its reverse."""


def attribute(predictor: Predictor, row: Vector, output: int, background: Matrix) -> AdditiveAnswer:
    """What each feature added to the answer to a row.

    Args:
        predictor: the model.
        row: float64 [f]; NaN is missing and is imputed, as when it is predicted.
        output: index of the class that is asked about; 0 of a model of one output.
        background: float64 [r, f], training rows, for models that are no sum; without any, what missing values become stands for them.
    """
    filled = predictor.imputation.filled(row.reshape(1, -1))[0]
    inside = _inner_output(predictor, output)
    found = None if inside is None else additive_answer(predictor.fitted, filled, inside)
    if found is not None:
        return found
    known = background if len(background) else predictor.imputation.values.reshape(1, -1)
    return _sampled(predictor, filled, output, predictor.imputation.filled(known))


def answer_a_few(fitted: object) -> None:
    """Let a model, and the models that it is made of, answer with as little loaded as can be: what it answers is held against the log."""
    if hasattr(fitted, "answer_a_few"):
        fitted.answer_a_few()
    for member in (getattr(fitted, "member", None), *getattr(fitted, "members", ())):
        if member is not None:
            answer_a_few(member.fitted)


def _inner_output(predictor: Predictor, output: int) -> int | None:
    """The class's place among those that the model was fitted on; None for one that no training row had."""
    if not predictor.classes:
        return 0
    known = np.flatnonzero(predictor.trained_on.class_rows).tolist()
    return known.index(output) if output in known and len(known) > 1 else None


def _sampled(predictor: Predictor, row: Vector, output: int, background: Matrix) -> AdditiveAnswer:
    """Each feature's mean step from a training row to the row, over orders and their reverses; the steps of an order add up."""
    width, random = len(row), np.random.default_rng(0)
    orders = [random.permutation(width) for _ in range(ORDERS)]
    orders += [order[::-1] for order in orders]
    contributions = np.zeros(width)
    for order in orders:
        walk = np.repeat(background[:, None, :], width + 1, axis=1)
        for step, feature in enumerate(order, start=1):
            walk[:, step:, feature] = row[feature]
        outputs = _outputs(predictor, walk.reshape(-1, width), output).reshape(len(background), width + 1)
        contributions[order] += np.diff(outputs, axis=1).mean(axis=0)
    contributions /= len(orders)
    base = float(_outputs(predictor, background, output).mean())
    total = float(_outputs(predictor, row.reshape(1, -1), output)[0])
    return AdditiveAnswer(
        method=SAMPLED.format(rows=len(background), orders=len(orders)),
        exact=False,
        space=OUTPUT,
        base=base,
        contributions=contributions,
        # Some libraries answer a row among many with other last digits than alone.
        rounding=math.fsum([total, -base, *(-contributions).tolist()]),
        total=total,
    )


def _outputs(predictor: Predictor, X: Matrix, output: int) -> Vector:
    predicted = predictor.predict(np.ascontiguousarray(X))
    return predicted[:, output] if predicted.ndim > 1 else predicted
