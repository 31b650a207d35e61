"""Gates that compare a model with others: the best baseline, and the champion.

Belongs here: from differences to a result. Does not belong here: which rows are compared (`judged_model`), how sure a difference is
(`metrics/bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from platform_assets.declaration.tasks.registry import is_higher_better
from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.gates.bounds import if_finite, is_better, is_finite
from platform_assets.evaluation.judged_model import SameRows
from platform_assets.evaluation.metrics.bootstrap import BootstrapDifference, paired_difference
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import MetricError
from platform_assets.tasks.registry import metric_of
from platform_assets.training.compare import scored

BEATS_BASELINES, NO_WORSE_THAN_CHAMPION = "beats_baselines", "no_worse_than_champion"
COMPARISONS = (BEATS_BASELINES, NO_WORSE_THAN_CHAMPION)
"""Gates that say why a model that passed is wanted."""


def beats_baselines(
    metric: str,
    model: float | None,
    baselines: Mapping[str, float | None],
    margin: float,
    difference: BootstrapDifference | None = None,
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
    missing = [baseline for baseline, value in baselines.items() if not is_finite(value)]
    if not is_finite(model) or not baselines or missing:
        lacking = f"{metric} of {', '.join(missing) or 'the model'}" if baselines else "any baseline"
        return GateResult(name, False, if_finite(model), None, f"The comparison with baselines lacks {lacking}.")
    assert model is not None
    sign = 1.0 if is_higher_better(metric) else -1.0
    best = best_baseline(metric, baselines)
    bound = (baselines[best] or 0.0) + sign * margin
    passed = is_better(metric, model, bound) and model != baselines[best]
    verb = "beats" if passed else "does not beat"
    by_margin = f" by {margin:g}" if margin else ""
    explanation = f"{metric} {model:.4f} {verb} the best baseline, {best} with {baselines[best]:.4f}{by_margin}."
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
    sign = 1.0 if is_higher_better(metric) else -1.0
    return max(baselines, key=lambda baseline: sign * (baselines[baseline] or 0.0))


def no_worse_than_champion(
    metric: str,
    difference: BootstrapDifference | None,
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
        failed = f"The comparison with the champion failed: {problem or f'{metric} could not be computed'}."
        return GateResult(name, False, None, None, failed, details={"how": how} if how else {})
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


def _interval(difference: BootstrapDifference) -> str:
    """The difference in words."""
    bound = f"{difference.lower:.4f} with {difference.confidence:.0%} confidence"
    return f"{difference.difference:.4f}, at least {bound} ({difference.clusters:,} {difference.unit}s drawn)"


def beats_baselines_gate(inputs: GateInputs, name: str) -> GateResult:
    """Better than every baseline."""
    model, margin, by = inputs.model, inputs.gates.baseline_margin, inputs.select_by
    mean, baselines = model.means.get(by), model.baselines
    if margin == 0.0 or not baselines:
        return beats_baselines(by, mean, baselines, margin)
    best = best_baseline(by, baselines)
    difference, problem = None, f"{best} left no predictions"
    if best in model.predictions:
        difference, problem = _difference(inputs, SameRows(model.judged, model.prediction, model.predictions[best]))
    return beats_baselines(by, mean, baselines, margin, difference, problem)


def no_worse_than_champion_gate(inputs: GateInputs, name: str) -> GateResult:
    """No worse than the champion, where there is one."""
    same_rows, tolerance = inputs.same_rows, inputs.gates.champion_tolerance
    difference, problem = None, same_rows.problem
    if inputs.has_champion and not problem:
        difference, problem = _difference(inputs, same_rows)
    return no_worse_than_champion(
        inputs.select_by,
        difference,
        tolerance,
        has_champion=inputs.has_champion,
        how=same_rows.how,
        problem=problem,
    )


def _difference(inputs: GateInputs, same_rows: SameRows) -> tuple[BootstrapDifference | None, str]:
    """The difference between the two predictions, or why there is none."""
    if same_rows.champion is None:
        return None, "it gave no predictions"
    metric, training = metric_of(inputs.model.use_case, inputs.select_by), inputs.model.use_case.training
    first, second = (scored(same_rows.rows, values) for values in (same_rows.model, same_rows.champion))
    try:
        return paired_difference(metric, first, second, inputs.gates.confidence, training.seed), ""
    except MetricError as error:
        return None, f"{metric.name} could not be computed: {error}"
