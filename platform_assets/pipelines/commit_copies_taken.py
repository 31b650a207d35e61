"""The copies of commits: what a backup lacks comes from them, and after a full backup they begin anew.

Belongs here: putting copied commits back after a restore, removing those that a backup holds. Does not belong here: copying them
(`lake/commit_copies.py`).
"""

from __future__ import annotations

from platform_assets.lake import storage
from platform_assets.lake.commit_copies import MARK, begin_copies
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import LOG, accept, added_files
from platform_assets.lake.lake import Lake
from platform_assets.lake.verification import newest_entry
from platform_assets.recovery.lake_files import known_at
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.trees import FileTree, TreeFile


def take_in_commits(lake: Lake) -> dict[str, int]:
    """Put commits into the tables of a lake that only the copies have.

    Returns:
        How many commits came from the copies, by table.
    """
    copies, options = lake.copied_to, lake.storage_options()
    if copies is None:
        return {}
    taken = {}
    root = lake.root.rstrip("/")
    for path in sorted(_copied_tables(copies)):
        copy, stored = StoredFolder(f"{copies.uri}/{path}", copies.options), StoredFolder(f"{root}/{path}", options)
        first, last = newest_entry(stored) + 1, newest_entry(copy)
        count = 0
        for version in range(first, last + 1):
            name = f"{LOG}/{version:020d}.json"
            if copy.size(name) is None:
                break  # the copies began anew from a later backup than this one
            entry = copy.read(name)
            for file in added_files(entry):
                stored.write(file, copy.read(file))
            stored.write(name, entry)
            count += 1
        if count:
            table = storage.open_table(stored.uri, options)
            accept(known_at(root, path), table, stored.uri, options)
            taken[path] = count
    return taken


def begin_copies_anew(lake: Lake, manifest: Manifest) -> int:
    """Remove copies of commits that a full backup holds; how many files.

    Raises:
        OSError: the place of the copies cannot be written.
    """
    copies = lake.copied_to
    if copies is None:
        return 0
    count, listed = 0, _copied_tables(copies)
    for path, table in manifest.tables.items():
        copy = StoredFolder(f"{copies.uri}/{path}", copies.options)
        files = listed.get(path, [])
        newer = [file.path for file in files if _version(file.path, path) > table.version]
        if not newer:
            begin_copies(copy, table.version)
        needed = {f"{path}/{MARK}", *newer}
        for name in newer:
            needed |= {f"{path}/{file}" for file in added_files(copy.read(name.removeprefix(f"{path}/")))}
        for file in files:
            if file.path not in needed:
                copy.remove(file.path.removeprefix(f"{path}/"))
                count += 1
    return count


def _copied_tables(copies: StoredFolder) -> dict[str, list[TreeFile]]:
    """Files of the copies by table."""
    files = FileTree(copies.uri, copies.options).files()
    tables: dict[str, list[TreeFile]] = {
        file.path.removesuffix(f"/{MARK}"): [] for file in files if file.path.endswith(MARK)
    }
    for file in files:
        parts = file.path.split("/")
        table = next((path for length in range(len(parts)) if (path := "/".join(parts[:length])) in tables), None)
        if table is not None:
            tables[table].append(file)
    return tables


def _version(path: str, table: str) -> int:
    """The version of a log entry; -1 for any other file."""
    name = path.removeprefix(f"{table}/{LOG}/")
    return int(name.removesuffix(".json")) if name.endswith(".json") and name[:-5].isdigit() else -1
