"""A release as one file: how it is written so that the same files give the same bytes, and how it is unpacked.

Belongs here: the archive's format. Does not belong here: where archives are kept (`platform_assets/deployment/kubernetes/shipping.py`), and
fetching them (`fetch_release.py`). Standard library only: it runs before a release's libraries are known to be there.

The archive is a gzip-compressed tar of plain files and folders, in the order of their names, without owners and times.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

SUFFIX = ".tar.gz"
COMPRESSION_LEVEL = 1
"""A release is shipped once and waited for: the last tenth of its size is not worth three times the time."""
LEFT_BY_RUNNING = "__pycache__"
CHUNK_BYTES = 2**20
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Debian 12's Python 3.11.2 has no filters yet: what they refuse is refused before, so they are the second lock where they exist."""


class ReleaseArchiveError(ValueError):
    """A folder that cannot be archived, or an archive that is not unpacked; the message names the file."""


def write_archive(folder: Path, archive: Path) -> str:
    """Write all files of a folder into an archive; compiled files that running the code left behind are no part of it.

    Args:
        folder: the release.
        archive: the file to write; an earlier one is replaced.

    Returns:
        The archive's digest, "sha256:" and 64 hexadecimal digits. The same files give the same digest.

    Raises:
        ReleaseArchiveError: the folder is missing or empty, or holds something that is neither file nor folder.
    """
    paths = list(_contents(folder))
    with (
        archive.open("wb") as out,
        gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in paths:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
                continue
            status = path.stat()
            entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
            with path.open("rb") as stream:
                tar.addfile(entry, stream)
    with archive.open("rb") as stream:
        return stream_digest(stream)


def unpack(archive: BinaryIO, folder: Path) -> None:
    """Unpack an archive whose digest was verified.

    Args:
        archive: read from its start.
        folder: exists and is empty.

    Raises:
        ReleaseArchiveError: it is damaged, or holds a link, a device, or a name that leads out of the folder; what lay before that entry
            is in the folder then.
        OSError: the folder cannot be written.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            for entry in tar:
                if not (entry.isreg() or entry.isdir()):
                    raise ReleaseArchiveError(f"{entry.name!r} is neither file nor folder: this is no archive of ours")
                if entry.name.startswith("/") or ".." in entry.name.split("/"):
                    raise ReleaseArchiveError(f"{entry.name!r} leads out of the folder: this is no archive of ours")
                tar.extract(entry, folder, **FILTER)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReleaseArchiveError(f"the archive cannot be read: {error}") from error


def stream_digest(stream: BinaryIO) -> str:
    """Digest of everything from the stream's position on: "sha256:" and 64 hexadecimal digits."""
    total = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def archive_name(digest: str) -> str:
    """The file name of the archive with this digest."""
    return digest.removeprefix("sha256:") + SUFFIX


def _contents(folder: Path) -> Iterator[Path]:
    """Files and folders below, in the order of their names.

    Raises:
        ReleaseArchiveError: as `write_archive`.
    """
    empty = True
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if LEFT_BY_RUNNING in path.relative_to(folder).parts:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ReleaseArchiveError(
                f"{path} is a link or a device; a release holds plain files and folders only. Copy what it stands for."
            )
        if path.is_file() and not os.access(path, os.R_OK):
            raise ReleaseArchiveError(f"{path} cannot be read by this user; mend its permissions and ship again")
        empty = False
        yield path
    if empty:
        raise ReleaseArchiveError(f"{folder} is missing or empty: there is no release to ship")
