"""A gate that only the tests know: a model may not look at more than so many features.

Belongs here: its judgement, without a line changed anywhere else. Does not belong here: tests.
"""

from __future__ import annotations

from functools import partial

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.tasks.gate_result import GateResult


def few_inputs_gate(inputs: GateInputs, name: str, *, bound: int) -> GateResult:
    """At most `bound` features."""
    features = len(inputs.model.predictor.features)
    explanation = f"The model looks at {features} features; at most {bound} are allowed."
    return GateResult(name, features <= bound, float(features), float(bound), explanation)


AT_MOST_FIFTY = partial(few_inputs_gate, bound=50)
AT_MOST_ONE = partial(few_inputs_gate, bound=1)
