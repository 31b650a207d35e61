"""Which backups stay, and removing the chunks that no backup needs any more.

Belongs here: the choice, and the sweep. Does not belong here: when it happens (`pipelines/back_up.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.manifest import ManifestStore, StoredBackup
from platform_assets.recovery.settings import KeepCounts


@dataclass(frozen=True)
class PrunedBackups:
    """What was removed.

    Attributes:
        removed: backups.
        kept: backups.
        chunks: how many chunks.
        freed_bytes: what they took.
    """

    removed: tuple[StoredBackup, ...]
    kept: tuple[StoredBackup, ...]
    chunks: int = 0
    freed_bytes: int = 0


def kept_backups(backups: Sequence[StoredBackup], keep: KeepCounts) -> list[StoredBackup]:
    """The newest backups, the newest of each day, ISO week and month, and the newest pass of `backup follow`; oldest first."""
    full = [backup for backup in backups if backup.kind == "full"]
    stay = {backup.name for backup in full[-keep.last :]}
    spans: tuple[tuple[int, Callable[[datetime], tuple[int, ...]]], ...] = (
        (keep.daily, lambda at: (at.year, at.month, at.day)),
        (keep.weekly, lambda at: at.isocalendar()[:2]),
        (keep.monthly, lambda at: (at.year, at.month)),
    )
    for count, span in spans:
        newest: dict[tuple[int, ...], str] = {span(backup.created_at): backup.name for backup in full}
        stay |= set(list(newest.values())[-count:] if count else [])
    if backups and backups[-1].kind == "follow":
        stay.add(backups[-1].name)
    return [backup for backup in backups if backup.name in stay]


def prune_backups(
    manifests: ManifestStore, chunks: ChunkStore, keep: KeepCounts, *, dry_run: bool = False, sweep: bool = True
) -> PrunedBackups:
    """Remove the backups that do not stay, then the chunks that none of the others names.

    No backup may be made of the same installation meanwhile.

    Args:
        manifests: of the target.
        chunks: of the target.
        keep: which stay.
        dry_run: remove nothing.
        sweep: whether chunks are looked at, which lists all of them.

    Raises:
        BackupDamaged: the manifest of a backup that stays cannot be read, so that nobody knows which chunks it needs; nothing was removed.
    """
    backups = manifests.backups()
    kept = kept_backups(backups, keep)
    removed = tuple(backup for backup in backups if backup not in kept)
    needed = (
        {name for backup in kept for file in manifests.read(backup).files for name in file.chunks} if sweep else {""}
    )
    if dry_run:
        return PrunedBackups(removed, tuple(kept))
    for backup in removed:
        manifests.remove(backup)
    unneeded = chunks.names() - needed if sweep else set()
    freed = sum(chunks.remove(name) for name in sorted(unneeded))
    return PrunedBackups(removed, tuple(kept), len(unneeded), freed)
