"""Simulated rows, with the faults that the declaration plants in them.

Belongs here: turning a simulator connector into delivered rows. Does not belong here: how rows are drawn and how faults
spoil them (`simulation`).
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from pydantic import ValidationError

from platform_assets.connectors.casting import event_days
from platform_assets.connectors.delivery import day_range
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_LINE, SOURCE_POSITION, SOURCE_PROBLEM
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.sources import Source
from platform_assets.simulation.faults import Fault, FaultError, plant_all
from platform_assets.simulation.generators import Generator, GeneratorError, load_generator


def read_simulator(
    source: Source, connector: SimulatorConnector, first_day: date | None, last_day: date | None
) -> pl.DataFrame:
    """Rows of the generator's table, faults planted.

    A row is delivered for the day it was drawn for: a fault that moves its event time back makes it late.

    Raises:
        SourceError: If the generator, its settings, its table or a fault is not what it should be.
    """
    table = connector.table or source.name
    if source.is_daily:
        first_day, last_day = day_range(source, first_day, last_day)
    try:
        generator = load_generator(connector.generator, connector.settings)
        faults = [_fault(source, table, number, fault, generator) for number, fault in enumerate(connector.faults)]
        # A day that is sent again has to be drawn, too.
        back = timedelta(days=any(fault.kind == "repeated_day" and fault.table == table for fault in faults))
        frame = generator.read(table, first_day and first_day - back, last_day)
        frame = frame.with_columns(_delivered_day(source, frame))
        keys = [name for name in source.primary_key if name in frame.columns]
        frame, _ = plant_all(frame, faults, table=table, event_time=source.event_time, keys=keys)
        if back and first_day:
            frame = frame.filter(pl.col(DELIVERED_DAY) >= first_day)
    except (GeneratorError, FaultError) as error:
        raise SourceError(f"source '{source.name}': {error} Correct its connector in defs.yaml.") from error
    return frame.with_columns(*_positions(table), pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM))


def _fault(source: Source, table: str, number: int, declared: dict[str, object], generator: Generator) -> Fault:
    where = f"source '{source.name}', connector.faults[{number}]"
    try:
        fault = Fault.model_validate({"table": table, **declared})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'fault'}: {p['msg']}" for p in error.errors())
        raise SourceError(f"{where} is not a fault: {problems}. Correct it in defs.yaml.") from error
    if fault.table not in generator.tables:
        known = ", ".join(generator.tables)
        raise SourceError(f"{where}: there is no table '{fault.table}'; there are {known}. Correct it in defs.yaml.")
    return fault


def _delivered_day(source: Source, frame: pl.DataFrame) -> pl.Series:
    if source.event_time is None:
        return pl.repeat(None, frame.height, dtype=pl.Date, eager=True).alias(DELIVERED_DAY)
    if source.event_time not in frame.columns:
        raise SourceError(
            f"source '{source.name}': its table has no column '{source.event_time}', declared as event_time; it has "
            f"{', '.join(frame.columns)}. Correct event_time in defs.yaml."
        )
    return event_days(frame[source.event_time], source.time_zone).alias(DELIVERED_DAY)


def _positions(table: str) -> list[pl.Expr]:
    """`simulator:transactions:2018-04-01` and 17, the 17th row of that delivery; without a day for a reference table."""
    row = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(DELIVERED_DAY)
    day = ":" + pl.col(DELIVERED_DAY).cast(pl.String)
    delivery = pl.format("simulator:{}{}", pl.lit(table), day.fill_null(""))
    return [delivery.alias(SOURCE_POSITION), row.alias(SOURCE_LINE)]
