"""Slices and fairness: every part of the rows on its own, and the parts against each other, by fairlearn.

Belongs here: dividing rows and measuring the parts. Does not belong here: which division and which bounds
(`declaration/sections/slices.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.sections.slices import Slice
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.gates.bounds import is_better
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import MetricError, NamedMetric, Scored
from platform_assets.tasks.registry import metric_of
from platform_assets.training.compare import scored

MISSING = "(missing)"
RATES = ("selection_rate", "false_positive_rate", "true_positive_rate")
MOST_PARTS = 50
"""More parts than this are no division that a person could look at."""


@dataclass(frozen=True)
class Part:
    """One part of the rows.

    Attributes:
        value: of the expression.
        rows: how many.
        positives: how many labels are 1; 0 for a regression.
        measured: the metric; NaN where it could not be computed.
        judged: whether it is large enough to be held to a bound.
        rates: `RATES` of a binary task; NaN where the part is not judged.
    """

    value: str
    rows: int
    positives: int
    measured: float
    judged: bool
    rates: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The part as plain values."""
        counted = {"value": self.value, "rows": self.rows, "positives": self.positives, "measured": self.measured}
        return {**counted, "judged": self.judged, **self.rates}


def part_of_each_row(item: Slice, columns: pl.DataFrame) -> NDArray[np.str_]:
    """The value of the slice's expression for each row, as text.

    Raises:
        MetricError: the expression gives one value for all rows, or so many that they are no division.
        polars.exceptions.PolarsError: it cannot be computed.
    """
    values = columns.select(
        sql_expression(item.expression, columns.schema).alias("part").cast(pl.String).fill_null(MISSING)
    )["part"]
    if len(values) != len(columns):
        raise MetricError(f"{item.expression!r} gives {len(values)} values for {len(columns)} rows")
    if values.n_unique() > MOST_PARTS:
        raise MetricError(
            f"{item.expression!r} divides {len(columns):,} rows into {values.n_unique():,} parts; at most {MOST_PARTS} are judged: "
            "group its values with CASE"
        )
    return values.to_numpy().astype(np.str_)


def measure_parts(
    item: Slice, part: NDArray[np.str_], rows: Scored, metric: NamedMetric, threshold: float | None
) -> tuple[Part, ...]:
    """Every part with its metric and rates, by value.

    Args:
        item: what is large enough.
        part: [n] the part of each row.
        rows: labels and predictions.
        metric: what is measured in each part.
        threshold: at or above it a row is selected; None for a regression.
    """
    parts = []
    for value in np.unique(part):
        index = np.flatnonzero(part == value)
        positives = int((rows.y[index] == 1.0).sum()) if threshold is not None else 0
        enough = len(index) >= item.min_rows
        if threshold is not None and item.needs_labels:
            enough = enough and positives >= item.min_positives and len(index) - positives >= item.min_positives
        parts.append(Part(str(value), len(index), positives, _on(metric, rows, index), enough, {}))
    judged = [one.value for one in parts if one.judged]
    if threshold is None or not judged:
        return tuple(parts)
    by_part = _cells(part, rows, threshold, judged).rates()
    return tuple(replace(one, rates=by_part.get(one.value, dict.fromkeys(RATES, float("nan")))) for one in parts)


@dataclass(frozen=True)
class _Cells:
    """Rows counted by part, label and decision: fairlearn is given the cells with their counts as weights, not every row."""

    part: list[str]
    label: list[int]
    selected: list[int]
    rows: list[int]

    def rates(self) -> dict[str, dict[str, float]]:
        """Selection rate, false positive rate and true positive rate of every part."""
        from fairlearn.metrics import (
            MetricFrame,
            false_positive_rate,
            selection_rate,
            true_positive_rate,
        )

        functions = dict(zip(RATES, (selection_rate, false_positive_rate, true_positive_rate), strict=True))
        frame = MetricFrame(
            metrics=functions,
            y_true=self.label,
            y_pred=self.selected,
            sensitive_features=self.part,
            sample_params={name: {"sample_weight": self.rows} for name in functions},
        )
        return {str(value): {name: float(rates[name]) for name in RATES} for value, rates in frame.by_group.iterrows()}

    def differences(self) -> dict[str, float]:
        """Between the parts: the largest difference in selection rate, and in true or false positive rate."""
        from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

        weighted = {"sensitive_features": self.part, "sample_weight": self.rows}
        return {
            "selection_rate_difference": float(demographic_parity_difference(self.label, self.selected, **weighted)),
            "error_rate_difference": float(equalized_odds_difference(self.label, self.selected, **weighted)),
        }


def _cells(part: NDArray[np.str_], rows: Scored, threshold: float, judged: Sequence[str]) -> _Cells:
    """The rows of some parts, counted."""
    selected = (rows.prediction >= threshold).astype(np.int8)
    columns = {"part": pl.Series(part.tolist(), dtype=pl.String), "label": rows.y.astype(np.int8), "selected": selected}
    frame = pl.DataFrame(columns)
    counted = frame.filter(pl.col("part").is_in(list(judged))).group_by("part", "label", "selected").len()
    return _Cells(*(column.to_list() for column in counted.sort("part", "label", "selected").iter_columns()))


def judge_slice(
    item: Slice, columns: pl.DataFrame, rows: Scored, metric: NamedMetric, threshold: float | None
) -> list[GateResult]:
    """The slice's gates: its parts against their bounds, and against each other.

    Args:
        item: the declaration.
        columns: event and feature columns of the rows.
        rows: labels and out-of-fold predictions.
        metric: what is measured in each part.
        threshold: of `serving.decision`; None for a regression.

    Raises:
        MetricError: the rows cannot be divided.
        polars.exceptions.PolarsError: the expression cannot be computed.
    """
    part = part_of_each_row(item, columns)
    parts = measure_parts(item, part, rows, metric, threshold)
    results = []
    if item.judges_quality:
        results.append(_quality(item, parts, metric, metric(rows)))
    if item.judges_fairness:
        results.append(_fairness(item, parts, part, rows, threshold))
    return results


def _quality(item: Slice, parts: tuple[Part, ...], metric: NamedMetric, overall: float) -> GateResult:
    """Every part that is large enough keeps floor and drop."""
    name = f"slice_{item.name}"
    details = {"metric": metric.name, "overall": overall, "parts": [part.to_dict() for part in parts]}
    judged = [part for part in parts if part.judged]
    if not judged:
        return GateResult(name, False, None, None, _too_small(item, parts), details=details)
    higher = metric.higher_is_better
    sign = 1.0 if higher else -1.0
    bounds = []
    if item.floor is not None:
        bounds.append(item.floor)
    if item.max_drop is not None:
        bounds.append(overall - sign * item.max_drop)
    bound = max(bounds) if higher else min(bounds)
    worst = min(judged, key=lambda part: sign * part.measured if math.isfinite(part.measured) else -math.inf)
    red = [part for part in judged if not is_better(metric.name, part.measured, bound)]
    explanation = (
        f"{metric.name} is worst where {_where(item, worst.value)}: {worst.measured:.4f} on {worst.rows:,} rows, against "
        f"{overall:.4f} on all; {'at least' if higher else 'at most'} {bound:.4f} is asked for."
    )
    if len(red) > 1:
        explanation += f" Red as well: {', '.join(item.name_of(part.value) for part in red if part is not worst)}."
    explanation += _unjudged(item, parts)
    measured = worst.measured if math.isfinite(worst.measured) else None
    return GateResult(name, not red, measured, bound, explanation, details=details)


def _fairness(
    item: Slice, parts: tuple[Part, ...], part: NDArray[np.str_], rows: Scored, threshold: float | None
) -> GateResult:
    """The parts that are large enough differ by no more than declared."""
    name = f"fairness_{item.name}"
    details: dict[str, Any] = {"parts": [one.to_dict() for one in parts]}
    judged = [one.value for one in parts if one.judged]
    if threshold is None or len(judged) < 2:
        reason = "there is no threshold" if threshold is None else "fewer than two parts are large enough"
        explanation = f"The parts by {item.expression} could not be compared: {reason}. {_too_small(item, parts)}"
        return GateResult(name, False, None, None, explanation, details=details)
    differences = _cells(part, rows, threshold, judged).differences()
    bounds = {
        "selection_rate_difference": item.max_selection_rate_difference,
        "error_rate_difference": item.max_error_rate_difference,
    }
    measured = [(what, differences[what], bound) for what, bound in bounds.items() if bound is not None]
    details |= {what: value for what, value, _ in measured}
    worst = max(measured, key=lambda one: one[1] - one[2])
    shown = ", ".join(f"{what.replace('_', ' ')} {value:.4f} (at most {bound:g})" for what, value, bound in measured)
    explanation = f"Between the parts by {item.expression}: {shown}.{_unjudged(item, parts)}"
    passed = all(value <= bound for _, value, bound in measured)
    return GateResult(name, passed, worst[1], worst[2], explanation, details=details)


def _too_small(item: Slice, parts: tuple[Part, ...]) -> str:
    """Why parts are not judged."""
    shown = ", ".join(
        f"{item.name_of(part.value)} ({part.rows:,} rows, {part.positives:,} positives)" for part in parts[:6]
    )
    return (
        f"The parts by {item.expression} are too small to judge, at least {item.min_rows:,} rows are needed: {shown}."
    )


def _where(item: Slice, value: str) -> str:
    """A part in the words of its slice, and in those of the data where they differ."""
    name = item.name_of(value)
    return f"{item.expression} is {value}" if name == value else f"{item.expression} is {value} ({name})"


def _unjudged(item: Slice, parts: tuple[Part, ...]) -> str:
    """The parts that are only reported."""
    small = [part for part in parts if not part.judged]
    shown = ", ".join(f"{item.name_of(part.value)} ({part.rows:,} rows)" for part in small[:6])
    return f" Too small to judge: {shown}." if small else ""


def _on(metric: NamedMetric, rows: Scored, index: NDArray[np.int64]) -> float:
    """The metric on some of the rows; NaN when they do not allow it."""
    group = None if rows.group is None else rows.group[index]
    try:
        return metric(Scored(rows.y[index], rows.prediction[index], rows.event_day[index], group))
    except MetricError:
        return float("nan")


def slices_gate(inputs: GateInputs, name: str) -> GateResult:
    """The gate of that name: a slice's quality or its fairness."""
    model, decision = inputs.model, inputs.model.use_case.serving.decision
    [item] = [item for item in inputs.gates.slices if name in (f"slice_{item.name}", f"fairness_{item.name}")]
    results = judge_slice(
        item,
        model.columns,
        scored(model.judged, model.prediction),
        metric_of(model.use_case, item.metric or inputs.select_by),
        decision.threshold if decision is not None else None,
    )
    [result] = [result for result in results if result.name == name]
    return result
