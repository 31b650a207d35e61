"""Which files hold which days.

Belongs here: finding the files of days by their names. Does not belong here: what days a name stands for
(`declaration/sections/connectors/dated_path.py`), and reading files (`days.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import DeliveredFiles
from platform_assets.connectors.errors import NothingDelivered, SourceError
from platform_assets.connectors.files.stores import FileStore, SourceFile, file_store
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.connectors.dated_path import DatedPath
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.sources import Source


@dataclass(frozen=True)
class DatedFile:
    """A file and the days that its name stands for."""

    file: SourceFile
    period: DayRange


def source_store(source: Source, connector: FilesConnector, use_case_folder: Path, access: Access) -> FileStore:
    """Where the files of a source lie."""
    where = f"source '{source.name}' of {use_case_folder}"
    return file_store(connector.path, connector.format, use_case_folder, access, where)


def dated_files(
    source: Source, connector: FilesConnector, store: FileStore, folder: Path, asked: DayRange
) -> list[DatedFile]:
    """The files that hold days, in order of time; each once, however many of the days it holds.

    Raises:
        NothingDelivered: None of the days has a file.
        SourceError: Some hours of a day have files and others have none.
    """
    dated, files = DatedPath(connector.path), list[DatedFile]()
    day = asked.first
    while day <= asked.last:
        period = dated.period(day) if dated.holds_several_days else DayRange(day, day)
        paths = {path: _with_content(source, day, store.find(path)) for path in dated.paths(day, source.time_zone)}
        lacking = [path for path, found in paths.items() if not found]
        if lacking and len(lacking) < len(paths) and connector.missing_hours == "refuse":
            raise SourceError(
                f"source '{source.name}': {len(lacking)} of the {len(paths)} hours of {day} have no file: {', '.join(lacking[:5])}. Load "
                "the day again when they are there, or declare `missing_hours: allow` in its connector."
            )
        files += [DatedFile(file, period) for found in paths.values() for file in found]
        day = date.fromordinal(period.last.toordinal() + 1)
    if not files:
        pattern = dated.paths(asked.first, source.time_zone)[0]
        pattern += f" ... {dated.paths(asked.last, source.time_zone)[-1]}" if dated.of(asked.last) != pattern else ""
        raise NothingDelivered(no_files_message(source, connector.path, connector.format, store, folder, pattern))
    return files


def _with_content(source: Source, day: date, files: list[SourceFile]) -> list[SourceFile]:
    """The files; on a day that is closed without those that hold nothing, not even a header."""
    return files if source.event_calendar.closed(day) is None else [file for file in files if file.size_bytes]


def files_of_days(
    source: Source, connector: FilesConnector, folder: Path, days: Sequence[date], access: Access
) -> DeliveredFiles:
    """The files of each day by their names, with size and time of the last change; a file of a month is one of each of its days."""
    dated = DatedPath(connector.path)
    if not dated.is_dated:
        return {}
    store = source_store(source, connector, folder, access)
    return {
        day: {
            file.name: f"{file.size_bytes}:{file.modified_ns}"
            for path in dated.paths(day, source.time_zone)
            for file in store.find(path)
        }
        for day in days
    }


def no_files_message(source: Source, path: str, file_format: str, store: FileStore, folder: Path, pattern: str) -> str:
    """The message for a pattern that matches no file."""
    return (
        f"source '{source.name}' of {folder}: no {file_format} file at '{pattern}'. {store.nearby()}. "
        f"Put the files there, or correct connector.path ('{path}') in {folder / 'defs.yaml'}."
    )
