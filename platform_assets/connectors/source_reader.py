"""Reading declared sources as an installation does.

Belongs here: what an installation changes about sources (a smaller simulated world), and handing readers their credentials. Does not
belong here: any one connector, or where credentials come from (`settings.py`).
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.base import ChangeBatch, DeliveredFiles, Totals
from platform_assets.connectors.control_totals import control_totals
from platform_assets.connectors.delivery import no_rows
from platform_assets.connectors.errors import NothingDelivered
from platform_assets.connectors.reading import read_changes, read_source
from platform_assets.connectors.registry import reader_of
from platform_assets.declaration import Source
from platform_assets.declaration.days import DayRange


@dataclass(frozen=True)
class SourceReader:
    """Sources, with the installation's overrides of simulator settings.

    Attributes:
        simulation: overrides of simulator settings.
        access: credentials as they are at the moment of reading; nothing keeps them, so that no page shows them.
    """

    simulation: Mapping[str, Any] = field(default_factory=dict)
    access: Callable[[], Access] = field(default=lambda: NO_ACCESS, repr=False)

    def read(
        self,
        source: Source,
        folder: Path,
        first: date | None,
        last: date | None,
        faults: list[dict[str, Any]],
        without_events: Container[date] = (),
    ) -> pl.DataFrame:
        """Rows of a source as found (see `connectors.reading.read_source`), with `faults` planted in simulated rows.

        Where nothing was delivered for days that have no events, by the declared calendar or by `without_events`, there are no rows.

        Raises:
            SourceError: when the source cannot be read, or faults are asked of a source that is not simulated.
        """
        try:
            return read_source(self.configured(source, faults), folder, first, last, access=self.access())
        except NothingDelivered:
            if _may_be_empty(source, first, last, without_events):
                return no_rows(source)
            raise

    def read_changes(self, source: Source, folder: Path, cursor: str | None, max_rows: int) -> ChangeBatch:
        """What is new in an incremental source since a cursor (see `connectors.reading.read_changes`).

        Raises:
            SourceError: when the source cannot be read.
        """
        return read_changes(source, folder, cursor, max_rows=max_rows, access=self.access())

    def totals(
        self,
        source: Source,
        folder: Path,
        first: date | None,
        last: date | None,
        faults: list[dict[str, Any]],
        without_events: Container[date] = (),
    ) -> Totals:
        """The source's own totals of the days (see `connectors.control_totals.control_totals`), to be stored with the rows.

        Raises:
            SourceError: when a declared control file or a database cannot be read.
        """
        try:
            return control_totals(self.configured(source, faults), folder, first, last, access=self.access())
        except NothingDelivered:
            if _may_be_empty(source, first, last, without_events):
                return {}
            raise

    def delivered_files(self, source: Source, folder: Path, days: Sequence[date]) -> DeliveredFiles:
        """The files of days as they lie at the source, by day and name, each with what tells whether it changed; empty without files.

        Raises:
            SourceError: when the source cannot be reached.
        """
        return reader_of(source).delivered_files(source, source.connector, folder, days, self.access())

    def configured(self, source: Source, faults: list[dict[str, Any]]) -> Source:
        """The source as this installation reads it: settings of the simulation overridden, faults planted.

        Raises:
            ValueError: when faults are asked of a source that is not simulated.
        """
        connector = source.connector
        if not connector.is_simulated:
            if faults:
                raise ValueError(
                    f"source {source.name!r} is not simulated: faults can be planted in simulated rows only"
                )
            return source
        planted = [{"table": source.name, **fault} for fault in faults]
        return source.model_copy(update={"connector": connector.simulated_with(self.simulation, planted)})


def _may_be_empty(source: Source, first: date | None, last: date | None, without_events: Container[date]) -> bool:
    """Whether every day of a range may be without a row, by the calendar or because somebody accepted it."""
    days = DayRange(first, last).days if first and last else []
    calendar = source.event_calendar
    return bool(days) and all(calendar.may_be_empty(day) or day in without_events for day in days)
