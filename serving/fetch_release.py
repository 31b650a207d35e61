"""Bring a release into a pod before its service starts: `python -m serving.fetch_release --uri U --digest sha256:... --to FOLDER`.

Belongs here: reading an archive from a folder or an object store, verifying its digest before anything of it is unpacked, and refusing a
release whose libraries this image does not carry. Does not belong here: writing archives, and the service. Standard library only; an
object store is read with pyarrow, which the runtime image has.

It runs as the init container of a service's pod, from the runtime image. Keys of an object store come from where pyarrow looks for them,
the AWS variables or the pod's identity.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from serving.release_archive import CHUNK_BYTES, ReleaseArchiveError, unpack
from serving.release_cache import ReleaseCache

S3_SCHEME = "s3://"
FILE_SCHEME = "file://"
REQUIREMENTS = Path("src") / "requirements.txt"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

REFUSED, NOT_THERE, NO_SPACE, LIBRARIES_DIFFER = 3, 4, 5, 6
"""Exit codes: wrong content, archive or folder not usable, disk full, and an image that lacks what the release requires."""


class FetchError(RuntimeError):
    """A release that cannot be brought into the pod; the message says what to do.

    Attributes:
        exit_code: of the process.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class FetchedRelease:
    """What was unpacked.

    Attributes:
        size_bytes: of the archive.
        from_cache: True where the node had it.
    """

    size_bytes: int
    from_cache: bool


def fetch(uri: str, digest: str, folder: Path, cache: ReleaseCache | None = None) -> FetchedRelease:
    """Unpack the archive of a release into a folder, after verifying its digest.

    Args:
        uri: of the archive: an absolute path, `file:///path` or `s3://bucket/key`; the latter may name an endpoint of its own, as
            `?endpoint_override=host:port&scheme=http`.
        digest: that the archive must have, "sha256:...".
        folder: where to; what is in it is removed, since an earlier try may have left half a release.
        cache: of the node; None for none. One that cannot be used is passed by, with a line on standard error.

    Raises:
        FetchError: the archive is not there, differs from its digest, does not fit, or cannot be unpacked.
    """
    if not DIGEST.fullmatch(digest):
        raise FetchError(f"{digest!r} is no digest: it has to be sha256: and 64 hexadecimal digits", REFUSED)
    _make_empty(folder)
    origin = _Origin(uri, digest)
    if cache is not None:
        try:
            with cache.archive(digest, origin) as cached:
                if cached is not None:
                    return FetchedRelease(_unpack(cached[0], folder), from_cache=cached[1])
                _warn(f"{uri} is larger than the node's cache ({cache.limit_bytes} bytes); fetching past it")
        except OSError as error:
            _warn(f"the node's cache {cache.folder} cannot be used ({error.strerror or error}); fetching past it")
    with _writing(folder, origin.size_bytes()), tempfile.TemporaryFile(dir=folder) as scratch:
        origin.download(scratch)
        scratch.seek(0)
        return FetchedRelease(_unpack(scratch, folder), from_cache=False)


def differing_libraries(folder: Path) -> list[str]:
    """What the release in a folder requires and this interpreter does not have, as sentences; empty when it fits or says nothing."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        lines = (folder / REQUIREMENTS).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
    differing = []
    for name, _, wanted in (line.partition("==") for line in lines):
        try:
            found = version(name)
        except PackageNotFoundError:
            differing.append(f"{name} {wanted} is absent")
            continue
        if wanted and found.partition("+")[0] != wanted.partition("+")[0]:
            differing.append(f"{name} is {found} instead of {wanted}")
    return differing


@dataclass(frozen=True)
class _Origin:
    """Where the archive was shipped to."""

    uri: str
    digest: str

    def size_bytes(self) -> int:
        """Size of the archive.

        Raises:
            FetchError: it is not there.
        """
        with self._reading():
            if self.uri.startswith(S3_SCHEME):
                system, path = _object_store(self.uri)
                size = system.get_file_info(path).size
                if size is None:
                    raise FileNotFoundError(f"there is no {path}")
                return int(size)
            return Path(self.uri.removeprefix(FILE_SCHEME)).stat().st_size

    def download(self, out: BinaryIO) -> None:
        """Copy the archive.

        Raises:
            FetchError: it cannot be read, or differs from its digest.
            OSError: `out` cannot be written.
        """
        total, size = hashlib.sha256(), 0
        with self._reading():
            stream = self._open()
        with stream:
            while True:
                with self._reading():
                    chunk = stream.read(CHUNK_BYTES)
                if not chunk:
                    break
                total.update(chunk)
                size += len(chunk)
                out.write(chunk)
        found = f"sha256:{total.hexdigest()}"
        if found != self.digest:
            raise FetchError(
                f"{self.uri} ({size} bytes) has digest {found}, but the release is {self.digest}: it was changed after it was shipped, or "
                "its upload was cut off. Nothing was unpacked. Remove it and deploy the version again.",
                REFUSED,
            )

    def _open(self) -> BinaryIO:
        if self.uri.startswith(S3_SCHEME):
            system, path = _object_store(self.uri)
            stream: BinaryIO = system.open_input_stream(path, compression=None)
            return stream
        return Path(self.uri.removeprefix(FILE_SCHEME)).open("rb")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise FetchError(
                f"{self.uri} cannot be read: {error}. Check that the release was shipped there, that the volume is mounted or the bucket "
                "named right, and that the pod may read it.",
                NOT_THERE,
            ) from error


def _object_store(uri: str) -> tuple[Any, str]:
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(uri)
    return system, path


def _unpack(archive: BinaryIO, folder: Path) -> int:
    """Unpack a verified archive; its size in bytes."""
    size_bytes = os.fstat(archive.fileno()).st_size
    with _writing(folder, size_bytes):
        try:
            unpack(archive, folder)
        except ReleaseArchiveError as error:
            raise FetchError(f"the release was not unpacked: {error}", REFUSED) from error
    return size_bytes


def _make_empty(folder: Path) -> None:
    with _writing(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextlib.contextmanager
def _writing(folder: Path, archive_bytes: int) -> Iterator[None]:
    """Say what to do when a folder cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise FetchError(
                f"{folder} cannot be written: {error.strerror or error}. Mount a volume there that the pod's user may write.",
                NOT_THERE,
            ) from error
        raise FetchError(
            f"{folder} is full: the archive has {archive_bytes} bytes, {shutil.disk_usage(folder).free} are left, and unpacked it needs "
            "more. Give the pod's volume a larger size limit, or the node more disk.",
            NO_SPACE,
        ) from error


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def main(arguments: Sequence[str]) -> int:
    """Fetch as the arguments say; one of the exit codes above when the release cannot be brought in."""
    parser = argparse.ArgumentParser(prog="python -m serving.fetch_release", description="Bring a release into a pod.")
    parser.add_argument("--uri", required=True, help="archive: an absolute path, file:///path or s3://bucket/key")
    parser.add_argument("--digest", required=True, help="sha256:... that the archive must have")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where it is unpacked; emptied first")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where the node keeps archives; none when left out"
    )
    parser.add_argument("--cache-gigabytes", type=float, default=10.0, help="size of that folder (10^9 bytes each)")
    options = parser.parse_args(arguments)
    cache = ReleaseCache(options.cache, int(options.cache_gigabytes * 1e9)) if options.cache else None
    started = time.monotonic()
    try:
        fetched = fetch(options.uri, options.digest, options.to, cache)
        if differing := differing_libraries(options.to):
            raise FetchError(
                f"the release does not fit this runtime image: {'; '.join(differing)}. Build the image from the requirements.lock that the "
                "release was built with (deploy/images/build.sh; WITH_TORCH=1 for networks), or deploy with `images: bento`.",
                LIBRARIES_DIFFER,
            )
    except FetchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    source = "the node's cache" if fetched.from_cache else options.uri
    seconds = time.monotonic() - started
    sys.stderr.write(
        f"{options.digest} ({fetched.size_bytes} bytes) unpacked to {options.to} in {seconds:.2f} s from {source}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
