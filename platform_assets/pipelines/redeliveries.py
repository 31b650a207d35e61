"""Files that came, or changed, after their day was loaded.

Belongs here: remembering with a load which files its days had, and comparing that with what lies there now. Does not belong here: finding
files (`connectors/files/`), and loading a day again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.base import DeliveredFiles
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import DELIVERED_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import RAW
from platform_assets.pipelines.jobs import LABELS, LOAD, job_tables
from platform_assets.validation.accepted_day import content_digest

DELIVERED_FILES = "delivered_files"
"""Key in a raw commit's metadata under which the files of its days stand."""

_COMMITS_SEARCHED = 1000


@dataclass(frozen=True)
class Redelivery:
    """A loaded day whose files are others now.

    Attributes:
        day: the event day.
        changed: files that changed after they were loaded.
        added: files that were not there.
    """

    day: date
    changed: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        """The day with its files, for people."""
        parts = [f"{name} changed" for name in self.changed] + [f"{name} is new" for name in self.added]
        return f"{self.day} ({', '.join(parts[:3])}{', ...' if len(parts) > 3 else ''})"


def files_metadata(files: DeliveredFiles) -> dict[str, str]:
    """Metadata for the commit that stores the rows; empty where days are no files of their own."""
    if not files:
        return {}
    content = {day.isoformat(): dict(of_day) for day, of_day in files.items()}
    return {DELIVERED_FILES: json.dumps(content, sort_keys=True)}


def loaded_files(catalog: Catalog, source: Source) -> dict[date, Mapping[str, str]]:
    """The files that each day had when it was loaded last; days that were loaded before this was recorded are left out."""
    table = catalog.raw(source.name).stored
    if not table.exists():
        return {}
    files: dict[date, Mapping[str, str]] = {}
    for entry in table.history(_COMMITS_SEARCHED):
        for day, of_day in json.loads(entry.metadata.get(DELIVERED_FILES, "{}")).items():
            files.setdefault(date.fromisoformat(day), of_day)
    return files


def redeliveries(catalog: Catalog, reader: SourceReader, source: Source, folder: Path) -> list[Redelivery]:
    """Loaded days whose files hold other rows now, in order. Files that are gone say nothing: what was loaded may be cleared away.

    A file of a month changes with each day that is added to it: the rows of the loaded days decide, and are read where a file changed.

    Raises:
        SourceError: the source cannot be reached.
    """
    if source.is_incremental or not source.is_daily:
        return []
    loaded = loaded_files(catalog, source)
    now = reader.delivered_files(source, folder, sorted(loaded)) if loaded else {}
    found = []
    for day in sorted(now):
        known = loaded[day]
        changed = tuple(name for name, mark in now[day].items() if name in known and known[name] != mark)
        added = tuple(name for name in now[day] if name not in known)
        if changed or added:
            found.append(Redelivery(day, changed, added))
    others = _with_other_rows(catalog, reader, source, folder, found)
    return [one for one in found if one.day in others]


def _with_other_rows(
    catalog: Catalog, reader: SourceReader, source: Source, folder: Path, found: Sequence[Redelivery]
) -> set[date]:
    """The days whose rows are others than those that were loaded; each set of files is read once."""
    by_files: dict[tuple[str, ...], list[date]] = {}
    for one in found:
        by_files.setdefault((*one.changed, *one.added), []).append(one.day)
    others: set[date] = set()
    for days in by_files.values():
        span = DayRange(days[0], days[-1])
        loaded = _digests(catalog.raw(source.name).delivered_rows(span), source)
        try:
            now = _digests(
                conform(reader.read(source, folder, span.first, span.last, [], without_events=days), source).frame,
                source,
            )
        except SourceError:
            others |= set(days)  # nobody can tell what they hold: a load says what is wrong with them
            continue
        others |= {day for day in days if now.get(day) != loaded.get(day)}
    return others


def _digests(rows: pl.DataFrame, source: Source) -> dict[date, str]:
    """What the rows of each day hold."""
    return {
        day: content_digest(of_day, source) for (day,), of_day in rows.partition_by(DELIVERED_DAY, as_dict=True).items()
    }


def load_again_command(use_case: UseCase, source: Source, day: date) -> str:
    """What loads a day of a source again, with all that its job makes of it."""
    tables = job_tables(use_case)
    job = LABELS if (RAW, source.name) in tables.get(LABELS, []) else LOAD
    return f"dg launch --job {use_case.name}__{job} --partition {day}"
