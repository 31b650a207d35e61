"""From rows to everything that is known of an A/B test: verdict, effect over time, and how many requests took part.

Belongs here: putting the tests together, each with its share of alpha. Does not belong here: the tests, reading tables
(`pipelines/analyse_experiment.py`), or the page (`page.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.experiments.analysis.effect import DAY, UNIT, VARIANT, Effect, covariates, effect, effect_path
from platform_assets.experiments.analysis.sample_ratio import SampleRatio, sample_ratio
from platform_assets.experiments.analysis.verdict import ExperimentVerdict, decide, guardrail_finding
from platform_assets.experiments.assignment import OUTSIDE, Split, Variant, assign
from platform_assets.experiments.sequential.evidence import Finding
from platform_assets.experiments.sequential.verdict import spend

VALUE, AT, RELEASE, LATENCY = "value", "at", "release", "latency_ms"
LATENCY_GUARD = "latency_p99"
LEAST_HISTORY = 100
"""Events before the test from which its base is taken; with fewer, the control's first day has to do."""


@dataclass(frozen=True)
class Requests:
    """What became of the requests while the test ran.

    Attributes:
        exposed: that count for a side.
        outside: whose entity does not take part.
        without_entity: that name none.
        not_assigned: whose entity takes part, and that the proxy could not read or sent elsewhere: they had the old version's answer.
        pending: exposed, and without a known outcome yet.
    """

    exposed: int
    outside: int
    without_entity: int
    not_assigned: int
    pending: int = 0


@dataclass(frozen=True)
class Analysis:
    """Everything that is known of a test.

    Attributes:
        name: of the running test.
        experiment: as it is declared.
        verdict: what it shows.
        path: the effect as it was known once each day's outcomes were there.
        first_day: first event day with an exposure; None before there is one.
        requests: what became of them.
        releases: requests of each release, by variant.
        minimum: the smallest effect worth having, absolute.
        base: the measure's mean that it is a share of.
    """

    name: str
    experiment: Experiment
    verdict: ExperimentVerdict
    path: tuple[Effect, ...]
    first_day: date | None
    requests: Requests
    releases: Mapping[str, Mapping[str, int]]
    minimum: float
    base: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "name": self.name,
            "experiment": self.experiment.model_dump(mode="json"),
            "verdict": self.verdict.to_dict(),
            "first_day": None if self.first_day is None else self.first_day.isoformat(),
            "requests": self.requests.__dict__,
            "releases": {variant: dict(counts) for variant, counts in self.releases.items()},
            "minimum_effect": self.minimum,
            "base": self.base,
            "path": [
                {"day": str(one.day), "difference": one.difference, "low": one.low, "high": one.high}
                for one in self.path
            ],
        }


def analyse(
    split: Split,
    experiment: Experiment,
    logged: pl.DataFrame,
    outcomes: pl.DataFrame,
    history: pl.DataFrame,
    *,
    alpha_guards: float = 0.05,
    latency_margin_ratio: float | None = None,
) -> Analysis:
    """Analyse a test with all that is known now; it may be done at any time, any number of times.

    Args:
        split: how entities were assigned.
        experiment: as it is declared.
        logged: live requests while the test ran: `unit` (text, null where the request names none), `variant`, `day`, `at`, `release` and
            `latency_ms`.
        outcomes: of exposed requests whose outcome is known: `unit`, `variant`, `day`, `value` and a column for each guardrail.
        history: events before the test whose outcome was known when it began: `unit`, `value` and a column for each guardrail.
        alpha_guards: over all guardrails together.
        latency_margin_ratio: tolerated rise of the 99th percentile of the latency; None leaves it unwatched.
    """
    exposed = logged.filter(pl.col(VARIANT).is_not_null())
    base = _base(history, outcomes)
    minimum = abs(base) * experiment.minimum_effect_ratio
    path: tuple[Effect, ...] = ()
    if minimum > 0:
        before = covariates(history, VALUE)
        path = effect_path(outcomes, VALUE, before, mixing=minimum, alpha=experiment.significance)
    ratio = _sample_ratio(exposed, split)
    guards = _guardrails(experiment, exposed, outcomes, history, alpha_guards, latency_margin_ratio)
    problems = [*_assignment_problems(exposed, split), *_release_problems(exposed)]
    verdict = decide(experiment, path[-1] if path else None, ratio, guards, problems, minimum=minimum)
    first = exposed[DAY].min()
    return Analysis(
        name=split.name,
        experiment=experiment,
        verdict=verdict,
        path=path,
        first_day=first if isinstance(first, date) else None,
        requests=_requests(logged, split, exposed.height - outcomes.height),
        releases=_releases(exposed),
        minimum=minimum,
        base=base,
    )


def _base(history: pl.DataFrame, outcomes: pl.DataFrame) -> float:
    """The measure's mean before the test; without a past, the control's on its first day."""
    rows = history
    if history.height < LEAST_HISTORY:
        control = outcomes.filter(pl.col(VARIANT) == Variant.CONTROL)
        rows = control.filter(pl.col(DAY) == pl.col(DAY).min())
    return float(rows[VALUE].cast(pl.Float64).to_numpy().mean()) if rows.height else 0.0


def _sample_ratio(exposed: pl.DataFrame, split: Split) -> SampleRatio:
    """Of entities in the order of their first request."""
    firsts = exposed.sort(AT, UNIT).unique(UNIT, keep="first", maintain_order=True)
    treated = (firsts[VARIANT] == Variant.TREATMENT).to_numpy()
    return sample_ratio(np.asarray(treated, dtype=np.bool_), split.treatment / 10_000)


def _guardrails(
    experiment: Experiment,
    exposed: pl.DataFrame,
    outcomes: pl.DataFrame,
    history: pl.DataFrame,
    alpha: float,
    latency_margin_ratio: float | None,
) -> list[Finding]:
    names = [guardrail.name for guardrail in experiment.guardrails]
    shares = spend(alpha, [*names, *([LATENCY_GUARD] if latency_margin_ratio is not None else [])] or ["none"])
    findings = []
    for guardrail in experiment.guardrails:
        share = shares[guardrail.name]
        before = covariates(history, guardrail.name)
        # Worse is one side of the interval: it may miss on the other with as much again.
        found = effect(outcomes, guardrail.name, before, mixing=guardrail.margin, alpha=2 * share)
        findings.append(guardrail_finding(guardrail, found, share))
    if latency_margin_ratio is not None:
        findings.append(_latency(exposed, experiment.treatment_ratio, latency_margin_ratio, shares[LATENCY_GUARD]))
    return findings


def _latency(exposed: pl.DataFrame, share_new: float, margin_ratio: float, alpha: float) -> Finding:
    from platform_assets.experiments.sequential.latency import latency_quantile

    numbered = (
        exposed.sort(AT, UNIT)
        .with_columns(pl.col(AT).rank("dense").over(pl.lit(1)).alias("__order"))
        .with_columns(pl.col("__order").min().over(UNIT).alias("__first"))
    )
    numbered = numbered.with_columns((pl.struct("__first", UNIT).rank("dense") - 1).cast(pl.Int64).alias("__unit"))
    sides = [numbered.filter(pl.col(VARIANT) == variant) for variant in (Variant.CONTROL, Variant.TREATMENT)]
    (old_ms, old_unit), (new_ms, new_unit) = (
        (side[LATENCY].cast(pl.Float64).to_numpy(), side["__unit"].to_numpy()) for side in sides
    )
    return latency_quantile(
        old_ms, old_unit, new_ms, new_unit, margin_ratio=margin_ratio, alpha=alpha, share_new=share_new, sticky=True
    )


def _assignment_problems(exposed: pl.DataFrame, split: Split) -> list[str]:
    """Entities that are logged with another version than they are assigned, by the same function."""
    pairs = exposed.select(UNIT, VARIANT).unique()
    wrong = sorted(unit for unit, variant in pairs.iter_rows() if assign(split, unit) != variant)
    if not wrong:
        return []
    return [
        f"{len(wrong):,} entities are logged with a version that they are not assigned, for example {wrong[0]!r}: the test was run with "
        "another split than this one; analyse it under the split that it had."
    ]


def _release_problems(exposed: pl.DataFrame) -> list[str]:
    """A release that answered for both sides: then they are not two versions."""
    both = exposed.group_by(RELEASE).agg(pl.col(VARIANT).n_unique().alias("sides")).filter(pl.col("sides") > 1)
    return [
        f"release {release} answered for both sides: requests did not reach the version that their entity was given."
        for release in sorted(both[RELEASE].to_list())
    ]


def _releases(exposed: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted = exposed.group_by(VARIANT, RELEASE).len().sort(VARIANT, RELEASE)
    found: dict[str, dict[str, int]] = {}
    for variant, release, number in counted.iter_rows():
        found.setdefault(str(variant), {})[str(release)] = int(number)
    return found


def _requests(logged: pl.DataFrame, split: Split, pending: int) -> Requests:
    """Why requests are part of neither side, by the function that assigns."""
    others = logged.filter(pl.col(VARIANT).is_null())
    counted = others.filter(pl.col(UNIT).is_not_null()).group_by(UNIT).len()
    outside = sum(number for unit, number in counted.iter_rows() if (assign(split, unit) or OUTSIDE) == OUTSIDE)
    return Requests(
        exposed=logged.height - others.height,
        outside=outside,
        without_entity=int(others[UNIT].null_count()),
        not_assigned=others.height - int(others[UNIT].null_count()) - outside,
        pending=pending,
    )
