"""Putting the files of a backup back: first beside what is there, then in their places.

Belongs here: what may stand where a backup goes, writing files, databases, known versions. Does not belong here: online stores and
services, which are made again from what was put back (`pipelines/restore.py`).

Everything that lies on this machine is written to a folder in the home and takes its place by renames once all of it is there, so that a
restore that is broken off leaves nothing that looks like a home. In an object store data files come before the logs that name them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from platform_assets.lake import storage
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.lake.known_versions import LOG as DELTA_LOG
from platform_assets.lake.known_versions import accept
from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.databases import is_sqlite, load_postgresql, postgresql_tables, relocate
from platform_assets.recovery.errors import BackupDamaged, RestoreRefused
from platform_assets.recovery.home_files import OWN, SET_ASIDE, STAGING
from platform_assets.recovery.lake_files import known_at
from platform_assets.recovery.manifest import BackedUpFile, Manifest
from platform_assets.recovery.taking import ARTIFACTS, DUMP, HOME, LAKE
from platform_assets.recovery.trees import FileTree

_NOBODY_MINDS = frozenset({OWN, STAGING, "run.lock", "backup.lock"})


@dataclass(frozen=True)
class RestoreDestination:
    """Where a backup goes.

    Attributes:
        home: the installation's folder.
        trees: lake, artifacts, prediction log and, where it lies outside of the home, Dagster's folder, by part.
        registry: MLflow's SQLite file, in which addresses move with the artifacts.
        databases: addresses of PostgreSQL databases by name; never shown.
    """

    home: Path
    trees: Mapping[str, FileTree]
    registry: Path | None = None
    databases: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class RestoredFiles:
    """What was put back.

    Attributes:
        files: how many.
        size: their bytes.
        set_aside: where what stood in the home was moved to; None where nothing did.
        moved_addresses: addresses of artifacts that were changed because they lie elsewhere now.
    """

    files: int
    size: int
    set_aside: Path | None = None
    moved_addresses: int = 0


def refuse_occupied(manifest: Manifest, destination: RestoreDestination, *, set_aside: bool) -> None:
    """Refuse a destination in which something stands.

    Raises:
        RestoreRefused: something does, or the backup has a database that the settings do not name; nothing was changed.
    """
    standing = occupied(destination.home)
    if standing and not set_aside:
        shown = ", ".join(standing[:5]) + (" ..." if len(standing) > 5 else "")
        raise RestoreRefused(
            f"{destination.home} is not empty ({shown}), and nothing was restored. Restore into an empty folder (PLATFORM_ASSETS_HOME), or "
            "say `--set-aside`: what stands there is then moved to a folder beside the restored files, and nothing is lost"
        )
    for part, tree in destination.trees.items():
        if not tree.is_local or not _is_below(tree, destination.home):
            _refuse_other_files(manifest, part, tree)
    for file in manifest.of(DUMP):
        address = destination.databases.get(file.path)
        if address is None:
            raise RestoreRefused(
                f"the backup has a dump of the {file.path} database, and the settings name none; set the address that it was made "
                "from, of an empty database"
            )
        if tables := postgresql_tables(address):
            raise RestoreRefused(f"the {file.path} database has {tables} tables; restore into an empty one")


def occupied(home: Path) -> list[str]:
    """Names in a home under which files lie; folders that hold none do not count."""
    if not home.is_dir():
        return []
    return sorted(
        entry.name
        for entry in home.iterdir()
        if entry.name not in _NOBODY_MINDS
        and not entry.name.startswith(SET_ASIDE)
        and (entry.is_file() or any(path.is_file() for path in entry.rglob("*")))
    )


def restore_files(
    manifest: Manifest, chunks: ChunkStore, destination: RestoreDestination, *, set_aside: bool = False
) -> RestoredFiles:
    """Put all files of a backup in their places, and say of each table that its restored version is the right one.

    Raises:
        RestoreRefused: something stands where the backup would go; nothing was changed.
        BackupDamaged: a file is not what was written; the home is as it was.
        RecoveryError: a database cannot be filled.
    """
    refuse_occupied(manifest, destination, set_aside=set_aside)
    home = destination.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = home / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    try:
        for file in _in_order(manifest.files):
            tree = _staged(destination, staging, file.part)
            tree.write(file.path, _pieces(file, chunks), file.mode)
        moved = _relocated(manifest, destination, staging)
        _load_databases(manifest, destination, staging)
        beside = _take_places(home, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _accept_tables(manifest, destination)
    return RestoredFiles(len(manifest.files), manifest.size, beside, moved)


def _refuse_other_files(manifest: Manifest, part: str, tree: FileTree) -> None:
    """Refuse a place outside of the home with files that are not of this backup; those of a restore that was broken off are."""
    sizes = {file.path: file.size for file in manifest.of(part)}
    others = [file.path for file in tree.files() if sizes.get(file.path) != file.size]
    if others:
        raise RestoreRefused(
            f"{tree.uri} holds {len(others)} files that are not of backup {manifest.name}, such as {others[0]}, and nothing was restored. "
            f"Point the setting of the {part} to an empty folder or prefix, or put single tables back: `platform-assets restore table`"
        )


def _in_order(files: Iterable[BackedUpFile]) -> list[BackedUpFile]:
    """Logs of tables after the files that they name."""
    return sorted(files, key=lambda file: (f"/{DELTA_LOG}/" in file.path, file.part, file.path))


def _pieces(file: BackedUpFile, chunks: ChunkStore) -> Iterator[bytes]:
    try:
        for name in file.chunks:
            yield chunks.get(name)
    except BackupDamaged as error:
        raise BackupDamaged(f"{file.place} cannot be restored: {error}") from error


def _is_below(tree: FileTree, home: Path) -> bool:
    return tree.is_local and Path(tree.uri).absolute().is_relative_to(home.absolute())


def _staged(destination: RestoreDestination, staging: Path, part: str) -> FileTree:
    """Where the files of a part are written first: in the staging folder where the part lies in the home."""
    if part == DUMP:
        return FileTree(str(staging / DUMP))
    if part == HOME or part not in destination.trees:
        return FileTree(str(staging / HOME))
    tree = destination.trees[part]
    if not _is_below(tree, destination.home):
        return tree
    return FileTree(str(staging / HOME / Path(tree.uri).absolute().relative_to(destination.home.absolute())))


def _relocated(manifest: Manifest, destination: RestoreDestination, staging: Path) -> int:
    """Let the registry name artifacts where they lie now; returns how many addresses were changed."""
    artifacts, registry = destination.trees.get(ARTIFACTS), destination.registry
    before = manifest.roots.get(ARTIFACTS)
    if artifacts is None or registry is None or before is None or before == artifacts.uri:
        return 0
    if registry.absolute().is_relative_to(destination.home.absolute()):
        registry = staging / HOME / registry.absolute().relative_to(destination.home.absolute())
    if not is_sqlite(registry):
        return 0
    forms = {before: artifacts.uri}
    if "://" not in before and artifacts.is_local:
        forms[f"file://{before}"] = f"file://{artifacts.uri}"
    return relocate(registry, forms)


def _load_databases(manifest: Manifest, destination: RestoreDestination, staging: Path) -> None:
    for file in manifest.of(DUMP):
        load_postgresql(file.path, destination.databases[file.path], staging / DUMP / file.path)


def _take_places(home: Path, staging: Path) -> Path | None:
    """Move what stood in the home aside, and what was written to its places."""
    beside: Path | None = None
    for entry in sorted(home.iterdir()):
        if entry.name in _NOBODY_MINDS or entry.name.startswith(SET_ASIDE):
            continue
        if entry.is_dir() and not any(path.is_file() for path in entry.rglob("*")):
            shutil.rmtree(entry)
            continue
        if beside is None:
            beside = Path(tempfile.mkdtemp(prefix=f"{SET_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S}-", dir=home))
        entry.rename(beside / entry.name)
    written = staging / HOME
    for entry in sorted(written.iterdir()) if written.is_dir() else ():
        entry.rename(home / entry.name)
    os.sync()
    return beside


def _accept_tables(manifest: Manifest, destination: RestoreDestination) -> None:
    """Say of each table that the version that was put back is its last known one."""
    lake = destination.trees[LAKE]
    for path in manifest.tables:
        uri = f"{lake.uri.rstrip('/')}/{path}"
        try:
            table = storage.open_table(uri, lake.options)
        except LakeTableMissing:
            continue
        accept(known_at(lake.uri, path), table, uri, lake.options)
