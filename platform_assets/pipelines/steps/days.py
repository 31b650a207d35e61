"""For which days a step is due as of a day.

Belongs here: the days of `pipelines/due.py` for one step, and what lets a day pass. Does not belong here: what an orchestrator remembers of
earlier runs: a step that is asked for twice is done twice, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.due import (
    OF_AN_AS_OF_DAY,
    can_train_as_of,
    event_days_declared,
    is_training_day,
    newest_day,
)
from platform_assets.pipelines.jobs import JUDGE, LABELS, LOAD, LOG, PREDICT, REFERENCE, WATCH
from platform_assets.pipelines.steps.base import StepContext
from platform_assets.pipelines.steps.graph import Step

WITH_HISTORY = frozenset({LABELS, LOAD})
"""Jobs that a run which begins with the history does for all its days at once."""


@dataclass(frozen=True)
class StepDays:
    """What a step is asked for.

    Attributes:
        days: the days, one for a step that knows one; None for the whole of a table without days.
        not_due: why there is nothing to do, in words; empty where there is.
    """

    days: DayRange | None = None
    not_due: str = ""


def days_as_of(context: StepContext, step: Step, as_of: date, since: date | None = None) -> StepDays:
    """What a step is due for as of a day.

    Args:
        context: of the run.
        step: the step.
        as_of: the day: what is known at its midnight.
        since: first day of the history, where a run begins with all of it: its days are loaded, and a model is trained as of `as_of`.
    """
    use_case = context.use_case
    if step.job == REFERENCE:
        return _reference(context, step)
    if step.job in OF_AN_AS_OF_DAY:
        if not can_train_as_of(use_case, as_of):
            return StepDays(not_due=f"the declared folds do not fit into the history before {as_of}")
        if since is None and not is_training_day(use_case, as_of):
            return StepDays(
                not_due=f"a model is trained every {use_case.training.every_days} days, and not as of {as_of}"
            )
        return StepDays(DayRange(as_of, as_of))
    first, last = event_days_declared(use_case)
    newest = newest_day(use_case, step.job, as_of)
    begins = max(first, since) if since is not None and step.job in WITH_HISTORY else newest
    days = DayRange(begins, min(newest, last or newest))
    if days.last < days.first or days.last < first:
        return StepDays(not_due=f"{newest} lies outside of the declared history")
    return _after_the_first_model(context, step, days)


def _reference(context: StepContext, step: Step) -> StepDays:
    source = context.use_case.source(step.table)
    if source.connector.is_simulated and context.catalog.clean(source.name).exists():
        return StepDays(not_due=f"{source.name} is there, and a simulated table does not change")
    return StepDays()


def _after_the_first_model(context: StepContext, step: Step, days: DayRange) -> StepDays:
    """Nothing was predicted before the first model answered, and no window is whole before it is over."""
    use_case = context.use_case
    if step.job not in (LOG, PREDICT, WATCH, JUDGE):
        return StepDays(days)
    first = _first_answered(context)
    if first is None:
        return StepDays(not_due="no model was promoted yet")
    if step.job in (WATCH, JUDGE):
        first += timedelta(days=use_case.monitoring.window_days - 1)
    if days.last < first:
        return StepDays(
            not_due=f"predictions of {days} are those of no whole window since the first model, which begins on {first}"
        )
    return StepDays(DayRange(max(first, days.first), days.last))


def _first_answered(context: StepContext) -> date | None:
    """The first day of which there may be predictions: the first that a champion answered; where scores are delivered, the first of all."""
    use_case, given = context.use_case, context.use_case.predictions
    if given is not None:
        return given.reference.last_day + timedelta(days=1)
    models = context.installation.models
    entries = models.ledger(use_case.name).entries(use_case.name)
    promoted = {*entries["model_version"].filter(entries["action"] == "promoted").to_list()}
    if not promoted:
        return None
    versions = [one for one in models.registry().versions(use_case.name) if one.version in promoted]
    return min((date.fromisoformat(one.tags["as_of"]) for one in versions if one.tags.get("as_of")), default=None)
