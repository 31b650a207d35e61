"""Files: finding those that a declaration names, and reading them into rows as found.

What belongs here: paths (file, folder, glob, one per day), opening files, and putting several together. What does not:
taking a text format apart (`text_formats`) and casting (`conform`).
"""

from __future__ import annotations

import glob
import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.sources.casting import cast_typed, event_days
from platform_assets.sources.conform import column_problem
from platform_assets.sources.delivery import (
    DELIVERED_DAY,
    FOUND_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    day_range,
    days_between,
)
from platform_assets.sources.errors import ColumnProblem, SchemaMismatch, SourceError
from platform_assets.sources.text_formats import TextRows, parse_csv, parse_json_lines
from platform_assets.spec.connectors import FilesConnector
from platform_assets.spec.sources import Source

_DAY = "{event_day}"
_GLOB = ("*", "?", "[")
_SHOWN = 8


@dataclass(frozen=True)
class _Batch:
    """What one file delivered."""

    name: str
    frame: pl.DataFrame


def read_files(
    source: Source, connector: FilesConnector, use_case_folder: Path, first_day: date | None, last_day: date | None
) -> pl.DataFrame:
    """Rows of the files that the connector names.

    With `{event_day}` in the path, a row is delivered for the day of its file, whatever its event time says, and a day
    without a file has no rows. Without it, a row is delivered for the day of its event time. A row whose event time is
    none goes with the row before it in the file (or the first one after it that has a time, or the first day asked
    for), so that it is delivered exactly once, however the days are loaded.

    Raises:
        SourceError: If no file matches, or one cannot be read.
        SchemaMismatch: If the files disagree about a declared column.
    """
    if "://" in connector.path:
        raise SourceError(
            f"source '{source.name}' of {use_case_folder}: '{connector.path}' is an address in an object store, and "
            f"only paths on this machine can be read. Copy the files here and give their path as connector.path in "
            f"defs.yaml."
        )
    if not source.is_daily:
        found = _find(source, connector, use_case_folder)
        return _stack(source, [_read(source, connector, path, name, None) for path, name in found])
    first_day, last_day = day_range(source, first_day, last_day)
    if _DAY in connector.path:
        batches = [
            _read(source, connector, path, name, day)
            for day, path, name in _find_daily(source, connector, use_case_folder, first_day, last_day)
        ]
        return _stack(source, batches)
    batches = []
    for path, name in _find(source, connector, use_case_folder):
        batch = _read(source, connector, path, name, None)
        days = _days_in_file(source, batch.frame, first_day)
        kept = batch.frame.with_columns(days).filter(pl.col(DELIVERED_DAY).is_between(first_day, last_day))
        batches.append(_Batch(name, kept))
    return _stack(source, batches)


def _days_in_file(source: Source, frame: pl.DataFrame, first_day: date) -> pl.Series:
    if source.event_time not in frame.columns:
        return pl.repeat(first_day, frame.height, dtype=pl.Date, eager=True).alias(DELIVERED_DAY)
    days = event_days(frame[source.event_time]).alias(DELIVERED_DAY)
    return days.fill_null(strategy="forward").fill_null(strategy="backward").fill_null(first_day)


# Finding files.


def _find(source: Source, connector: FilesConnector, folder: Path) -> Iterator[tuple[Path, str]]:
    """Files in order of their path, each with the name it has in positions."""
    found = _matches(connector, connector.path, folder)
    if not found:
        raise SourceError(_nothing_there(source, connector, folder, connector.path))
    yield from found


def _find_daily(
    source: Source, connector: FilesConnector, folder: Path, first_day: date, last_day: date
) -> Iterator[tuple[date, Path, str]]:
    found = [
        (day, path, name)
        for day in days_between(first_day, last_day)
        for path, name in _matches(connector, connector.path.replace(_DAY, day.isoformat()), folder)
    ]
    if not found:
        looked_for = connector.path.replace(_DAY, first_day.isoformat())
        if last_day != first_day:
            looked_for += f" ... {last_day.isoformat()}"
        raise SourceError(_nothing_there(source, connector, folder, looked_for))
    yield from found


def _matches(connector: FilesConnector, pattern: str, folder: Path) -> list[tuple[Path, str]]:
    full = folder / pattern
    if any(sign in pattern for sign in _GLOB):
        matches = glob.glob(os.path.join(glob.escape(str(folder)), pattern), recursive=True)
        paths = sorted(Path(match) for match in matches if Path(match).is_file())
    elif full.is_dir():
        endings = (f".{connector.format}", f".{connector.format}.gz")
        paths = sorted(path for path in full.rglob("*") if path.is_file() and path.name.endswith(endings))
        paths = [path for path in paths if not path.name.startswith((".", "_"))]
    else:
        paths = [full] if full.is_file() else []
    base = _fixed_part(connector, folder)
    return [(path, path.relative_to(base).as_posix()) for path in paths]


def _fixed_part(connector: FilesConnector, folder: Path) -> Path:
    """The folder above everything in the path that may differ from file to file; positions are relative to it."""
    path = folder / connector.path
    while any(sign in str(path.relative_to(path.anchor)) for sign in (*_GLOB, _DAY)) and path != folder:
        path = path.parent
    return path.parent if path.is_file() else path


def _nothing_there(source: Source, connector: FilesConnector, folder: Path, looked_for: str) -> str:
    place = _fixed_part(connector, folder)
    while not place.is_dir() and place != place.parent:
        place = place.parent
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in place.iterdir()) if place.is_dir() else []
    there = ", ".join(entries[:_SHOWN]) or "nothing"
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return (
        f"source '{source.name}' of {folder}: no {connector.format} file at '{looked_for}'. In {place} there is {there}"
        f"{more}. Put the files there, or correct connector.path ('{connector.path}') in {folder / 'defs.yaml'}."
    )


# Reading one file.


def _read(source: Source, connector: FilesConnector, path: Path, name: str, day: date | None) -> _Batch:
    where = f"source '{source.name}': {path}"
    try:
        rows = _parse(source, connector, path, where)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{where} cannot be read as {connector.format}: {error}. Deliver the file again.") from error
    taken = {column: f"{column}_delivered" for column in FOUND_COLUMNS if column in rows.cells.columns}
    frame = rows.cells.rename(taken).with_columns(
        (pl.lit(f"{name}:") + rows.lines.cast(pl.String)).alias(SOURCE_POSITION),
        pl.repeat(day, len(rows.lines), dtype=pl.Date, eager=True).alias(DELIVERED_DAY),
        rows.problems.alias(SOURCE_PROBLEM),
    )
    return _Batch(name, frame)


def _parse(source: Source, connector: FilesConnector, path: Path, where: str) -> TextRows:
    if connector.format == "parquet":
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
        nothing = pl.repeat(None, frame.height, dtype=pl.String, eager=True)
        return TextRows(frame, nothing, pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True))
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if connector.format == "csv":
        return parse_csv(data, where)
    return parse_json_lines(data, where, [column.name for column in source.columns if column.nullable])


# Putting several together.


def _stack(source: Source, batches: list[_Batch]) -> pl.DataFrame:
    """All rows in one frame. Where files differ in the type of a declared column, each is cast on its own."""
    delivered = dict.fromkeys(name for batch in batches for name in batch.frame.columns)
    columns = [name for name in delivered if name not in FOUND_COLUMNS]
    if all(batch.frame.schema == batches[0].frame.schema for batch in batches):
        frame = pl.concat([batch.frame for batch in batches])
    else:
        frame = pl.concat(_harmonised(source, batches, columns), how="diagonal")
    return frame.select(*columns, *FOUND_COLUMNS)


def _harmonised(source: Source, batches: list[_Batch], columns: list[str]) -> list[pl.DataFrame]:
    frames = {batch.name: batch.frame for batch in batches}
    problems: list[ColumnProblem] = []
    for name in columns:
        dtypes = {frame.schema[name] for frame in frames.values() if name in frame.columns}
        if name in source.column_names:
            lacking = [batch for batch in batches if name not in batch.frame.columns and batch.frame.height]
            if lacking:
                rows = sum(batch.frame.height for batch in lacking)
                declared = source.column(name).type
                problems.append(ColumnProblem(name, declared, "no such column", rows, where=_names(lacking)))
            if len(dtypes) > 1:
                problems += _cast_each(source, name, frames)
        elif len(dtypes) > 1:
            for file, frame in frames.items():
                if name in frame.columns:
                    frames[file] = frame.with_columns(_as_text(frame[name]))
    if problems:
        raise SchemaMismatch(source.name, problems, columns)
    return list(frames.values())


def _cast_each(source: Source, name: str, frames: dict[str, pl.DataFrame]) -> Iterator[ColumnProblem]:
    column = source.column(name)
    for file, frame in frames.items():
        if name in frame.columns:
            values, failed = cast_typed(frame[name], column)
            if failed.any():
                yield column_problem(column, frame[name], failed, file)
            frames[file] = frame.with_columns(values.alias(name))


def _as_text(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested():
        return pl.repeat(None, len(values), dtype=pl.String, eager=True).alias(values.name)
    return values.cast(pl.String)


def _names(batches: list[_Batch]) -> str:
    names = [batch.name for batch in batches]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
