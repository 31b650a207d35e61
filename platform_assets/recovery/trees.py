"""All files below a folder or an address of an object store, with size and time of change.

Belongs here: listing, and reading and writing a file piece by piece. Does not belong here: which files belong to a backup.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.lake.folders import StoredFolder


@dataclass(frozen=True)
class TreeFile:
    """A file as it was listed.

    Attributes:
        path: below the root.
        size: bytes.
        stamp: size and time of its last change.
        mode: permissions; 0o600 in an object store.
    """

    path: str
    size: int
    stamp: str
    mode: int = 0o600


@dataclass(frozen=True)
class FileTree:
    """Files below a root.

    Attributes:
        uri: a folder, or an address.
        options: of the object store.
    """

    uri: str
    options: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return "://" not in self.uri

    def files(self, leave_out: Callable[[str], bool] | None = None) -> list[TreeFile]:
        """All regular files, by path; folders that are left out are not looked into. None where there is no such folder."""
        skip = leave_out or (lambda path: False)
        found = _local_files(self.uri, skip) if self.is_local else self._remote_files()
        return sorted((file for file in found if not skip(file.path)), key=lambda file: file.path)

    def pieces(self, file: TreeFile, size: int) -> Iterator[bytes]:
        """The content of a file, as long as it was when it was listed, piece by piece.

        Raises:
            FileNotFoundError: it is gone.
        """
        if not self.is_local:
            content = StoredFolder(self.uri, self.options).read(file.path)
            yield from (content[begin : begin + size] for begin in range(0, len(content), size))
            return
        left = file.size
        with open(os.path.join(self.uri, file.path), "rb") as source:
            while left and (piece := source.read(min(size, left))):
                left -= len(piece)
                yield piece

    def write(self, path: str, pieces: Iterable[bytes], mode: int) -> None:
        """Write a file whole; readable by its owner alone until it is."""
        if not self.is_local:
            StoredFolder(self.uri, self.options).write(path, b"".join(pieces))
            return
        target = Path(self.uri) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
        target.chmod(mode)

    def _remote_files(self) -> Iterator[TreeFile]:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow import fs

        store: Any = fs.PyFileSystem(DeltaStorageHandler(self.uri, options=dict(self.options or {})))
        for info in store.get_file_info(fs.FileSelector("", recursive=True, allow_not_found=True)):
            if info.type == fs.FileType.File:
                changed = (info.mtime or datetime.fromtimestamp(0, UTC)).isoformat()
                yield TreeFile(info.path, int(info.size), f"{info.size}:{changed}")


def _local_files(root: str, skip: Callable[[str], bool]) -> Iterator[TreeFile]:
    for folder, folders, names in os.walk(root):
        below = os.path.relpath(folder, root)
        prefix = "" if below == "." else f"{below}/"
        folders[:] = [name for name in folders if not skip(f"{prefix}{name}")]
        for name in names:
            try:
                status = os.lstat(os.path.join(folder, name))
            except FileNotFoundError:
                continue  # removed just now
            if stat.S_ISREG(status.st_mode):
                stamp = f"{status.st_size}:{status.st_mtime_ns}"
                yield TreeFile(f"{prefix}{name}", status.st_size, stamp, stat.S_IMODE(status.st_mode))
