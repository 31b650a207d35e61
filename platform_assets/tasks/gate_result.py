"""What a gate says of a model.

Belongs here: the result as plain values. Does not belong here: judging (`evaluation/gates`, and the kinds of task for what only they know),
putting results together (`evaluation/gates/verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class GateResult:
    """One gate.

    Attributes:
        name: the gate.
        passed: whether it was kept, or let pass by a bypass.
        measured: what was measured; None when it could not be.
        bound: what it had to keep; None when there is nothing to compare with.
        explanation: one sentence for people.
        bypass: who let it pass and why; None when it passed or failed on its own.
        details: what else was found, as plain values: intervals, parts of a slice, features by their score.
    """

    name: str
    passed: bool
    measured: float | None
    bound: float | None
    explanation: str
    bypass: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
