"""Reading all of a backup, and naming the files that are not what was written.

Belongs here: comparing chunks with their names. Does not belong here: putting anything back (`restoring.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.errors import BackupDamaged
from platform_assets.recovery.manifest import BackedUpFile, Manifest

MOST_SHOWN = 10


@dataclass(frozen=True)
class VerifiedBackup:
    """What became of reading a backup.

    Attributes:
        name: of the backup.
        files: how many it has.
        size: their bytes.
        wrong: a sentence for each file that cannot be put back as it was.
    """

    name: str
    files: int
    size: int
    wrong: tuple[str, ...] = ()


def verify_backup(manifest: Manifest, chunks: ChunkStore) -> VerifiedBackup:
    """Read every chunk once."""
    wrong = tuple(_wrong_files(manifest.files, chunks))
    return VerifiedBackup(manifest.name, len(manifest.files), manifest.size, wrong)


def refuse_damaged_backup(verified: VerifiedBackup) -> None:
    """Refuse a backup with a file that is not what was written.

    Raises:
        BackupDamaged: it has; the message names the files.
    """
    if verified.wrong:
        more = len(verified.wrong) - MOST_SHOWN
        listed = "; ".join(verified.wrong[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise BackupDamaged(
            f"{len(verified.wrong)} of {verified.files} files of backup {verified.name} are not what was written, and nothing was "
            f"restored: {listed}. Take an earlier one: `platform-assets backup list`, then `restore home --backup NAME`"
        )


def _wrong_files(files: Iterable[BackedUpFile], chunks: ChunkStore) -> Iterable[str]:
    lengths: dict[str, int | str] = {}
    for file in files:
        size = 0
        for name in file.chunks:
            if name not in lengths:
                lengths[name] = _length(chunks, name)
            found = lengths[name]
            if isinstance(found, str):
                yield f"{file.place} ({found})"
                break
            size += found
        else:
            if size != file.size:
                yield f"{file.place} ({size} of its {file.size} bytes)"


def _length(chunks: ChunkStore, name: str) -> int | str:
    try:
        return len(chunks.get(name))
    except BackupDamaged as error:
        return str(error)
