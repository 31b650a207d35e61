"""All gates of a model together: whether it passed, why, and what bypasses let pass.

Belongs here: putting results together. Does not belong here: judging a gate (one module for each kind), promoting.

Silence is failure: without any gate nothing is proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from platform_assets.declaration.sections.gates import Bypass
from platform_assets.evaluation.gates.comparisons import COMPARISONS
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.plain import plain


@dataclass(frozen=True)
class Verdict:
    """All gates of one model, and every declared bypass with what became of it."""

    gates: tuple[GateResult, ...]
    bypasses: tuple[Mapping[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate passed; without any gate nothing is proven."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)

    @property
    def reason(self) -> str:
        """Why: what failed; else how it compares with baselines and champion, and what a bypass let pass."""
        shown = [gate for gate in self.gates if not gate.passed]
        shown = shown or [gate for gate in self.gates if gate.name in COMPARISONS or gate.bypass]
        return " ".join(gate.explanation for gate in shown or self.gates[:1]) or "No gate was judged."

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON."""
        gates = [plain(asdict(gate)) for gate in self.gates]
        bypasses = [dict(bypass) for bypass in self.bypasses]
        return {"passed": self.passed, "reason": self.reason, "gates": gates, "bypasses": bypasses}


def with_bypasses(gates: Sequence[GateResult], bypasses: Sequence[Bypass], today: date) -> Verdict:
    """Let failed gates pass that a bypass names and that has not expired; every bypass stays on record."""
    valid = {bypass.gate: bypass for bypass in bypasses if today <= bypass.until}
    results, used = [], set()
    for gate in gates:
        bypass = valid.get(gate.name)
        if gate.passed or bypass is None:
            results.append(gate)
            continue
        used.add(gate.name)
        allowed_by = f"{bypass.who}, until {bypass.until}: {bypass.why}"
        results.append(
            replace(gate, passed=True, bypass=allowed_by, explanation=f"{gate.explanation} Let pass by {allowed_by}.")
        )
    record = [
        {
            "gate": bypass.gate,
            "who": bypass.who,
            "why": bypass.why,
            "until": bypass.until.isoformat(),
            "used": bypass.gate in used and today <= bypass.until,
            "expired": today > bypass.until,
        }
        for bypass in bypasses
    ]
    return Verdict(tuple(results), tuple(record))
