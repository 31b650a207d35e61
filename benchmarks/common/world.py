"""The simulated data that the benchmarks compute on.

Belongs here: rows straight from the declared simulator, in memory. Does not belong here: the lake, Dagster, features.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.loader import DeclaredUseCase, declared_use_cases
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.simulation.generators import load_generator

QUICK_SCALE: Mapping[str, Any] = {"customers": 500, "terminals": 1000}
"""A world that is done in a moment, for developing benchmarks: its numbers mean nothing."""


class NotSimulated(ValueError):
    """The use case's events do not come from a simulator, so that there is no world to compute on."""


def simulator_settings(use_case: UseCase) -> dict[str, Any]:
    """The declared settings of the simulator that the events come from.

    Raises:
        NotSimulated: they come from elsewhere.
    """
    return dict(_connector(use_case).settings)


def simulated(
    use_case: UseCase, first: date, last: date, overrides: Mapping[str, Any]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events and labels of a range of days, both inclusive, each with its event day.

    Args:
        use_case: the declaration.
        first: first event day.
        last: last event day.
        overrides: simulator settings in place of the declared ones.

    Raises:
        NotSimulated: the events do not come from a simulator.
    """
    connector = _connector(use_case)
    generator = load_generator(connector.generator, {**connector.settings, **overrides})
    day = pl.col(use_case.event_time).dt.date().alias(EVENT_DAY)
    events = generator.read(use_case.events, first, last).with_columns(day)
    labels = generator.read(use_case.label.source, first, last).with_columns(day)
    return events, labels


def _connector(use_case: UseCase) -> SimulatorConnector:
    connector = use_case.event_source.connector
    if not isinstance(connector, SimulatorConnector):
        raise NotSimulated(f"the events of {use_case.name} come from {connector.kind!r}, not from a simulator")
    return connector


def scored_use_case(name: str | None = None) -> DeclaredUseCase:
    """The use case of that name, or the first one that a service answers for.

    Raises:
        ValueError: there is none.
    """
    result = [declared for declared in declared_use_cases(name) if declared.use_case.is_realtime]
    if not result:
        raise ValueError("no declared use case has a service to measure")
    return result[0]
