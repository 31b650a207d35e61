"""What a service does with somebody whom it does not know: the gate that asks for a declaration of it.

Belongs here: that one gate. Does not belong here: what the declaration may say (`declaration/sections/serving.py`), or doing it
(`serving/scoring.py`).

A model answers for a stranger as for anybody else: with a number, made of windows that hold nothing but the request. No metric shows it,
because strangers are rare among the rows that a model is judged on. So it is not the model that decides it, but who declares the use case.
"""

from __future__ import annotations

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.tasks.gate_result import GateResult

_MEANING = {
    "refuse": "is refused, and not scored",
    "review": "is scored, and its decision is left to people",
    "decide": "is decided by the model like any other",
}


def unknown_entities_gate(inputs: GateInputs, name: str) -> GateResult:
    """Red where a service keeps histories, and nobody has declared what a request without one gets."""
    use_case = inputs.model.use_case
    if not use_case.is_realtime:
        return GateResult(name, True, None, None, "Predictions are made for the rows of a day: nobody asks for one.")
    entities = use_case.entities_with_history
    if not entities:
        return GateResult(name, True, None, None, "No feature needs a history that a request could lack.")
    declared = use_case.serving.unknown
    if declared is None:
        explanation = (
            f"Nobody has declared what a request gets whose {' or '.join(entities)} was never seen: today the model decides. Declare "
            "serving.unknown: refuse, review or decide."
        )
        return GateResult(name, False, None, None, explanation, details={"entities": list(entities)})
    explanation = f"A request whose {' or '.join(entities)} was never seen {_MEANING[declared]}, as declared."
    return GateResult(name, True, None, None, explanation, details={"entities": list(entities), "unknown": declared})
