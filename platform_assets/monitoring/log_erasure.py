"""Lines taken out of the services' log: their content goes, what stands for it in the chain stays.

Belongs here: rewriting segments, while services write. Does not belong here: whose lines these are (`pipelines/erase`), following the chain
(`log_chain.py`).

A segment gives way under another name first; its service, which looks before each line whether its file is in place, begins another. What
came between that look and the change of names is there after a moment.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.declaration.hash_chain import erased_line, read_line
from platform_assets.monitoring.log_segments import is_compressed, segment_paths, segment_text

Wanted = Callable[[Mapping[str, Any]], bool]
"""Whether a parsed line is meant."""
SETTLED_SECONDS = 0.2
_ASIDE = ".erasing"


@dataclass(frozen=True)
class ErasedLines:
    """What was erased, or would be.

    Attributes:
        lines: how many.
        segments: in how many segments.
        commitments: of those that carried a chain; the others are gone without a trace.
    """

    lines: int
    segments: int
    commitments: tuple[str, ...]


def erase_lines(folder: Path, mentions: bytes, wanted: Wanted, erasure: str, *, dry_run: bool) -> ErasedLines:
    """Erase the lines that are meant.

    Args:
        folder: of the log.
        mentions: text that every such line has; others are not parsed.
        wanted: whether a line is meant.
        erasure: its id, which the erased lines name.
        dry_run: count only.
    """
    _put_back(folder)
    lines, segments, commitments = 0, 0, list[str]()
    for path in segment_paths(folder):
        text = segment_text(path)
        if not any(_is_wanted(line, mentions, wanted) for line in text.split(b"\n")):
            continue
        text = text if dry_run else _taken_aside(path)
        rewritten, gone = _without(text, mentions, wanted, erasure)
        lines, segments = lines + len(gone), segments + 1
        commitments += [commitment for commitment in gone if commitment]
        if not dry_run:
            _write(path, rewritten)
            path.with_name(path.name + _ASIDE).unlink()
    return ErasedLines(lines, segments, tuple(commitments))


def commitments_of(folder: Path, mentions: bytes, wanted: Wanted) -> list[str]:
    """What stands in the chain for the lines that are meant; see `erase_lines`."""
    found = []
    for path in segment_paths(folder):
        for line in segment_text(path).split(b"\n"):
            chained = read_line(line) if _is_wanted(line, mentions, wanted) else None
            if chained is not None:
                found.append(chained.commitment)
    return found


def _without(text: bytes, mentions: bytes, wanted: Wanted, erasure: str) -> tuple[bytes, list[str]]:
    """A segment's text without the lines that are meant, and the commitment of each; empty for one without a chain."""
    kept, gone = [], []
    *complete, rest = text.split(b"\n")
    for line in complete:
        if not _is_wanted(line, mentions, wanted):
            kept.append(line)
            continue
        chained = read_line(line)
        gone.append("" if chained is None else chained.commitment)
        if chained is not None:
            kept.append(erased_line(chained, erasure))
    return b"\n".join([*kept, rest]), gone


def _is_wanted(line: bytes, mentions: bytes, wanted: Wanted) -> bool:
    if mentions not in line:
        return False
    try:
        values = json.loads(line)
    except ValueError:
        return False
    return isinstance(values, dict) and wanted(values)


def _taken_aside(path: Path) -> bytes:
    """The segment's text, once nobody writes to it any more."""
    aside = path.with_name(path.name + _ASIDE)
    path.rename(aside)
    if not is_compressed(path):
        time.sleep(SETTLED_SECONDS)
    content = aside.read_bytes()
    return gzip.decompress(content) if is_compressed(path) else content


def _put_back(folder: Path) -> None:
    """Undo what an erasure left that was broken off."""
    for aside in folder.glob(f"*{_ASIDE}"):
        path = aside.with_name(aside.name.removesuffix(_ASIDE))
        if path.exists():
            aside.unlink()
        else:
            aside.rename(path)


def _write(path: Path, text: bytes) -> None:
    """Whole or not at all, stamped as it was."""
    status = path.with_name(path.name + _ASIDE).stat()
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.write(gzip.compress(text, mtime=0) if is_compressed(path) else text)
        file.flush()
        os.fsync(file.fileno())
    os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns))
    unfinished.chmod(status.st_mode & 0o777)
    unfinished.replace(path)
