"""The gate on the size of the training period, as it reads for tasks without classes.

Belongs here: the sentence and the bounds that binary tasks and regressions share. Does not belong here: rows of every class
(`multiclass/gates`).
"""

from __future__ import annotations

from platform_assets.declaration.sections.gates import Gates
from platform_assets.tasks.gate_result import GateResult


def has_enough_data(rows: int, positives: int | None, gates: Gates) -> GateResult:
    """The training period has the declared numbers of rows and positives."""
    enough = rows >= gates.min_training_rows and (positives is None or positives >= gates.min_positives)
    also = "" if positives is None else f", {positives:,} positives (at least {gates.min_positives:,})"
    return GateResult(
        "training_data",
        enough,
        float(rows),
        float(gates.min_training_rows),
        f"The training period has {rows:,} rows (at least {gates.min_training_rows:,}){also}.",
    )
