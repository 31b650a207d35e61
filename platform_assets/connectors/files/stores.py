"""Where files lie: a folder of this machine, or a bucket of an object store.

Belongs here: finding the files that a path names (file, folder, glob) and opening them. Does not belong here: what is
in them (`days.py`), and which of them are new (`changes.py`).
"""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Protocol

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.connectors.dated_path import DatedPath

_GLOB = ("*", "?", "[")
_SHOWN = 8
_SCHEME = "s3://"
_TEMPORARY_ENDINGS = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".inprogress", ".swp", "~")

ATTEMPTS = 10
"""How often a request to an object store is tried; with the pauses in between, about a minute."""


@dataclass(frozen=True)
class SourceFile:
    """A file, as it was when it was found."""

    address: str
    name: str
    """Relative to the folder above everything in the path that may differ from file to file; used in positions."""
    size_bytes: int
    modified_ns: int
    """Time of its last change since 1970, in nanoseconds; object stores keep seconds."""


class FileStore(Protocol):
    """Files below one declared path."""

    def find(self, pattern: str) -> list[SourceFile]:
        """The files that a path names, in order of their address; none when there is none."""
        ...

    def open(self, file: SourceFile) -> Path | io.BytesIO:
        """What polars can read a file from."""
        ...

    def data(self, file: SourceFile) -> bytes:
        """All bytes of a file.

        Raises:
            OSError: If it cannot be read.
        """
        ...

    def nearby(self) -> str:
        """What there is near the declared path, for messages."""
        ...

    def exists(self) -> bool:
        """Whether the folder or bucket that files are looked for in exists."""
        ...

    def has_changed(self, file: SourceFile) -> bool:
        """Whether a file is no longer as it was found."""
        ...

    is_local: bool


OTHER_ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType({"parquet": ("pq", "parq"), "jsonl": ("ndjson",)})
"""Endings that files of a format have beside its name."""


def file_store(path: str, file_format: str, use_case_folder: Path, access: Access, where: str) -> FileStore:
    """The place that a declared path lies in.

    Raises:
        SourceError: If the address is of a kind that cannot be read.
    """
    names = (file_format, *OTHER_ENDINGS.get(file_format, ()))
    endings = tuple(f".{name}{packed}" for name in names for packed in ("", ".gz"))
    if path.startswith(_SCHEME):
        return ObjectStore(path, endings, access.object_store, where)
    if "://" in path:
        raise SourceError(f"{where}: '{path}' is no s3:// address and no path. Correct it in defs.yaml.")
    return Folder(path, endings, use_case_folder)


def is_temporary(name: str) -> bool:
    """Whether a name is one that writers give to a file, or its folder, until it is complete."""
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "_")) for part in parts) or name.lower().endswith(_TEMPORARY_ENDINGS)


class Folder:
    """Files on this machine."""

    is_local = True

    def __init__(self, path: str, endings: tuple[str, ...], use_case_folder: Path) -> None:
        self._endings = endings
        self._root = use_case_folder
        self._base = self._fixed_part(path)

    def find(self, pattern: str) -> list[SourceFile]:
        """As `FileStore.find`."""
        full = self._root / pattern
        if _has_glob(pattern):
            matches = glob.glob(os.path.join(glob.escape(str(self._root)), pattern), recursive=True)
            paths = sorted(Path(match) for match in matches if Path(match).is_file())
        elif full.is_dir():
            paths = sorted(path for path in full.rglob("*") if path.is_file() and path.name.endswith(self._endings))
        else:
            return [self._file(full)] if full.is_file() else []
        return [file for file in map(self._file, paths) if not is_temporary(file.name)]

    def open(self, file: SourceFile) -> Path | io.BytesIO:
        """As `FileStore.open`."""
        return Path(file.address)

    def data(self, file: SourceFile) -> bytes:
        """As `FileStore.data`."""
        return Path(file.address).read_bytes()

    def has_changed(self, file: SourceFile) -> bool:
        """As `FileStore.has_changed`."""
        state = os.stat(file.address)
        return (state.st_size, state.st_mtime_ns) != (file.size_bytes, file.modified_ns)

    def nearby(self) -> str:
        """As `FileStore.nearby`."""
        folder = self._base
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir()) if folder.is_dir() else []
        return f"In {folder} there is {_some(entries)}"

    def exists(self) -> bool:
        """As `FileStore.exists`."""
        return self._base.is_dir()

    def _file(self, path: Path) -> SourceFile:
        state = path.stat()
        return SourceFile(str(path), path.relative_to(self._base).as_posix(), state.st_size, state.st_mtime_ns)

    def _fixed_part(self, declared: str) -> Path:
        path = self._root / declared
        while _varies(str(path.relative_to(path.anchor))) and path != self._root:
            path = path.parent
        return path.parent if path.is_file() else path


class ObjectStore:
    """Objects of a bucket, through pyarrow."""

    is_local = False

    def __init__(self, path: str, endings: tuple[str, ...], options: Mapping[str, str], where: str) -> None:
        self._endings = endings
        self._where = where
        self._options = options
        self._declared = path
        parts = path.removeprefix(_SCHEME).rstrip("/").split("/")
        fixed = parts[: next((i for i, part in enumerate(parts) if _varies(part)), len(parts))]
        self._base = "/".join(fixed)
        self._system = _file_system(options)

    def find(self, pattern: str) -> list[SourceFile]:
        """As `FileStore.find`."""
        path = pattern.removeprefix(_SCHEME).rstrip("/")
        from pyarrow import fs

        if _has_glob(path):
            parts = path.split("/")
            above = "/".join(parts[: next(i for i, part in enumerate(parts) if _has_glob(part))])
            matches = _glob_pattern(path)
            return [file for file in self._below(above) if matches.fullmatch(self._path(file))]
        [info] = self._info([path])
        if info.type == fs.FileType.File:
            return [self._file(info)]
        return [file for file in self._below(path) if file.name.endswith(self._endings)]

    def open(self, file: SourceFile) -> Path | io.BytesIO:
        """As `FileStore.open`."""
        return io.BytesIO(self.data(file))

    def data(self, file: SourceFile) -> bytes:
        """As `FileStore.data`."""
        with self._system.open_input_stream(self._path(file)) as stream:
            return bytes(stream.read())

    def has_changed(self, file: SourceFile) -> bool:
        """As `FileStore.has_changed`; an object is replaced as a whole, so that what was read is one version of it."""
        return False

    def nearby(self) -> str:
        """As `FileStore.nearby`."""
        names = [file.address for file in self._below(self._base)]
        return f"Below {_SCHEME}{self._base} there is {_some(names)}"

    def exists(self) -> bool:
        """As `FileStore.exists`; below a bucket there are no folders that could be missing."""
        from pyarrow import fs

        return bool(self._info([self._base.split("/")[0]])[0].type != fs.FileType.NotFound)

    def _path(self, file: SourceFile) -> str:
        return file.address.removeprefix(_SCHEME)

    def _below(self, folder: str) -> list[SourceFile]:
        from pyarrow import fs

        infos = self._info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        files = [self._file(info) for info in infos if info.type == fs.FileType.File]
        return sorted((file for file in files if not is_temporary(file.name)), key=lambda file: file.address)

    def _info(self, selected: Any) -> Any:
        try:
            return self._system.get_file_info(selected)
        except OSError as error:
            raise SourceError(
                f"{self._where}: {self._declared} cannot be listed: {error}. Check that the bucket exists and that "
                f"PLATFORM_ASSETS_OBJECT_STORE (or the usual AWS variables) holds its endpoint and keys."
            ) from error

    def _file(self, info: Any) -> SourceFile:
        base = self._base + "/"
        name = info.path.removeprefix(base) if info.path.startswith(base) else info.base_name
        return SourceFile(_SCHEME + info.path, name, info.size, info.mtime_ns)


def _file_system(options: Mapping[str, str]) -> Any:
    """pyarrow's S3 client, from the options that deltalake takes."""
    from pyarrow import fs

    given = {key.upper(): value for key, value in options.items()}
    endpoint = given.get("AWS_ENDPOINT_URL") or given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT")
    arguments: dict[str, Any] = {
        "access_key": given.get("AWS_ACCESS_KEY_ID"),
        "secret_key": given.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": given.get("AWS_SESSION_TOKEN"),
        "region": given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
        "anonymous": given.get("AWS_SKIP_SIGNATURE", "").lower() == "true" or None,
        "force_virtual_addressing": given.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() == "true" or None,
    }
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        arguments |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
    known = {key: value for key, value in arguments.items() if value is not None}
    return fs.S3FileSystem(**known, connect_timeout=5, request_timeout=60, retry_strategy=retries)


def _has_glob(path: str) -> bool:
    return any(sign in path for sign in _GLOB)


def _varies(path: str) -> bool:
    return _has_glob(path) or DatedPath(path).is_dated


def _glob_pattern(path: str) -> re.Pattern[str]:
    """The expression that an address has to match: `**` any folders, `*` and `?` within a name."""
    pieces = re.split(r"(\*\*/|\*|\?|\[!?\]?[^\]]*\])", path)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile(
        "".join(
            known[piece] if piece in known else piece.replace("[!", "[^") if piece.startswith("[") else re.escape(piece)
            for piece in pieces
        )
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more
