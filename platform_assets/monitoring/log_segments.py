"""The prediction log's files: which there are, their lines, and old ones made small.

Belongs here: segments as they lie in a folder, compressed or not. Does not belong here: what a line says (`prediction_log.py`), writing
lines (`serving`).

A service never closes a segment that gets no more lines, and whoever compresses knows nothing of its processes. So a segment is compressed
once nothing was written to it for days; it then gives way under a name that nobody reads, and its service, which looks before each line
whether its file is in place, begins another. A line that came between that look and the change of names is found the next time: the
segment is removed only when it has not grown since it was compressed.
"""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import timedelta
from pathlib import Path

from platform_assets.declaration.prediction_log import COMPRESSED_SUFFIX, SEGMENT_SUFFIX

PLAIN_DAYS = 2
"""Segments to which nothing was written for so long are compressed."""
_SEALED_SUFFIX = ".sealed"


def segment_paths(folder: Path) -> list[Path]:
    """Every segment of a folder, by name; where one lies there twice the compressed one is not done yet."""
    plain = {path.name: path for path in folder.glob(f"*{SEGMENT_SUFFIX}")}
    packed = {path.name.removesuffix(_GZ): path for path in folder.glob(f"*{COMPRESSED_SUFFIX}")}
    return [path for _, path in sorted({**packed, **plain}.items())]


def segment_text(path: Path) -> bytes:
    """All lines of a segment."""
    return gzip.decompress(path.read_bytes()) if is_compressed(path) else path.read_bytes()


def is_compressed(path: Path) -> bool:
    """Whether a segment is compressed."""
    return path.name.endswith(COMPRESSED_SUFFIX)


def compress_segments(folder: Path, now_seconds: float) -> int:
    """Compress segments to which nothing was written for `PLAIN_DAYS`; may be broken off anywhere and called again.

    Args:
        folder: of the log.
        now_seconds: by the clock that files are stamped with.

    Returns:
        How many were compressed.
    """
    for sealed in folder.glob(f"*{_SEALED_SUFFIX}"):
        _remove_sealed(sealed)
    before, count = now_seconds - timedelta(days=PLAIN_DAYS).total_seconds(), 0
    for path in folder.glob(f"*{SEGMENT_SUFFIX}"):
        if path.stat().st_mtime < before:
            _write_compressed(path, _compressed_of(path.name, folder))
            path.rename(folder / f"{path.name}{_SEALED_SUFFIX}")
            count += 1
    return count


def _remove_sealed(sealed: Path) -> None:
    """Remove what a compressed segment was made of, once that holds all of it."""
    packed = _compressed_of(sealed.name.removesuffix(_SEALED_SUFFIX), sealed.parent)
    if not packed.is_file() or len(segment_text(packed)) != sealed.stat().st_size:
        _write_compressed(sealed, packed)
    sealed.unlink()


def _write_compressed(path: Path, packed: Path) -> None:
    """Whole or not at all, and stamped as the segment: who asks for what was written since a moment asks by that."""
    status, unfinished = path.stat(), packed.with_name(f".{packed.name}.tmp")
    with path.open("rb") as plain, gzip.GzipFile(unfinished, "wb", mtime=0) as target:
        shutil.copyfileobj(plain, target)
    with unfinished.open("rb") as written:
        os.fsync(written.fileno())
    os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns))
    unfinished.chmod(status.st_mode & 0o777)
    unfinished.replace(packed)


def _compressed_of(name: str, folder: Path) -> Path:
    return folder / f"{name.removesuffix(SEGMENT_SUFFIX)}{COMPRESSED_SUFFIX}"


_GZ = COMPRESSED_SUFFIX.removeprefix(SEGMENT_SUFFIX)
