"""Gates that look at every class of a multi-class task.

Belongs here: from figures by class and declared bounds to a verdict. Does not belong here: gates that do not ask how many classes there
are (`evaluation/gates`), computing the figures (`metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_assets.declaration.sections.gates import Gates
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.multiclass.metrics import ClassReport

SHOWN = 8


def has_enough_of_each_class(rows: int, by_class: Mapping[str, int], gates: Gates) -> GateResult:
    """The training period has the declared number of rows, in all and of every class.

    Args:
        rows: of the training period.
        by_class: how many of them each declared class has; 0 for one that none has.
        gates: `min_training_rows`, and `min_positives` for every class.
    """
    rare = {name: count for name, count in by_class.items() if count < gates.min_positives}
    explanation = (
        f"The training period has {rows:,} rows (at least {gates.min_training_rows:,}); the rarest of {len(by_class)} classes has "
        f"{min(by_class.values(), default=0):,} (at least {gates.min_positives:,})."
    )
    if rare:
        shown = ", ".join(f"{name} ({count:,} rows)" for name, count in list(rare.items())[:SHOWN])
        explanation += f" Too rare to learn: {shown}; train on more days, or take the class out of the label."
    enough = rows >= gates.min_training_rows and not rare
    return GateResult(
        "training_data",
        enough,
        float(rows),
        float(gates.min_training_rows),
        explanation,
        details={"rows_by_class": dict(by_class)},
    )


def predicts_the_share_of_each_class(
    reports: Sequence[ClassReport], rows: int, bound: float | None, least_rows: int
) -> list[GateResult]:
    """Calibration in the large: the mean probability of a class and its share differ by no more than a factor.

    Args:
        reports: every class on the judged rows.
        rows: how many rows were judged.
        bound: the factor; no gate when none is declared.
        least_rows: a class with fewer of the rows is named and not judged: its share says little.
    """
    if bound is None:
        return []
    name = "mean_prediction"
    judged = [report for report in reports if report.rows >= max(1, least_rows)]
    left_out = ", ".join(f"{report.name} ({report.rows:,} rows)" for report in reports if report not in judged)
    if not judged:
        explanation = f"No class has {least_rows:,} of the {rows:,} judged rows: {left_out}."
        return [GateResult(name, False, None, bound, explanation)]
    ratios = {report.name: report.mean_prediction / (report.rows / rows) for report in judged}
    worst = max(ratios, key=lambda one: max(ratios[one], 1.0 / ratios[one] if ratios[one] > 0.0 else float("inf")))
    red = [one for one, ratio in ratios.items() if not 1.0 / bound <= ratio <= bound]
    explanation = (
        f"The mean probability of a class is farthest from its share of {rows:,} rows for {worst}, {ratios[worst]:.2f} times as much; "
        f"from {1.0 / bound:.2f} to {bound:g} times is allowed."
    )
    if len(red) > 1:
        explanation += f" Red as well: {', '.join(one for one in red if one != worst)}."
    if left_out:
        explanation += f" Too few rows to judge: {left_out}."
    return [GateResult(name, not red, ratios[worst], bound, explanation, details={"ratio_by_class": ratios})]
