"""What reads a kind of connector, and what every reader hands over.

Belongs here: the Protocol, and the names that all readers share. Does not belong here: any one kind of connector, and choosing one
(`registry.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration
from platform_assets.declaration.sections.sources import Source

SAMPLE_ROWS = 1000
"""About how many rows an inspection takes a look at."""

Declared = TypeVar("Declared", bound=ConnectorDeclaration, contravariant=True)


@dataclass(frozen=True)
class ChangeBatch:
    """What is new in a source since a cursor."""

    frame: pl.DataFrame
    """Columns as found, then `source_position`, `delivered_day` (null: changes are delivered for no day),
    `source_problem`, `change_operation` (String, `upsert` or `delete`) and `change_sequence` (Int64, larger is newer
    among the changes of one key; the same key and sequence is the same change delivered twice)."""
    cursor: str
    """JSON text: where the next read starts. Equal to the one passed in when nothing is new; kept with the data, in the
    same commit. It may have some hundred thousand characters (a long folder, a wide overlap)."""
    more: bool
    """Whether another read would find more now."""
    notices: tuple[str, ...] = ()
    """What a person should know about the order of these changes: a numbering that begins anew, times that go backwards."""


@dataclass(frozen=True)
class ControlTotals:
    """What the source counted for one day, or for a reference table."""

    rows: int | None
    sums: Mapping[str, float] = field(default_factory=dict)


Totals = dict[date | None, ControlTotals]
"""By event day; the day is None for a reference table."""


DeliveredFiles = Mapping[date, Mapping[str, str]]
"""Files by event day and name, each with what tells whether it is another now: its size and the time of its last change."""


@dataclass(frozen=True)
class Inspection:
    """What a look at a source showed. It reads, and never writes, commits or moves a cursor."""

    sample: pl.DataFrame | None
    """Some of the newest rows as found; None where there is none yet."""
    rows: str = ""
    """How many rows there are, as far as it costs little to know."""
    newest: datetime | date | str | None = None
    """Newest event time where the source tells; else the sample does."""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Reader(Protocol[Declared]):
    """Reads the sources of one kind of connector. It keeps no state, and nothing is stored at the source.

    Rows come as they are found: the columns and types as delivered (every cell as text where the format has no types), then
    `source_position`, `delivered_day` and `source_problem`, for changes `change_operation` and `change_sequence` as well. No row is lost.
    """

    def inspect(
        self, source: Source, connector: Declared, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """A look at a source: a few of its newest rows, and what it costs little to know about all of them.

        Args:
            source: The declared source.
            connector: Its connector.
            folder: Relative paths start here.
            day: An event day that the source should have; simulated rows are drawn for it.
            cursor: Cursor of the load committed last, of an incremental source.
            access: Credentials and addresses.

        Raises:
            SourceError: If the source cannot be reached or is not what is declared.
        """
        ...

    def read_days(
        self,
        source: Source,
        connector: Declared,
        folder: Path,
        first_day: date | None,
        last_day: date | None,
        access: Access,
    ) -> pl.DataFrame:
        """The rows delivered for event days, both inclusive; all rows of a reference table.

        Raises:
            SourceError: If there is nothing to read, or it cannot be read.
            SchemaMismatch: If parts of one load disagree about a declared column.
        """
        raise SourceError(
            f"source '{source.name}': a {connector.kind} connector cannot be asked for event days. Declare it incremental in "
            f"defs.yaml."
        )

    def read_changes(
        self, source: Source, connector: Declared, folder: Path, cursor: str | None, max_rows: int, access: Access
    ) -> ChangeBatch:
        """What is new after a cursor, oldest first; the same cursor gives the same changes again, and later ones.

        Raises:
            SourceError: If the source cannot be read, or what the cursor stands at is gone.
            SchemaMismatch: If parts of one batch disagree about a declared column.
        """
        raise SourceError(
            f"source '{source.name}': a {connector.kind} connector cannot be asked what is new since a cursor. Take the "
            f"incremental part out of it in defs.yaml."
        )

    def control_totals(
        self, source: Source, connector: Declared, folder: Path, days: Sequence[date] | None, access: Access
    ) -> Totals:
        """What the source itself counted for each of the days, or for a reference table; empty where it counts nothing.

        Raises:
            SourceError: If its count cannot be read.
        """
        return {}

    def delivered_files(
        self, source: Source, connector: Declared, folder: Path, days: Sequence[date], access: Access
    ) -> DeliveredFiles:
        """The files of each day as they are now; empty where a day is no file of its own.

        Raises:
            SourceError: If the place where they lie cannot be reached.
        """
        return {}


def rows_without_day(source: Source, rows: int) -> str:
    """What is wrong with rows that have no event time."""
    outcome = "refused" if source.is_incremental else "never loaded"
    return (
        f"{rows:,} rows have no {source.event_time} and belong to no event day: they are {outcome}. Have the column filled "
        f"at the source, or leave these rows out (a query, a view)"
    )
