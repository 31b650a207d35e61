"""What a step is given, and what it answers.

Belongs here: the narrow Protocol of a step's verb. Does not belong here: any verb, or which verb a step is (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog


@dataclass(frozen=True)
class StepContext:
    """What a step works with.

    Attributes:
        declared: the use case and its folder.
        installation: where its state lives.
        run_id: the orchestrator's run, for the ledger and the tracker.
        log: progress.
    """

    declared: DeclaredUseCase
    installation: Installation
    run_id: str
    log: Callable[[str], None]

    @property
    def use_case(self) -> UseCase:
        """The declaration."""
        return self.declared.use_case

    @cached_property
    def catalog(self) -> Catalog:
        """Its tables."""
        return self.installation.catalog(self.use_case)


@dataclass(frozen=True)
class StepCheck:
    """A check that a step made of its result, by the name that the asset's check has.

    Attributes:
        name: of the check.
        passed: its verdict.
        explanation: what was found.
        blocking: whether it is a gate: nothing that is made from the result may go on.
    """

    name: str
    passed: bool
    explanation: str = ""
    blocking: bool = True


@dataclass(frozen=True)
class StepResult:
    """What a step did.

    Attributes:
        facts: what it made, as plain values.
        checks: what was checked of it.
    """

    facts: Mapping[str, Any]
    checks: tuple[StepCheck, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(check.passed for check in self.checks if check.blocking)


class StepRefused(RuntimeError):
    """The data or the model is at fault, not the machine: the same would happen again."""


class StepVerb(Protocol):
    """One kind of step."""

    def __call__(self, context: StepContext, table: str, days: DayRange | None) -> StepResult:
        """Do it, and keep what was made.

        Args:
            context: of the run.
            table: what the step makes, the second part of its name.
            days: for which days, or as of which; None for the whole of a table without days.

        Raises:
            StepRefused: it cannot be done, and trying again does not help.
        """
        ...


def day_of_step(days: DayRange | None) -> str:
    """The one day of a step that knows one, YYYY-MM-DD.

    Raises:
        ValueError: several days were asked for, or none.
    """
    if days is None or days.first != days.last:
        raise ValueError(f"this step takes one day, not {days or 'none'}")
    return days.first.isoformat()


def days_of_step(days: DayRange | None) -> DayRange:
    """The days of a step that knows days.

    Raises:
        ValueError: none were asked for.
    """
    if days is None:
        raise ValueError("this step takes days: name one")
    return days
