"""A logged answer computed again from a model and feature values.

Belongs here: score, decision and how a decision came about. Does not belong here: finding the model (`model_then.py`), the features
(`state_then.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.expressions.compiled import sql_expression
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.pipelines.explain_prediction.model_then import AnsweringModel
from platform_assets.tasks.base import Answer
from platform_assets.tasks.registry import task_of
from platform_assets.training.learners.base import Vector

FeatureValues = Mapping[str, float | None]


@dataclass(frozen=True)
class AnswerAgain:
    """An answer that was computed again.

    Attributes:
        score: what the model gives now.
        decision: what is decided from it, standing rules included.
        decided_by: how the decision comes about, in words.
        same_score: whether the logged score is the same to the bit.
        same_decision: whether the logged decision is the same.
        others_same: whether all else that is logged of the answer is the same to the bit.
    """

    score: float
    decision: str | None
    decided_by: str
    same_score: bool
    same_decision: bool
    others_same: bool

    @property
    def same(self) -> bool:
        """Whether the whole answer is the same to the bit."""
        return self.same_score and self.same_decision and self.others_same


def logged_features(row: Mapping[str, Any], use_case: UseCase) -> dict[str, float | None]:
    """The feature values that a logged prediction was made from."""
    return {name: row.get(FEATURE_PREFIX + name) for name in use_case.feature_names}


def as_row(values: FeatureValues, names: Sequence[str]) -> Vector:
    """Values in the order of names, float64 [f]; NaN is missing."""
    return np.array([math.nan if values[name] is None else values[name] for name in names], dtype=np.float64)


def model_answer(model: AnsweringModel, values: FeatureValues) -> Answer:
    """What the model answers to feature values, alone as a service asks it, before anybody's order."""
    row = as_row(values, model.predictor.features).reshape(1, -1)
    return task_of(model.use_case).answers(model.use_case)(model.predictor.predict(row)[0].tolist())


def answer_again(model: AnsweringModel, values: FeatureValues, row: Mapping[str, Any]) -> AnswerAgain:
    """Compute the answer to feature values and hold it against the logged one.

    Args:
        model: that answered.
        values: of every feature.
        row: the logged prediction.
    """
    answer = model_answer(model, values)
    decision, decided_by = _decided(answer, model.use_case, values, row)
    return AnswerAgain(
        score=answer.score,
        decision=decision,
        decided_by=decided_by,
        same_score=same_number(answer.score, row["score"]),
        same_decision=decision == row["decision"],
        others_same=all(row.get(name) == value for name, value in answer.logged.items()),
    )


def same_number(one: float | None, other: float | None) -> bool:
    """Whether two values are the same to the bit; null and NaN are missing, and two missing ones are the same."""
    if one is None or other is None or math.isnan(one) or math.isnan(other):
        return (one is None or math.isnan(one)) and (other is None or math.isnan(other))
    return one == other


def _decided(
    answer: Answer, use_case: UseCase, values: FeatureValues, row: Mapping[str, Any]
) -> tuple[str | None, str]:
    """The decision, and how it came about: by the model, as strangers are treated, or under one of the declared standing orders."""
    rule = use_case.serving.decision
    by_model = f"the model: from {rule.threshold} on `{rule.above}`" if rule is not None else "the model"
    if row["unknown_entities"] and use_case.serving.unknown == REVIEW:
        return REVIEW, f"nothing was known of {row['unknown_entities']}: such requests go to people"
    if row["decision"] == answer.decision:
        return answer.decision, by_model
    for order in use_case.monitoring.degrade:
        if order.then == REVIEW and row["decision"] == REVIEW:
            return (
                REVIEW,
                f"a standing order ({order.when}) sent every request to people; {by_model} said {answer.decision}",
            )
        condition = getattr(order, "rule", None)
        if order.then == "rule" and condition and rule is not None:
            decided = rule.above if _holds(condition, values) else rule.below
            if decided == row["decision"]:
                return decided, f"a standing order decided by the rule `{condition}`; {by_model} said {answer.decision}"
    return answer.decision, by_model


def _holds(condition: str, values: FeatureValues) -> bool:
    schema: dict[str, pl.DataType] = dict.fromkeys(values, pl.Float64())
    frame = pl.DataFrame({name: [value] for name, value in values.items()}, schema=schema)
    return bool(frame.select(sql_expression(condition, schema)).item())
