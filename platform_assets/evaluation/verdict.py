"""The gates: what a model has to prove, and whether it did.

Belongs here: pure functions from figures and declared bounds to a verdict. Does not belong here: computing the figures
(`metrics`), reading models or tables, promoting.

Silence is failure: a figure that is missing or not finite fails its gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from platform_assets.spec.gates import Bypass, Floor, Gates
from platform_assets.spec.training import HIGHER_IS_BETTER


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
    """

    name: str
    passed: bool
    measured: float | None
    bound: float | None
    explanation: str
    bypass: str | None = None


@dataclass(frozen=True)
class Verdict:
    """All gates of one model."""

    gates: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate passed; without any gate nothing is proven."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        failed = [gate.explanation for gate in self.gates if not gate.passed]
        if failed:
            return " ".join(failed)
        bypassed = [gate.explanation for gate in self.gates[2:] if gate.bypass]
        return " ".join([*(gate.explanation for gate in self.gates[:2]), *bypassed]) or "No gate was judged."

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON."""
        return {"passed": self.passed, "reason": self.reason, "gates": [asdict(gate) for gate in self.gates]}


def is_better(metric: str, value: float, bound: float) -> bool:
    """Whether a value keeps a bound: at least it, or at most it for an error metric. NaN keeps none."""
    return value >= bound if metric in HIGHER_IS_BETTER else value <= bound


def beats_baselines(
    metric: str, model: float | None, baselines: Mapping[str, float | None], margin: float
) -> GateResult:
    """The model beats the best baseline by the margin, strictly when the margin is 0."""
    name = "beats_baselines"
    missing = [baseline for baseline, value in baselines.items() if not _finite(value)]
    if not _finite(model) or not baselines or missing:
        told = f"{metric} of {', '.join(missing) or 'the model'}" if baselines else "any baseline"
        return GateResult(name, False, _known(model), None, f"The comparison with baselines lacks {told}.")
    assert model is not None
    sign = 1.0 if metric in HIGHER_IS_BETTER else -1.0
    best = max(baselines, key=lambda baseline: sign * (baselines[baseline] or 0.0))
    bound = (baselines[best] or 0.0) + sign * margin
    passed = is_better(metric, model, bound) and model != baselines[best]
    verb = "beats" if passed else "does not beat"
    told = f" by {margin:g}" if margin else ""
    return GateResult(
        name,
        passed,
        model,
        bound,
        f"{metric} {model:.4f} {verb} the best baseline, {best} with {baselines[best]:.4f}{told}.",
    )


def no_worse_than_champion(
    metric: str,
    model: float | None,
    champion: float | None,
    tolerance: float,
    *,
    rows: int,
    has_champion: bool,
    problem: str = "",
) -> GateResult:
    """On the same rows the model loses at most the tolerance against the champion.

    Args:
        metric: what is compared.
        model: the model's value.
        champion: the champion's value.
        tolerance: how much worse is still accepted.
        rows: how many rows both were measured on.
        has_champion: whether there is one to compare with.
        problem: why the champion could not be measured, when the caller knows.
    """
    name = "no_worse_than_champion"
    if not has_champion:
        return GateResult(name, True, _known(model), None, "There is no champion yet.")
    if not _finite(model) or not _finite(champion):
        why = (
            "there are no rows that the champion was not trained on" if rows == 0 else f"{metric} could not be computed"
        )
        told = f"The comparison with the champion failed: {problem or why}."
        return GateResult(name, False, _known(model), _known(champion), told)
    assert model is not None
    assert champion is not None
    bound = champion - tolerance if metric in HIGHER_IS_BETTER else champion + tolerance
    passed = is_better(metric, model, bound)
    verb = "is no worse than" if passed else "is worse than"
    return GateResult(
        name,
        passed,
        model,
        bound,
        f"{metric} {model:.4f} {verb} the champion's {champion:.4f} on the same {rows:,} rows, tolerance {tolerance:g}.",
    )


def keeps_floors(means: Mapping[str, float], floors: Sequence[Floor]) -> list[GateResult]:
    """Each declared floor as a gate of its own."""
    results = []
    for floor in floors:
        value = means.get(floor.metric)
        passed = _finite(value) and is_better(floor.metric, value if value is not None else math.nan, floor.bound)
        shown = f"{value:.4f}" if value is not None else "missing"
        word = "floor" if floor.metric in HIGHER_IS_BETTER else "ceiling"
        explanation = f"{floor.metric} is {shown}; its {word} is {floor.bound:g}."
        results.append(GateResult(f"floor_{floor.metric}", passed, _known(value), floor.bound, explanation))
    return results


def is_calibrated(error: float | None, bound: float | None) -> list[GateResult]:
    """The expected calibration error keeps its declared bound; no gate when none is declared."""
    if bound is None:
        return []
    passed = _finite(error) and error is not None and error <= bound
    shown = f"{error:.4f}" if error is not None else "missing"
    return [
        GateResult(
            "calibration",
            passed,
            _known(error),
            bound,
            f"The calibration error is {shown}; at most {bound:g} is allowed.",
        )
    ]


def has_enough_data(rows: int, positives: int | None, gates: Gates) -> GateResult:
    """The training period has the declared numbers of rows and positives."""
    enough = rows >= gates.min_training_rows and (positives is None or positives >= gates.min_positives)
    told = "" if positives is None else f", {positives:,} positives (at least {gates.min_positives:,})"
    return GateResult(
        "training_data",
        enough,
        float(rows),
        float(gates.min_training_rows),
        f"The training period has {rows:,} rows (at least {gates.min_training_rows:,}){told}.",
    )


def with_bypasses(gates: Sequence[GateResult], bypasses: Sequence[Bypass], today: date) -> Verdict:
    """Let failed gates pass that a bypass names and that has not expired; the record stays in the result."""
    valid = {bypass.gate: bypass for bypass in bypasses if today <= bypass.until}
    results = []
    for gate in gates:
        bypass = valid.get(gate.name)
        if gate.passed or bypass is None:
            results.append(gate)
            continue
        told = f"{bypass.who}, until {bypass.until}: {bypass.why}"
        results.append(replace(gate, passed=True, bypass=told, explanation=f"{gate.explanation} Let pass by {told}."))
    return Verdict(tuple(results))


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _known(value: float | None) -> float | None:
    return value if _finite(value) else None
