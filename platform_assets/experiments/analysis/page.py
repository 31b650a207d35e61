"""The page of an A/B test: verdict, effect over time, sample ratio, guardrails, and the path of the evidence.

Belongs here: one self-contained HTML file. Does not belong here: what stands on it (`analyse.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from platform_assets.experiments.analysis.analyse import Analysis
from platform_assets.experiments.analysis.plot import plot_effect
from platform_assets.experiments.analysis.verdict import ExperimentOutcome
from platform_assets.experiments.sequential.evidence import Outcome

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_GOOD = {ExperimentOutcome.BETTER, Outcome.BETTER_OR_EQUAL}
_BAD = {ExperimentOutcome.WORSE, ExperimentOutcome.NO_EFFECT, ExperimentOutcome.NOT_VALID, Outcome.WORSE}


def render_page(analysis: Analysis, as_of: date, evidence: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        analysis: what is known.
        as_of: labels known at 00:00 UTC of this day were counted.
        evidence: what it was made from, for the last table.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    verdict, plan = analysis.verdict, analysis.experiment
    picture = None
    if analysis.path:
        image = plot_effect(analysis.path, analysis.minimum, plan.direction)
        picture = base64.b64encode(image).decode()
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        name=analysis.name,
        plan=plan,
        verdict=verdict,
        tone=_tone(verdict.outcome),
        reason=verdict.sentence.removeprefix(f"{verdict.outcome}: "),
        effect=verdict.effect,
        ratio=verdict.sample_ratio,
        guardrails=[(found, _tone(found.outcome)) for found in verdict.guardrails],
        requests=analysis.requests,
        releases=analysis.releases,
        first_day=analysis.first_day,
        minimum=analysis.minimum,
        base=analysis.base,
        as_of=as_of,
        picture=picture,
        evidence=evidence,
    )


def _tone(outcome: ExperimentOutcome | Outcome) -> str:
    return "good" if outcome in _GOOD else "bad" if outcome in _BAD else "open"
