"""A kind of task: everything that depends on what the label is, behind one Protocol.

Belongs here: the Protocol and the plain values that it speaks in. Does not belong here: the kinds themselves (one folder each), or what a
declaration may say of a kind (`declaration/tasks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from platform_assets.declaration import UseCase
    from platform_assets.declaration.sections.gates import Gates
    from platform_assets.declaration.tasks.base import DeclaredTask
    from platform_assets.tasks.gate_result import GateResult
    from platform_assets.tasks.metric import Matrix, NamedMetric, Vector
    from platform_assets.tasks.outcomes import OutcomeModel


@dataclass(frozen=True, slots=True)
class Answer:
    """One output of a model as it is answered and logged.

    Attributes:
        score: the number that is logged and watched.
        decision: what is done because of it; None where nothing is decided.
        fields: what the caller is given, in order.
        logged: columns of the prediction log beyond score and decision.
    """

    score: float
    decision: str | None
    fields: Mapping[str, Any]
    logged: Mapping[str, Any] = field(default_factory=dict)


class Answers(Protocol):
    """Turns outputs of a model of one use case into answers."""

    def __call__(self, output: Any) -> Answer:
        """The answer for one output: a number, or a list of numbers."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingLabels:
    """The labels that a model was trained on.

    Attributes:
        rows: how many.
        mean: their mean, as numbers.
        class_rows: how many rows each class has; empty where the label is no class of several.
    """

    rows: int
    mean: float | None
    class_rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoldRows:
    """Rows of a fold with what a model predicted for them.

    Attributes:
        y: float64 [n], labels.
        prediction: float64 [n] or [n, K].
        event_day: datetime64[D] [n].
        X: float64 [n, f], inputs.
        features: their names.
    """

    y: Vector
    prediction: Vector
    event_day: NDArray[np.datetime64]
    X: Matrix
    features: Sequence[str]


class Task(Protocol):
    """A kind of task. Its members are stateless: what they need of a use case is given with each call."""

    @property
    def declared(self) -> DeclaredTask:
        """What may be declared for it: its name, the model asset's name, the names of its metrics, its gates."""
        ...

    @property
    def label_type(self) -> pl.DataType:
        """What labels are read as when they are joined with predictions."""
        ...

    @property
    def drift_columns(self) -> tuple[str, ...]:
        """Columns of the prediction log that are watched besides the features."""
        ...

    @property
    def leaves_out_known_groups(self) -> bool:
        """Whether a group that is known to be positive is left out of what a fold is judged on."""
        ...

    def metric(self, name: str) -> NamedMetric:
        """A metric by the name that a requirement uses.

        Raises:
            MetricError: there is no such metric for this kind of task.
        """
        ...

    # Labels

    def labels(self, label: pl.Series, classes: Sequence[str]) -> Vector:
        """Labels as numbers, float64 [n]; NaN for a null.

        Raises:
            LabelError: a label is of no class.
        """
        ...

    def label_statistics(self, label: pl.Series, classes: Sequence[str]) -> dict[str, Any]:
        """What the labels of a training set are like, for people."""
        ...

    def training_parameters(self, labels: TrainingLabels) -> dict[str, Any]:
        """The same of the rows that a model was fitted on, as parameters of its run."""
        ...

    def label_note(self, labels: TrainingLabels) -> tuple[str, str]:
        """The same in words, for the model card: what is counted, and the figure."""
        ...

    def rare_rows(self, y: Vector) -> NDArray[np.int64]:
        """Rows that no sample may be without."""
        ...

    # Answers

    def answers(self, use_case: UseCase) -> Answers:
        """How outputs of a model of this use case are answered."""
        ...

    def answer_notes(self, use_case: UseCase) -> list[tuple[str, str]]:
        """What the model card says of an answer, besides the decision; often nothing."""
        ...

    def limits(self, use_case: UseCase, labels: TrainingLabels) -> list[str]:
        """What the model card warns of because of the kind of task."""
        ...

    def answer_fields(self, use_case: UseCase) -> dict[str, Any]:
        """What an answer holds, as pydantic's (type, field) by name."""
        ...

    def decisions(self, use_case: UseCase) -> tuple[str, ...]:
        """Every decision that an answer may hold; none where nothing is decided."""
        ...

    def log_columns(self, use_case: UseCase, predictions: Vector, classes: Sequence[str]) -> dict[str, pl.Series]:
        """Outputs of a model as columns of the prediction log: `score`, `decision` and those of `declared.log_columns`.

        Args:
            use_case: the declaration.
            predictions: float64 [n] or [n, K].
            classes: the classes that the model tells apart, if any.
        """
        ...

    def logged_predictions(self, rows: pl.DataFrame, use_case: UseCase) -> Vector:
        """The model's outputs, read back from rows of the prediction log.

        Raises:
            LabelError: a row holds the output of a model of other classes.
        """
        ...

    # Gates

    def enough_data(self, labels: TrainingLabels, use_case: UseCase) -> GateResult:
        """Gate `training_data`: the training period has the declared rows."""
        ...

    def relative_calibration(self, y: Vector, prediction: Vector, gates: Gates) -> list[GateResult]:
        """Gate `relative_calibration`, where it is declared and applies."""
        ...

    def mean_prediction(self, y: Vector, prediction: Vector, use_case: UseCase) -> list[GateResult]:
        """Gate `mean_prediction`, where it is declared and applies."""
        ...

    def nothing_to_learn(self, y: Vector) -> str | None:
        """Why labels of a training period say nothing about features; None when they do."""
        ...

    def predict_by_tree(self, x: Matrix, y: Vector, other: Matrix, classes: int, settings: Mapping[str, Any]) -> Vector:
        """What a small decision tree on one feature, float64 [n, 1], predicts of other rows: as the model's own output."""
        ...

    # Monitoring

    def too_few_labels(self, y: Vector, use_case: UseCase, least: int) -> str | None:
        """Why the labels of a window allow no verdict, with `least` rows of each kind asked for; None when they do."""
        ...

    def label_rate(self, y: Vector) -> float | None:
        """One number for the labels of a window; None where none says anything."""
        ...

    def moved_labels(self, y: Vector, use_case: UseCase, reference: TrainingLabels) -> list[tuple[str, str]]:
        """What is not as it was in training: what moved, and one sentence about it. At least one row."""
        ...

    def fit_outcomes(self, y: Vector, prediction: Vector, X: Matrix) -> OutcomeModel:
        """What labels outputs get, learned where both are known: from it quality is estimated before labels come."""
        ...

    # Pictures

    def plot(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> bytes:
        """The model's picture as PNG, the first prediction being the model's; others are drawn for comparison where there is room."""
        ...

    def figures(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> Mapping[str, Figure]:
        """The same one by one, each small enough for a telephone, by what it shows in words; the most important first."""
        ...

    def curves(self, use_case: UseCase, y: Vector, prediction: Vector, points: int) -> dict[str, Any]:
        """The figures behind the picture as plain values, about so many points of each curve."""
        ...

    def details(self, use_case: UseCase, rows: FoldRows) -> dict[str, Any]:
        """Tables that only this kind of task has, by name, as plain values: `classes`, `thresholds`."""
        ...
