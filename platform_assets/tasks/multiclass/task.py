"""One of several classes: the answer is the most probable one, with the probability of each.

Belongs here: the member of the registry. Does not belong here: the parts it is composed of (`metrics`, `plots`, `gates`, `labels`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, create_model

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.declaration.tasks.multiclass import MULTICLASS as DECLARED
from platform_assets.declaration.tasks.multiclass import PROBABILITIES
from platform_assets.tasks.base import Answer, Answers, FoldRows, Task, TrainingLabels
from platform_assets.tasks.calibrated_classes import calibrate_classes
from platform_assets.tasks.calibration import reliability_bins
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import Matrix, NamedMetric, Vector
from platform_assets.tasks.multiclass import gates as classes_gates
from platform_assets.tasks.multiclass import metrics, plots
from platform_assets.tasks.multiclass.labels import class_indices, moved_classes, probabilities_of
from platform_assets.tasks.multiclass.probabilities import spread
from platform_assets.tasks.outcomes import OutcomeModel
from platform_assets.tasks.plain import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class MulticlassTask:
    """The kind `multiclass`."""

    declared: DeclaredTask = DECLARED
    label_type: pl.DataType = pl.String()
    drift_columns: tuple[str, ...] = ("score", "decision")
    """The score is how sure the model is; the decision, the predicted class, shows which classes it sees more often or less."""
    leaves_out_known_groups = False

    def metric(self, name: str) -> NamedMetric:
        """A metric of probabilities by class."""
        return metrics.metric(name)

    def labels(self, label: pl.Series, classes: Sequence[str]) -> Vector:
        """The index of each label's class."""
        return class_indices(label, classes)

    def label_statistics(self, label: pl.Series, classes: Sequence[str]) -> dict[str, Any]:
        """Rows of every declared class."""
        counts = dict(label.cast(pl.String).value_counts().iter_rows())
        return {"rows_by_class": {name: int(counts.get(name, 0)) for name in classes}}

    def training_parameters(self, labels: TrainingLabels) -> dict[str, Any]:
        """How many classes, and the rows of the rarest."""
        return {"classes": len(labels.class_rows), "rarest_class_rows": min(labels.class_rows.values())}

    def label_note(self, labels: TrainingLabels) -> tuple[str, str]:
        """Rows of each class."""
        return "rows of each class", ", ".join(f"{name} {rows:,}" for name, rows in labels.class_rows.items())

    def rare_rows(self, y: Vector) -> NDArray[np.int64]:
        """None."""
        return np.empty(0, dtype=np.int64)

    def answers(self, use_case: UseCase) -> Answers:
        """The most probable class, the first of equally probable ones, and the probability of each."""
        classes = use_case.classes

        def answer(output: Any) -> Answer:
            score = max(output)
            predicted = classes[output.index(score)]
            fields = {"class": predicted, "probabilities": dict(zip(classes, output, strict=True))}
            return Answer(score, predicted, fields, {PROBABILITIES: list(output)})

        return answer

    def answer_notes(self, use_case: UseCase) -> list[tuple[str, str]]:
        """Which classes there are."""
        return [("answers with", f"the most probable of {', '.join(use_case.classes)}, and a probability for each")]

    def limits(self, use_case: UseCase, labels: TrainingLabels) -> list[str]:
        """Classes that it has never seen, declared or not."""
        unseen = [name for name, rows in labels.class_rows.items() if rows == 0]
        never = [f"No training row was of class {', '.join(unseen)}: it is never predicted."] if unseen else []
        count = len(use_case.classes)
        return [*never, f"What is none of {count} declared classes is answered with one of them all the same."]

    def answer_fields(self, use_case: UseCase) -> dict[str, Any]:
        """`class` and `probabilities`."""
        named: dict[str, Any] = {f"class_{i}": (float, Field(alias=name)) for i, name in enumerate(use_case.classes)}
        each = create_model("Probabilities", **named)
        return {
            "class": (Literal[use_case.classes], Field(description="The most probable class.")),
            "probabilities": (each, Field(description="The probability of each class.")),
        }

    def decisions(self, use_case: UseCase) -> tuple[str, ...]:
        """The classes."""
        return use_case.classes

    def log_columns(self, use_case: UseCase, predictions: Vector, classes: Sequence[str]) -> dict[str, pl.Series]:
        """The highest probability, its class, and the probability of each."""
        return {
            "score": pl.Series(predictions.max(axis=1), dtype=pl.Float64),
            "decision": pl.Series([classes[index] for index in predictions.argmax(axis=1)], dtype=pl.String),
            PROBABILITIES: pl.Series(predictions.tolist(), dtype=pl.List(pl.Float64)),
        }

    def logged_predictions(self, rows: pl.DataFrame, use_case: UseCase) -> Vector:
        """The probability of each class."""
        return probabilities_of(rows, use_case)

    def enough_data(self, labels: TrainingLabels, use_case: UseCase) -> GateResult:
        """Rows, and rows of every declared class."""
        rows = {name: labels.class_rows.get(name, 0) for name in use_case.classes}
        return classes_gates.has_enough_of_each_class(labels.rows, rows, use_case.gates)

    def relative_calibration(self, y: Vector, prediction: Vector, gates: Gates) -> list[GateResult]:
        """There is no one share to compare with."""
        return []

    def mean_prediction(self, y: Vector, prediction: Vector, use_case: UseCase) -> list[GateResult]:
        """The mean probability of each class against its share."""
        reports = metrics.class_reports(y, prediction, use_case.classes)
        gates = use_case.gates
        return classes_gates.predicts_the_share_of_each_class(
            reports, len(y), gates.max_calibration_ratio, gates.min_positives
        )

    def nothing_to_learn(self, y: Vector) -> str | None:
        """All labels are of one class."""
        if len(y) == 0:
            return f"{len(y):,} training rows with 0 positives say nothing about features"
        return f"{len(y):,} training rows of one class say nothing about features" if len(np.unique(y)) == 1 else None

    def predict_by_tree(self, x: Matrix, y: Vector, other: Matrix, classes: int, settings: Mapping[str, Any]) -> Vector:
        """The probability of each class."""
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(**settings).fit(x, y)
        return spread(tree.predict_proba(other), tree.classes_.astype(np.int64), classes)

    def too_few_labels(self, y: Vector, use_case: UseCase, least: int) -> str | None:
        """Fewer than two classes have enough rows."""
        enough = int((np.bincount(y.astype(np.int64)) >= least).sum())
        if enough < 2:
            return f"{enough} of {len(use_case.classes)} classes have {least} labelled rows; two are needed."
        return None

    def label_rate(self, y: Vector) -> float | None:
        """The mean of class indices has no meaning."""
        return None

    def moved_labels(self, y: Vector, use_case: UseCase, reference: TrainingLabels) -> list[tuple[str, str]]:
        """Classes whose share lies outside the declared ratio."""
        return moved_classes(y, use_case, reference.class_rows)

    def fit_outcomes(self, y: Vector, prediction: Vector, X: Matrix) -> OutcomeModel:
        """The probability of each class, calibrated."""
        return calibrate_classes(y, prediction)

    def plot(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> bytes:
        """Confusion of classes, recall and precision, calibration of the predicted class."""
        return plots.plot_classes(y, next(iter(predictions.values())), use_case.classes)

    def figures(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> dict[str, Figure]:
        """The same, each by itself."""
        return plots.class_figures(y, next(iter(predictions.values())), use_case.classes)

    def curves(self, use_case: UseCase, y: Vector, prediction: Vector, points: int) -> dict[str, Any]:
        """The confusion of classes and the calibration of the predicted one."""
        bins = reliability_bins(*metrics.correctness(y, prediction))
        return {
            "confusion": {
                "classes": list(use_case.classes),
                "rows": metrics.confusion(y, prediction).tolist(),
            },
            "calibration": {
                "mean_prediction": [each.mean_prediction for each in bins],
                "observed_ratio": [each.observed_ratio for each in bins],
            },
        }

    def details(self, use_case: UseCase, rows: FoldRows) -> dict[str, Any]:
        """Every class on its own."""
        reports = metrics.class_reports(rows.y, rows.prediction, use_case.classes)
        return {"classes": [plain(asdict(report)) for report in reports]}


MULTICLASS: Task = MulticlassTask()
