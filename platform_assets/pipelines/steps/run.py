"""One step of a use case, run by itself.

Belongs here: from a name and a day to the verb and its answer. Does not belong here: the verbs, or printing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.required_days import DaysMissing
from platform_assets.pipelines.steps.base import StepCheck, StepContext, StepRefused, StepResult
from platform_assets.pipelines.steps.days import StepDays, days_as_of
from platform_assets.pipelines.steps.graph import Step
from platform_assets.pipelines.steps.registry import STEP_VERBS


@dataclass(frozen=True)
class AskedDays:
    """For which days a step is asked.

    Attributes:
        as_of: the day as of which it is due; used where `days` is None.
        since: first day of the history, where a run begins with it.
        days: the days by themselves, whether they are due or not.
    """

    as_of: date
    since: date | None = None
    days: DayRange | None = None


@dataclass(frozen=True)
class StepAnswer:
    """What became of a step.

    Attributes:
        step: which.
        asked: for which days, and why it was not due where it was not.
        outcome: what it did; None where it was not due.
    """

    step: Step
    asked: StepDays
    outcome: StepResult | None = None
    red: tuple[StepCheck, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """The answer as plain values."""
        days = self.asked.days
        checks = self.outcome.checks if self.outcome is not None else ()
        return {
            "step": self.step.name,
            "days": [] if days is None else [day.isoformat() for day in days.days],
            "due": self.outcome is not None,
            "not_due": self.asked.not_due,
            "passed": not self.red,
            "facts": dict(self.outcome.facts) if self.outcome is not None else {},
            "checks": [vars(check) for check in checks],
        }


def run_step(context: StepContext, step: Step, asked: AskedDays) -> StepAnswer:
    """Run a step, where it is due.

    Raises:
        StepRefused: days that it is made from were never made, or what it does was refused.
    """
    due = StepDays(asked.days) if asked.days is not None else days_as_of(context, step, asked.as_of, asked.since)
    if due.not_due:
        return StepAnswer(step, due)
    try:
        outcome = STEP_VERBS[step.kind](context, step.table, due.days)
    except DaysMissing as error:
        raise StepRefused(str(error)) from error
    red = tuple(check for check in outcome.checks if check.blocking and not check.passed)
    return StepAnswer(step, due, outcome, red)
