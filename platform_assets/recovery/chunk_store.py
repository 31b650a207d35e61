"""The chunks of backups: content by its name, each stored once.

Belongs here: storing, reading and removing chunks in a folder or an object store. Does not belong here: which file a chunk is of
(`manifest.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from platform_assets.lake.folders import StoredFolder
from platform_assets.recovery.errors import BackupDamaged
from platform_assets.recovery.sealing import Sealing

CHUNK_BYTES = 8 * 2**20
"""Files are cut into pieces of this size: of one that grows at its end only the last piece is new."""
_FOLDERS = tuple(f"{number:02x}" for number in range(256))


@dataclass(frozen=True)
class ChunkStore:
    """Chunks of one backup target.

    Attributes:
        folder: of the target.
        sealing: names and cipher.
        known: names that are known to be there.
    """

    folder: StoredFolder
    sealing: Sealing = field(default_factory=Sealing)
    known: set[str] = field(default_factory=set, repr=False)

    def put(self, content: bytes) -> tuple[str, int]:
        """Store content once.

        Returns:
            Its name, and the bytes that were written: 0 where it was there.
        """
        name = self.sealing.name(content)
        if name in self.known or self.folder.size(_path(name)) is not None:
            self.known.add(name)
            return name, 0
        stored = self.sealing.seal(name, content)
        self.folder.write(_path(name), stored)
        self.known.add(name)
        return name, len(stored)

    def get(self, name: str) -> bytes:
        """The content of a chunk, which is compared with its name.

        Raises:
            BackupDamaged: it is gone, or not what was written.
        """
        place = f"chunk {self.folder.uri}/{_path(name)}"
        try:
            stored = self.folder.read(_path(name))
        except FileNotFoundError as error:
            raise BackupDamaged(f"{place} is gone") from error
        try:
            content = self.sealing.open(name, stored)
        except BackupDamaged as error:
            raise BackupDamaged(f"{place}: {error}") from error
        if self.sealing.name(content) != name:
            raise BackupDamaged(f"{place} is not what was written: its digest is another")
        return content

    def names(self) -> set[str]:
        """The names of all chunks."""
        return {name for folder in _FOLDERS for name in self.folder.names(f"objects/{folder}")}

    def remove(self, name: str) -> int:
        """Remove a chunk; returns the bytes that are free again."""
        size = self.folder.size(_path(name)) or 0
        self.folder.remove(_path(name))
        self.known.discard(name)
        return size


def _path(name: str) -> str:
    return f"objects/{name[:2]}/{name}"
