"""An estimate held to the bounds that quality has to keep.

Belongs here: the verdict on a window without labels, and its wording. Does not belong here: the estimate (`estimate`), belief (`belief`),
the same with labels (`monitoring/quality`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from platform_assets.monitoring.estimates.belief import Belief
from platform_assets.monitoring.estimates.estimate import MetricEstimate

EstimateStatus = Literal["ok", "violated", "withdrawn", "no_verdict"]
LIKELY_LOSS = "estimated_quality"
"""Cause of a window whose estimate lies past a bound."""


@dataclass(frozen=True, slots=True)
class ScoredEstimate:
    """An estimate of before beside what labels made of it.

    Attributes:
        day: last day of its window, ISO.
        estimated: the value.
        low: lower end of its interval.
        high: upper end.
        true: the metric once labels had come.
        standing: whether it was believed then.
    """

    day: str
    estimated: float
    low: float
    high: float
    true: float
    standing: str

    @property
    def covered(self) -> bool:
        """Whether the truth lay in the interval."""
        return self.low <= self.true <= self.high


@dataclass(frozen=True, slots=True)
class EstimatedQuality:
    """How good the predictions of a window are likely to be.

    Attributes:
        first_day: of the window.
        last_day: of the window.
        rows: predictions of the window.
        metric: the followed one.
        estimates: of every metric that has a bound and allows one, by name; empty when withdrawn or without.
        withdrawn: the same estimates when they may not be believed, for people who look into it; else empty.
        problems: why a metric has no estimate, by name.
        bounds: what each metric has to keep, by name.
        belief: whether the estimates may be believed; None without any.
        dispersion: how many times larger the variance is than of independent rows; None without estimates.
        clusters: what rows share most by; empty without estimates.
        reference_rows: labelled rows that the estimates rest on.
        scored: earlier estimates of the same model beside the truth, oldest first.
        status: `violated` when an interval lies wholly past its bound; `withdrawn` and `no_verdict` do not pass either.
        explanation: one sentence.
    """

    first_day: date
    last_day: date
    rows: int
    metric: str
    estimates: Mapping[str, MetricEstimate]
    withdrawn: Mapping[str, MetricEstimate]
    problems: Mapping[str, str]
    bounds: Mapping[str, float]
    belief: Belief | None
    dispersion: float | None
    clusters: str
    reference_rows: int
    scored: tuple[ScoredEstimate, ...]
    status: EstimateStatus
    explanation: str

    @property
    def passed(self) -> bool:
        """Whether the model is likely to be as good as promised."""
        return self.status == "ok"

    @property
    def followed(self) -> MetricEstimate | None:
        """The estimate of the followed metric, where there is one that may be believed."""
        return self.estimates.get(self.metric)

    @property
    def coverage_ratio(self) -> float | None:
        """Share of the earlier estimates whose interval held the truth; None without any."""
        return sum(one.covered for one in self.scored) / len(self.scored) if self.scored else None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON."""
        return asdict(self) | {
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "passed": self.passed,
            "coverage_ratio": self.coverage_ratio,
        }


def judged(
    estimates: Mapping[str, MetricEstimate],
    problems: Mapping[str, str],
    bounds: Mapping[str, float],
    higher_is_better: Mapping[str, bool],
    metric: str,
    belief: Belief | None,
    rows: int,
    least_rows: int,
) -> tuple[EstimateStatus, str]:
    """Status and explanation of a window's estimates.

    Args:
        estimates: by metric.
        problems: why a metric has no estimate.
        bounds: what each has to keep.
        higher_is_better: by metric.
        metric: the followed one.
        belief: whether they may be believed.
        rows: predictions of the window.
        least_rows: fewer give no verdict.
    """
    if rows < least_rows:
        return "no_verdict", f"No estimate: {rows} predictions in the window, {least_rows} are needed."
    if metric not in estimates or belief is None:
        return "no_verdict", f"No estimate of {metric}: {problems.get(metric, 'there is no labelled reference')}."
    if belief.standing == "withdrawn":
        return (
            "withdrawn",
            f"The estimate of {metric} is withdrawn: {belief.reason} Wait for labels (monitoring/quality).",
        )
    lost = [
        _lost(estimates[name], bound)
        for name, bound in bounds.items()
        if _is_lost(estimates, name, bound, higher_is_better)
    ]
    if lost:
        return "violated", " ".join(lost)
    if metric not in bounds:
        return "no_verdict", f"{metric} is estimated and has no bound: the evaluation has no value of it."
    one = estimates[metric]
    standing = "" if belief.standing == "believed" else " No label that has come confirms it yet."
    text = f"{metric} is estimated at {one.value:.4f} ({one.low:.4f} to {one.high:.4f}), which keeps the bound of {bounds[metric]:.4f}."
    return "ok", text + standing


def _is_lost(
    estimates: Mapping[str, MetricEstimate], name: str, bound: float, higher_is_better: Mapping[str, bool]
) -> bool:
    if name not in estimates:
        return False
    return estimates[name].high < bound if higher_is_better[name] else estimates[name].low > bound


def _lost(one: MetricEstimate, bound: float) -> str:
    side = "below" if one.high < bound else "above"
    return (
        f"{one.metric} is estimated at {one.value:.4f} (95 % interval {one.low:.4f} to {one.high:.4f}, {one.rows} rows), "
        f"{side} the bound of {bound:.4f}."
    )


def causes_of(status: EstimateStatus) -> list[str]:
    """What a window is in violation of, as stored verdicts name it."""
    return [LIKELY_LOSS] if status == "violated" else []
