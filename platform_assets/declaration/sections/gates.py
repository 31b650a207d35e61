"""Gates: what a model has to prove before it is promoted.

Belongs here: bounds, and bypasses with who, why and until when. Does not belong here: the names of the gates they make (`gate_kinds`),
judging (`evaluation/gates`), what is measured of every candidate (`training.py`).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import Field, ValidationInfo, model_validator

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.sections.behaviour import BehaviourTest
from platform_assets.declaration.sections.slices import Slice
from platform_assets.declaration.sections.training import Metric
from platform_assets.declaration.tasks.base import DeclaredTask

RETIRED = frozenset({"max_single_feature_score"})
"""Gates of earlier declarations that are part of another one now."""


class Floor(Declaration):
    """A bound that a metric must keep."""

    metric: Metric = Field(description="Which metric, as its mean over the folds.")
    bound: float = Field(description="Smallest value allowed, or the largest for an error metric.")


class Bypass(Declaration):
    """A gate that is let pass for a time, on somebody's word. It is recorded and it expires."""

    gate: Identifier = Field(description="Name of the gate.")
    who: str = Field(min_length=3, description="Who decided it.")
    why: str = Field(min_length=10, description="Why it is right to let it pass.")
    until: date = Field(description="Last day on which the bypass holds.")


class Gates(Declaration):
    """What a model has to prove before it is promoted. All gates block."""

    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Confidence of the one-sided bounds in comparisons with champion and baseline (paired bootstrap).",
    )
    baseline_margin: float = Field(
        default=0.0,
        ge=0,
        description="By how much the model must beat the best baseline, in the selection metric: its mean over the folds, and, "
        "when above 0, also the lower bound of the difference on the latest fold.",
    )
    champion_tolerance: float = Field(
        default=0.02,
        ge=0,
        description="How much worse than the champion is still accepted, in the selection metric: the lower bound of the "
        "difference on rows that neither learned from must not fall below minus this.",
    )
    floors: tuple[Floor, ...] = Field(default=(), description="Bounds on metrics.")
    plausible: dict[Metric, float] = Field(
        default_factory=dict,
        description="Values that are too good to be true, by metric (for an error metric: too small): a model that reaches one "
        "is refused until a bypass of `plausible_<metric>` acknowledges it.",
    )
    plausible_by_default: bool = Field(
        default=True,
        description="Whether metrics without such a value are held to one all the same: 0.9995 for those that end at 1, and for errors a "
        "thousandth of the best baseline's (0.03 of it for rmse and mae). A bypass of `plausible` acknowledges what is right all the same.",
    )
    max_calibration_error: float | None = Field(
        default=None,
        gt=0,
        description="Largest expected calibration error; for a multi-class task, that of the predicted class's probability.",
    )
    max_relative_calibration_error: float | None = Field(
        default=None,
        gt=0,
        description="Largest expected calibration error as a multiple of the share of positives; binary only.",
    )
    max_calibration_ratio: float | None = Field(
        default=2.0,
        gt=1,
        description="The mean prediction may be this many times larger or smaller than the share of positives; "
        "for a multi-class task the same of every class with `min_positives` rows.",
    )
    slices: tuple[Slice, ...] = Field(default=(), description="Parts of the rows that are judged on their own.")
    behaviour: tuple[BehaviourTest, ...] = Field(
        default=(), description="What the model must do with inputs that people understand."
    )
    max_single_feature: dict[Metric, float] = Field(
        default={"auc_roc": 0.99, "r2": 0.999},
        description="How much one feature alone may achieve (a small tree on earlier days, judged on the latest fold), by metric: "
        "auc_roc and average_precision for a binary or multi-class task, r2 for a regression. More looks like the label itself. "
        "The asset `feature_quality` names such a feature before a model is trained, by auc_roc or r2.",
    )
    max_importance_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Largest share that one feature may have in what the model loses when features are shuffled.",
    )
    min_training_rows: int = Field(default=1000, ge=1, description="Fewest rows a training period must have.")
    min_positives: int = Field(
        default=20,
        ge=0,
        description="Fewest positive labels a training period must have; for a multi-class task, fewest rows of every class.",
    )
    min_day_ratio: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Every day of the training period must have at least this share of the median day's rows.",
    )
    max_scoring_milliseconds: float | None = Field(
        default=None, gt=0, description="Longest time to score a single row, at the 99th percentile, in milliseconds."
    )
    max_model_megabytes: float | None = Field(
        default=None, gt=0, description="Largest size of the model's folder, in MB (10^6 bytes)."
    )
    reproducible: bool = Field(
        default=True, description="Whether fitting the winner again on the same rows must give the same bytes."
    )
    bypasses: tuple[Bypass, ...] = Field(default=(), description="Recorded exceptions; each expires.")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_retired(cls, given: Any, info: ValidationInfo) -> Any:
        """Releases and runs keep their declaration as JSON, and must stay readable; what is declared today, in YAML, is refused."""
        if info.mode == "json" and isinstance(given, Mapping):
            return {name: value for name, value in given.items() if name not in RETIRED}
        return given

    def single_feature_bounds(self, task: DeclaredTask) -> dict[str, float]:
        """The bounds of `max_single_feature` that apply to a kind of task."""
        return {name: bound for name, bound in self.max_single_feature.items() if name in task.single_feature_metrics}

    def single_feature_score_bound(self, task: DeclaredTask) -> float:
        """The bound on a single feature's score before there is a model: area under the ROC curve, or share of variance explained.

        Without a declared one it is 1: the label itself is named all the same.
        """
        return self.max_single_feature.get(task.single_feature_metrics[0], 1.0)
