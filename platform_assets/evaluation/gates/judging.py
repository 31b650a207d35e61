"""Every declared gate of one model, judged.

Belongs here: asking each gate, and that none is left out. Does not belong here: the gates themselves (`registry`), arranging the rows
(`judged_model`).

Silence is failure: a gate that could not run is red and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.gates.registry import declared_gates
from platform_assets.evaluation.gates.verdict import Verdict, with_bypasses
from platform_assets.evaluation.judged_model import JudgedModel, SameRows
from platform_assets.tasks.gate_result import GateResult

COULD_NOT_RUN = (ValueError, ArithmeticError, LookupError, RuntimeError, OSError, pl.exceptions.PolarsError)
"""What a gate may fail with; it is red then, and the others are judged all the same."""


def judge(model: JudgedModel, same_rows: SameRows, today: date, *, has_champion: bool) -> Verdict:
    """Every declared gate in the declared order, bypasses applied.

    Args:
        model: what is judged.
        same_rows: the model and the champion on the same rows.
        today: decides which bypasses hold.
        has_champion: whether there is a champion to be no worse than.
    """
    inputs = GateInputs(model, same_rows, has_champion)
    results = [guarded(name, judgement, inputs) for judgement, name in declared_gates(model.use_case)]
    return with_bypasses(results, model.use_case.gates.bypasses, today)


def guarded(name: str, judgement: Callable[[GateInputs, str], GateResult | None], inputs: GateInputs) -> GateResult:
    """The result of a gate; red, with the reason, when it could not run or gave none under its name."""
    try:
        result = judgement(inputs, name)
    except COULD_NOT_RUN as error:
        explanation = f"{name} could not be judged: {error}"
        return GateResult(name, False, None, None, explanation, details={"error": str(error)})
    if result is None or result.name != name:
        return GateResult(name, False, None, None, f"{name} was not judged: it counts as failed.")
    return result
