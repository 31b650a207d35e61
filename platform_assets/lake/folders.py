"""A folder on disk or in an object store: small files by name.

Belongs here: listing, reading, writing and removing them, the same in both. Does not belong here: what they hold, or Delta tables.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from typing import Any


@dataclass(frozen=True)
class StoredFolder:
    """A folder.

    Attributes:
        uri: its path, or its address in an object store.
        options: of the object store.
    """

    uri: str
    options: Mapping[str, str] | None = field(default=None, repr=False)

    def names(self, below: str) -> list[str]:
        """Names of the files of a folder below this one, in order; none where it does not exist."""
        if self._is_local:
            try:
                return sorted(name for name in os.listdir(self._path(below)) if not name.startswith("."))
            except FileNotFoundError:
                return []
        from pyarrow import fs

        infos = self._store.get_file_info(fs.FileSelector(below, allow_not_found=True))
        return sorted(info.base_name for info in infos if info.type == fs.FileType.File)

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        if self._is_local:
            return self._path(name).read_bytes()
        with self._store.open_input_stream(name) as stream:
            return bytes(stream.read())

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, or not at all."""
        if not self._is_local:
            # pyarrow's stream hands on a buffer, which the stream of deltalake 1.6 inside of it does not take; a test in an
            # object store fails when this name is gone.
            stream = self._handler._handler.open_output_stream(name, None)
            stream.write(content)
            stream.close()
            return
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        building = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
        try:
            building.write_bytes(content)
            building.replace(path)
        finally:
            building.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file; one that somebody else has removed is no error."""
        try:
            if self._is_local:
                self._path(name).unlink(missing_ok=True)
            else:
                self._store.delete_file(name)
        except FileNotFoundError:
            return

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        if self._is_local:
            try:
                return self._path(name).stat().st_size
            except FileNotFoundError:
                return None
        [info] = self._store.get_file_info([name])
        return None if info.size is None else int(info.size)

    @property
    def _is_local(self) -> bool:
        return "://" not in self.uri

    def _path(self, name: str) -> Path:
        return Path(f"{self.uri}/{name}")

    @property
    def _store(self) -> Any:
        """pyarrow's view of an object store, through deltalake's own client."""
        from pyarrow import fs

        return fs.PyFileSystem(self._handler)

    @property
    def _handler(self) -> Any:
        """deltalake's own client."""
        from deltalake.fs import DeltaStorageHandler

        return DeltaStorageHandler(self.uri, options=dict(self.options or {}))
