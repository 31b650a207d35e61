"""What a check is, and how many were kept.

Belongs here: the outcome of checks. Does not belong here: what is checked (`rest.py`, `grpc_checks.py`).
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class NotKept(AssertionError):
    """The server does not do what the protocol says."""


@dataclass(frozen=True)
class Outcome:
    """One check.

    Attributes:
        door: REST or gRPC.
        what: the protocol says so.
        problem: what the server did in place of it; empty when it is kept.
    """

    door: str
    what: str
    problem: str = ""


@dataclass
class Checks:
    """The outcomes so far."""

    door: str
    outcomes: list[Outcome] = field(default_factory=list)

    @contextmanager
    def check(self, what: str) -> Iterator[None]:
        """Whatever is raised in here is the problem of this check, and of no other one."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a server does is its outcome
            problem = str(error) if isinstance(error, NotKept) else traceback.format_exception_only(error)[-1].strip()
            self.outcomes.append(Outcome(self.door, what, " ".join(problem.split())[:200] or "not kept"))
        else:
            self.outcomes.append(Outcome(self.door, what))


def need(condition: object, problem: str) -> None:
    """A part of a check.

    Raises:
        NotKept: the condition does not hold.
    """
    if not condition:
        raise NotKept(problem)
