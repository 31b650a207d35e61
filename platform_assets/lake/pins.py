"""Pins: which versions of a table must stay readable, and why.

Belongs here: what a pin is, and the pins that follow from a table's own history. Does not belong here: what models
and training sets were made from (`registry/pins.py`), and removing what is not pinned (`maintenance`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from platform_assets.lake.commits import HistoryEntry

Reason = Literal["model", "training_set", "hold", "current", "keep_days"]


@dataclass(frozen=True)
class Pin:
    """One reason to keep one version.

    Attributes:
        table: `use_case/layer/table`.
        version: Delta version.
        reason: What pins it.
        why: The same in words, with the name of the model, the day or the person.
    """

    table: str
    version: int
    reason: Reason
    why: str


def table_path(name: str) -> str:
    """`use_case/layer/table` of a table's address or of a path below the lake's root."""
    return "/".join(name.strip("/").split("/")[-3:])


def data_version_pins(versions: Mapping[str, int | None], reason: Reason, why: str) -> list[Pin]:
    """Pins of the versions that something was made from.

    Args:
        versions: Delta version by path below the lake's root; None where there was no table.
        reason: What pins them.
        why: The same in words.
    """
    return [
        Pin(table_path(name), int(version), reason, why) for name, version in versions.items() if version is not None
    ]


def history_pins(table: str, history: Sequence[HistoryEntry], keep_days: int, now: datetime) -> list[Pin]:
    """The current version, and those that were current in the last `keep_days` days.

    Args:
        table: `use_case/layer/table`.
        history: All commits, newest first.
        keep_days: Days that a version stays readable after it was replaced.
        now: The present.
    """
    if not history:
        return []
    pins = [Pin(table, history[0].version, "current", "the current version")]
    for replaced_by, entry in pairwise(history):
        if replaced_by.committed_at <= now - timedelta(days=keep_days):
            break
        why = f"replaced on {replaced_by.committed_at:%Y-%m-%d}, kept for {keep_days} days"
        pins.append(Pin(table, entry.version, "keep_days", why))
    return pins


def lasting_versions(pins: Iterable[Pin], table: str) -> list[int]:
    """Versions of a table that are pinned for another reason than their age, in order."""
    return sorted({pin.version for pin in pins if pin.table == table and pin.reason != "keep_days"})
