"""What was seen and decided at each look at a rollout: a file beside the target, one look a line.

Belongs here: the lines, writing and reading them. Does not belong here: looking (`advance_rollout.py`), the page made of them
(`monitoring/rollout_page.py`), or decisions for good, which stand in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from platform_assets.deployment.rollout.stages import StageKind
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import RolloutView

NEWEST_BYTES = 32 * 1024 * 1024
"""Only so much from the end of the file is read: months of looks."""
NEWEST_LOOK_BYTES = 256 * 1024
"""More than any single look takes."""


@dataclass(frozen=True)
class Look:
    """One look at a rollout.

    Attributes:
        at: when, ISO 8601 in UTC.
        arm: name of the arm that is coming; never used twice, so it names the rollout.
        new: version of its release.
        old: version of the release that served before.
        phase: where the rollout stood, before anything was done.
        kind: of the stage.
        step: number of the stage, from 1.
        steps: how many stages there are.
        since: when the phase began.
        weight: of the new version in percent after the look.
        copied: share of the requests that it gets copies of, in percent.
        revision: after the look.
        outcome: of the look.
        sentence: in words.
        by: who decided; empty where nothing was.
        verdict: of all guards; empty where nothing was judged.
        findings: of each guard: its name, outcome, estimate, low, high, margin.
        over: whether the rollout ended with it.
        notes: what was left out of the evidence, and why.
        meant: outcome of a decision that the target was about to be asked to take; the line after it says what became of it.
    """

    at: str
    arm: str
    new: str
    old: str
    phase: str
    kind: str
    step: int
    steps: int
    since: str
    weight: int
    copied: int
    revision: int
    outcome: str
    sentence: str
    by: str = ""
    verdict: str = ""
    findings: tuple[Mapping[str, Any], ...] = field(default=())
    over: bool = False
    notes: tuple[str, ...] = ()
    meant: str = ""


def remember(path: Path, look: Look) -> None:
    """Append a look, on a line of its own also after a write that was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        torn = size > 0 and file.read(1) != b"\n"
        file.write(b"\n" * torn + json.dumps(asdict(look)).encode() + b"\n")


def read_history(path: Path, newest_bytes: int = NEWEST_BYTES) -> list[Look]:
    """The looks in so many bytes at the end of the file, oldest first; a line that is torn or damaged is left out."""
    if not path.is_file():
        return []
    looks = []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - newest_bytes))
        text = file.read().decode(errors="replace")
    for line in text.splitlines():
        try:
            values = json.loads(line)
            looks.append(
                Look(**{**values, "findings": tuple(values["findings"]), "notes": tuple(values.get("notes", ()))})
            )
        except (ValueError, TypeError, KeyError):
            continue
    return looks


def judged_since(looks: list[Look], view: RolloutView) -> datetime:
    """When the first stage of the present kind began: from there on all data counts."""
    rollout = view.rollout
    alike = [look.since for look in looks if look.arm == rollout.new and look.kind == rollout.stage.kind and look.since]
    return min(datetime.fromisoformat(since) for since in (*alike, rollout.since))


def copied_percent(rollout: Rollout) -> int:
    """Share of the requests that the new version gets copies of."""
    return rollout.stage.percent if rollout.stage.kind is StageKind.MIRROR and rollout.waiting else 0


def newest_look(path: Path) -> Look | None:
    """The newest look, read from the end of the file alone; None where nothing was rolled out."""
    looks = read_history(path, NEWEST_LOOK_BYTES)
    return looks[-1] if looks else None
