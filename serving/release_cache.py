"""Release archives kept on a node, so that the second pod of a release fetches nothing.

Belongs here: the cache's folder, its size, eviction, locks and counters. Does not belong here: where archives come from, and unpacking them
(`fetch_release.py`). Standard library only.

All pods of a node share the folder. One lock for each release makes the second pod wait for the first one's download; one lock for the
folder guards its size and counters. Both are file locks: the kernel lets go of them when a pod dies.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from serving.release_archive import SUFFIX, archive_name, stream_digest

METRICS_FILE = "metrics.prom"
PART = ".part"
FOLDER_LOCK = "folder"
COUNTERS = {
    "hits": "Pods that found their release on the node.",
    "misses": "Pods that fetched their release.",
    "evicted": "Releases removed to make room.",
    "damaged": "Cached releases that no longer had their digest and were fetched anew.",
    "too_large": "Releases fetched past the cache, which has no room for them.",
}
PREFIX = "platform_assets_release_cache_"


class ArchiveSource(Protocol):
    """Where an archive is downloaded from; asked only when the node does not have it."""

    def size_bytes(self) -> int:
        """Size of the archive."""

    def download(self, out: BinaryIO) -> None:
        """Write the whole archive into a file, with its digest verified; raises otherwise."""


@dataclass(frozen=True)
class ReleaseCache:
    """The archives in one folder of a node.

    Attributes:
        folder: made when missing.
        limit_bytes: of all archives together; the least recently used ones make room.
    """

    folder: Path
    limit_bytes: int

    @contextmanager
    def archive(self, digest: str, source: ArchiveSource) -> Iterator[tuple[BinaryIO, bool] | None]:
        """The archive of that digest, downloaded when it is not there, and whether it was there.

        It may be evicted while it is read: the open file outlives its name.

        Args:
            digest: "sha256:..."; what is there is verified against it, and a damaged archive is downloaded anew.
            source: downloaded from at most once, while other pods that want the same archive wait.

        Yields:
            The open archive and True for a hit; None when it is larger than the whole cache.

        Raises:
            OSError: the folder cannot be used.
        """
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        with self._locked(digest.removeprefix("sha256:")):
            stream, found = self._open(digest), True
            if stream is None:
                stream, found = self._downloaded(digest, source), False
            else:
                self._count("hits")
        if stream is None:
            yield None
            return
        with stream:
            yield stream, found

    def _open(self, digest: str) -> BinaryIO | None:
        """What is there, from its start; None when there is nothing, or it was damaged and removed."""
        path = self.folder / archive_name(digest)
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return None
        if stream_digest(stream) != digest:
            stream.close()
            path.unlink(missing_ok=True)
            self._count("damaged")
            return None
        os.utime(path)
        stream.seek(0)
        return stream

    def _downloaded(self, digest: str, source: ArchiveSource) -> BinaryIO | None:
        path = self.folder / archive_name(digest)
        part = path.with_name(path.name + PART)
        if not self._reserve(part, source.size_bytes()):
            self._count("too_large")
            return None
        out = part.open("r+b")
        try:
            source.download(out)
            out.truncate()
            out.flush()
            part.replace(path)
        except BaseException:
            out.close()
            part.unlink(missing_ok=True)
            raise
        self._count("misses")
        out.seek(0)
        return out

    def _reserve(self, part: Path, size_bytes: int) -> bool:
        """Make room and claim it with a sparse file of that size, so that two pods do not claim the same room."""
        with self._locked(FOLDER_LOCK):
            part.unlink(missing_ok=True)
            self._remove_abandoned()
            reserved = sum(other.stat().st_size for other in self.folder.glob(f"*{PART}"))
            if reserved + size_bytes > self.limit_bytes:
                return False
            evicted = self._evict_down_to(self.limit_bytes - reserved - size_bytes)
            with part.open("wb") as out:
                out.truncate(size_bytes)
            self._write_metrics({"evicted": evicted})
            return True

    def _evict_down_to(self, room_bytes: int) -> int:
        """Remove the least recently used archives until the others fit; how many."""
        archives = sorted(((path.stat(), path) for path in self._archives()), key=lambda pair: pair[0].st_mtime_ns)
        total = sum(status.st_size for status, _ in archives)
        evicted = 0
        for status, path in archives:
            if total <= room_bytes:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size
            evicted += 1
        return evicted

    def _remove_abandoned(self) -> None:
        """Remove what pods that died were downloading: nobody holds its lock."""
        for part in self.folder.glob(f"*{PART}"):
            with (self.folder / "locks" / part.name.removesuffix(SUFFIX + PART)).open("a") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                part.unlink(missing_ok=True)

    def _archives(self) -> list[Path]:
        return list(self.folder.glob(f"*{SUFFIX}"))

    def _count(self, counter: str) -> None:
        with self._locked(FOLDER_LOCK):
            self._write_metrics({counter: 1})

    def _write_metrics(self, added: dict[str, int]) -> None:
        """Write Prometheus' text, with what was counted before and what is there now."""
        path = self.folder / METRICS_FILE
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        counted = {
            name: int(value) for name, value in re.findall(rf"^{PREFIX}(\w+)_total (\d+)$", before, re.MULTILINE)
        }
        sizes = [path.stat().st_size for path in self._archives()]
        gauges = {
            "bytes": ("Bytes of the archives kept.", sum(sizes)),
            "limit_bytes": ("Bytes that they may have.", self.limit_bytes),
            "releases": ("How many archives are kept.", len(sizes)),
        }
        lines = []
        for name, text in COUNTERS.items():
            lines += [f"# HELP {PREFIX}{name}_total {text}", f"# TYPE {PREFIX}{name}_total counter"]
            lines += [f"{PREFIX}{name}_total {counted.get(name, 0) + added.get(name, 0)}"]
        for name, (text, value) in gauges.items():
            lines += [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} gauge", f"{PREFIX}{name} {value}"]
        scratch = path.with_name(path.name + ".new")
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
        scratch.replace(path)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self.folder / "locks" / name).open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
