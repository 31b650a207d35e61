"""The prediction log: what was asked, from which features it was answered, and how.

Belongs here: appending lines to segments, and whether the folder takes them. Does not belong here: reading them
(`platform_assets/monitoring/`), or the columns (`platform_assets/declaration/prediction_log.py`).

Segments are only ever appended to. One is started by every process and whenever the last one is full, or is no longer where it was
opened; its name carries start time, release and process. A line is one prediction as JSON. What a failed write left of a line is cut off
again, and a segment that got no line is removed. A process that dies mid-write leaves a last line without an end: readers drop whatever
follows the last line break of a segment.

Every line carries what follows from its content and from the line before it, and a segment's first line names the segment that the process
wrote before (`declaration/hash_chain.py`): a line that is changed, taken out, put in or moved later is found by `platform-assets audit
verify`.

Where a second folder is given, on another disk or machine, each line is written to a segment of the same name there as well, through to the
device, before `append` returns: a prediction that was answered is in both, or the request was refused.

With `log: before_answer` a request is answered only after its line was written, so nothing is lost while the folder takes none: those
requests are refused. How many, for which event days and why is written beside the segments as soon as there is room again, for
monitoring to read.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from platform_assets.declaration.hash_chain import LINK_BYTES, Salts, beginning, chained_line
from platform_assets.declaration.prediction_log import OUTAGE_SUFFIX, SEGMENT_SUFFIX

ROOM_BYTES = 64 * 1024
"""A folder that takes this much at once takes the next lines."""


class LogUnavailable(RuntimeError):
    """The prediction log takes no lines; trying again later may help."""


@dataclass
class _Outage:
    """Requests that were refused because their line could not be written, since the last one that could."""

    since: datetime
    reason: str
    refused: int = 0
    days: set[date] = field(default_factory=set)


@dataclass(frozen=True)
class _Segment:
    """A file that lines are appended to."""

    path: Path
    descriptor: int
    identity: tuple[int, int]

    @classmethod
    def begin(cls, path: Path, flags: int) -> _Segment:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | flags, 0o600)
        status = os.fstat(descriptor)
        return cls(path, descriptor, (status.st_dev, status.st_ino))

    def in_place(self) -> bool:
        """Whether the segment is still the file of its name."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def write(self, line: bytes) -> None:
        rest = line
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def cut(self, size: int) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, size)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if os.fstat(self.descriptor).st_size == 0 and self.in_place():
                self.path.unlink()
        os.close(self.descriptor)


class PredictionLog:
    """Appends predictions to segments in a folder. Every line reaches the operating system before `append` returns.

    Threads take turns.
    """

    def __init__(self, folder: Path, release: str, segment_bytes: int, copy: Path | None = None) -> None:
        """Make the folder; the first segment appears with the first line.

        Args:
            folder: where segments go.
            release: digest of the release; a part of it stands in the segments' names.
            segment_bytes: size past which a segment is closed.
            copy: folder on another disk or machine that takes every line as well.

        Raises:
            OSError: a folder cannot be made or written to.
        """
        self._folders = (folder,) if copy is None else (folder, copy)
        for one in self._folders:
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(one, os.W_OK | os.X_OK):
                raise PermissionError(
                    f"{one}: the prediction log cannot be written there; give the service a folder of its own"
                )
        self._folder = folder
        self._release = release.removeprefix("sha256:")[:12]
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._size = 0
        self._count = 0
        self._salts = Salts()
        self._link = ""
        self._before: tuple[str, str] | None = None
        self._outage: _Outage | None = None
        self._turn = threading.RLock()

    def append(self, record: Mapping[str, Any], event_day: date | None = None, *, refuses: bool = True) -> None:
        """Write one prediction; after a failed write, once more into a new segment.

        Args:
            record: the prediction.
            event_day: of its event, for the count of refused requests.
            refuses: whether the request is refused when the line cannot be written; not where the line is tried again, or its answer is
                given to nobody.

        Raises:
            LogUnavailable: the second attempt failed too; nothing is left of the line.
            ValueError: a number is not finite.
        """
        content = _LINES.encode(record).encode()
        with self._turn:
            try:
                try:
                    self._write(content)
                except OSError:
                    self.close()
                    self._write(content)
            except OSError as error:
                self.close()
                if refuses:
                    self.refused(error.strerror or str(error), event_day)
                raise LogUnavailable(f"{self._folder} takes no lines: {error.strerror}") from error
            if self._outage is not None:
                self._report_outage()

    def problem(self) -> str | None:
        """Why a folder takes no lines now, None where all do; a file is written and removed to know."""
        for folder in self._folders:
            probe = folder / f".room-{os.getpid()}"
            try:
                with probe.open("wb", buffering=0) as file:
                    if file.write(b"\0" * ROOM_BYTES) < ROOM_BYTES:
                        return f"{folder} takes no lines: less than {ROOM_BYTES // 1024} kB are free"
            except OSError as error:
                return f"{folder} takes no lines: {error.strerror}"
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink()
        with self._turn:
            if self._outage is not None:
                self._report_outage()
        return None

    def refused(self, reason: str, event_day: date | None) -> None:
        """Count a request that was refused because its line could not be written."""
        with self._turn:
            if self._outage is None:
                self._outage = _Outage(datetime.now(UTC), reason)
            self._outage.refused += 1
            if event_day is not None:
                self._outage.days.add(event_day)

    def close(self) -> None:
        """Close the segment; the next line starts another one. A segment without a line is removed."""
        with self._turn:
            while self._segments:
                segment = self._segments.pop()
                if self._size and not self._segments:
                    self._before = segment.path.name, self._link
                segment.close()

    def _write(self, content: bytes) -> None:
        if not all(segment.in_place() for segment in self._segments):
            self.close()  # the folder was emptied, moved or replaced: a line in this segment would be read by nobody
        if not self._segments or self._size + len(content) + LINK_BYTES > self._segment_bytes:
            self.close()
            self._open()
        chained, link = chained_line(content, self._salts.next(), self._link, None if self._size else self._before)
        line = chained + b"\n"
        try:
            for segment in self._segments:
                segment.write(line)
        except OSError:
            for segment in self._segments:
                segment.cut(self._size)
            raise
        self._size += len(line)
        self._link = link

    def _open(self) -> None:
        self._count, self._size = self._count + 1, 0
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        name = f"{started}-{self._release}-{os.getpid()}-{self._count:04d}{SEGMENT_SUFFIX}"
        for folder in self._folders:
            flags = 0 if folder == self._folder else os.O_DSYNC
            self._segments.append(_Segment.begin(folder / name, flags))
        self._link = beginning(name, self._before)

    def _report_outage(self) -> None:
        """Leave word of the refused requests; kept for the next attempt where there is still no room for it."""
        outage = self._outage
        assert outage is not None
        report = {
            "since": outage.since,
            "until": datetime.now(UTC),
            "refused": outage.refused,
            "event_days": sorted(outage.days),
            "reason": outage.reason,
            "release": self._release,
        }
        name = f"{outage.since.strftime('%Y%m%dT%H%M%S.%fZ')}-{os.getpid()}{OUTAGE_SUFFIX}"
        temporary = self._folder / f".{name}.tmp"
        try:
            temporary.write_text(json.dumps(report, default=_json), encoding="utf-8")
            temporary.replace(self._folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            return
        self._outage = None


def _json(value: Any) -> str:
    """Times as UTC text with microseconds."""
    if isinstance(value, datetime):
        # Not strftime: it writes a year before 1000 without its zeros, which no reader takes for a time.
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written to the prediction log")


_LINES = json.JSONEncoder(default=_json, allow_nan=False, separators=(",", ":"))
"""`json.dumps` with arguments makes an encoder for each line."""
