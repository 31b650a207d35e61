"""What the declaration knows of a kind of task: plain data, and the rules that only this kind has.

Belongs here: the one form that every kind has. Does not belong here: the kinds themselves, or anything computed on rows (`tasks/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import polars as pl

    from platform_assets.declaration.use_case import UseCase

Objective: TypeAlias = Literal["binary", "multiclass", "regression"]
"""What a learner can be fitted for. Several kinds of task may share one."""
Finding: TypeAlias = tuple[tuple[int | str, ...], Any, str]
"""Path in the declaration, the value there, and the message."""


def no_problems(use_case: UseCase) -> Iterator[Finding]:
    """A kind of task without rules of its own."""
    return iter(())


@dataclass(frozen=True)
class DeclaredTask:
    """A kind of task.

    Attributes:
        name: what `training.task` calls it.
        model_name: last part of the model asset's key.
        objective: what its learners minimise: the loss of a 0 or 1, of one of several classes, or of a value.
        metrics: what can be measured of a model: name to whether higher is better.
        carried_out_by: `package.module:OBJECT` of the `tasks.base.Task` that computes what this kind declares.
        single_feature_metrics: metrics of `gates.max_single_feature` that apply; the first one is the score of a feature before there
            is a model (asset `feature_quality`).
        gate_fields: bounds on probabilities in `gates` that apply: of `max_calibration_error`, `max_relative_calibration_error` and
            `max_calibration_ratio`.
        has_decision: whether `serving.decision`, a threshold, turns a score into a decision.
        without_decision: what is said, besides, to somebody who declares one for a task without.
        has_probabilities: whether a prediction is a probability, which can be calibrated.
        monotone_problem: why learners may not be monotone; empty where they may.
        has_classes: whether the label is one of several classes, the `allowed` values of its column.
        log_columns: columns of the prediction log beyond those of every task.
        scored_from: column of the prediction log that quality is measured from.
        problems: rules of its own.
    """

    name: str
    model_name: str
    objective: Objective
    metrics: Mapping[str, bool]
    single_feature_metrics: tuple[str, ...]
    carried_out_by: str
    gate_fields: frozenset[str] = frozenset()
    has_decision: bool = False
    without_decision: str = ""
    has_probabilities: bool = False
    monotone_problem: str = ""
    has_classes: bool = False
    log_columns: Mapping[str, pl.DataType] = field(default_factory=dict)
    scored_from: str = "score"
    problems: Callable[[UseCase], Iterator[Finding]] = no_problems
