"""Which way a limit is loosened: for each field of a declaration that holds data, models or answers to something.

Belongs here: the table, and reading it. Does not belong here: where limits are declared (`declaration/sections/`), and what is done about a
loosened one (`gates/loosened_limits.py`).

A further field of these sections has to stand here, as a limit or among what is none: a test holds the two lists against the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from platform_assets.pipelines.change.fields import Difference, Field, differences, fields_of

Higher = Mapping[str, bool]
"""For each metric, whether higher is better."""
Looser = Callable[[Any, Any, Difference, Higher], bool]
"""Whether the second value lets more pass than the first."""


def _larger(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """The largest that is allowed: more is looser, and no limit the loosest."""
    return before is not None and (after is None or after > before)


def _smaller(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """The smallest that is allowed: less is looser, and no limit the loosest."""
    return before is not None and (after is None or after < before)


def _turned_off(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    return before is True and after is not True


def _turned_on(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    return after is True and before is not True


def _more(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """What is allowed: more of it is looser, and everything the loosest."""
    return before is not None and (after is None or bool(set(map(str, after)) - set(map(str, before))))


def _more_left_out(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    return bool(set(map(str, after or ())) - set(map(str, before or ())))


def _another(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """What is tried is something else: whether that is less, nobody can tell from the text."""
    return before is not None and after != before


def _worse(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """A bound that a metric must keep: worse is looser, and none the loosest."""
    rule = _smaller if higher.get(_metric_of(difference), True) else _larger
    return rule(before, after, difference, higher)


def _better(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """A value too good to be true: better is looser, and none the loosest; that of another kind of task is none."""
    if _metric_of(difference) not in higher:
        return False
    rule = _larger if higher.get(_metric_of(difference), True) else _smaller
    return rule(before, after, difference, higher)


def _bolder(before: Any, after: Any, difference: Difference, higher: Higher) -> bool:
    """The shares of a canary's steps: a step less, or one that gives more than that step gave, is looser."""
    steps = list(before or ()), list(after or ())
    return len(steps[1]) < len(steps[0]) or any(new > old for old, new in zip(*steps, strict=False))


def _metric_of(difference: Difference) -> str:
    path = difference.path
    if path[-1] == "floor":
        return str(difference)
    return path[-2] if path[-1] == "bound" else path[-1]


@dataclass(frozen=True)
class Limit:
    """A field, or every field of a form, that is a limit.

    Attributes:
        pattern: its path, a star for each name.
        is_looser: whether one value lets more pass than another.
    """

    pattern: str
    is_looser: Looser


def _limits(section: str, rules: Mapping[str, Looser]) -> list[Limit]:
    return [Limit(f"{section}.{field}", rule) for field, rule in rules.items()]


LIMITS: Final[tuple[Limit, ...]] = (
    *_limits(
        "gates",
        {
            "confidence": _smaller,
            "baseline_margin": _smaller,
            "champion_tolerance": _larger,
            "floors.*.bound": _worse,
            "plausible.*": _better,
            "plausible_by_default": _turned_off,
            "max_calibration_error": _larger,
            "max_relative_calibration_error": _larger,
            "max_calibration_ratio": _larger,
            "max_single_feature.*": _better,
            "max_importance_share": _larger,
            "min_training_rows": _smaller,
            "min_positives": _smaller,
            "min_day_ratio": _smaller,
            "max_scoring_milliseconds": _larger,
            "max_model_megabytes": _larger,
            "reproducible": _turned_off,
        },
    ),
    *_limits(
        "gates.slices.*",
        {
            "expression": _another,
            "min_rows": _larger,
            "min_positives": _larger,
            "metric": _another,
            "floor": _worse,
            "max_drop": _larger,
            "max_selection_rate_difference": _larger,
            "max_error_rate_difference": _larger,
        },
    ),
    *_limits(
        "gates.behaviour.*",
        {
            "kind": _another,
            "change.*": _another,
            "where": _another,
            "max_violating_ratio": _larger,
            "min_rows": _smaller,
            "max_change": _larger,
            "score": _another,
            "of_class": _another,
            "tolerance": _larger,
            "given.*": _another,
            "at_least": _smaller,
            "at_most": _larger,
        },
    ),
    *_limits(
        "sources.*.quality",
        {
            "max_refused_ratio": _larger,
            "volume.min_ratio": _smaller,
            "volume.max_ratio": _larger,
            "volume.min_history": _larger,
            "max_duplicate_ratio": _larger,
            "max_unknown_ratio": _larger,
            "nulls.max_ratio.*": _larger,
            "nulls.max_increase": _larger,
            "reconciliation.enabled": _turned_off,
            "reconciliation.control_file": _another,
            "reconciliation.tolerance_ratio": _larger,
            "freshness.newest_hour": _smaller,
            "freshness.min_expected_rows": _larger,
            "anomalies.enabled": _turned_off,
            "anomalies.min_history": _larger,
            "anomalies.min_rows": _larger,
            "anomalies.max_score": _larger,
            "anomalies.floor_ratio": _larger,
            "anomalies.exclude": _more_left_out,
        },
    ),
    *_limits(
        "sources.*.columns.*",
        {
            "nullable": _turned_on,
            "minimum": _smaller,
            "maximum": _larger,
            "allowed": _more,
            "unique": _turned_off,
            "references": _another,
            "known_after": _another,
        },
    ),
    *_limits("sources.*", {"repeated_keys": _another, "late.wait_days": _smaller, "late.then": _another}),
    *_limits(
        "monitoring",
        {
            "min_rows": _smaller,
            "max_ks": _larger,
            "max_psi": _larger,
            "columns.*.watched": _turned_off,
            "columns.*.max_ks": _larger,
            "columns.*.max_psi": _larger,
            "columns.*.seasonal": _turned_on,
            "max_quality_loss_ratio": _larger,
            "bounds.*": _worse,
            "max_label_rate_ratio": _larger,
            "objectives.availability": _smaller,
            "objectives.latency_ms.*": _larger,
        },
    ),
    *_limits(
        "serving.guards",
        {
            "alpha": _smaller,
            "error_ratio": _larger,
            "latency_p99_ratio": _larger,
            "score_shift": _larger,
            "decision_shift": _larger,
            "undecided": _another,
        },
    ),
    *_limits(
        "serving.rollout.*",
        {
            "steps_percent": _bolder,
            "step_minutes": _smaller,
            "minutes": _smaller,
            "share_percent": _smaller,
            "keep_minutes": _smaller,
        },
    ),
    *_limits("serving", {"unknown": _another, "fallback": _another, "log": _another}),
    *_limits("training.splits", {"folds": _smaller, "final_test_days": _smaller, "test_days": _smaller}),
    *_limits("training.learners.*", {"baseline": _turned_off}),
)
"""Every limit. `late.wait_days` is how long a day is waited for before the rest goes on without it."""

WATCHED_THINGS: Final = (
    "gates.floors.*", "gates.slices.*", "gates.behaviour.*", "monitoring.measures.*", "monitoring.degrade.*", "serving.rollout.shadow",
    "serving.rollout.canary", "serving.rollout.ab",
)  # fmt: skip
"""Things of which each is a gate as a whole: to take one out is to loosen it."""

NO_LIMITS: Final = (
    "gates.floors.*.metric", "gates.slices.*.name", "gates.behaviour.*.name", "gates.bypasses", "gates.bypasses.*",
    "sources.*.quality.volume.history_days", "sources.*.quality.anomalies.history_days", "sources.*.quality.reconciliation.sums",
    "monitoring.window_days", "monitoring.quality_metric", "monitoring.retrain.*", "monitoring.degrade", "monitoring.degrade.*",
    "monitoring.measures", "monitoring.measures.*", "monitoring.alerts.*", "monitoring.stack", "monitoring.columns.*.why",
    "monitoring.rendered_by",
    "serving.guards.block_seconds", "serving.rollout.*.at_most_hours", "serving.rollout.*.at_most_days",
    "serving.rollout.*.strategy",
    "monitoring.explanations.*",
)  # fmt: skip
"""Fields beside them that let nothing pass. A bypass has its own who, why and until; retraining is looked at by `automation`."""


INSTEAD: Final[Mapping[str, str]] = {
    "sources.*.quality.max_duplicate_ratio": "sources.*.quality.max_refused_ratio",
    "sources.*.quality.max_unknown_ratio": "sources.*.quality.max_refused_ratio",
    "sources.*.quality.nulls.max_ratio.*": "sources.*.quality.nulls.max_increase",
    "monitoring.columns.*.max_ks": "monitoring.max_ks",
    "monitoring.columns.*.max_psi": "monitoring.max_psi",
}
"""Which limit holds where one is not declared."""
UNLESS_DECLARED: Final[Mapping[str, Any]] = {
    "monitoring.columns.*.watched": True,
    "monitoring.columns.*.seasonal": False,
}
"""What holds where a thing is not declared at all."""


def loosenings(before: Mapping[str, Any], after: Mapping[str, Any], higher_is_better: Higher) -> list[Difference]:
    """The differences of two declarations that let more pass than before.

    Args:
        before: a declaration as plain values.
        after: another.
        higher_is_better: for each metric of the kind of task, whether higher is better.
    """
    old = {field.path: field for field in fields_of(before)}
    new = {field.path: field for field in fields_of(after)}
    higher = {**higher_is_better, **_of_slices(after, higher_is_better)}
    found = differences(before, after)
    gone = {difference.path for difference in found if difference.after is None}
    kept = [item for item in found if not any(item.path[:steps] in gone for steps in range(1, len(item.path)))]
    return [item for item in kept if _is_looser(item, old, new, higher)]


def _is_looser(
    difference: Difference, old: Mapping[tuple[str, ...], Field], new: Mapping[tuple[str, ...], Field], higher: Higher
) -> bool:
    path = str(difference)
    if difference.after is None and any(_fits(path, pattern) for pattern in WATCHED_THINGS):
        return True
    if difference.after is None and _fits(path, "training.learners.*"):
        baseline = old.get((*difference.path, "baseline"))
        return baseline is not None and baseline.value is True
    if (
        difference.after is None and path == "serving.rollout.replace"
    ):  # it follows where it is not written, without keeping
        kept = old.get((*difference.path, "keep_minutes"))
        return kept is not None and kept.value > 0
    limit = limit_of(path)
    if limit is None or _is_new(difference, new, old):
        return False
    before, after = _in_force(difference, limit, old), _in_force(difference, limit, new)
    return limit.is_looser(before, after, difference, higher)


def _in_force(difference: Difference, limit: Limit, fields: Mapping[tuple[str, ...], Field]) -> Any:
    """The value on one side, or what holds instead."""
    field = fields.get(difference.path)
    if field is not None and field.value is not None:
        return field.value
    other = INSTEAD.get(limit.pattern)
    if other is None:
        return UNLESS_DECLARED.get(limit.pattern) if field is None else None
    own = iter(name for name, step in zip(difference.path, limit.pattern.split("."), strict=True) if step == "*")
    instead = fields.get(tuple(next(own) if step == "*" else step for step in other.split(".")))
    return None if instead is None else instead.value


def _is_new(difference: Difference, new: Mapping[tuple[str, ...], Field], old: Mapping[tuple[str, ...], Field]) -> bool:
    """Whether the thing that it belongs to is new: a new source, column, test or slice takes nothing away."""
    return any(
        difference.path[:steps] in new and difference.path[:steps] not in old
        for steps in range(1, len(difference.path))
    )


def _of_slices(document: Mapping[str, Any], higher: Higher) -> dict[str, bool]:
    """For the floor of each slice, whether higher is better."""
    default = document["training"]["select_by"]
    slices = document["gates"]["slices"]
    return {f"gates.slices.{item['name']}.floor": higher.get(item["metric"] or default, True) for item in slices}


def limit_of(path: str) -> Limit | None:
    """The limit that a field is; None for one that is none."""
    return next((limit for limit in LIMITS if _fits(path, limit.pattern)), None)


def _fits(path: str, pattern: str) -> bool:
    return path.count(".") == pattern.count(".") and fnmatchcase(path, pattern)
