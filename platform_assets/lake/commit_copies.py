"""Commits copied to another place before a write returns: what was acknowledged is in both, whatever happens to the first.

Belongs here: copying the log entries and data files of new commits, and the address of a table's copy. Does not belong here: backups, which
hold everything (`recovery/`), or putting copies back (`pipelines/commit_copies_taken.py`).

Commits are copied in their order, data files before the entry that names them. One whose copy fails is an error for its writer, and is
copied with the next commit of its table; a copy holds what came since the last full backup.
"""

from __future__ import annotations

from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import LOG, added_files

MARK = f"{LOG}/_copied_to"
"""Holds the last version that need not be copied: a backup has it, or it is here."""


def begin_copies(copy: StoredFolder, version: int) -> None:
    """Let copies of a table begin after a version, which a backup holds."""
    copy.write(MARK, str(version).encode())


def copied_version(copy: StoredFolder) -> int:
    """The last version that need not be copied; -1 for a table that nothing was copied of."""
    try:
        return int(copy.read(MARK))
    except FileNotFoundError:
        return -1


def copy_commits(copy: StoredFolder | None, stored: StoredFolder, version: int) -> int:
    """Copy the commits of a table up to a version that are not copied yet.

    Args:
        copy: where copies of the table go; None for nowhere.
        stored: the table.
        version: its newest one.

    Returns:
        How many commits were copied.

    Raises:
        OSError: the place of the copies cannot be written; the commit itself was made.
    """
    if copy is None:
        return 0
    first = copied_version(copy) + 1
    for one in range(first, version + 1):
        name = f"{LOG}/{one:020d}.json"
        try:
            entry = stored.read(name)
        except FileNotFoundError:
            continue  # a checkpoint stands for it
        for path in added_files(entry):
            try:
                copy.write(path, stored.read(path))
            except FileNotFoundError:
                continue  # upkeep has removed it: a later commit has its rows
        copy.write(name, entry)
    if version >= first:
        begin_copies(copy, version)
    return max(0, version + 1 - first)
