"""The files of a lake at recorded versions: of each table the log up to its version, and the data files that this log names.

Belongs here: versions of tables, and which files belong to them. Does not belong here: copying (`taking.py`), or what a table holds.

A version is fixed before any file is copied: what is committed afterwards is in the next backup. Data files never change their content,
so that a backup holds what the table held at that version, however long copying takes; those of earlier versions are taken along as far as
they are there, because models pin them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from deltalake import DeltaTable

from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import FILES, KNOWN, LOG, NEWEST, row_count
from platform_assets.lake.verification import LAST_CHECKPOINT, newest_entry
from platform_assets.recovery.errors import BackupInconsistent
from platform_assets.recovery.manifest import BackedUpTable
from platform_assets.recovery.trees import FileTree, TreeFile

_ENTRY = re.compile(rf"{LOG}/(?P<version>\d{{20}})\.(json|checkpoint\.parquet|checkpoint\.\d+\.\d+\.parquet)")
_RECORD = re.compile(
    rf"(?P<before>.*/)?{KNOWN}/(?P<table>[^/]+/[^/]+)/(?P<folder>{NEWEST}|{FILES})/(?P<version>\d+)\.json"
)
LEDGERS = ("model/ledger", "model/ledger_intents")


@dataclass(frozen=True)
class TableSnapshot:
    """A table at its recorded version.

    Attributes:
        path: below the lake's root.
        table: version and rows.
        files: its files, by their paths below the lake's root.
    """

    path: str
    table: BackedUpTable
    files: tuple[TreeFile, ...]


def table_paths(files: Iterable[TreeFile]) -> list[str]:
    """Paths of all Delta tables of a listing, in order."""
    entry = f"/{LOG}/"
    return sorted({file.path.partition(entry)[0] for file in files if entry in file.path})


def is_ledger(path: str) -> bool:
    """Whether a table tells what became champion: its version is recorded before the registry is copied."""
    return path.endswith(LEDGERS)


def versions_now(lake: FileTree, tables: Iterable[str]) -> dict[str, int]:
    """The newest version of each table, by its log."""
    return {path: newest_entry(StoredFolder(f"{lake.uri}/{path}", lake.options)) for path in tables}


def snapshot(
    lake: FileTree, listed: Mapping[str, TreeFile], path: str, version: int, before: Collection[str], since: int
) -> TableSnapshot:
    """The files of a table at a version.

    Args:
        lake: the lake.
        listed: its files by path, listed after the version was recorded.
        path: of the table.
        version: that was recorded.
        before: files of the table that an earlier backup holds, whose log up to `since` need not be read again.
        since: version of that backup; -1 without one.

    Raises:
        BackupInconsistent: a file that the version needs is gone.
    """
    stored = StoredFolder(f"{lake.uri}/{path}", lake.options)
    table = DeltaTable(stored.uri, version=version, storage_options=dict(lake.options or {}) or None)
    needed = {unquote(name) for name in table.get_add_actions(flatten=True).column("path").to_pylist()}
    named = needed | set(before)
    below = {name.removeprefix(f"{path}/"): file for name, file in listed.items() if name.startswith(f"{path}/")}
    files = []
    for name, file in below.items():
        entry = _ENTRY.fullmatch(name)
        number = -1 if entry is None else int(entry["version"])
        if entry is not None and number <= version:
            files.append(file)
            if name.endswith(".json") and number > since:
                named |= _named_files(stored.read(name))
        elif name == LAST_CHECKPOINT and _checkpoint_version(stored) <= version:
            files.append(file)
    gone = sorted(needed - set(below))
    if gone:
        raise BackupInconsistent(
            f"version {version} of table {path} needs {len(gone)} files that are gone, such as {gone[0]}: upkeep removed them while "
            "the backup was made, or the table is damaged (`platform-assets lake verify`). Make the backup again"
        )
    files += [below[name] for name in named & set(below)]
    return TableSnapshot(path, BackedUpTable(version=version, rows=row_count(table)), tuple(files))


def other_files(
    listed: Mapping[str, TreeFile], tables: Collection[str], versions: Mapping[str, int]
) -> Iterable[TreeFile]:
    """Files of a lake that lie in no table: records of known versions as far as they are about what is copied, and caches."""
    roots = tuple(f"{path}/" for path in tables)
    for path, file in listed.items():
        if path.startswith(roots):
            continue
        record = _RECORD.fullmatch(path)
        if record is None or (
            record["folder"] == FILES
            and int(record["version"]) <= versions.get(f"{record['before'] or ''}{record['table']}", -1)
        ):
            yield file


def known_at(root: str, table: str) -> str:
    """Where the records of a table's known versions lie, by the table's path below the lake's root."""
    *before, layer, name = table.split("/")
    return "/".join([root.rstrip("/"), *before, KNOWN, layer, name])


def _named_files(entry: bytes) -> set[str]:
    actions = [json.loads(line) for line in entry.splitlines() if line.strip()]
    return {unquote(action[kind]["path"]) for action in actions for kind in ("add", "cdc") if kind in action}


def _checkpoint_version(stored: StoredFolder) -> int:
    try:
        return int(json.loads(stored.read(LAST_CHECKPOINT))["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 2**62
