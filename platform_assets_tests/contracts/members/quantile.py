"""A kind of task that only the tests know: a high quantile of a value, such as how long a visit takes at most, nine times out of ten.

Belongs here: the whole kind, in one file, without a line changed anywhere else. Does not belong here: tests.

Trained by any learner that minimises the pinball loss (Koenker and Bassett, Regression Quantiles, 1978).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.pictures.figures import labelled, new_figure, note, png
from platform_assets.pictures.palette import BLUE, GREY
from platform_assets.tasks.base import Answer, Answers, Task, TrainingLabels
from platform_assets.tasks.intervals import ratio_interval
from platform_assets.tasks.metric import Counts, Measure, NamedMetric, Scored, Vector, known_metric
from platform_assets.tasks.regression.task import RegressionTask
from platform_assets.tasks.resampling import mean_loss

LEVEL = 0.9
LEVEL_COLUMN = "quantile_level"

DECLARED = DeclaredTask(
    name="quantile",
    model_name="quantile",
    objective="regression",
    metrics={"pinball_loss": False, "coverage_error": False},
    single_feature_metrics=("r2",),
    carried_out_by="platform_assets_tests.contracts.members.quantile:QUANTILE",
    log_columns={LEVEL_COLUMN: pl.Float64()},
)


def pinball(rows: Scored) -> Vector:
    """The loss of each row."""
    above = rows.y - rows.prediction
    return np.maximum(LEVEL * above, (LEVEL - 1.0) * above)


def pinball_by_cluster(rows: Scored, cluster: Counts) -> Measure:
    return mean_loss(pinball(rows), cluster, root=False)


METRICS = {
    "pinball_loss": NamedMetric("pinball_loss", False, lambda rows: float(pinball(rows).mean()), pinball_by_cluster),
    "coverage_error": NamedMetric(
        "coverage_error", False, lambda rows: abs(float((rows.y <= rows.prediction).mean()) - LEVEL)
    ),
    "r2": RegressionTask().metric("r2"),  # what one feature alone may say of the value
}


class QuantileTask(RegressionTask):
    """The kind `quantile`."""

    declared = DECLARED

    def metric(self, name: str) -> NamedMetric:
        return known_metric(name, METRICS)

    def answers(self, use_case: UseCase) -> Answers:
        return lambda output: Answer(output, None, {"at_most": output, "level": LEVEL}, {LEVEL_COLUMN: LEVEL})

    def answer_fields(self, use_case: UseCase) -> dict[str, Any]:
        return {
            "at_most": (float, Field(description="What the value does not exceed.")),
            "level": (float, Field(description="How often.")),
        }

    def log_columns(self, use_case: UseCase, predictions: Vector, classes: Sequence[str]) -> dict[str, pl.Series]:
        level = pl.Series(LEVEL_COLUMN, [LEVEL] * len(predictions), dtype=pl.Float64)
        return {**super().log_columns(use_case, predictions, classes), LEVEL_COLUMN: level}

    def moved_labels(self, y: Vector, use_case: UseCase, reference: TrainingLabels) -> list[tuple[str, str]]:
        """Half of the values should lie above half of the mean, whatever the unit."""
        interval = ratio_interval(int((y > 2.0 * (reference.mean or 0.0)).sum()), len(y))
        return [(use_case.label.column, "The values have grown.")] if interval.low > 0.5 else []

    def plot(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> bytes:
        return png(next(iter(self.figures(use_case, y, predictions).values())))

    def figures(self, use_case: UseCase, y: Vector, predictions: Mapping[str, Vector]) -> dict[str, Figure]:
        title = f"Values against their {LEVEL:.0%} quantile"
        if len(y) == 0:
            return {title: note("There are no rows to compare on.")}
        figure = new_figure(6.4, 4.2)
        axes = figure.subplots()
        axes.plot(next(iter(predictions.values())), y, ".", color=BLUE, alpha=0.3)
        axes.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8)
        labelled(axes, title, "quantile", "value")
        return {title: figure}


QUANTILE: Task = QuantileTask()
