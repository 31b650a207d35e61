"""What a gate of a change is, and what it finds.

Belongs here: the Protocol and the finding. Does not belong here: any one gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class ChangeFinding:
    """Something in a change that does not keep a gate.

    Attributes:
        key: what it is called where it is accepted: the same for the same thing, whatever else changes. Empty for one that cannot be.
        file: below the root.
        line: in that file, from 1.
        message: what is wrong.
        next_step: what to do.
    """

    key: str
    file: str
    line: int
    message: str
    next_step: str


class ChangeGate(Protocol):
    """One gate.

    Attributes:
        about: what it holds a change to, in a line.
    """

    about: str

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """What in the change does not keep it; nothing when all does.

        Raises:
            ChangeError: it could not look, which counts as red.
        """
        ...
