"""The rows of a delivered file, in every version of the tables that held them.

Belongs here: finding a file by name, a day of a source, or a version of a table, and its rows as they were published. Does not belong here:
what was computed from them (`marked.py`, `predictions.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import SOURCE_POSITION
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import RESTORE, RESTORED_VERSION, HistoryEntry
from platform_assets.lake.errors import LakeTableMissing, LakeVersionMissing
from platform_assets.lake.layout import CLEAN, RAW
from platform_assets.members import UnknownName
from platform_assets.pipelines.redeliveries import DELIVERED_FILES

_VERSION = re.compile(r"(raw|clean)/([a-z][a-z0-9_]*)@(\d+)")
_DAY_OF_SOURCE = re.compile(r"([a-z][a-z0-9_]*)/(\d{4}-\d{2}-\d{2})")
WRITES = ("write_partitions", "replace", "append", "merge_rows")
"""Operations that give a table other rows; upkeep gives it the same rows in other files."""


class NotTraced(ValueError):
    """What a file touched cannot be told; the message says why, and what to do."""


class NoSuchFile(NotTraced, UnknownName):
    """No source delivered such a file."""


def writer(history: Sequence[HistoryEntry], version: int, day: date | None) -> HistoryEntry | None:
    """The commit that gave a day of a table the rows that it has in a version; None where none did.

    Args:
        history: commits of the table, newest first.
        version: Delta version.
        day: of the partition; None for a table without days.
    """
    at = version
    for entry in history:
        if entry.version > at:
            continue
        if entry.operation == RESTORE:
            at = int(entry.metadata[RESTORED_VERSION])
        elif entry.operation in WRITES and (entry.partitions is None or day is None or _within(day, entry.partitions)):
            return entry
    return None


def _within(day: date, partitions: tuple[date, date]) -> bool:
    return partitions[0] <= day <= partitions[1]


@dataclass(eq=False)
class DeliveredFileRows:
    """Rows of a file.

    Attributes:
        catalog: the tables.
        source: whose rows they are.
        name: as it was asked for.
        days: that it delivered rows for; `None` alone for a table without days.
        position: name of the file in the rows' positions; None where all rows of the days are meant.
        layer: `raw` or `clean`, where a version was asked for.
        version: the rows that this version of the table brought; None where any did.
    """

    catalog: Catalog
    source: Source
    name: str
    days: tuple[date | None, ...]
    position: str | None = None
    layer: str = RAW
    version: int | None = None
    _published: dict[tuple[int, date | None], pl.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._raw = self.catalog.raw(self.source.name).stored
        clean = self.catalog.clean(self.source.name)
        self._clean = clean
        self._raw_history = self._raw.history(None)
        self._history = clean.stored.history(None) if clean.exists() else []
        self._columns = list(self.source.column_names)

    @property
    def place(self) -> tuple[str, ...]:
        """Columns that tell a row of the clean table."""
        return (*self.source.primary_key, *([EVENT_DAY] if self.source.is_daily else []))

    def published(self, version: int) -> pl.DataFrame:
        """Rows of the file that a version of the clean table held, whole.

        Raises:
            LakeVersionMissing: such a version was removed.
        """
        rows = [self._of(entry, day) for day in self.days if (entry := writer(self._history, version, day)) is not None]
        schema = self._clean.stored.schema
        return pl.concat([pl.DataFrame(schema=schema).select(self._clean_columns), *rows])

    def ever_published(self) -> pl.DataFrame:
        """Rows of the file that any version of the clean table that is still there held, each once."""
        rows = []
        for entry in self._history:
            if entry.operation in WRITES:
                for day in self.days:
                    if entry.partitions is None or day is None or _within(day, entry.partitions):
                        rows.append(self._readable(entry, day))
        empty = pl.DataFrame(schema=self._clean.stored.schema).select(self._clean_columns)
        return pl.concat([empty, *rows]).unique(maintain_order=True)

    def delivered(self) -> int:
        """Rows of the file as they came, those included that were refused."""
        return sum(self._newest_delivered(day) for day in self.days)

    @property
    def _clean_columns(self) -> list[str]:
        return [*self._columns, *([EVENT_DAY] if self.source.is_daily else [])]

    def _readable(self, entry: HistoryEntry, day: date | None) -> pl.DataFrame:
        try:
            return self._of(entry, day)
        except LakeVersionMissing:
            return pl.DataFrame(schema=self._clean.stored.schema).select(self._clean_columns)

    def _of(self, entry: HistoryEntry, day: date | None) -> pl.DataFrame:
        """Rows of the file among those that a commit gave a day of the clean table."""
        found = self._published.get((entry.version, day))
        if found is None:
            found = self._published[entry.version, day] = self._read(entry, day)
        return found

    def _read(self, entry: HistoryEntry, day: date | None) -> pl.DataFrame:
        clean = self._clean.read(day, day, self._clean_columns, version=entry.version)
        if self.layer == CLEAN:
            return clean if entry.version == self.version else clean.clear()
        try:
            raw = self._raw.version_at(entry.committed_at)
        except (LakeTableMissing, LakeVersionMissing):
            return clean.clear()
        came = self._came(raw, day)
        return clean.join(came, on=self._columns, how="semi", nulls_equal=True)

    def _came(self, version: int, day: date | None) -> pl.DataFrame:
        """Declared columns of the file's rows that a version of the raw table holds of a day."""
        if self.version is not None:
            made = writer(self._raw_history, version, day)
            if made is None or made.version != self.version:
                return pl.DataFrame(schema=self._raw.schema).select(self._columns)
        rows = self._raw.read(day, day, version=version, columns=[*self._columns, SOURCE_POSITION])
        if self.position is not None:
            rows = rows.filter(pl.col(SOURCE_POSITION) == self.position)
        return rows.select(self._columns)

    def _newest_delivered(self, day: date | None) -> int:
        """Rows of the newest load of a day that had any of the file."""
        for entry in self._raw_history:
            if entry.operation not in WRITES or not (
                entry.partitions is None or day is None or _within(day, entry.partitions)
            ):
                continue
            try:
                rows = self._came(entry.version, day).height
            except LakeVersionMissing:
                return 0
            if rows:
                return rows
        return 0


def find_file_rows(catalog: Catalog, name: str) -> DeliveredFileRows:
    """The rows of a file, of a day of a source (`SOURCE/DAY`), of a source without days (`SOURCE`), or of a version (`clean/SOURCE@7`).

    Args:
        catalog: the tables.
        name: what is meant; a file by its name as positions have it, or with folders before it.

    Raises:
        NotTraced: there is no such thing, it is of several sources, or its source is read for changes.
    """
    use_case = catalog.use_case
    known = {source.name: source for source in use_case.sources}
    if found := _VERSION.fullmatch(name):
        return _of_version(catalog, name, found[1], _known(known, found[2], use_case.name), int(found[3]))
    if (found := _DAY_OF_SOURCE.fullmatch(name)) and found[1] in known:
        source = _traceable(known[found[1]])
        day = date.fromisoformat(found[2])
        _require_raw(catalog, source)
        if not catalog.raw(source.name).stored.read(day, day, columns=[SOURCE_POSITION]).height:
            raise NotTraced(f"{use_case.name}: {source.name} has no delivered rows of {day}")
        return DeliveredFileRows(catalog, source, name, (day,))
    if name in known and not known[name].is_daily:
        _require_raw(catalog, known[name])
        return DeliveredFileRows(catalog, _traceable(known[name]), name, (None,))
    places = [place for source in use_case.sources for place in _places(catalog, source, name)]
    if not places:
        raise NoSuchFile(
            f"no source of {use_case.name} delivered a file {name!r}. Name it as positions have it, SOURCE/YYYY-MM-DD, or a version of a "
            "table with --version"
        )
    owners = sorted({(source.name, position) for source, position, _ in places})
    if len(owners) > 1:
        listed = ", ".join(f"{position} of {source}" for source, position in owners)
        raise NotTraced(f"{use_case.name}: {name!r} names several files: {listed}. Write one of them with its folders")
    source, position, _ = places[0]
    return DeliveredFileRows(
        catalog, _traceable(source), name, tuple(sorted({day for *_, day in places}, key=str)), position
    )


def _known(known: dict[str, Source], name: str, use_case: str) -> Source:
    if name not in known:
        raise NoSuchFile(f"{use_case} has no source {name!r}; it has {', '.join(sorted(known))}")
    return known[name]


def _traceable(source: Source) -> Source:
    if source.is_incremental:
        raise NotTraced(
            f"{source.name} is read for changes: its rows are brought up to date one by one, and no file of it stands in its table. Ask "
            "`platform-assets explain` about single predictions, or name a file of another source"
        )
    return source


def _require_raw(catalog: Catalog, source: Source) -> None:
    if not catalog.raw(source.name).stored.exists():
        raise NotTraced(f"{catalog.use_case.name}: nothing of {source.name} was ever loaded")


def _of_version(catalog: Catalog, name: str, layer: str, source: Source, version: int) -> DeliveredFileRows:
    _traceable(source)
    table = catalog.raw(source.name).stored if layer == RAW else catalog.clean(source.name).stored
    entries = {entry.version: entry for entry in table.history(None)} if table.exists() else {}
    entry = entries.get(version)
    if entry is None or entry.operation not in WRITES:
        wrote = sorted(number for number, one in entries.items() if one.operation in WRITES)
        span = f"; versions {wrote[0]} to {wrote[-1]} did" if wrote else ""
        raise NotTraced(f"{layer}/{source.name} has no version {version} that wrote rows{span}")
    days: tuple[date | None, ...] = (None,) if entry.partitions is None else tuple(DayRange(*entry.partitions).days)
    return DeliveredFileRows(catalog, source, name, days, layer=layer, version=version)


def _places(catalog: Catalog, source: Source, name: str) -> Iterator[tuple[Source, str, date | None]]:
    """Position and day of each file of a source that the name may mean."""
    table = catalog.raw(source.name).stored
    if source.is_incremental or not table.exists():
        return
    columns = [SOURCE_POSITION, *([EVENT_DAY] if source.is_daily else [])]
    held = table.scan(columns=columns, ordered=False).unique().collect()
    days: Any = held[EVENT_DAY] if source.is_daily else [None] * held.height
    pairs = {(str(position), day) for position, day in zip(held[SOURCE_POSITION], days, strict=True)}
    if source.is_daily:
        for entry in table.history(None):
            for day, of_day in json.loads(entry.metadata.get(DELIVERED_FILES, "{}")).items():
                pairs |= {(position, date.fromisoformat(day)) for position in of_day}
    for position, day in sorted(pairs, key=str):
        if _means(name, position):
            yield source, position, day


def _means(name: str, position: str) -> bool:
    """Whether a name is that of a position: the same, or one of them with folders before it."""
    return name == position or position.endswith(f"/{name}") or name.endswith(f"/{position}")
