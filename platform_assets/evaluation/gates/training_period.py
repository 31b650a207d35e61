"""Gates on the rows that a model was trained on: enough of them, and on every day.

Belongs here: counting the training period. Does not belong here: which labels count (`tasks`), gates on a model's figures (`bounds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.judged_model import JudgedModel
from platform_assets.tasks.base import TrainingLabels
from platform_assets.tasks.gate_result import GateResult


def covers_its_days(rows_by_day: Mapping[date, int], bound: float) -> GateResult:
    """Every day of the training period has its share of the median day's rows.

    Args:
        rows_by_day: every day of the period, those without rows too.
        bound: smallest share of the median.
    """
    if not rows_by_day or not any(rows_by_day.values()):
        return GateResult("training_days", False, None, bound, "The training period has no rows.")
    counts = sorted(rows_by_day.values())
    middle = len(counts) // 2
    median = counts[middle] if len(counts) % 2 else (counts[middle - 1] + counts[middle]) / 2
    thin = {day: rows for day, rows in sorted(rows_by_day.items()) if median == 0 or rows / median < bound}
    least = counts[0] / median if median else 0.0
    explanation = (
        f"The thinnest of {len(counts)} training days has {least:.0%} of the median day's {median:,.0f} rows; "
        f"at least {bound:.0%} is asked for."
    )
    if thin:
        shown = ", ".join(f"{day} ({rows:,} rows)" for day, rows in list(thin.items())[:5])
        explanation += f" Too thin: {shown}{' and more' if len(thin) > 5 else ''}; load these days again."
    details = {"thin_days": {day.isoformat(): rows for day, rows in thin.items()}}
    return GateResult("training_days", not thin, least, bound, explanation, details=details)


def rows_by_day(model: JudgedModel) -> dict[date, int]:
    """Rows of every day of the model's training period."""
    trained_on = model.predictor.trained_on
    first = date.fromisoformat(trained_on.first_day)
    last = date.fromisoformat(trained_on.last_day)
    declared = model.use_case.training.splits.train_days
    first = min(first, last - timedelta(days=declared - 1))
    days, counts = np.unique(model.dataset.rows(first, last).event_day, return_counts=True)
    counted = {date.fromisoformat(str(day)): int(count) for day, count in zip(days, counts, strict=True)}
    return {day: counted.get(day, 0) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))}


def training_data_gate(inputs: GateInputs, name: str) -> GateResult:
    """The training period has the declared rows."""
    predictor = inputs.model.predictor
    trained_on = predictor.trained_on
    by_class = dict(zip(predictor.classes, trained_on.class_rows, strict=True))
    labels = TrainingLabels(trained_on.rows, trained_on.label_mean, by_class)
    return inputs.task.enough_data(labels, inputs.model.use_case)


def training_days_gate(inputs: GateInputs, name: str) -> GateResult:
    """No training day has too few rows."""
    assert inputs.gates.min_day_ratio is not None
    return covers_its_days(rows_by_day(inputs.model), inputs.gates.min_day_ratio)
