"""What a model costs where it runs: time for one row and size on disk, measured on the model as it is loaded.

Belongs here: those two measurements and their gates. Does not belong here: the service around the model (`benchmarks/serving/latency.py`).
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Protocol

import numpy as np

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.recipe import with_features
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import MetricError, Vector
from platform_assets.training.learners.base import Matrix

WARM_UP_ROWS = 20
MOST_ROWS, FEWEST_ROWS = 300, 20
PASS_SECONDS = 1.0
"""A pass over the rows of a slow model has fewer rows, so that measuring it ends."""
PASSES = 5
PERCENTILE = 99


class Predicts(Protocol):
    """A model that scores rows."""

    def predict(self, X: Matrix) -> Vector:
        """float64 [n] from float64 [n, f]."""
        ...


def scoring_milliseconds(model: Predicts, X: Matrix) -> dict[str, float]:
    """Median and 99th percentile, over rows, of the time that a single row takes, after a warm-up.

    Every row is asked several times and its quickest time counts: what else runs on the machine only ever makes an answer slower. A
    row that always takes long stays long. The collector of garbage is off meanwhile, as it is in the service.

    Args:
        model: as it was loaded.
        X: float64 [n, f], real rows; asked one by one, over and over when there are few.

    Returns:
        `p50` and `p99` in milliseconds, and `rows`, how many were asked.

    Raises:
        MetricError: there are no rows to score.
    """
    if len(X) == 0:
        raise MetricError("there are no rows to score")
    rows = [np.ascontiguousarray(X[number % len(X)][np.newaxis, :]) for number in range(MOST_ROWS)]
    warm_up = float(np.median(_seconds(model, rows[:WARM_UP_ROWS])))
    rows = rows[: max(FEWEST_ROWS, min(MOST_ROWS, int(PASS_SECONDS / max(warm_up, 1e-9))))]
    collecting = gc.isenabled()
    gc.disable()
    try:
        quickest = np.min([_seconds(model, rows) for _ in range(PASSES)], axis=0)
    finally:
        if collecting:
            gc.enable()
    p50, p99 = (1e3 * float(np.percentile(quickest, percentile)) for percentile in (50, PERCENTILE))
    return {"p50": p50, "p99": p99, "rows": float(len(rows))}


def _seconds(model: Predicts, rows: list[Matrix]) -> Vector:
    """Time for each row, one after the other."""
    seconds = np.empty(len(rows))
    for number, row in enumerate(rows):
        started = time.perf_counter()
        model.predict(row)
        seconds[number] = time.perf_counter() - started
    return seconds


def scores_in_time(milliseconds: dict[str, float], bound: float) -> GateResult:
    """The 99th percentile keeps its bound."""
    measured = milliseconds["p99"]
    explanation = (
        f"One row takes {milliseconds['p50']:.3f} ms at the median and {measured:.3f} ms at the 99th percentile of "
        f"{milliseconds['rows']:.0f} rows, each at its quickest of {PASSES}; at most {bound:g} ms is allowed."
    )
    return GateResult("scoring_time", measured <= bound, measured, bound, explanation, details=dict(milliseconds))


def folder_megabytes(folder: Path) -> float:
    """Size of all files below a folder, in MB (10^6 bytes).

    Raises:
        MetricError: there are no files.
    """
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    if not sizes:
        raise MetricError(f"{folder} holds no files")
    return sum(sizes) / 1e6


def is_small_enough(megabytes: float, bound: float) -> GateResult:
    """The model's folder keeps its bound."""
    explanation = f"The model's folder has {megabytes:.2f} MB; at most {bound:g} MB is allowed."
    return GateResult("model_size", megabytes <= bound, megabytes, bound, explanation)


def scoring_time_gate(inputs: GateInputs, name: str) -> GateResult:
    """One row is scored fast enough."""
    model = inputs.model
    X = with_features(model.judged, model.predictor.features).X
    return scores_in_time(scoring_milliseconds(model.predictor, X), inputs.gates.max_scoring_milliseconds or 0.0)


def model_size_gate(inputs: GateInputs, name: str) -> GateResult:
    """The saved model is small enough."""
    return is_small_enough(folder_megabytes(inputs.model.folder), inputs.gates.max_model_megabytes or 0.0)
