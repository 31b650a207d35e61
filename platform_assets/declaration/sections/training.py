"""Learners, splits and metrics: how a model is made.

Belongs here: declarations that `training/` and `evaluation/` are driven by. Does not belong here: the label (`label.py`),
any fitting or measuring.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.learner_kinds import learner_names
from platform_assets.declaration.renamed import current_name
from platform_assets.declaration.sections.compute import Compute
from platform_assets.declaration.sections.search import Search
from platform_assets.declaration.tasks.registry import metric_names, task_names


def _one_of(names: Callable[[], Sequence[str]]) -> Callable[[Any], str]:
    """Refuse a text that is no name of a registry, in pydantic's own words for a `Literal`."""

    def checked(value: Any) -> str:
        known = names()
        if isinstance(value, str) and value not in known and current_name(value) in known:
            raise PydanticCustomError(
                "renamed", "{old} is called {new} now", {"old": value, "new": current_name(value)}
            )
        if value not in known:
            quoted = [repr(name) for name in known]
            expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
            raise PydanticKnownError("literal_error", {"expected": expected})
        return str(value)

    return checked


TaskName = Annotated[
    str, BeforeValidator(_one_of(task_names)), WithJsonSchema({"type": "string", "enum": list(task_names())})
]
"""Name of a kind of task."""
Metric = Annotated[
    str, BeforeValidator(_one_of(metric_names)), WithJsonSchema({"type": "string", "enum": list(metric_names())})
]
"""Name of a metric of any kind of task."""


LearnerName = Annotated[
    str, BeforeValidator(_one_of(learner_names)), WithJsonSchema({"type": "string", "enum": list(learner_names())})
]
"""Name of a kind of learner."""


class DeclaredLearner(Declaration):
    """One candidate."""

    name: Identifier = Field(description="Name in comparisons.")
    kind: LearnerName = Field(
        description="Which learner. `blend` and `stack` join others; `estimator` is any of scikit-learn's by its dotted name."
    )
    baseline: bool = Field(default=False, description="Whether the champion has to beat this candidate.")
    feature: Identifier | None = Field(
        default=None,
        description="The feature that a `single_feature` learner hands on, a `rule` compares with its `threshold`, or the season of a "
        "`last_value` learner (which can do without); no other learner has one.",
    )
    estimator: str | None = Field(
        default=None,
        description="For kind `estimator`: dotted name of a scikit-learn class, for example "
        "`sklearn.ensemble.HistGradientBoostingClassifier`; `settings` are its parameters, and `scale` brings inputs to mean 0 and "
        "standard deviation 1.",
    )
    of: tuple[Identifier, ...] = Field(
        default=(),
        description="For kinds `blend` and `stack`: names of the learners that are joined, declared before it.",
    )
    calibrate: Literal["isotonic", "sigmoid"] | None = Field(
        default=None,
        description="Map the learner's probabilities to how often they came true, learned on training rows that it had not seen.",
    )
    inputs: tuple[Identifier, ...] = Field(
        default=(),
        description="The only features that the learner looks at, for example without those that others are computed from; absent means "
        "all. Not for `blend` and `stack`, whose members have their own.",
    )
    monotone: dict[Identifier, Literal["increasing", "decreasing"]] = Field(
        default_factory=dict,
        description="Features with which the prediction may only rise or only fall; for `random_forest`, `xgboost` and estimators that "
        "know `monotonic_cst`.",
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the learner.")
    search: Search | None = Field(
        default=None, description="Look for better settings before candidates are compared; absent means as declared."
    )


class Splits(Declaration):
    """Prequential folds: train, wait for the labels, test; each fold one test period earlier."""

    train_days: int = Field(default=7, ge=1, description="Length of the training period, in days.")
    delay_days: int = Field(
        default=7, ge=0, description="Days between training and test period, no less than the label's delay."
    )
    test_days: int = Field(default=7, ge=1, description="Length of the test period, in days.")
    folds: int = Field(default=4, ge=1, description="How many folds.")
    final_test_days: int = Field(
        default=0,
        ge=0,
        description="The last labelled days, which search and selection never see: the chosen learner is judged on them once, and the "
        "figure is recorded. 0 for none.",
    )


class Training(Declaration):
    """How the model is made."""

    task: TaskName = Field(
        description="Kind of problem: one of two classes, one of several (the `allowed` values of the label's column), or a value."
    )
    group: Identifier | None = Field(
        default=None, description="Column that groups rows for group precision: the card, the customer."
    )
    learners: tuple[DeclaredLearner, ...] = Field(
        default=(),
        description="Candidates, the simplest first: it wins ties. None where scores are delivered (`predictions`), else at least two.",
    )
    splits: Splits = Field(default_factory=Splits, description="How candidates are validated.")
    metrics: tuple[Metric, ...] = Field(min_length=1, description="What is measured for every candidate.")
    select_by: Metric = Field(description="The metric that picks the winner.")
    tie_tolerance: float = Field(
        default=0.0,
        ge=0.0,
        description="Candidates whose mean is worse than the best by no more than this, in the unit of `select_by`, are tied: the one "
        "declared first wins. Noise then does not change the kind of model from one training to the next.",
    )
    impute: dict[Identifier, Literal["median", "mean"] | float] = Field(
        default_factory=dict,
        description="What a missing value of a feature becomes: a number, or the median (also of features not named) or mean of "
        "the training rows; travels with the model.",
    )
    clip: dict[Identifier, tuple[float, float]] = Field(
        default_factory=dict,
        description="Two quantiles of the training rows between which a feature's values are held, for example "
        "`{amount: [0.01, 0.99]}`; their values travel with the model.",
    )
    categories: tuple[Identifier, ...] = Field(
        default=(),
        description="Features that are codes, not amounts: linear models and estimators get a column for each value, networks an "
        "embedding; a value never seen in training has no column.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything random in training.")
    compute: Compute | None = Field(
        default=None,
        description="What fitting and judging the model need of a machine; in place of the keys `model...` of the section `compute`.",
    )
    every_days: int = Field(default=7, ge=1, description="How often a model is trained on schedule, in days.")
