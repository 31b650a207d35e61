"""Writing a project into a folder, and saying whether one that lies there is still right.

Belongs here: the files on disk, and what was changed in them by a person since. Does not belong here: what stands in them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.pipelines.export.plan import StaleExport, plan_export
from platform_assets.pipelines.export.registry import ORCHESTRATORS

UNDECLARED = "dagster"
"""What a use case declares that says nothing of another orchestrator; a project of it may be looked at."""
RECORD = "export.json"
"""What a folder was written from, with the digest of each file."""


class AnotherOrchestrator(ValueError):
    """A use case declares which orchestrator runs it, and another one was asked for."""


class FolderTaken(ValueError):
    """A folder holds what no export wrote, or what a person changed since; the message names it."""


@dataclass(frozen=True)
class WrittenProject:
    """A project in a folder.

    Attributes:
        folder: where.
        files: paths below it, in order.
        changed: those that are others than before.
        removed: those that an earlier export wrote and this one has no more.
    """

    folder: Path
    files: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def write_export(orchestrator: str, use_case: UseCase, folder: Path, *, force: bool = False) -> WrittenProject:
    """Write a use case as a project of an orchestrator; an earlier export in the folder is replaced.

    Args:
        orchestrator: its name.
        use_case: the declaration.
        folder: where; made when it is not there.
        force: replace files that a person changed as well.

    Raises:
        UnknownName: there is no such orchestrator.
        AnotherOrchestrator: the use case declares another one.
        StepsUnsupported: the use case needs what only Dagster's memory gives.
        FolderTaken: files lie there that no export wrote or that were changed since; nothing was written.
    """
    chosen = ORCHESTRATORS[orchestrator]
    if use_case.orchestration not in (UNDECLARED, orchestrator):
        raise AnotherOrchestrator(
            f"{use_case.name} declares `orchestration: {use_case.orchestration}`: export it for that, or declare {orchestrator}"
        )
    plan = plan_export(use_case)
    files = dict(chosen.files(plan))
    before = _recorded(folder)
    if before is None and folder.exists() and any(folder.iterdir()) and not force:
        raise FolderTaken(f"{folder} is not empty, and holds no earlier export: name another folder, or use --force")
    edited = _edited(folder, before or {})
    if edited and not force:
        raise FolderTaken(
            f"{', '.join(edited)} in {folder} changed since it was exported: keep a copy, then use --force, or name another folder"
        )
    taken = [name for name in files if name not in (before or {}) and (folder / name).exists()]
    if taken and not force:
        raise FolderTaken(
            f"{', '.join(taken)} in {folder} was not written by an export: name another folder, or use --force"
        )
    changed = [name for name, text in files.items() if (before or {}).get(name) != _digest(text)]
    removed = [name for name in before or {} if name not in files]
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    record = {
        "format": 1,
        "orchestrator": orchestrator,
        "use_case": use_case.name,
        "plan": plan.digest,
        "files": {name: _digest(text) for name, text in files.items()},
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return WrittenProject(folder, tuple(files), tuple(changed), tuple(removed))


def check_export(orchestrator: str, use_case: UseCase, folder: Path) -> None:
    """Say whether a project that lies in a folder is what would be written now.

    Raises:
        StaleExport: it is not, or there is none.
    """
    again = f"`platform-assets export {orchestrator} {use_case.name} --into {folder}`"
    record = _record(folder)
    if record is None:
        raise StaleExport(f"{folder} holds no export: {again}")
    kept = record.get("orchestrator"), record.get("use_case")
    if kept != (orchestrator, use_case.name):
        raise StaleExport(f"{folder} holds an export of {kept[1]} for {kept[0]}: {again} into another folder")
    plan = plan_export(use_case)
    if record.get("plan") != plan.digest:
        raise StaleExport(
            f"the export in {folder} is out of date (its plan is {record.get('plan')}, the declaration's is {plan.digest}): {again}"
        )
    files = {name: _digest(text) for name, text in ORCHESTRATORS[orchestrator].files(plan).items()}
    other = sorted(name for name in {*files, *record["files"]} if files.get(name) != record["files"].get(name))
    if other:
        raise StaleExport(
            f"{', '.join(other)} in {folder} would be written otherwise by this version of the platform: {again}"
        )
    edited = _edited(folder, record["files"])
    if edited:
        raise StaleExport(f"{', '.join(edited)} in {folder} changed since it was exported: {again} --force")


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return record


def _recorded(folder: Path) -> dict[str, str] | None:
    """Digest of each file that the earlier export wrote; None where there is none."""
    record = _record(folder)
    return None if record is None else dict(record["files"])


def _edited(folder: Path, files: Mapping[str, str]) -> list[str]:
    return [
        name
        for name, digest in files.items()
        if (folder / name).exists() and _digest((folder / name).read_text(encoding="utf-8")) != digest
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
