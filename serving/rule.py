"""The declared rule that decides while the model's score is not trusted.

Belongs here: computing the condition for one request. Does not belong here: when it decides (`standing_order.py`), or the model's own
decision (`scoring.py`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from platform_assets.declaration.expressions.compiled import sql_expression

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from serving.scoring import Prediction


def ruled(prediction: Prediction, rule: str, use_case: UseCase) -> Prediction:
    """The prediction with the decision that the rule makes of its features; the model's score stays what it is.

    Args:
        prediction: by the model.
        rule: a condition over features; where a value lacks that it needs, it does not hold.
        use_case: names features and decisions.
    """
    declared = use_case.serving.decision
    if declared is None:
        return prediction
    values = {name: [float(value)] for name, value in zip(use_case.feature_names, prediction.features, strict=True)}
    row = pl.DataFrame(values, schema=_schema(use_case.feature_names)).fill_nan(None)
    holds = row.select(_condition(rule, use_case.feature_names)).item()
    decision = declared.above if holds else declared.below
    answer = replace(prediction.answer, decision=decision, fields={**prediction.answer.fields, "decision": decision})
    return replace(prediction, answer=answer)


def _schema(features: tuple[str, ...]) -> dict[str, pl.DataType]:
    return dict.fromkeys(features, pl.Float64())


@lru_cache(maxsize=8)
def _condition(rule: str, features: tuple[str, ...]) -> pl.Expr:
    return sql_expression(rule, _schema(features))
