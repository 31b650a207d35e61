"""An online store that a test can look into and take down; loaded by the service's process, so it imports little."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from serving.online import StoreUnavailable

FORGOTTEN_DAY = date(2024, 1, 2)
"""An event of this day is older than what the store keeps."""


@dataclass
class Vector:
    values: list[float]
    unknown_entities: list[str]
    too_late_for: tuple[str, ...] = ()
    mark: Any = None


class FakeStore:
    """Counts the events of each lot. Down while the file `down` exists; writes what it is told to `recorded.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: dict[int, dict[str, float]] = {}

    def vector(self, event: dict[str, Any]) -> Vector:
        self._answer()
        if event["arrived_at"].date() == FORGOTTEN_DAY:
            return Vector([event["speed"], float("nan"), float("nan")], [], ("lot",))
        others = {key: speed for key, speed in self.events.get(event["lot"], {}).items() if key != event["arrival"]}
        speeds = [*others.values(), event["speed"]]
        return Vector([event["speed"], float(len(speeds)), sum(speeds) / len(speeds)], [] if others else ["lot"])

    def without_history(self, event: dict[str, Any]) -> Vector:
        return Vector([event["speed"], 1.0, event["speed"]], ["lot"])

    def announce(self, event: dict[str, Any], mark: Any = None) -> bool:
        self.events.setdefault(event["lot"], {})[event["arrival"]] = event["speed"]
        return True

    def forget(self, event: dict[str, Any]) -> None:
        self.events.get(event["lot"], {}).pop(event["arrival"], None)

    def record(self, event: dict[str, Any]) -> None:
        self._answer()
        self.events.setdefault(event["lot"], {})[event["arrival"]] = event["speed"]
        with (self.folder / "recorded.jsonl").open("a") as handle:
            handle.write(json.dumps(event["arrival"]) + "\n")

    def warm_up(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if (self.folder / "down").exists():
            raise StoreUnavailable("connection refused")


def open_fake(use_case: Any, feast: dict[str, Any]) -> FakeStore:
    return FakeStore(Path(feast["folder"]))
