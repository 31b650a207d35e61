"""What is known of a table beside its own log: its last version with the rows it had, and a digest of each file that was written.

A Delta table believes its log: where the newest entry is removed or emptied, or an older copy of the folder is put back, it opens without
a word, and a day is gone. So every commit is recorded once more in `<use case>/known/<layer>/<table>/` below the lake's root: in
`newest/` the last version, one small file named by its number, so that machines that write at the same time need no lock; in `files/` for
each version the digests of its log entry and of the data files that it added. A table is held against `newest/` whenever it is opened.
The records lie in the lake, because everybody who shares the lake has to see them, and outside of the table, so that nobody who restores
or removes a table takes them along by chance.

deltalake writes files and their commit in one call, so the digests cannot stand in the commit itself: the files that a commit added are
read once after it. Belongs here: recording, comparing, forgetting. Does not belong here: reading all of a table (`verification.py`), or
writing it (`table.py`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable

from platform_assets.lake.errors import LakeDamaged
from platform_assets.lake.folders import StoredFolder

KNOWN = "known"
"""StoredFolder beside the layers."""

NEWEST, FILES, LOG = "newest", "files", "_delta_log"
ADVICE = (
    "Nothing was read or written. `platform-assets lake verify` names what is wrong; put the table back from a copy, or, where it is as "
    "it should be, say so with `platform-assets lake accept`."
)


@dataclass(frozen=True)
class KnownVersion:
    """The last version that is known of a table.

    Attributes:
        version: Delta version.
        rows: Its rows, by the log; None where another engine keeps no count.
        entry: SHA-256 of its log entry; None where the entry is not there, because a checkpoint stands for it.
    """

    version: int
    rows: int | None
    entry: str | None


def known_uri(root: str, use_case: str, layer: str, table: str) -> str:
    """Where the records of a table lie."""
    return f"{root.rstrip('/')}/{use_case}/{KNOWN}/{layer}/{table}"


def newest(known: StoredFolder) -> KnownVersion | None:
    """The last version that was recorded; None for a table of before there were records.

    Raises:
        LakeDamaged: The record cannot be read.
    """
    while names := known.names(NEWEST):
        name = f"{NEWEST}/{max(names)}"
        try:
            return KnownVersion(**json.loads(known.read(name)))
        except FileNotFoundError:
            continue  # a writer has put a newer one in its place
        except (ValueError, TypeError) as error:
            raise LakeDamaged(
                f"the record {known.uri}/{name} of the last known version cannot be read: {error} {ADVICE}"
            ) from error
    return None


def last_known(known_at: str | None, options: Mapping[str, str] | None) -> KnownVersion | None:
    """What a table is held against. Read it before the table is opened: a version that is written in between is a newer one then.

    Raises:
        LakeDamaged: The record cannot be read.
    """
    return None if known_at is None else newest(StoredFolder(known_at, options))


def refuse_gone(last: KnownVersion | None, uri: str) -> None:
    """Refuse a table that is not there although it was.

    Raises:
        LakeDamaged: It is gone.
    """
    if last is not None:
        raise LakeDamaged(
            f"table {uri} is gone: its last known version {last.version} had {_rows(last.rows)}. {ADVICE}"
        )


def refuse_older(last: KnownVersion | None, table: DeltaTable, uri: str, options: Mapping[str, str] | None) -> None:
    """Refuse a table that is not, or no longer, what was last known of it. Its newest version is loaded.

    Raises:
        LakeDamaged: Its version is older, or is another one than the known one of that number.
    """
    if last is None:
        return
    version = table.version()
    if version < last.version:
        raise LakeDamaged(
            f"table {uri} is at version {version}, but version {last.version} with {_rows(last.rows)} was written: entries of "
            f"{LOG} were removed, or an older copy was put back. {ADVICE}"
        )
    entry = entry_digest(StoredFolder(uri, options), last.version)
    if entry is not None and last.entry is not None and entry != last.entry:
        raise LakeDamaged(f"entry {_entry_name(last.version)} of table {uri} is not the one that was written. {ADVICE}")
    if version == last.version and last.rows is not None and row_count(table) not in (None, last.rows):
        raise LakeDamaged(
            f"table {uri} at version {version} has {_rows(row_count(table))} by its log, but was written with {_rows(last.rows)}: "
            f"earlier entries of {LOG} were changed. {ADVICE}"
        )


def remember(known_at: str | None, table: DeltaTable, uri: str, options: Mapping[str, str] | None) -> None:
    """Record every version up to the loaded one that is not recorded yet, whoever wrote it.

    Args:
        known_at: Where the records lie; None for a table without any.
        table: The table at its newest version, which was held against the last known one when it was opened.
        uri: Its address.
        options: Options of the object store.
    """
    if known_at is None:
        return
    known, stored = StoredFolder(known_at, options), StoredFolder(uri, options)
    last, version = newest(known), table.version()
    first = 0 if last is None else last.version + 1
    for one in range(max(first, 0 if last is not None else version), version + 1):
        _record_files(known, stored, one)
    if first <= version:
        _record_newest(known, KnownVersion(version, row_count(table), entry_digest(stored, version)))


def accept(known_at: str, table: DeltaTable | None, uri: str, options: Mapping[str, str] | None) -> KnownVersion | None:
    """Take a table as it is for right: forget later versions, or all where it is gone.

    Returns:
        What is known now; None where the table is gone.
    """
    known, stored = StoredFolder(known_at, options), StoredFolder(uri, options)
    version = -1 if table is None else table.version()
    for name in known.names(NEWEST):
        known.remove(f"{NEWEST}/{name}")
    for name in known.names(FILES):
        if int(name.removesuffix(".json")) >= version:
            known.remove(f"{FILES}/{name}")
    if table is None:
        return None
    now = KnownVersion(version, row_count(table), entry_digest(stored, version))
    _record_files(known, stored, version)
    _record_newest(known, now)
    return now


def recorded_digests(known: StoredFolder) -> tuple[dict[int, str], dict[str, str]]:
    """SHA-256 of log entries by version, and of data files by path, as they were written."""
    entries: dict[int, str] = {}
    files: dict[str, str] = {}
    for name in sorted(known.names(FILES)):
        record = json.loads(known.read(f"{FILES}/{name}"))
        if record["entry"] is not None:
            entries[int(name.removesuffix(".json"))] = record["entry"]
        files |= record["files"]
    return entries, files


def row_count(table: DeltaTable) -> int | None:
    """Rows by the log; None where files carry no count."""
    counts = table.get_add_actions(flatten=True).column("num_records")
    return None if counts.null_count else sum(counts.to_pylist())


def entry_digest(stored: StoredFolder, version: int) -> str | None:
    """SHA-256 of a log entry; None where there is none."""
    try:
        return digest(stored.read(f"{LOG}/{_entry_name(version)}"))
    except FileNotFoundError:
        return None


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def added_files(entry: bytes) -> Sequence[str]:
    """Paths of the data files that a log entry adds, as they lie below the table."""
    actions: list[dict[str, Any]] = [json.loads(line) for line in entry.splitlines() if line.strip()]
    return [unquote(action["add"]["path"]) for action in actions if "add" in action]


def _record_files(known: StoredFolder, stored: StoredFolder, version: int) -> None:
    try:
        entry = stored.read(f"{LOG}/{_entry_name(version)}")
    except FileNotFoundError:
        return
    files = {path: found for path in added_files(entry) if (found := _file_digest(stored, path)) is not None}
    record = {"entry": digest(entry), "files": files}
    known.write(f"{FILES}/{_entry_name(version)}", json.dumps(record, sort_keys=True).encode())


def _file_digest(stored: StoredFolder, path: str) -> str | None:
    """Of a file that was just added; None when a maintenance has removed it already."""
    try:
        return digest(stored.read(path))
    except FileNotFoundError:
        return None


def _record_newest(known: StoredFolder, version: KnownVersion) -> None:
    """Write the newest version, then remove those below it: whoever looks in between sees the higher number."""
    name = _entry_name(version.version)
    known.write(f"{NEWEST}/{name}", json.dumps(vars(version), sort_keys=True).encode())
    for other in known.names(NEWEST):
        if other < name:
            known.remove(f"{NEWEST}/{other}")


def _entry_name(version: int) -> str:
    return f"{version:020d}.json"


def _rows(count: int | None) -> str:
    return "an unknown number of rows" if count is None else f"{count:,} rows"
