"""Making a backup: in which order the stores are copied, and how they come to agree.

Belongs here: the order, the copying, what need not be copied again. Does not belong here: which files a table has (`lake_files.py`), which
stores an installation has (`pipelines/back_up.py`).

What names something is copied before what it names, so that no name in a backup leads nowhere: Dagster's memory before the lake, the
ledger's version before the registry, the registry before the versions of all other tables and before the releases; the prediction log
comes last, so that nothing that was acknowledged before the end is left out. Where the ledger moved while the registry was copied, both are
copied again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from platform_assets.recovery.chunk_store import CHUNK_BYTES, ChunkStore
from platform_assets.recovery.databases import copy_sqlite, dump_postgresql, is_sqlite, sqlite_stamp
from platform_assets.recovery.errors import BackupInconsistent
from platform_assets.recovery.home_files import OWN, left_out
from platform_assets.recovery.lake_files import is_ledger, other_files, snapshot, table_paths, versions_now
from platform_assets.recovery.manifest import FOLLOW, FULL, BackedUpFile, BackedUpTable, Kind, Manifest, ManifestStore
from platform_assets.recovery.trees import FileTree, TreeFile

HOME, LAKE, ARTIFACTS, LOG, DAGSTER, DUMP = "home", "lake", "artifacts", "log", "dagster", "dump"
REGISTRY_DUMPS = ("mlflow", "feast_registry")
MOST_ATTEMPTS = 5


@dataclass(frozen=True)
class Agreement:
    """Whether registry and ledger agree.

    Attributes:
        champions: version of each champion, by `use_case` or `use_case in environment`.
        disagreements: what they do not agree about, for people.
    """

    champions: Mapping[str, str | None] = field(default_factory=dict)
    disagreements: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackupScope:
    """What there is to copy.

    Attributes:
        home: the installation's folder.
        trees: lake, artifacts, prediction log and, where it lies outside of the home, Dagster's folder, by part.
        registry: MLflow's SQLite file and Feast's, below the home or not.
        databases: addresses of PostgreSQL databases by name; never shown.
        elsewhere: paths below the home that are parts of their own, or are made again.
        code_version: of the platform.
    """

    home: Path
    trees: Mapping[str, FileTree]
    registry: tuple[Path, ...] = ()
    databases: Mapping[str, str] = field(default_factory=dict, repr=False)
    elsewhere: frozenset[str] = frozenset()
    code_version: str = ""


def take_backup(
    scope: BackupScope,
    chunks: ChunkStore,
    manifests: ManifestStore,
    agreement: Callable[[], Agreement],
    *,
    previous: Manifest | None = None,
    kind: Kind = FULL,
) -> Manifest:
    """Copy everything, and write the manifest; a pass of `backup follow` that finds nothing new is the backup before.

    Args:
        scope: what there is.
        chunks: where content goes.
        manifests: where the manifest goes.
        agreement: looks whether registry and ledger agree; asked while the ledger stands still.
        previous: the backup before, whose unchanged files are not read again.
        kind: of the backup.

    Raises:
        BackupInconsistent: the ledger kept moving, or a file that a table needs is gone; no backup was written.
        RecoveryError: a database cannot be copied.
    """
    begun, started = datetime.now(UTC), time.monotonic()
    work = scope.home / OWN
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    try:
        copy = _Copy(scope, chunks, work, _unchanged(previous, chunks))
        copy.databases(registry=False)
        ledgers, found = _registry_and_ledgers(copy, agreement)
        tables = copy.lake(ledgers, previous)
        copy.plain_files()
        copy.tree(ARTIFACTS)
        copy.tree(LOG)
        if kind == FOLLOW and previous is not None and copy.same_as(previous, tables, found):
            return previous
        manifest = Manifest(
            name=begun.strftime("%Y%m%dT%H%M%S.%fZ"),
            created_at=begun,
            seconds=round(time.monotonic() - started, 3),
            kind=kind,
            code_version=scope.code_version,
            roots={HOME: str(scope.home), **{part: tree.uri for part, tree in scope.trees.items()}},
            tables=tables,
            champions=dict(found.champions),
            disagreements=found.disagreements,
            new_bytes=copy.new_bytes,
            files=copy.in_order(),
        )
        manifests.write(manifest)
        return manifest
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _registry_and_ledgers(copy: _Copy, agreement: Callable[[], Agreement]) -> tuple[Mapping[str, int], Agreement]:
    """Copy the registry while the ledger stands still; the ledgers' versions, and whether the two agree."""
    lake = copy.scope.trees[LAKE]
    for _ in range(MOST_ATTEMPTS):
        ledgers = [path for path in table_paths(lake.files()) if is_ledger(path)]
        before = versions_now(lake, ledgers)
        copy.databases(registry=True)
        found = agreement()
        if versions_now(lake, ledgers) == before:
            return before, found
    raise BackupInconsistent(
        f"a champion moved each of the {MOST_ATTEMPTS} times that registry and ledger were copied; make the backup when it is quieter"
    )


def _unchanged(previous: Manifest | None, chunks: ChunkStore) -> dict[tuple[str, str, str], BackedUpFile]:
    """Files of the backup before whose chunks are all there, by part, path and stamp."""
    if previous is None:
        return {}
    if not chunks.known:
        chunks.known.update(chunks.names())
    return {(file.part, file.path, file.stamp): file for file in previous.files if chunks.known.issuperset(file.chunks)}


@dataclass
class _Copy:
    """A backup that is being made."""

    scope: BackupScope
    chunks: ChunkStore
    work: Path
    before: Mapping[tuple[str, str, str], BackedUpFile]
    files: dict[tuple[str, str], BackedUpFile] = field(default_factory=dict)
    new_bytes: int = 0

    def in_order(self) -> tuple[BackedUpFile, ...]:
        """All files, by part and path."""
        return tuple(file for _, file in sorted(self.files.items()))

    def same_as(self, previous: Manifest, tables: Mapping[str, BackedUpTable], found: Agreement) -> bool:
        """Whether nothing changed since the backup before."""
        same = self.in_order() == previous.files and tables == previous.tables
        return same and (found.champions, found.disagreements) == (previous.champions, previous.disagreements)

    def databases(self, *, registry: bool) -> None:
        """Copy databases: those of the registry, or all others."""
        for name, address in self.scope.databases.items():
            if (name in REGISTRY_DUMPS) == registry:
                dump = self.work / name
                dump_postgresql(name, address, dump)
                self._database(DUMP, name, dump, f"{time.time_ns()}", 0o600)
        own = {path.resolve() for path in self.scope.registry}
        for part, tree, file in self._home_files():
            path = Path(tree.uri) / file.path
            if file.size and (path.resolve() in own) == registry and is_sqlite(path):
                self._sqlite(part, file.path, path, file.mode)

    def lake(self, ledgers: Mapping[str, int], previous: Manifest | None) -> dict[str, BackedUpTable]:
        """Record the version of every table, then copy what belongs to it."""
        lake = self.scope.trees[LAKE]
        versions = {**versions_now(lake, table_paths(lake.files())), **ledgers}
        listed = {file.path: file for file in lake.files()}
        old = {} if previous is None else previous.tables
        belong = _files_by_table(previous, versions)
        tables = {}
        for path, version in versions.items():
            known = old.get(path) if path in belong else None
            if known is not None and known.version == version:
                table, files = known, [listed[name] for name in belong[path] if name in listed]
            else:
                names = [name.removeprefix(f"{path}/") for name in belong.get(path, ())]
                since = -1 if known is None or known.version > version else known.version
                taken = snapshot(lake, listed, path, version, names if since >= 0 else (), since)
                table, files = taken.table, list(taken.files)
            self._table(lake, path, files)
            tables[path] = table
        for file in other_files(listed, tables, versions):
            self._file(LAKE, lake, file, required=False)
        return tables

    def plain_files(self) -> None:
        """Copy the files of the home that are no databases."""
        for part, tree, file in self._home_files():
            if (part, file.path) not in self.files:
                self._file(part, tree, file, required=False)

    def tree(self, part: str) -> None:
        """Copy all files of a part."""
        tree = self.scope.trees.get(part)
        if tree is None:
            return
        for file in tree.files(lambda path: path.rpartition("/")[2].startswith(".")):
            self._file(part, tree, file, required=False)

    def _home_files(self) -> list[tuple[str, FileTree, TreeFile]]:
        home = FileTree(str(self.scope.home))
        found = [(HOME, home, file) for file in home.files(left_out(self.scope.elsewhere))]
        dagster = self.scope.trees.get(DAGSTER)
        if dagster is not None:
            found += [(DAGSTER, dagster, file) for file in dagster.files(left_out(()))]
        return found

    def _table(self, lake: FileTree, path: str, files: Sequence[TreeFile]) -> None:
        try:
            for file in files:
                self._file(LAKE, lake, file, required=True)
        except FileNotFoundError as error:
            raise BackupInconsistent(
                f"a file of table {path} was removed while it was copied: {error}. Make the backup again"
            ) from error

    def _sqlite(self, part: str, path: str, source: Path, mode: int) -> None:
        stamp = sqlite_stamp(source)
        known = self.before.get((part, path, stamp))
        if known is not None:
            self.files[part, path] = known
            return
        copied = self.work / "copy.db"
        copied.unlink(missing_ok=True)
        copy_sqlite(source, copied)
        self._database(part, path, copied, stamp, mode)

    def _database(self, part: str, path: str, copied: Path, stamp: str, mode: int) -> None:
        file = TreeFile(copied.name, copied.stat().st_size, stamp, mode)
        self._store(part, path, FileTree(str(copied.parent)), file)

    def _file(self, part: str, tree: FileTree, file: TreeFile, *, required: bool) -> None:
        known = self.before.get((part, file.path, file.stamp))
        if known is not None:
            self.files[part, file.path] = known
            return
        try:
            self._store(part, file.path, tree, file)
        except FileNotFoundError:
            if required:
                raise

    def _store(self, part: str, path: str, tree: FileTree, file: TreeFile) -> None:
        names, size = [], 0
        for piece in tree.pieces(file, CHUNK_BYTES):
            name, written = self.chunks.put(piece)
            names.append(name)
            size += len(piece)
            self.new_bytes += written
        self.files[part, path] = BackedUpFile(
            part=part, path=path, size=size, mode=file.mode, stamp=file.stamp, chunks=tuple(names)
        )


def _files_by_table(previous: Manifest | None, tables: Mapping[str, int]) -> dict[str, list[str]]:
    """Paths of the files of each table in the backup before."""
    found: dict[str, list[str]] = {}
    if previous is None:
        return found
    for file in previous.of(LAKE):
        parts = file.path.split("/")
        for length in range(len(parts) - 1, 0, -1):
            table = "/".join(parts[:length])
            if table in tables and table in previous.tables:
                found.setdefault(table, []).append(file.path)
                break
    return found
