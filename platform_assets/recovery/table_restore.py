"""Putting one table back to an earlier version, which becomes its newest one: nothing is lost, and it can be taken back in the same way.

Belongs here: data files that upkeep removed, the commit, and a table that is gone or damaged. Does not belong here: which table and
backup are meant (`pipelines/restore_table.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable

from platform_assets.lake import known_versions, storage
from platform_assets.lake.commits import RESTORE, RESTORED_VERSION, WriteRecord
from platform_assets.lake.errors import LakeDamaged, LakeTableMissing, LakeVersionMissing
from platform_assets.lake.folders import StoredFolder
from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.errors import RecoveryError, RestoreRefused
from platform_assets.recovery.lake_files import known_at
from platform_assets.recovery.manifest import BackedUpFile, Manifest
from platform_assets.recovery.taking import LAKE
from platform_assets.recovery.trees import FileTree

DAMAGED = "damaged-tables"
"""Folder beside the lake that a damaged table is moved to before its copy takes its place."""


@dataclass(frozen=True)
class RestoredTable:
    """What became of a table.

    Attributes:
        path: below the lake's root.
        version: its newest version now.
        restored_version: the one whose rows it has.
        rows: how many.
        files_fetched: data files that came from backups.
        set_aside: where a damaged table was moved to; None where it was not damaged.
    """

    path: str
    version: int
    restored_version: int
    rows: int | None
    files_fetched: int = 0
    set_aside: Path | None = None


@dataclass(frozen=True)
class RestoreDecision:
    """Who wants it, and why; kept in the table's history."""

    who: str
    why: str


def restore_table(
    lake: FileTree,
    path: str,
    choose: Callable[[DeltaTable], int],
    backups: Iterable[tuple[Manifest, ChunkStore]],
    decision: RestoreDecision,
) -> RestoredTable:
    """Make an earlier version of a table its newest one.

    Args:
        lake: the lake.
        path: of the table below its root.
        choose: the version, given the table.
        backups: where data files are looked for that upkeep has removed, newest first; and the table itself, where it is gone or damaged.
        decision: who and why.

    Raises:
        LakeVersionMissing: the version was never made.
        RestoreRefused: the table is gone or damaged, and no backup has it.
        BackupDamaged: a file of the backup is not what was written.
        RecoveryError: files of the version are neither in the table nor in a backup.
    """
    uri, known = f"{lake.uri.rstrip('/')}/{path}", known_at(lake.uri, path)
    found = list(backups)
    aside: Path | None = None
    fetched = 0
    try:
        table = storage.open_table(uri, lake.options, known=known)
    except (LakeDamaged, LakeTableMissing) as error:
        aside, fetched = _put_back(lake, path, found, error)
        table = storage.open_table(uri, lake.options)
        known_versions.accept(known, table, uri, lake.options)
    wanted, newest = choose(table), table.version()
    if not 0 <= wanted <= newest:
        raise LakeVersionMissing(f"table {path} has no version {wanted}: its versions are 0 .. {newest}")
    fetched += _fetch_lost(lake, path, wanted, found)
    if wanted == newest:
        return RestoredTable(path, newest, wanted, known_versions.row_count(table), fetched, aside)
    record = WriteRecord(RESTORE, 0, metadata={RESTORED_VERSION: str(wanted), **vars(decision)})
    table.restore(
        wanted,
        commit_properties=record.properties(newest, alone=True),
        post_commithook_properties=storage.after_commit(),
    )
    table = storage.open_table(uri, lake.options)
    known_versions.remember(known, table, uri, lake.options)
    return RestoredTable(path, table.version(), wanted, known_versions.row_count(table), fetched, aside)


def _fetch_lost(lake: FileTree, path: str, version: int, backups: Iterable[tuple[Manifest, ChunkStore]]) -> int:
    """Put back data files of a version that upkeep has removed, or that are not what was written; how many."""
    folder = StoredFolder(f"{lake.uri.rstrip('/')}/{path}", lake.options)
    old = DeltaTable(folder.uri, version=version, storage_options=dict(lake.options or {}) or None)
    _, digests = known_versions.recorded_digests(StoredFolder(known_at(lake.uri, path), lake.options))
    sizes = storage.file_listing(old).select("path", "size_bytes").iter_rows()
    lost = {
        name for name, size in ((unquote(file), size) for file, size in sizes) if _is_lost(folder, name, size, digests)
    }
    count = len(lost)
    for manifest, chunks in backups if lost else ():
        for name, file in _files_of(manifest, path).items():
            if name in lost:
                lake.write(f"{path}/{name}", map(chunks.get, file.chunks), file.mode)
                lost.discard(name)
    if lost:
        raise RecoveryError(
            f"version {version} of table {path} needs {len(lost)} files that are gone or damaged and that no backup has, such as "
            f"{min(lost)}; choose another version: `platform-assets versions` lists them"
        )
    return count


def _is_lost(folder: StoredFolder, name: str, size: int, digests: Mapping[str, str]) -> bool:
    if folder.size(name) != size:
        return True
    return name in digests and known_versions.digest(folder.read(name)) != digests[name]


def _put_back(
    lake: FileTree, path: str, backups: Iterable[tuple[Manifest, ChunkStore]], error: Exception
) -> tuple[Path | None, int]:
    """Put a table that is gone or damaged back from the newest backup that has it; where it was moved to, and how many files."""
    holding = next(((manifest, chunks) for manifest, chunks in backups if path in manifest.tables), None)
    if holding is None:
        raise RestoreRefused(f"{error} No backup has this table, so that nothing can be put back") from error
    manifest, chunks = holding
    files = _files_of(manifest, path)
    for name in {name for file in files.values() for name in file.chunks}:
        chunks.get(name)  # a backup with a flipped byte is refused before anything is moved
    aside = _set_aside(lake, path)
    for name, file in sorted(files.items(), key=lambda item: (known_versions.LOG in item[0], item[0])):
        lake.write(f"{path}/{name}", map(chunks.get, file.chunks), file.mode)
    return aside, len(files)


def _set_aside(lake: FileTree, path: str) -> Path | None:
    """Move what is left of a table out of the way."""
    if not lake.is_local:
        left = FileTree(f"{lake.uri.rstrip('/')}/{path}", lake.options).files()
        if left:
            raise RestoreRefused(
                f"{lake.uri}/{path} is damaged, and {len(left)} files of it lie in the object store; move them to another prefix, "
                "then ask again"
            )
        return None
    folder = Path(lake.uri) / path
    if not folder.exists():
        return None
    aside = Path(lake.uri).parent / DAMAGED / f"{path.replace('/', '.')}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.rename(aside)
    return aside


def _files_of(manifest: Manifest, path: str) -> Mapping[str, BackedUpFile]:
    return {file.path.removeprefix(f"{path}/"): file for file in manifest.of(LAKE) if file.path.startswith(f"{path}/")}
