"""A drill: the newest backup is restored into an empty home, its services answer logged requests again, and all answers are compared.

Belongs here: the drill and what it measures. Does not belong here: restoring (`restore.py`), asking again (`replay_answers.py`), when it
happens (`orchestration/assets/recovery.py`).

Nothing of the installation is touched but its scratch folder. Dumps of PostgreSQL are not loaded: there is no empty database to load them
into; what is served does not need them. What is said of lost rows compares the backup with the installation as it stands at the moment of
the drill: what a loss at this moment would have cost.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from platform_assets.declaration.loader import every_declaration
from platform_assets.deployment.local.host import free_port
from platform_assets.installation import Installation
from platform_assets.lake import known_versions, storage
from platform_assets.lake.errors import LakeError
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.verification import newest_entry
from platform_assets.pipelines.back_up import BackupPlace, backup_place, installation_trees, restore_destination
from platform_assets.pipelines.replay_answers import ReplayedAnswers, replay_answers
from platform_assets.recovery.errors import RecoveryError
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.restoring import restore_files
from platform_assets.recovery.taking import DAGSTER, DUMP, LAKE, LOG
from platform_assets.recovery.trees import FileTree
from platform_assets.settings import PREFIX, Settings

DRILLS = "drills"
"""Folder of the target that keeps what drills found: whoever lost everything else still has it."""


class DrillResult(BaseModel):
    """What a drill found.

    Attributes:
        at: when it began.
        backup: which backup was tried.
        backup_age_seconds: its age then.
        lost_predictions: acknowledged predictions that a loss at that moment would have cost.
        lost_rows: rows of the lake's tables that it would have cost.
        tables: how many tables were opened and counted.
        restore_seconds: until all files were in their places.
        rto_seconds: until all services answered.
        answers: what became of the requests that were asked again, by use case.
        untried: what the drill cannot try here.
        problems: what is wrong; empty where everything came back as it was.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    backup: str
    backup_age_seconds: float
    lost_predictions: int
    lost_rows: int
    tables: int
    restore_seconds: float
    rto_seconds: float
    answers: dict[str, dict[str, Any]]
    untried: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything came back as it was."""
        return not self.problems


@dataclass
class _Drill:
    """A drill under way."""

    restored: Installation
    manifest: Manifest
    log: Callable[[str], None]
    problems: list[str] = field(default_factory=list)
    answers: dict[str, ReplayedAnswers] = field(default_factory=dict)


def recovery_drill(
    installation: Installation, log: Callable[[str], None], *, name: str | None = None, requests: int | None = None
) -> DrillResult:
    """Try a backup; what was found is kept beside the backups.

    Args:
        installation: whose backups.
        log: takes a line for each step.
        name: of the backup; the newest when None.
        requests: that are asked again, at most, of each use case; as the settings say when None.

    Raises:
        BackupMissing: there is no backup.
        BackupDamaged: a file of it is not what was written.
    """
    place, at = backup_place(installation.settings), datetime.now(UTC)
    manifest = place.manifests.read(place.choose(name))
    lost_predictions, lost_rows = _lost(installation, manifest)
    scratch = installation.settings.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="drill-", dir=scratch))
    drill = _Drill(_scratch_installation(installation, folder), manifest, log)
    try:
        started = time.monotonic()
        restored = restored_without_dumps(drill.restored, place, manifest)
        log(f"{restored:,} files of backup {manifest.name} restored after {time.monotonic() - started:.1f} s")
        restore_seconds = time.monotonic() - started
        tables = _count_tables(drill)
        rto_seconds = restore_seconds + _answer_again(drill, requests or place.wanted.drill_requests)
    finally:
        drill.restored.serving.target().stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    dumps = tuple(f"the dump of the {file.path} database" for file in manifest.of(DUMP))
    result = DrillResult(
        at=at,
        backup=manifest.name,
        backup_age_seconds=round((at - manifest.created_at).total_seconds(), 1),
        lost_predictions=lost_predictions,
        lost_rows=lost_rows,
        tables=tables,
        restore_seconds=round(restore_seconds, 2),
        rto_seconds=round(rto_seconds, 2),
        answers={name: asdict(found) for name, found in drill.answers.items()},
        untried=dumps,
        problems=(*manifest.disagreements, *drill.problems),
    )
    place.folder.write(f"{DRILLS}/{at:%Y%m%dT%H%M%S.%fZ}.json", result.model_dump_json(indent=1).encode())
    return result


def newest_drill(settings: Settings) -> DrillResult | None:
    """What the newest drill found; None where there was none.

    Raises:
        BackupMissing: no target is set.
        RecoveryError: it cannot be read.
    """
    folder = backup_place(settings).folder
    names = folder.names(DRILLS)
    if not names:
        return None
    try:
        return DrillResult.model_validate_json(folder.read(f"{DRILLS}/{names[-1]}"))
    except ValueError as error:
        raise RecoveryError(f"the drill {folder.uri}/{DRILLS}/{names[-1]} cannot be read: {error}") from error


def why_not_restorable(result: DrillResult | None, days: int, now: datetime) -> str | None:
    """Why nobody knows that backups can be restored; None where the newest drill says that they can."""
    if result is None:
        return "no drill was ever made: `platform-assets backup drill`"
    if not result.passed:
        return "; ".join(result.problems)
    age = (now - result.at).total_seconds() / 86_400
    return f"the newest drill is {age:.1f} days old, of at most {days}" if age > days else None


def restored_without_dumps(restored: Installation, place: BackupPlace, manifest: Manifest) -> int:
    """Put the files of a backup that belong to a home into one of their own; how many.

    Raises:
        BackupDamaged: a file is not what was written.
    """
    files = tuple(file for file in manifest.files if file.part not in (DUMP, DAGSTER))
    tried = manifest.model_copy(update={"files": files})
    destination = restore_destination(restored)
    trees = {part: tree for part, tree in destination.trees.items() if part != DAGSTER}
    found = restore_files(tried, place.chunks, replace(destination, trees=trees))
    restored.settings.prepare()
    return found.files


def _scratch_installation(installation: Installation, folder: Path) -> Installation:
    """An installation with everything below a folder, on a port of its own."""
    settings = installation.settings
    environment = {
        f"{PREFIX}HOME": str(folder),
        f"{PREFIX}ENVIRONMENT": settings.environment,
        f"{PREFIX}PORT": str(free_port(int(folder.stat().st_ino), ())),
    }
    return Installation(Settings.from_environment(environment))


def _lost(installation: Installation, manifest: Manifest) -> tuple[int, int]:
    """Predictions and rows that the installation has now and the backup has not."""
    trees = installation_trees(installation)
    sizes = {file.path: file.size for file in manifest.of(LOG)}
    predictions = 0
    for file in trees[LOG].files():
        if file.path.endswith(".jsonl") and file.size > sizes.get(file.path, 0):
            content = b"".join(trees[LOG].pieces(file, 2**20))
            predictions += content[sizes.get(file.path, 0) :].count(b"\n")
    lake, rows = trees[LAKE], 0
    for path, table in manifest.tables.items():
        now = newest_entry(StoredFolder(f"{lake.uri}/{path}", lake.options))
        if now > table.version:
            opened = storage.open_table(f"{lake.uri}/{path}", lake.options)
            rows += max(0, (known_versions.row_count(opened) or 0) - (table.rows or 0))
    return predictions, rows


def _count_tables(drill: _Drill) -> int:
    """Open every restored table, compare version and rows with the manifest."""
    lake: FileTree = installation_trees(drill.restored)[LAKE]
    for path, table in drill.manifest.tables.items():
        try:
            opened = storage.open_table(f"{lake.uri}/{path}", lake.options, known=_known(lake.uri, path))
            found: Mapping[str, Any] = {"version": opened.version(), "rows": known_versions.row_count(opened)}
        except LakeError as error:
            drill.problems.append(f"table {path}: {error}")
            continue
        if found != table.model_dump():
            drill.problems.append(f"table {path} came back with {found}, and had {table.model_dump()}")
    return len(drill.manifest.tables)


def _known(root: str, path: str) -> str:
    from platform_assets.recovery.lake_files import known_at

    return known_at(root, path)


def _answer_again(drill: _Drill, requests: int) -> float:
    """Bring the services up and ask logged requests again; seconds until the last one answered."""
    seconds = 0.0
    for declared in every_declaration()[0]:
        found = replay_answers(declared.use_case, drill.restored, drill.manifest.name, requests, drill.log)
        if found is None:
            continue
        seconds += found.ready_seconds
        drill.answers[declared.use_case.name] = found
        drill.problems += found.problems
    return seconds
