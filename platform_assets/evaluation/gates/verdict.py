"""The gates: what a model has to prove, and whether it did.

Belongs here: pure functions from figures and declared bounds to a verdict. Does not belong here: computing the figures
(`metrics`), reading models or tables, promoting.

Silence is failure: a figure that is missing or not finite fails its gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from platform_assets.declaration.sections.gates import Bypass, Floor, Gates
from platform_assets.declaration.sections.training import HIGHER_IS_BETTER
from platform_assets.evaluation.metrics.bootstrap import PairedDifference

BEATS_BASELINES, NO_WORSE_THAN_CHAMPION = "beats_baselines", "no_worse_than_champion"
COMPARISONS = (BEATS_BASELINES, NO_WORSE_THAN_CHAMPION)
"""Gates that say why a model that passed is wanted."""


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
        told = [gate for gate in self.gates if not gate.passed]
        told = told or [gate for gate in self.gates if gate.name in COMPARISONS or gate.bypass]
        return " ".join(gate.explanation for gate in told or self.gates[:1]) or "No gate was judged."

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON."""
        gates = [plain(asdict(gate)) for gate in self.gates]
        bypasses = [dict(bypass) for bypass in self.bypasses]
        return {"passed": self.passed, "reason": self.reason, "gates": gates, "bypasses": bypasses}


def is_better(metric: str, value: float, bound: float) -> bool:
    """Whether a value keeps a bound: at least it, or at most it for an error metric. NaN keeps none."""
    return value >= bound if metric in HIGHER_IS_BETTER else value <= bound


def beats_baselines(
    metric: str,
    model: float | None,
    baselines: Mapping[str, float | None],
    margin: float,
    difference: PairedDifference | None = None,
    problem: str = "",
) -> GateResult:
    """The model beats the best baseline by the margin, strictly when the margin is 0.

    Args:
        metric: what is compared.
        model: the model's mean over the folds.
        baselines: the baselines' means.
        margin: by how much it must be better; above 0, the lower bound of the difference on the latest fold must keep it too.
        difference: between model and best baseline on the latest fold; needed when the margin is above 0.
        problem: why there is no difference, when the caller knows.
    """
    name = BEATS_BASELINES
    missing = [baseline for baseline, value in baselines.items() if not _finite(value)]
    if not _finite(model) or not baselines or missing:
        told = f"{metric} of {', '.join(missing) or 'the model'}" if baselines else "any baseline"
        return GateResult(name, False, _known(model), None, f"The comparison with baselines lacks {told}.")
    assert model is not None
    sign = 1.0 if metric in HIGHER_IS_BETTER else -1.0
    best = best_baseline(metric, baselines)
    bound = (baselines[best] or 0.0) + sign * margin
    passed = is_better(metric, model, bound) and model != baselines[best]
    verb = "beats" if passed else "does not beat"
    told = f" by {margin:g}" if margin else ""
    explanation = f"{metric} {model:.4f} {verb} the best baseline, {best} with {baselines[best]:.4f}{told}."
    details: dict[str, Any] = {"baseline": best}
    if margin > 0.0:
        if difference is None:
            explanation += f" The latest fold could not be compared: {problem or 'no difference was measured'}."
            return GateResult(name, False, model, bound, explanation, details=details)
        details["difference"] = difference.to_dict()
        passed = passed and difference.lower >= margin
        explanation += f" On the latest fold it is better by {_interval(difference)}; at least {margin:g} is asked for."
    return GateResult(name, passed, model, bound, explanation, details=details)


def best_baseline(metric: str, baselines: Mapping[str, float | None]) -> str:
    """The baseline with the best value."""
    sign = 1.0 if metric in HIGHER_IS_BETTER else -1.0
    return max(baselines, key=lambda baseline: sign * (baselines[baseline] or 0.0))


def no_worse_than_champion(
    metric: str,
    difference: PairedDifference | None,
    tolerance: float,
    *,
    has_champion: bool,
    how: str = "",
    problem: str = "",
) -> GateResult:
    """The lower bound of what the model is better than the champion, on rows that neither learned from, keeps the tolerance.

    Args:
        metric: what is compared.
        difference: model against champion; None when it could not be measured.
        tolerance: how much worse is still accepted.
        has_champion: whether there is one to compare with.
        how: which model stands for the challenger, in words.
        problem: why there is no difference.
    """
    name = NO_WORSE_THAN_CHAMPION
    if not has_champion:
        return GateResult(name, True, None, None, "There is no champion yet.")
    if difference is None or not math.isfinite(difference.lower):
        told = f"The comparison with the champion failed: {problem or f'{metric} could not be computed'}."
        return GateResult(name, False, None, None, told, details={"how": how} if how else {})
    passed = difference.lower >= -tolerance
    verb = "is no worse than" if passed else "may be worse than"
    explanation = (
        f"{metric} {difference.first:.4f} {verb} the champion's {difference.second:.4f} on the same {difference.rows:,} rows: "
        f"better by {_interval(difference)}; at least {-tolerance:g} is asked for."
    )
    if how:
        explanation += f" {how}"
    details = {"difference": difference.to_dict(), "how": how}
    return GateResult(name, passed, difference.lower, -tolerance, explanation, details=details)


def _interval(difference: PairedDifference) -> str:
    """The difference in words."""
    bound = f"{difference.lower:.4f} with {difference.confidence:.0%} confidence"
    return f"{difference.difference:.4f}, at least {bound} ({difference.clusters:,} {difference.unit}s drawn)"


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


def is_plausible(means: Mapping[str, float], bounds: Mapping[str, float]) -> list[GateResult]:
    """No metric is as good as its declared bound or better: what is too good to be true is looked at before it is believed."""
    results = []
    for metric, bound in bounds.items():
        value = means.get(metric)
        known = _finite(value)
        passed = known and value is not None and not is_better(metric, value, bound)
        shown = f"{value:.4f}" if known and value is not None else "missing"
        told = f"{metric} is {shown}; from {bound:g} on it is too good to be true."
        if known and not passed:
            told += " Look for a feature that knows the label, and declare a bypass of this gate when it is right all the same."
        results.append(GateResult(f"plausible_{metric}", passed, _known(value), bound, told))
    return results


def is_calibrated_for_the_base_rate(error: float | None, base_rate: float, bound: float | None) -> list[GateResult]:
    """The calibration error, as a multiple of the share of positives, keeps its bound; no gate when none is declared.

    An absolute bound cannot see that a model which answers 0 for everything is wrong, where positives are rare.
    """
    if bound is None:
        return []
    relative = error / base_rate if error is not None and base_rate > 0.0 else None
    passed = _finite(relative) and relative is not None and relative <= bound
    shown = f"{relative:.2f}" if relative is not None else "missing"
    explanation = (
        f"The calibration error is {shown} times the share of positives, {base_rate:.4f}; at most {bound:g} is allowed."
    )
    return [GateResult("relative_calibration", passed, _known(relative), bound, explanation)]


def predicts_the_base_rate(
    mean_prediction: float, base_rate: float, rows: int, bound: float | None
) -> list[GateResult]:
    """Calibration in the large: mean prediction and share of positives differ by no more than a factor."""
    if bound is None:
        return []
    if rows == 0 or base_rate <= 0.0 or not math.isfinite(mean_prediction):
        told = f"The mean prediction could not be compared: {rows:,} rows with a share of positives of {base_rate:g}."
        return [GateResult("mean_prediction", False, None, bound, told)]
    ratio = mean_prediction / base_rate
    passed = 1.0 / bound <= ratio <= bound
    explanation = (
        f"The mean prediction is {mean_prediction:.5f} on {rows:,} rows of which a share of {base_rate:.5f} is positive, "
        f"{ratio:.2f} times as much; from {1.0 / bound:.2f} to {bound:g} times is allowed."
    )
    return [GateResult("mean_prediction", passed, ratio, bound, explanation)]


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


def covers_its_days(rows_by_day: Mapping[date, int], bound: float | None) -> list[GateResult]:
    """Every day of the training period has its share of the median day's rows; no gate when none is declared.

    Args:
        rows_by_day: every day of the period, those without rows too.
        bound: smallest share of the median.
    """
    if bound is None:
        return []
    if not rows_by_day or not any(rows_by_day.values()):
        return [GateResult("training_days", False, None, bound, "The training period has no rows.")]
    counts = sorted(rows_by_day.values())
    middle = len(counts) // 2
    median = counts[middle] if len(counts) % 2 else (counts[middle - 1] + counts[middle]) / 2
    thin = {day: rows for day, rows in sorted(rows_by_day.items()) if median == 0 or rows / median < bound}
    least = counts[0] / median if median else 0.0
    told = (
        f"The thinnest of {len(counts)} training days has {least:.0%} of the median day's {median:,.0f} rows; "
        f"at least {bound:.0%} is asked for."
    )
    if thin:
        shown = ", ".join(f"{day} ({rows:,} rows)" for day, rows in list(thin.items())[:5])
        told += f" Too thin: {shown}{' and more' if len(thin) > 5 else ''}; load these days again."
    details = {"thin_days": {day.isoformat(): rows for day, rows in thin.items()}}
    return [GateResult("training_days", not thin, least, bound, told, details=details)]


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
        told = f"{bypass.who}, until {bypass.until}: {bypass.why}"
        results.append(replace(gate, passed=True, bypass=told, explanation=f"{gate.explanation} Let pass by {told}."))
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


def plain(value: Any) -> Any:
    """Values as JSON knows them: a number that is not finite becomes None, keys become text."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _known(value: float | None) -> float | None:
    return value if _finite(value) else None
