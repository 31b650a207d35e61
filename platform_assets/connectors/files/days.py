"""Files: reading those that a declaration names into rows as found.

Belongs here: files of event days, opening one, and putting several together. Does not belong here: where files lie
(`stores.py`), which are new (`changes.py`), taking a text format apart (`text_formats.py`) and casting (`connectors/conforming.py`).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.casting import cast_typed, event_days
from platform_assets.connectors.conforming import column_problem
from platform_assets.connectors.delivery import day_range
from platform_assets.connectors.errors import ColumnProblem, SchemaMismatch, SourceError
from platform_assets.connectors.files.of_days import DatedFile, dated_files, no_files_message, source_store
from platform_assets.connectors.files.stores import FileStore, SourceFile
from platform_assets.connectors.files.text_formats import TextRows, as_utf_8, parse_csv, parse_json_lines
from platform_assets.connectors.written_forms import as_declared
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    SOURCE_LINE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
)
from platform_assets.declaration.sections.connectors.dated_path import DatedPath
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.sources import Source

_SHOWN = 8


@dataclass(frozen=True)
class FileRows:
    """What one file delivered."""

    name: str
    frame: pl.DataFrame


def read_files(
    source: Source,
    connector: FilesConnector,
    use_case_folder: Path,
    first_day: date | None,
    last_day: date | None,
    access: Access,
) -> pl.DataFrame:
    """Rows of the files that the connector names.

    With `{event_day}` in the path, a row is delivered for the day of its file, whatever its event time says, and a day
    without a file has no rows; without a file for any of the days nothing was delivered. Without it, and in a file for a
    month or a year, a row is delivered for the day of its event time. A row whose event time is none goes with the row
    before it in the file (or the first one after it that has a time, or the first day), so that it is delivered exactly
    once, however the days are loaded.

    Raises:
        NothingDelivered: If none of the days has a file.
        SourceError: If no file matches, or one cannot be read or is still being written.
        SchemaMismatch: If the files disagree about a declared column.
    """
    store = source_store(source, connector, use_case_folder, access)
    if not source.is_daily:
        files = _find(source, connector, store, use_case_folder)
        return stack(source, [read_file(source, connector, store, file, None) for file in files])
    first_day, last_day = day_range(source, first_day, last_day)
    asked = DayRange(first_day, last_day)
    if DatedPath(connector.path).is_dated:
        dated = dated_files(source, connector, store, use_case_folder, asked)
        return stack(source, [_of_period(source, connector, store, one, asked) for one in dated])
    batches = []
    for file in _find(source, connector, store, use_case_folder):
        batch = read_file(source, connector, store, file, None)
        days = _days_in_file(source, batch.frame, first_day)
        kept = batch.frame.with_columns(days).filter(pl.col(DELIVERED_DAY).is_between(first_day, last_day))
        batches.append(FileRows(batch.name, kept))
    return stack(source, batches)


def _of_period(
    source: Source, connector: FilesConnector, store: FileStore, dated: DatedFile, asked: DayRange
) -> FileRows:
    """Rows of a file that were delivered for the days asked for.

    Of a file with several days a row is delivered for the day of its event time. One whose event lies before or after them is
    delivered for the first or the last of them, where it is late or early: it is met once, and refused there.
    """
    period = dated.period
    if period.first == period.last:
        return read_file(source, connector, store, dated.file, period.first)
    batch = read_file(source, connector, store, dated.file, None)
    days = _days_in_file(source, batch.frame, period.first).clip(period.first, period.last)
    kept = batch.frame.with_columns(days).filter(pl.col(DELIVERED_DAY).is_between(asked.first, asked.last))
    return FileRows(batch.name, kept)


def _days_in_file(source: Source, frame: pl.DataFrame, first_day: date) -> pl.Series:
    if source.event_time not in frame.columns:
        return pl.repeat(first_day, frame.height, dtype=pl.Date, eager=True).alias(DELIVERED_DAY)
    days = event_days(frame[source.event_time], source.time_zone).alias(DELIVERED_DAY)
    return days.fill_null(strategy="forward").fill_null(strategy="backward").fill_null(first_day)


# Finding files.


def _find(source: Source, connector: FilesConnector, store: FileStore, folder: Path) -> list[SourceFile]:
    """Files in order of their path."""
    files = store.find(connector.path)
    if not files:
        raise SourceError(no_files_message(source, connector.path, connector.format, store, folder, connector.path))
    return files


# Reading one file.


def read_file(
    source: Source, connector: FilesConnector, store: FileStore, file: SourceFile, day: date | None
) -> FileRows:
    """Rows of one file as found.

    Raises:
        SourceError: If it cannot be read, or changed meanwhile.
    """
    where = f"source '{source.name}': {file.address}"
    try:
        rows = _parse(source, connector, store, file, where)
        still_written = store.has_changed(file)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{where} cannot be read as {connector.format}: {error}. Deliver the file again.") from error
    if still_written:
        raise SourceError(
            f"{where} changed while it was read: it is still being written. Load again when it is complete; writers "
            f"should use another name (such as .tmp) until then."
        )
    cells = as_declared(rows.cells, source)
    new_names = {name: f"{name}_delivered" for name in (*DELIVERY_COLUMNS, *CHANGE_COLUMNS) if name in cells.columns}
    frame = cells.rename(new_names).with_columns(
        pl.repeat(file.name, len(rows.lines), dtype=pl.String, eager=True).alias(SOURCE_POSITION),
        rows.lines.cast(pl.Int64).alias(SOURCE_LINE),
        pl.repeat(day, len(rows.lines), dtype=pl.Date, eager=True).alias(DELIVERED_DAY),
        rows.problems.alias(SOURCE_PROBLEM),
    )
    return FileRows(file.name, frame)


def _parse(source: Source, connector: FilesConnector, store: FileStore, file: SourceFile, where: str) -> TextRows:
    if connector.format == "parquet":
        if not file.size_bytes:
            raise SourceError(f"{where} is empty: no Parquet file has no bytes. Deliver it again, or remove it.")
        frame = pl.read_parquet(store.open(file), glob=False, hive_partitioning=False)
        nothing = pl.repeat(None, frame.height, dtype=pl.String, eager=True)
        return TextRows(frame, nothing, pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True))
    data = as_utf_8(unpacked(store.data(file), file), connector.encoding, where)
    if connector.format == "csv":
        return parse_csv(data, where, connector.separating_character)
    always = [name for column in source.columns if column.nullable for name in column.delivered_names]
    return parse_json_lines(data, where, list(dict.fromkeys(always)))


def unpacked(data: bytes, file: SourceFile) -> bytes:
    """The bytes of a file, decompressed according to the ending of its name."""
    return gzip.decompress(data) if file.name.endswith(".gz") else data


# Putting several together.


def stack(source: Source, batches: list[FileRows]) -> pl.DataFrame:
    """All rows in one frame. Where files differ in the type of a declared column, each is cast on its own."""
    delivered = dict.fromkeys(name for batch in batches for name in batch.frame.columns)
    columns = [name for name in delivered if name not in DELIVERY_COLUMNS]
    if all(batch.frame.schema == batches[0].frame.schema for batch in batches):
        frame = pl.concat([batch.frame for batch in batches])
    else:
        frame = pl.concat(_harmonised(source, batches, columns), how="diagonal")
    return frame.select(*columns, *(name for name in DELIVERY_COLUMNS if name in frame.columns))


def _harmonised(source: Source, batches: list[FileRows], columns: list[str]) -> list[pl.DataFrame]:
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


def _names(batches: list[FileRows]) -> str:
    names = [batch.name for batch in batches]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
