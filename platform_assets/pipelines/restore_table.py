"""Restore one table to a version or a moment: the earlier content becomes its newest version.

Belongs here: which table, version and backups are meant. Does not belong here: the restore itself (`recovery/table_restore.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from deltalake import DeltaTable

from platform_assets.installation import Installation
from platform_assets.lake.commits import version_at
from platform_assets.lake.verification import known_tables
from platform_assets.pipelines.back_up import BackupPlace, backup_place, installation_trees
from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.errors import BackupMissing, RestoreRefused
from platform_assets.recovery.lake_files import is_ledger
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.table_restore import RestoreDecision, RestoredTable, restore_table
from platform_assets.recovery.taking import LAKE


def restore_one_table(
    installation: Installation,
    path: str,
    *,
    version: int | None,
    at: datetime | None,
    decision: RestoreDecision,
) -> RestoredTable:
    """Make an earlier version of a table its newest one.

    Args:
        installation: whose lake and backups.
        path: `use_case/layer/table`.
        version: Delta version; the newest with neither this nor `at`, to put back what is gone or damaged.
        at: the version that was current then.
        decision: who and why.

    Raises:
        ValueError: the table is not named rightly, or both version and time are.
        RestoreRefused: it is the ledger's, or is gone, and no backup has it.
        LakeVersionMissing: there was no such version.
    """
    if version is not None and at is not None:
        raise ValueError("name a version or a time, not both")
    if path.count("/") != 2 or not all(path.split("/")):
        raise ValueError(
            f"a table is named USE_CASE/LAYER/TABLE, not {path!r}; `platform-assets versions USE_CASE` lists them"
        )
    if not decision.why.strip():
        raise ValueError("say why: it is kept in the table's history (--why)")
    _refuse_ledger(path)
    lake = installation_trees(installation)[LAKE]
    use_case, _, name = path.partition("/")
    place = _place(installation)
    if not _is_there(installation, path) and name not in known_tables(lake.uri, use_case, lake.options):
        in_backup = place is not None and any(path in manifest.tables for manifest, _ in _backups(place))
        if not in_backup:
            raise ValueError(f"there is no table {path}, nothing is known of one, and no backup has it")

    def choose(table: DeltaTable) -> int:
        if at is not None:
            return version_at(table, at, uri=path)
        return table.version() if version is None else version

    return restore_table(lake, path, choose, () if place is None else _backups(place), decision)


def _refuse_ledger(path: str) -> None:
    if is_ledger(path):
        raise RestoreRefused(
            f"{path} says what became champion and was served, and is the truth that registry and services follow: it only goes back "
            "with everything else (`platform-assets restore home`). To serve an earlier model: `platform-assets models rollback`"
        )


def _is_there(installation: Installation, path: str) -> bool:
    root, options = installation.lake.root, installation.lake.storage_options()
    return bool(DeltaTable.is_deltatable(f"{root.rstrip('/')}/{path}", storage_options=options))


def _place(installation: Installation) -> BackupPlace | None:
    try:
        return backup_place(installation.settings)
    except BackupMissing:
        return None


def _backups(place: BackupPlace) -> Iterator[tuple[Manifest, ChunkStore]]:
    """Every backup, newest first."""
    for backup in reversed(place.manifests.backups()):
        yield place.manifests.read(backup), place.chunks
