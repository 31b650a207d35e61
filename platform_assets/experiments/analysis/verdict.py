"""What an A/B test shows by now: one verdict from sample ratio, effect and guardrails.

Belongs here: outcomes, their order of precedence, and the words. Does not belong here: the tests themselves (`sample_ratio.py`,
`effect.py`, `sequential/`), or what a rollout does about it (`pipelines/analyse_experiment.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from platform_assets.declaration.sections.experiments import Experiment, Guardrail
from platform_assets.experiments.analysis.effect import LEAST_UNITS, Effect
from platform_assets.experiments.analysis.sample_ratio import SampleRatio
from platform_assets.experiments.sequential.evidence import Finding, Outcome


class ExperimentOutcome(StrEnum):
    """What the test shows by now."""

    BETTER = "better"
    WORSE = "worse"
    NO_EFFECT = "no effect worth having"
    CANNOT_TELL = "cannot tell yet"
    NOT_VALID = "not valid"


DECIDED = frozenset({ExperimentOutcome.BETTER, ExperimentOutcome.WORSE, ExperimentOutcome.NO_EFFECT})


@dataclass(frozen=True)
class ExperimentVerdict:
    """The verdict of a test on a day.

    Attributes:
        outcome: what it shows.
        sentence: why, in words.
        effect: on the measure, in the latest days whose outcomes are known; None before there are any.
        sample_ratio: of all entities that were given a version.
        guardrails: what each of them says.
        problems: why the evidence cannot be used, if it cannot.
        more_units: about so many more entities until the planned effect would be seen; None where it is decided or cannot be said.
    """

    outcome: ExperimentOutcome
    sentence: str
    effect: Effect | None
    sample_ratio: SampleRatio
    guardrails: tuple[Finding, ...]
    problems: tuple[str, ...]
    more_units: int | None = None

    @property
    def wins(self) -> bool:
        """Whether the new version is to take over."""
        return self.outcome is ExperimentOutcome.BETTER

    @property
    def loses(self) -> bool:
        """Whether it is to go."""
        return self.outcome in (ExperimentOutcome.WORSE, ExperimentOutcome.NO_EFFECT)

    @property
    def is_void(self) -> bool:
        """Whether the evidence cannot be used: a person decides."""
        return self.outcome is ExperimentOutcome.NOT_VALID

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        effect = None if self.effect is None else asdict(self.effect) | {"day": str(self.effect.day)}
        return {
            "outcome": self.outcome.value,
            "sentence": self.sentence,
            "effect": effect,
            "sample_ratio": asdict(self.sample_ratio) | {"observed_ratio": self.sample_ratio.observed_ratio},
            "guardrails": [asdict(found) for found in self.guardrails],
            "problems": list(self.problems),
            "more_units": self.more_units,
        }


def guardrail_finding(declared: Guardrail, effect: Effect | None, alpha: float) -> Finding:
    """What a declared guardrail says, in the words of the other tests.

    Args:
        declared: the guardrail.
        effect: on its measure, with an interval of two times `alpha`.
        alpha: of a wrong "worse".
    """
    sign = 1.0 if declared.harm == "increase" else -1.0
    known = effect is not None and effect.low is not None and effect.high is not None
    outcome, low, high = Outcome.CANNOT_TELL, None, None
    if effect is not None and effect.low is not None and effect.high is not None:
        low, high = sorted((sign * effect.low, sign * effect.high))
        if low > declared.margin:
            outcome = Outcome.WORSE
        elif high < declared.margin:
            outcome = Outcome.BETTER_OR_EQUAL
    estimate = None if effect is None else effect.difference
    words = "too few entities" if not known else f"{sign * (estimate or 0.0):+.4g} ({low:+.4g} .. {high:+.4g})"
    return Finding(
        guard=declared.name,
        outcome=outcome,
        estimate=estimate,
        low=None if effect is None else effect.low,
        high=None if effect is None else effect.high,
        margin=declared.margin,
        alpha=alpha,
        units_old=0 if effect is None else effect.control.units,
        units_new=0 if effect is None else effect.treatment.units,
        more_units=None,
        sentence=f"{declared.name}: {outcome}; harm of {words}, tolerated {declared.margin:.4g}.",
    )


def decide(
    experiment: Experiment,
    effect: Effect | None,
    ratio: SampleRatio,
    guardrails: Sequence[Finding] = (),
    problems: Sequence[str] = (),
    *,
    minimum: float,
) -> ExperimentVerdict:
    """The verdict.

    What makes the evidence useless goes before everything, harm before benefit, and a benefit counts once no guardrail is open.

    Args:
        experiment: as it is declared.
        effect: on its measure.
        ratio: of the entities.
        guardrails: what each says.
        problems: why the evidence cannot be used.
        minimum: the smallest effect worth having, absolute.
    """

    def verdict(outcome: ExperimentOutcome, sentence: str, more: int | None = None) -> ExperimentVerdict:
        return ExperimentVerdict(outcome, f"{outcome}: {sentence}", effect, ratio, tuple(guardrails), wrong, more)

    wrong = (*([ratio.sentence()] if ratio.mismatch else []), *problems)
    if wrong:
        return verdict(ExperimentOutcome.NOT_VALID, " ".join(wrong))
    harmed = [found for found in guardrails if found.outcome is Outcome.WORSE]
    if harmed:
        return verdict(
            ExperimentOutcome.WORSE, "a guardrail is harmed. " + " ".join(found.sentence for found in harmed)
        )
    if effect is None or effect.low is None or effect.high is None:
        smaller = 0 if effect is None else min(effect.control.units, effect.treatment.units)
        words = f"{smaller:,} entities of the smaller side have outcomes, {LEAST_UNITS:,} are needed before anything can be said."
        return verdict(ExperimentOutcome.CANNOT_TELL, words)
    sign = 1.0 if experiment.direction == "increase" else -1.0
    low, high = sorted((sign * effect.low, sign * effect.high))
    words = _effect_words(experiment, effect)
    if high < 0:
        return verdict(ExperimentOutcome.WORSE, words)
    if high < minimum:
        return verdict(ExperimentOutcome.NO_EFFECT, f"{words} An effect of {minimum:.4g} is excluded.")
    more = _more_units(effect, minimum)
    still = [found for found in guardrails if found.outcome is Outcome.CANNOT_TELL]
    if low > 0 and not still:
        return verdict(ExperimentOutcome.BETTER, words)
    if low > 0:
        names = ", ".join(found.guard for found in still)
        return verdict(ExperimentOutcome.CANNOT_TELL, f"{words} Waiting for guardrails: {names}.")
    hint = "" if more is None else f" About {more:,} more entities, were the effect the smallest worth having."
    return verdict(ExperimentOutcome.CANNOT_TELL, words + hint, more)


def _effect_words(experiment: Experiment, effect: Effect) -> str:
    share = "" if not effect.control.mean else f", {effect.difference / abs(effect.control.mean):+.1%}"
    return (
        f"the measure is {effect.treatment.mean:.5g} with the new version and {effect.control.mean:.5g} with the old one: difference "
        f"{effect.difference:+.4g}{share} ({effect.low:+.4g} .. {effect.high:+.4g} at any time, confidence "
        f"{1 - experiment.significance:.0%}); {effect.control.units + effect.treatment.units:,} entities, outcomes to {effect.day}."
    )


def _more_units(effect: Effect, minimum: float) -> int | None:
    """Entities until the interval is as narrow as the smallest effect worth having, at today's variance and share."""
    assert effect.low is not None
    assert effect.high is not None
    half = (effect.high - effect.low) / 2
    units = effect.control.units + effect.treatment.units
    return max(1, math.ceil(units * ((half / minimum) ** 2 - 1))) if half > minimum else None
