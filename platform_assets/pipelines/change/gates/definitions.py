"""Gates `declarations` and `definitions`: every use case can be read, and Dagster can load all of it, as `dg check defs` would.

Belongs here: problems that the description of the side after names, and use cases that are gone. Does not belong here: finding them
(`orchestration/described_definitions.py`, `declaration/checks/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _Loads:
    about: str
    kind: str
    next_step: str

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each problem."""
        for problem in change.after.document["problems"]:
            if problem["kind"] == self.kind:
                yield ChangeFinding("", problem["file"], problem["line"], problem["message"], self.next_step)


@dataclass(frozen=True)
class _LoadsAndStays(_Loads):
    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each problem, and each use case that is gone."""
        yield from super().judge(change)
        for name, described in change.before.use_cases.items():
            if name not in change.after.use_cases and described["folder"] not in change.broken_folders:
                yield ChangeFinding(
                    f"{name} use_case",
                    f"{described['folder']}/defs.yaml",
                    1,
                    f"use case {name} is gone: its assets, checks and alerts go with it, and what it serves is watched no more",
                    f"stop its services first (`platform-assets rollout abort {name}`), or have the change accepted",
                )


DECLARATIONS = _Loads(
    about="every declaration can be read: fields, types, references, label delays, leaks",
    kind="declaration",
    next_step="mend the field; docs/reference/declaration.md describes each",
)
DEFINITIONS = _LoadsAndStays(
    about="Dagster loads all definitions (`dg check defs`), and no use case is gone",
    kind="definitions",
    next_step="run `dg check defs`, and mend what it names",
)
