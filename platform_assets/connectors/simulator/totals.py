"""What a generator says it delivered.

Belongs here: counting what it draws without the faults of a delivery. Does not belong here: drawing (`days.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from platform_assets.connectors.base import ControlTotals, Totals
from platform_assets.connectors.control_totals import frame_totals
from platform_assets.connectors.simulator.days import read_simulator
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.sources import Source
from platform_assets.simulation.faults import WORLD_KINDS


def generator_totals(source: Source, connector: SimulatorConnector, days: Sequence[date] | None) -> Totals:
    """The generator's own totals, taken before anything is done to the delivery.

    Faults that change the simulated world itself are in them. They hold sums only where the declaration names columns: a
    fault of single values is for the row rules.
    """
    changed = [fault for fault in connector.faults if fault.get("kind") in WORLD_KINDS]
    undisturbed = connector.model_copy(update={"faults": tuple(changed)})
    first, last = (days[0], days[-1]) if days else (None, None)
    rows = read_simulator(source, undisturbed, first, last)
    sums = source.quality.reconciliation.sums or ()
    if days is None:
        return frame_totals(rows, None, sums)
    totals = frame_totals(
        rows.with_columns(pl.col(source.event_time or "").dt.date().alias("#event_day")),
        "#event_day",
        sums,
    )
    return {day: totals.get(day, ControlTotals(0)) for day in days}
