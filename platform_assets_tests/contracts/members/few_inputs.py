"""A gate that only the tests know: a model may not look at more than so many features.

Belongs here: the whole gate, in one file, without a line changed anywhere else. Does not belong here: tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platform_assets.declaration import UseCase
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.tasks.gate_result import GateResult


@dataclass(frozen=True)
class FewInputs:
    """At most `bound` features."""

    bound: int

    def names(self, use_case: UseCase) -> Sequence[str]:
        return ("few_inputs",)

    def judge(self, inputs: GateInputs, name: str) -> GateResult:
        features = len(inputs.model.predictor.features)
        explanation = f"The model looks at {features} features; at most {self.bound} are allowed."
        return GateResult(name, features <= self.bound, float(features), float(self.bound), explanation)
