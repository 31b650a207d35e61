"""Usage that could not be recorded, counted beside the tables that could not be written.

Belongs here: noting a miss and reading all of them. Does not belong here: recording (`record_usage.py`), or telling of it (`cli/`).

Runs are not lost by a miss: Dagster's event log has them, and the next record takes them in. What a command took beside its runs is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

FILE = "usage_not_recorded.jsonl"


@dataclass(frozen=True)
class UsageMiss:
    """A command whose usage could not be recorded.

    Attributes:
        use_case: whose.
        at: when, ISO 8601.
        cpu_seconds: that the command took, its runs among them.
        reason: why.
    """

    use_case: str
    at: str
    cpu_seconds: float
    reason: str


def note_miss(home: Path, miss: UsageMiss) -> None:
    """Count a miss.

    Raises:
        OSError: not even this can be written.
    """
    with (home / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(miss)) + "\n")


def noted_misses(home: Path, use_case: str, since: datetime) -> list[UsageMiss]:
    """Misses of a use case since a moment, oldest first; a line that was cut off is no miss of anybody's.

    Raises:
        OSError: they cannot be read.
    """
    path = home / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [one for one in map(_read, lines) if one is not None]
    return [one for one in found if one.use_case == use_case and datetime.fromisoformat(one.at) >= since]


def _read(line: str) -> UsageMiss | None:
    try:
        values = json.loads(line)
        return UsageMiss(values["use_case"], values["at"], float(values["cpu_seconds"]), values["reason"])
    except (ValueError, KeyError, TypeError):
        return None
