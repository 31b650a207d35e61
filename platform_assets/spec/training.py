"""Label, learners, splits, metrics and gates: what a model must learn and what it must prove.

Belongs here: declarations that `training/` and `evaluation/` are driven by. Does not belong here: any fitting or
measuring.
"""

from typing import Any, Literal

from pydantic import Field

from platform_assets.spec.base import Declaration, Identifier

Task = Literal["binary", "regression"]
Metric = Literal[
    "auc_roc",
    "average_precision",
    "card_precision_at_100",
    "brier",
    "log_loss",
    "calibration_error",
    "rmse",
    "mae",
    "r2",
]
HIGHER_IS_BETTER: frozenset[str] = frozenset({"auc_roc", "average_precision", "card_precision_at_100", "r2"})


class Label(Declaration):
    """What the model predicts. Its delay is the `arrival_delay_days` of its source."""

    source: Identifier = Field(description="Source that carries the label.")
    column: Identifier = Field(description="Column with the label; 0 or 1 for a binary task.")


class Learner(Declaration):
    """One candidate."""

    name: Identifier = Field(description="Name in comparisons.")
    kind: Literal[
        "constant", "single_feature", "logistic_regression", "ridge", "random_forest", "xgboost", "torch_mlp"
    ] = Field(description="Which learner.")
    baseline: bool = Field(default=False, description="Whether the champion has to beat this candidate.")
    feature: Identifier | None = Field(
        default=None, description="The feature that a `single_feature` learner hands on, and no other learner has."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the learner.")


class Splits(Declaration):
    """Prequential folds: train, wait for the labels, test; each fold one test period earlier."""

    train_days: int = Field(default=7, ge=1, description="Length of the training period, in days.")
    delay_days: int = Field(
        default=7, ge=0, description="Days between training and test period, no less than the label's delay."
    )
    test_days: int = Field(default=7, ge=1, description="Length of the test period, in days.")
    folds: int = Field(default=4, ge=1, description="How many folds.")


class Compute(Declaration):
    """What training needs of a machine; used where steps run on Kubernetes."""

    cpus: float = Field(default=2.0, gt=0, description="CPU cores.")
    memory_gigabytes: float = Field(default=4.0, gt=0, description="Memory, in GB (10^9 bytes).")
    gpus: int = Field(default=0, ge=0, description="NVIDIA GPUs.")


class Training(Declaration):
    """How the model is made."""

    task: Task = Field(description="Kind of problem.")
    group: Identifier | None = Field(
        default=None, description="Column that groups rows for card precision: the card, the customer."
    )
    learners: tuple[Learner, ...] = Field(min_length=1, description="Candidates; the simplest first: it wins ties.")
    splits: Splits = Field(default_factory=Splits, description="How candidates are validated.")
    metrics: tuple[Metric, ...] = Field(min_length=1, description="What is measured for every candidate.")
    select_by: Metric = Field(description="The metric that picks the winner.")
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
    seed: int = Field(default=0, ge=0, description="Seed of everything random in training.")
    compute: Compute = Field(
        default_factory=Compute, description="What training needs of a machine; used where steps run on Kubernetes."
    )
    every_days: int = Field(default=7, ge=1, description="How often a model is trained on schedule, in days.")
