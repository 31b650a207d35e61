"""Segments of the prediction log, parsed once: a later look at a rollout reads only what was written since the last one.

Belongs here: which bytes of a segment were parsed already, and keeping the rows. Does not belong here: which columns a verdict needs, or
what is made of the rows (`rollout_log.py`).

A segment only grows. Pieces of it that are long enough are kept as Arrow files beside the rollout's history, named after the bytes that
they hold; what is torn, damaged or gone is parsed again. Two looks at once write the same pieces.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from platform_assets.monitoring.log_segments import is_compressed

PIECE_BYTES = 4 * 2**20
"""A segment's lines are kept in pieces of at least so many bytes; a shorter end is parsed at each look."""
HEAD_BYTES = 4096
"""So much of a segment's beginning tells it from another one of the same name."""

Schema = dict[str, pl.DataType]


@dataclass(frozen=True)
class ParsedSegments:
    """The rows of segments, from a folder of pieces where they were parsed before.

    Attributes:
        schema: the columns that are parsed; a line that is no JSON object is a row of nulls, a value of another type is null.
        pieces: folder of the kept pieces; None keeps none.
    """

    schema: Schema
    pieces: Path | None = None
    _used: set[Path] = field(default_factory=set, init=False)

    def rows(self, segment: Path) -> list[pl.DataFrame]:
        """Every complete line of a segment, in order."""
        frames: list[pl.DataFrame] = []
        compressed = is_compressed(segment)
        with gzip.open(segment) if compressed else segment.open("rb") as file:
            head = file.read(HEAD_BYTES)
            folder = self._folder(segment, head)
            begin = 0
            for path, end in self._kept(folder):
                if begin != _begin(path) or (not compressed and end > segment.stat().st_size):
                    continue
                try:
                    frames.append(pl.read_ipc(path))
                except (OSError, pl.exceptions.PolarsError):
                    path.unlink(missing_ok=True)
                    break
                begin = end
            file.seek(begin)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        if complete.strip():
            parsed = parse_lines(complete, self.schema)
            frames.append(parsed)
            if folder is not None and len(complete) >= PIECE_BYTES:
                _keep(parsed, folder / f"{begin}-{begin + len(complete)}.arrow")
        return frames

    def forget_others(self) -> None:
        """Remove the pieces of segments that were not asked for: of an earlier rollout, or of other columns."""
        if self.pieces is None or not self.pieces.is_dir():
            return
        for folder in self.pieces.iterdir():
            if folder not in self._used:
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, segment: Path, head: bytes) -> Path | None:
        if self.pieces is None or len(head) < HEAD_BYTES:
            return None
        columns = json.dumps({name: str(dtype) for name, dtype in self.schema.items()})
        of = hashlib.sha256(
            b"\0".join((segment.name.removesuffix(".gz").encode(), head, columns.encode()))
        ).hexdigest()[:24]
        folder = self.pieces / of
        self._used.add(folder)
        return folder

    @staticmethod
    def _kept(folder: Path | None) -> list[tuple[Path, int]]:
        """The pieces in order of where they begin, of two that begin together the longer one first."""
        if folder is None or not folder.is_dir():
            return []
        found = [(path, int(path.stem.partition("-")[2])) for path in folder.glob("*-*.arrow")]
        return sorted(found, key=lambda piece: (_begin(piece[0]), -piece[1]))


def parse_lines(lines: bytes, schema: Schema) -> pl.DataFrame:
    """Lines of JSON as rows of these columns; a line that is no object is a row of nulls, a value of another type is null."""
    try:
        return pl.read_ndjson(io.BytesIO(lines), schema=schema, ignore_errors=True).select(list(schema))
    except pl.exceptions.ComputeError:  # one damaged line: polars refuses the whole text for it
        readable = (line if _is_object(line) else b"{}" for line in lines.splitlines() if line.strip())
        return pl.read_ndjson(io.BytesIO(b"\n".join(readable)), schema=schema, ignore_errors=True).select(list(schema))


def _begin(path: Path) -> int:
    return int(path.stem.partition("-")[0])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _keep(rows: pl.DataFrame, path: Path) -> None:
    """Write a piece whole or not at all; where there is no room nothing is kept."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_ipc(unfinished, compression="lz4")
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
