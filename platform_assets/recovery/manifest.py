"""The manifest of a backup: every file with its chunks, every table with its version, and where they came from.

Belongs here: what stands in a manifest; writing, listing and reading manifests. Does not belong here: files and chunks themselves.

A manifest's file name ends with the digest of its bytes, so that one that was changed is told without another file.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from platform_assets.lake.folders import StoredFolder
from platform_assets.recovery.errors import BackupDamaged, BackupMissing
from platform_assets.recovery.sealing import Sealing

BACKUPS = "backups"
Kind = Literal["full", "follow"]
"""A backup that somebody or the schedule asked for, or a pass of `backup follow`, which only stays until the next one."""
FULL: Final = "full"
FOLLOW: Final = "follow"
_ENDING = ".manifest"
_DIGEST_DIGITS = 32


class BackedUpFile(BaseModel):
    """One file of a backup.

    Attributes:
        part: `home`, `lake`, `artifacts`, `log` or `dump`.
        path: below the root of its part.
        size: bytes.
        mode: permissions.
        stamp: by which the file is known not to have changed since.
        chunks: names of its pieces, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    path: str
    size: int
    mode: int = 0o600
    stamp: str
    chunks: tuple[str, ...]

    @property
    def place(self) -> str:
        """The file for people, with its part."""
        return f"{self.part}/{self.path}"


class BackedUpTable(BaseModel):
    """The version of a Delta table that a backup holds, and its rows; None where the log has no count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    rows: int | None


class Manifest(BaseModel):
    """A backup.

    Attributes:
        format: of the manifest.
        name: of the backup: the time it was begun.
        created_at: the same.
        seconds: that it took.
        kind: of the backup.
        code_version: commit or version of the platform that made it.
        roots: where each part lay.
        tables: version of each Delta table, by its path below the lake's root.
        champions: version of each use case's champion, by the registry and by the ledger.
        disagreements: what the stores did not agree about, for people.
        new_bytes: that were written for it.
        files: all files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    created_at: datetime
    seconds: float
    kind: Kind = FULL
    code_version: str
    roots: dict[str, str]
    tables: dict[str, BackedUpTable]
    champions: dict[str, str | None] = {}
    disagreements: tuple[str, ...] = ()
    new_bytes: int = 0
    files: tuple[BackedUpFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def of(self, *parts: str) -> list[BackedUpFile]:
        """The files of some parts."""
        return [file for file in self.files if file.part in parts]


@dataclass(frozen=True)
class StoredBackup:
    """A backup as it is listed: the name of its manifest says all of it."""

    name: str
    kind: str
    file: str

    @property
    def created_at(self) -> datetime:
        """When it was begun."""
        return datetime.strptime(self.name, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)


@dataclass(frozen=True)
class ManifestStore:
    """The manifests of one backup target."""

    folder: StoredFolder
    sealing: Sealing = field(default_factory=Sealing)

    def write(self, manifest: Manifest) -> StoredBackup:
        """Store a manifest: from then on there is a backup."""
        plain = gzip.compress(manifest.model_dump_json().encode(), compresslevel=3, mtime=0)
        stored = self.sealing.seal(manifest.name, plain)
        digest = hashlib.sha256(stored).hexdigest()[:_DIGEST_DIGITS]
        backup = StoredBackup(manifest.name, manifest.kind, f"{manifest.name}-{manifest.kind}-{digest}{_ENDING}")
        self.folder.write(f"{BACKUPS}/{backup.file}", stored)
        return backup

    def backups(self) -> list[StoredBackup]:
        """All backups, oldest first."""
        names = [name for name in self.folder.names(BACKUPS) if name.endswith(_ENDING) and name.count("-") == 2]
        parts = [(*name.split("-"), name) for name in sorted(names)]
        return [StoredBackup(part[0], part[1], part[-1]) for part in parts]

    def read(self, backup: StoredBackup) -> Manifest:
        """The manifest of a backup.

        Raises:
            BackupDamaged: it is gone, was changed, or is of a format that this version does not know.
        """
        place = f"manifest {self.folder.uri}/{BACKUPS}/{backup.file}"
        try:
            stored = self.folder.read(f"{BACKUPS}/{backup.file}")
        except FileNotFoundError as error:
            raise BackupDamaged(f"{place} is gone") from error
        if hashlib.sha256(stored).hexdigest()[:_DIGEST_DIGITS] != backup.file.removesuffix(_ENDING).split("-")[2]:
            raise BackupDamaged(f"{place} is not what was written: its digest is another")
        try:
            return Manifest.model_validate_json(gzip.decompress(self.sealing.open(backup.name, stored)))
        except BackupDamaged as error:
            raise BackupDamaged(f"{place}: {error}") from error
        except (ValidationError, OSError, EOFError) as error:
            raise BackupDamaged(f"{place} cannot be read by this version of the platform: {error}") from error

    def remove(self, backup: StoredBackup) -> None:
        """Forget a backup; its chunks stay until they are swept."""
        self.folder.remove(f"{BACKUPS}/{backup.file}")


def chosen(backups: Sequence[StoredBackup], name: str | None, at: datetime | None, where: str) -> StoredBackup:
    """The backup of a name, the newest before a moment, or the newest.

    Raises:
        BackupMissing: there is none.
    """
    found = [
        one for one in backups if (name is None or one.name.startswith(name)) and (at is None or one.created_at <= at)
    ]
    if not found:
        asked = f"called {name}" if name else f"of before {at}" if at else "yet"
        there = f"; there are {backups[0].name} to {backups[-1].name}" if backups else ""
        raise BackupMissing(
            f"there is no backup {asked} at {where}{there}. `platform-assets backup list` shows all of them"
        )
    return found[-1]
