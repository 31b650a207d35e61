"""The gates of a change, all of them, and what somebody answers for.

Belongs here: asking each gate, and letting accepted findings pass. Does not belong here: any one gate (`gates/`), or printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from platform_assets.pipelines.change.accepted_changes import AcceptedChange, read_acceptances
from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.gates.registry import CHANGE_GATES
from platform_assets.pipelines.change.git import ChangeError
from platform_assets.pipelines.change.sides import RepositoryChange

SMALL_WORLD: Final = "small_world"


@dataclass(frozen=True)
class GateOutcome:
    """What a gate says of a change.

    Attributes:
        name: of the gate.
        about: what it holds a change to.
        broken: what does not keep it.
        accepted: what does not keep it, and who answers for that.
    """

    name: str
    about: str
    broken: Sequence[ChangeFinding]
    accepted: Sequence[tuple[ChangeFinding, AcceptedChange]] = ()

    @property
    def passed(self) -> bool:
        """Whether all of it is kept, or accepted."""
        return not self.broken

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "gate": self.name,
            "about": self.about,
            "passed": self.passed,
            "broken": [vars(finding) for finding in self.broken],
            "accepted": [
                {**vars(finding), "acceptance": entry.model_dump(mode="json")} for finding, entry in self.accepted
            ],
        }


def check_change(change: RepositoryChange, gates: Iterable[str] | None = None) -> list[GateOutcome]:
    """Ask the gates.

    Args:
        change: both sides.
        gates: their names; when left out all of them, that of small worlds where these were run.

    Raises:
        UnknownMember: there is no gate of a name.
    """
    acceptances, today = read_acceptances(change.after.root), datetime.now(UTC).date()
    outcomes = []
    for name in _asked(change) if gates is None else gates:
        gate = CHANGE_GATES[name]
        try:
            found = list(gate.judge(change))
        except ChangeError as error:
            found = [
                ChangeFinding("", "", 1, f"the gate could not look, which counts as red: {error}", "mend that first")
            ]
        broken, accepted = [], []
        for finding in found:
            entry = acceptances.of(finding.key, today) if finding.key else None
            if entry is None:
                broken.append(finding)
            else:
                accepted.append((finding, entry))
        outcomes.append(GateOutcome(name, gate.about, broken, accepted))
    return outcomes


def _asked(change: RepositoryChange) -> list[str]:
    """The gates that can look: where no small world was run, its gate would be green without having looked."""
    return [name for name in CHANGE_GATES if name != SMALL_WORLD or change.samples is not None]


def acceptance_of(finding: ChangeFinding) -> str:
    """What stands in `accepted_changes.yaml` where somebody answers for a finding; empty for one that cannot be accepted."""
    return f'- {{change: "{finding.key}", who: ..., why: ..., until: ...}}' if finding.key else ""
