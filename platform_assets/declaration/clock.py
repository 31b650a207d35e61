"""What time it is: the machine's, or a simulated one that a file holds.

Belongs here: asking for the time, and moving a simulated one. Does not belong here: days of a time zone (`time_zones.py`), or who moves
the clock.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class ClockError(ValueError):
    """A simulated clock cannot be read, or would go backwards."""


class Clock(Protocol):
    """Says what time it is."""

    @property
    def is_simulated(self) -> bool:
        """Whether it is not the machine's time."""

    def now(self) -> datetime:
        """The time, in UTC."""


@dataclass(frozen=True)
class SystemClock:
    """The machine's time."""

    @property
    def is_simulated(self) -> bool:
        """It is not."""
        return False

    def now(self) -> datetime:
        """The machine's time, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class SimulatedClock:
    """The time that a file holds, shared by all processes that read it. It stands still until somebody moves it.

    Attributes:
        path: the file; one line, ISO 8601 with offset.
    """

    path: Path

    @property
    def is_simulated(self) -> bool:
        """It is."""
        return True

    def now(self) -> datetime:
        """The time in the file, in UTC.

        Raises:
            ClockError: there is no file, or it holds no time with an offset.
        """
        try:
            moment = datetime.fromisoformat(self.path.read_text().strip())
        except (OSError, ValueError) as error:
            raise ClockError(f"the simulated clock {self.path} cannot be read: {error}") from error
        if moment.tzinfo is None:
            raise ClockError(f"the simulated clock {self.path} holds {moment}, which has no offset")
        return moment.astimezone(UTC)

    def move(self, moment: datetime) -> None:
        """Set the time; one process moves a clock.

        Raises:
            ClockError: the time has no offset, or lies before the time in the file.
        """
        if moment.tzinfo is None:
            raise ClockError(f"{moment} has no offset")
        if self.path.exists() and moment < (now := self.now()):
            raise ClockError(f"the simulated clock {self.path} stands at {now} and does not go back to {moment}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        beside.write_text(f"{moment.astimezone(UTC).isoformat()}\n")
        beside.replace(self.path)
