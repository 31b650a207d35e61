"""A use case of daily files, loaded and published by plain calls, for tests of days, keys and deliveries.

Belongs here: writing deliveries, loading them, and looking at what came out. Does not belong here: what is expected.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.ingest import Ingested, ingest
from platform_assets.pipelines.publish import PublishedLoad, publish
from platform_assets.testing.declare import declare

MONDAY = date(2024, 3, 4)
CONNECTOR = {"kind": "files", "format": "csv", "path": "{event_day}*.csv"}
COLUMNS = {"sale": "int64", "at": "datetime", "items": "int32", "returned": [0, 1]}


def sales(day: date, count: int, first: int | None = None) -> list[str]:
    """Lines of sales of a day, from 08:00 on; their numbers say the day unless the first is given."""
    start = 1000 * day.toordinal() if first is None else first
    return [f"{start + i},{day}T{8 + i // 6:02d}:{i % 6}0:00Z,{1 + i % 5},{i % 2}" for i in range(count)]


class FileDays:
    """A use case with one source of daily files, and the lake they end in."""

    def __init__(self, folder: Path, *, columns: Mapping[str, Any] = COLUMNS, **source: Any) -> None:
        declared: UseCase = declare(events=columns, label="returned", connector=source.pop("connector", CONNECTOR))
        document = declared.model_dump(mode="json")
        document["sources"][0].update(source)
        document["training"]["splits"]["test_days"] = 7  # a week has events whatever its calendar
        self._take(folder, UseCase.model_validate(document))

    @classmethod
    def of(cls, folder: Path, use_case: UseCase) -> "FileDays":
        """The same for a use case that is declared already."""
        world = cls.__new__(cls)
        world._take(folder, use_case)
        return world

    def _take(self, folder: Path, use_case: UseCase) -> None:
        self.folder, self.use_case = folder, use_case
        self.source = use_case.event_source
        self.header = ",".join(self.source.column_names)
        self.catalog = Catalog(use_case, Lake(str(folder / "lake")))
        self.loads = 0

    def write(self, name: str, lines: Iterable[str]) -> None:
        """A delivered file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([self.header, *lines]) + "\n")

    def deliver(self, first: date, counts: Iterable[int | None]) -> date:
        """A file for each day with so many sales, none where the count is None; the last day."""
        last = first
        for i, count in enumerate(counts):
            last = first + timedelta(days=i)
            if count is not None:
                self.write(f"{last}.csv", sales(last, count))
        return last

    def load(self, first: date, last: date | None = None) -> Ingested:
        """Read what was delivered for days into the raw table."""
        self.loads += 1
        days = DayRange(first, last or first)
        return ingest(self.catalog, SourceReader(), self.source, self.folder, days, faults=[], key=f"load {self.loads}")

    def publish(self, first: date, last: date | None = None) -> PublishedLoad:
        """Audit days and publish what passes."""
        return publish(self.catalog, self.source, DayRange(first, last or first))

    def load_and_publish(self, first: date, last: date | None = None) -> PublishedLoad:
        """Both, one after the other."""
        self.load(first, last)
        return self.publish(first, last)

    def published(self) -> dict[date, int]:
        """Published rows of each day that has some."""
        return self.catalog.events.stored.count_by_partition()
