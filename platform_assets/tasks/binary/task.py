"""One of two classes: the answer is the probability of the positive one, and a declared threshold decides.

Belongs here: the member of the registry. Does not belong here: the parts that it is made of (`metrics`, `plots`, `gates`, `thresholds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.sections.serving import REVIEW, Decision
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.declaration.tasks.binary import BINARY as DECLARED
from platform_assets.tasks.base import Answer, Answers, FoldRows, Task, TrainingLabels
from platform_assets.tasks.binary import gates as share_of_positives
from platform_assets.tasks.binary import metrics, plots
from platform_assets.tasks.binary.thresholds import thresholds_with_money
from platform_assets.tasks.calibrated_classes import calibrate_classes
from platform_assets.tasks.calibration import calibration_error, reliability_bins
from platform_assets.tasks.enough_rows import has_enough_data
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.intervals import ratio_interval
from platform_assets.tasks.labels import mean_of, moved_mean, numbers
from platform_assets.tasks.metric import Matrix, NamedMetric, Vector
from platform_assets.tasks.outcomes import OutcomeModel
from platform_assets.tasks.thinning import thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POSITIVE = 1.0


class BinaryTask:
    """The kind `binary`."""

    declared: DeclaredTask = DECLARED
    label_type: pl.DataType = pl.Float64()
    drift_columns: tuple[str, ...] = ("score",)
    leaves_out_known_groups = True

    def metric(self, name: str) -> NamedMetric:
        """A metric of a probability."""
        return metrics.metric(name)

    def labels(self, label: pl.Series, classes: Sequence[str]) -> Vector:
        """Labels 0 and 1 as they are."""
        return numbers(label)

    def label_statistics(self, label: pl.Series, classes: Sequence[str]) -> dict[str, Any]:
        """The share of positives."""
        return mean_of(label)

    def training_parameters(self, labels: TrainingLabels) -> dict[str, Any]:
        """The share of positives."""
        return {"label_mean": labels.mean}

    def label_note(self, labels: TrainingLabels) -> tuple[str, str]:
        """The share of positives."""
        return "share of positives", f"{labels.mean:.4g}"

    def rare_rows(self, y: Vector) -> NDArray[np.int64]:
        """Every positive."""
        return np.flatnonzero(y == POSITIVE)

    def answers(self, use_case: UseCase) -> Answers:
        """The probability, and what the threshold makes of it."""
        rule = _rule(use_case)

        def answer(output: Any) -> Answer:
            decision = rule.above if output >= rule.threshold else rule.below
            return Answer(output, decision, {"probability": output, "decision": decision})

        return answer

    def answer_notes(self, use_case: UseCase) -> list[tuple[str, str]]:
        """Nothing."""
        return []

    def limits(self, use_case: UseCase, labels: TrainingLabels) -> list[str]:
        """Nothing."""
        return []

    def answer_fields(self, use_case: UseCase) -> dict[str, Any]:
        """`probability` and `decision`."""
        rule = _rule(use_case)
        decisions = rule.above, rule.below, *((REVIEW,) if use_case.may_review else ())
        return {
            "probability": (float, Field(description="What the model predicts.")),
            "decision": (
                Literal[decisions],
                Field(description=f"`{rule.above}` from {rule.threshold} on."),
            ),
        }

    def decisions(self, use_case: UseCase) -> tuple[str, ...]:
        """Above and below the threshold."""
        rule = _rule(use_case)
        return rule.above, rule.below

    def log_columns(self, use_case: UseCase, predictions: Vector, classes: Sequence[str]) -> dict[str, pl.Series]:
        """The probability and the decision."""
        rule = _rule(use_case)
        decided = np.where(predictions >= rule.threshold, rule.above, rule.below)
        return {"score": pl.Series(predictions), "decision": pl.Series(decided.tolist(), dtype=pl.String)}

    def logged_predictions(self, rows: pl.DataFrame, use_case: UseCase) -> Vector:
        """The score."""
        return numbers(rows["score"])

    def enough_data(self, labels: TrainingLabels, use_case: UseCase) -> GateResult:
        """Rows and positives."""
        return has_enough_data(labels.rows, round(labels.rows * (labels.mean or 0.0)), use_case.gates)

    def relative_calibration(self, y: Vector, prediction: Vector, gates: Gates) -> list[GateResult]:
        """The calibration error as a multiple of the share of positives."""
        error, bound = calibration_error(y, prediction), gates.max_relative_calibration_error
        return share_of_positives.is_calibrated_for_the_base_rate(error, _share(y), bound)

    def mean_prediction(self, y: Vector, prediction: Vector, use_case: UseCase) -> list[GateResult]:
        """The mean probability against the share of positives."""
        mean = float(prediction.mean()) if len(y) else float("nan")
        return share_of_positives.predicts_the_base_rate(mean, _share(y), len(y), use_case.gates.max_calibration_ratio)

    def nothing_to_learn(self, y: Vector) -> str | None:
        """All labels are the same."""
        positives = int((y == POSITIVE).sum())
        if positives in (0, len(y)):
            return f"{len(y):,} training rows with {positives:,} positives say nothing about features"
        return None

    def predict_by_tree(self, x: Matrix, y: Vector, other: Matrix, classes: int, settings: Mapping[str, Any]) -> Vector:
        """The probability of a positive."""
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(**settings).fit(x, y)
        probability: Vector = tree.predict_proba(other)[:, 1].astype(np.float64)
        return probability

    def too_few_labels(self, y: Vector, use_case: UseCase, least: int) -> str | None:
        """Too few positives, or too few negatives."""
        positives = int((y == POSITIVE).sum())
        if min(positives, len(y) - positives) < least:
            return f"{positives} of {len(y)} labelled rows are positive; {least} rows of each class are needed."
        return None

    def label_rate(self, y: Vector) -> float | None:
        """The share of positives."""
        return float(y.mean()) if len(y) else None

    def moved_labels(self, y: Vector, use_case: UseCase, reference: TrainingLabels) -> list[tuple[str, str]]:
        """The share of positives, when its whole interval lies outside the declared ratio."""
        if reference.mean is None:
            return []
        interval = ratio_interval(int((y == POSITIVE).sum()), len(y))
        return moved_mean(y, interval, reference.mean, use_case)

    def fit_outcomes(self, y: Vector, prediction: Vector, X: Matrix) -> OutcomeModel:
        """The probability of a positive, calibrated."""
        return calibrate_classes(y, prediction)

    def plot(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> bytes:
        """ROC, precision and recall, calibration, confusion at the threshold."""
        return plots.plot_binary(y, predictions, _rule(use_case).threshold)

    def figures(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> dict[str, Figure]:
        """The same, each by itself."""
        return plots.binary_figures(y, predictions, _rule(use_case).threshold)

    def curves(self, use_case: UseCase, y: Vector, prediction: Vector, points: int) -> dict[str, Any]:
        """Points of the curves."""
        bins = reliability_bins(y, prediction)
        points_of: dict[str, Any] = {
            "calibration": {
                "mean_prediction": [each.mean_prediction for each in bins],
                "observed_ratio": [each.observed_ratio for each in bins],
            }
        }
        if len(np.unique(y)) > 1:
            from sklearn.metrics import precision_recall_curve, roc_curve

            false, true, _ = roc_curve(y, prediction)
            precision, recall, _ = precision_recall_curve(y, prediction)
            points_of["roc"] = {
                "false_positive_rate": thinned(false, points),
                "true_positive_rate": thinned(true, points),
            }
            points_of["precision_recall"] = {"recall": thinned(recall, points), "precision": thinned(precision, points)}
        return points_of

    def details(self, use_case: UseCase, rows: FoldRows) -> dict[str, Any]:
        """The table of thresholds, with money where costs are declared."""
        return {"thresholds": thresholds_with_money(_rule(use_case), rows)}


def _rule(use_case: UseCase) -> Decision:
    assert use_case.serving.decision is not None, "find_problems refuses a binary task without decision"
    return use_case.serving.decision


def _share(y: Vector) -> float:
    return float(y.mean()) if len(y) else 0.0


BINARY: Task = BinaryTask()
