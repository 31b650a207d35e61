"""Gates that look at the share of positives.

Belongs here: from figures and declared bounds to a result. Does not belong here: gates that do not ask what the label is
(`evaluation/gates`).
"""

from __future__ import annotations

import math

from platform_assets.tasks.gate_result import GateResult


def predicts_the_base_rate(
    mean_prediction: float, base_rate: float, rows: int, bound: float | None
) -> list[GateResult]:
    """Calibration in the large: mean prediction and share of positives differ by no more than a factor."""
    if bound is None:
        return []
    if rows == 0 or base_rate <= 0.0 or not math.isfinite(mean_prediction):
        problem = (
            f"The mean prediction could not be compared: {rows:,} rows with a share of positives of {base_rate:g}."
        )
        return [GateResult("mean_prediction", False, None, bound, problem)]
    ratio = mean_prediction / base_rate
    passed = 1.0 / bound <= ratio <= bound
    explanation = (
        f"The mean prediction is {mean_prediction:.5f} on {rows:,} rows of which a share of {base_rate:.5f} is positive, "
        f"{ratio:.2f} times as much; from {1.0 / bound:.2f} to {bound:g} times is allowed."
    )
    return [GateResult("mean_prediction", passed, ratio, bound, explanation)]


def is_calibrated_for_the_base_rate(error: float | None, base_rate: float, bound: float | None) -> list[GateResult]:
    """The calibration error, as a multiple of the share of positives, keeps its bound; no gate when none is declared.

    An absolute bound cannot see that a model which answers 0 for everything is wrong, where positives are rare.
    """
    if bound is None:
        return []
    relative = error / base_rate if error is not None and base_rate > 0.0 else None
    passed = relative is not None and math.isfinite(relative) and relative <= bound
    shown = f"{relative:.2f}" if relative is not None else "missing"
    explanation = (
        f"The calibration error is {shown} times the share of positives, {base_rate:.4f}; at most {bound:g} is allowed."
    )
    return [
        GateResult(
            "relative_calibration",
            passed,
            relative if relative is not None and math.isfinite(relative) else None,
            bound,
            explanation,
        )
    ]
