"""The prediction log: what was asked, from which features it was answered, and how.

Belongs here: appending lines to segments. Does not belong here: reading them (`platform_assets/monitoring/`), or the
columns (`platform_assets/declaration/prediction_log.py`).

Segments are only ever appended to. One is started by every process and whenever the last one is full; its name carries start time,
release and process. A line is one prediction as JSON. A process that dies mid-write leaves a last line without an end: readers drop
whatever follows the last line break of a segment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

SEGMENT_SUFFIX = ".jsonl"


class PredictionLog:
    """Appends predictions to segments in a folder. Every line reaches the operating system before `append` returns.

    To be used from one thread.
    """

    def __init__(self, folder: Path, release: str, segment_bytes: int) -> None:
        """Make the folder; the first segment appears with the first line.

        Args:
            folder: where segments go.
            release: digest of the release; a part of it stands in the segments' names.
            segment_bytes: size past which a segment is closed.

        Raises:
            OSError: the folder cannot be made or written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(
                f"{folder}: the prediction log cannot be written there; give the service a folder of its own"
            )
        self._folder = folder
        self._release = release.removeprefix("sha256:")[:12]
        self._segment_bytes = segment_bytes
        self._descriptor: int | None = None
        self._size = 0
        self._count = 0

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one prediction; after a failed write, once more into a new segment.

        Raises:
            OSError: the second attempt failed too.
            ValueError: a number is not finite.
        """
        line = (json.dumps(record, default=_json, allow_nan=False, separators=(",", ":")) + "\n").encode()
        try:
            self._write(line)
        except OSError:
            self.close()
            self._write(line)

    def close(self) -> None:
        """Close the segment; the next line starts another one."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, line: bytes) -> None:
        if self._descriptor is None or self._size + len(line) > self._segment_bytes:
            self.close()
            self._descriptor = self._open()
        while line:
            written = os.write(self._descriptor, line)
            self._size += written
            line = line[written:]

    def _open(self) -> int:
        self._count += 1
        self._size = 0
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        name = f"{started}-{self._release}-{os.getpid()}-{self._count:04d}{SEGMENT_SUFFIX}"
        return os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)


def _json(value: Any) -> str:
    """Times as UTC text with microseconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written to the prediction log")
