"""A value: the answer is the value itself, and nothing is decided.

Belongs here: the member of the registry. Does not belong here: the parts that it is made of (`metrics`, `plots`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.declaration.tasks.regression import REGRESSION as DECLARED
from platform_assets.tasks.base import Answer, Answers, FoldRows, Task, TrainingLabels
from platform_assets.tasks.enough_rows import has_enough_data
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.intervals import mean_interval
from platform_assets.tasks.labels import mean_of, moved_mean, numbers
from platform_assets.tasks.metric import Matrix, NamedMetric, Vector
from platform_assets.tasks.outcomes import OutcomeModel
from platform_assets.tasks.regression import metrics, outcomes, plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class RegressionTask:
    """The kind `regression`."""

    declared: DeclaredTask = DECLARED
    label_type: pl.DataType = pl.Float64()
    drift_columns: tuple[str, ...] = ("score",)
    leaves_out_known_groups = False

    def metric(self, name: str) -> NamedMetric:
        """A metric of a value."""
        return metrics.metric(name)

    def labels(self, label: pl.Series, classes: Sequence[str]) -> Vector:
        """The values as they are."""
        return numbers(label)

    def label_statistics(self, label: pl.Series, classes: Sequence[str]) -> dict[str, Any]:
        """The mean."""
        return mean_of(label)

    def training_parameters(self, labels: TrainingLabels) -> dict[str, Any]:
        """The mean."""
        return {"label_mean": labels.mean}

    def label_note(self, labels: TrainingLabels) -> tuple[str, str]:
        """The mean of the label."""
        return "mean of the label", f"{labels.mean:.4g}"

    def rare_rows(self, y: Vector) -> NDArray[np.int64]:
        """None."""
        return np.empty(0, dtype=np.int64)

    def answers(self, use_case: UseCase) -> Answers:
        """The value."""
        return lambda output: Answer(output, None, {"value": output})

    def answer_notes(self, use_case: UseCase) -> list[tuple[str, str]]:
        """Nothing."""
        return []

    def limits(self, use_case: UseCase, labels: TrainingLabels) -> list[str]:
        """Nothing."""
        return []

    def answer_fields(self, use_case: UseCase) -> dict[str, Any]:
        """`value`."""
        return {"value": (float, Field(description="What the model predicts."))}

    def decisions(self, use_case: UseCase) -> tuple[str, ...]:
        """None."""
        return ()

    def log_columns(self, use_case: UseCase, predictions: Vector, classes: Sequence[str]) -> dict[str, pl.Series]:
        """The value."""
        return {"score": pl.Series(predictions), "decision": pl.Series([None] * len(predictions), dtype=pl.String)}

    def logged_predictions(self, rows: pl.DataFrame, use_case: UseCase) -> Vector:
        """The score."""
        return numbers(rows["score"])

    def enough_data(self, labels: TrainingLabels, use_case: UseCase) -> GateResult:
        """Rows."""
        return has_enough_data(labels.rows, None, use_case.gates)

    def relative_calibration(self, y: Vector, prediction: Vector, gates: Gates) -> list[GateResult]:
        """A value has no calibration."""
        return []

    def mean_prediction(self, y: Vector, prediction: Vector, use_case: UseCase) -> list[GateResult]:
        """Nor a share that its mean would have to meet."""
        return []

    def nothing_to_learn(self, y: Vector) -> str | None:
        """Only no rows at all."""
        return f"{len(y):,} training rows with 0 positives say nothing about features" if len(y) == 0 else None

    def predict_by_tree(self, x: Matrix, y: Vector, other: Matrix, classes: int, settings: Mapping[str, Any]) -> Vector:
        """The value."""
        from sklearn.tree import DecisionTreeRegressor

        prediction: Vector = DecisionTreeRegressor(**settings).fit(x, y).predict(other).astype(np.float64)
        return prediction

    def too_few_labels(self, y: Vector, use_case: UseCase, least: int) -> str | None:
        """Any will do."""
        return None

    def label_rate(self, y: Vector) -> float | None:
        """The mean."""
        return float(y.mean()) if len(y) else None

    def moved_labels(self, y: Vector, use_case: UseCase, reference: TrainingLabels) -> list[tuple[str, str]]:
        """The mean, when its whole interval lies outside the declared ratio; one that is not positive has no ratio."""
        if reference.mean is None or reference.mean <= 0:
            return []
        return moved_mean(y, mean_interval(y), reference.mean, use_case)

    def fit_outcomes(self, y: Vector, prediction: Vector, X: Matrix) -> OutcomeModel:
        """Values around the prediction."""
        return outcomes.model_errors(y, prediction, X)

    def plot(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> bytes:
        """Predicted against observed values, and residuals."""
        return plots.plot_regression(y, next(iter(predictions.values())))

    def figures(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> dict[str, Figure]:
        """The same, each by itself."""
        return plots.regression_figures(y, next(iter(predictions.values())))

    def curves(self, use_case: UseCase, y: Vector, prediction: Vector, points: int) -> dict[str, Any]:
        """Some observed and predicted values."""
        step = max(1, len(y) // points)
        return {"observed": y[::step].tolist(), "predicted": prediction[::step].tolist()}

    def details(self, use_case: UseCase, rows: FoldRows) -> dict[str, Any]:
        """None."""
        return {}


REGRESSION: Task = RegressionTask()
