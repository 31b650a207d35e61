"""Whether a model's answers are degraded as of a day, by what is declared.

Belongs here: the pure rule over the windows that a retrain decision reads. Does not belong here: carrying it out
(`orchestration/degrade_sensor.py`), or asking for a new model (`retrain_decision.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.declaration.sections.degradation import DegradeRule
from platform_assets.monitoring.retrain_verdict import WindowVerdict


@dataclass(frozen=True, slots=True)
class Degradation:
    """What is to be done.

    Attributes:
        when: the declared state that lasts.
        then: what is declared for it.
        tell: who has to know.
        cause: stable key: one for each state and model, and for each day at which the online store stood still.
        why: one sentence for people.
        rule: a condition that decides meanwhile; empty where none does.
    """

    when: str
    then: str
    tell: str
    cause: str
    why: str
    rule: str = ""


def degradation(
    windows: Mapping[str, Sequence[WindowVerdict]],
    rules: Sequence[DegradeRule],
    as_of: date,
    model_version: str | None,
    store_day: date | None = None,
) -> Degradation | None:
    """The first declared rule whose state has lasted for its days, the latest as of this day; None when none has.

    Args:
        windows: of each monitor, named by the day that they were known as of.
        rules: as declared, the first that applies counts.
        as_of: the day.
        model_version: the champion; only windows of it count, so that a new one starts anew.
        store_day: newest day whose features the online store holds; None where nobody has a store, or none was ever made.
    """
    for rule in rules:
        if rule.when == "stale_features":
            if store_day is not None and (behind := (as_of - store_day).days - 1) >= rule.days:
                why = f"stale features: as of {as_of} the online store stands at the end of {store_day}, {behind} days behind"
                return Degradation(rule.when, rule.then, rule.tell, f"{rule.when}@{store_day}", why, rule.rule)
            continue
        days = [as_of - timedelta(days=back) for back in range(rule.days)]
        found = {
            window.day: what
            for window in windows.get(QUALITY if rule.when == "quality_lost" else DRIFT, ())
            if (what := _state(rule, window)) and (model_version is None or window.model_version == model_version)
        }
        if all(day in found for day in days):
            lasted = f"for {rule.days} days, the latest as of {as_of}: {found[as_of]}"
            cause = f"{rule.when}@{model_version or 'unknown'}"
            why = f"{rule.when.replace('_', ' ')} {lasted}"
            return Degradation(rule.when, rule.then, rule.tell, cause, why, rule.rule)
    return None


def _state(rule: DegradeRule, window: WindowVerdict) -> str:
    """What of a window is what the rule is about, in words; empty when nothing is."""
    if rule.when == "data_fault":
        return "; ".join(window.defects)
    return ", ".join(window.causes) if window.violated else ""
