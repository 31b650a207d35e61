"""Draws simulated rows.

Belongs here: which function answers which question. Does not belong here: reading (the other modules of this folder).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import Inspection, Reader, Totals
from platform_assets.connectors.simulator.days import read_simulator
from platform_assets.connectors.simulator.totals import generator_totals
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.sources import Source


class SimulatorReader(Reader[SimulatorConnector]):
    """Draws simulated rows."""

    def inspect(
        self, source: Source, connector: SimulatorConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`."""
        rows = read_simulator(source, connector, day, day)
        return Inspection(rows, f"{rows.height:,} on {day}" if source.is_daily else f"{rows.height:,}")

    def read_days(
        self,
        source: Source,
        connector: SimulatorConnector,
        folder: Path,
        first_day: date | None,
        last_day: date | None,
        access: Access,
    ) -> pl.DataFrame:
        """As `Reader.read_days`."""
        return read_simulator(source, connector, first_day, last_day)

    def control_totals(
        self, source: Source, connector: SimulatorConnector, folder: Path, days: Sequence[date] | None, access: Access
    ) -> Totals:
        """As `Reader.control_totals`."""
        return generator_totals(source, connector, days)


SIMULATOR = SimulatorReader()
