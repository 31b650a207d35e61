"""Gate `acceptances`: what was accepted is well-formed, and nothing of it has expired.

Belongs here: the file itself. Does not belong here: which finding an entry lets pass (`../check.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from platform_assets.pipelines.change.accepted_changes import FILE, read_acceptances
from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _Acceptances:
    about: str = f"entries of {FILE} say who, why and until when, and none has expired"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each entry that cannot be used, or is over."""
        today, read = datetime.now(UTC).date(), read_acceptances(change.after.root)
        for line, message in read.problems:
            yield ChangeFinding(
                "", FILE, line, message, "an entry has `change`, `who`, `why` (10 characters) and `until` (a day)"
            )
        for line, entry in read.entries:
            if entry.until < today:
                yield ChangeFinding(
                    "",
                    FILE,
                    line,
                    f"{entry.change!r} was accepted by {entry.who} until {entry.until}",
                    "put back what was loosened and take the entry out, or have it accepted anew",
                )


ACCEPTANCES = _Acceptances()
