"""Frames of events: their order, the columns they must have, and times as whole numbers.

Belongs here: what every room of features does with rows of events. Does not belong here: windows (`aggregation/`), feature tables
(`offline/`), states (`entity_state.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from platform_assets.declaration.time_zones import UTC_ZONE, day_start
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError


def in_order(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows ordered by these columns; `frame` itself where they are already, which is quick to see.

    Otherwise by the first column alone, then only the rows that it leaves tied by the rest: sorting by several columns at once
    costs several times more.
    """
    if _is_in_order(frame, names):
        return frame
    if frame[names[0]].null_count():
        return frame.sort(names)
    ordered = frame.sort(names[0], maintain_order=True)
    if _is_in_order(ordered, names):
        return ordered
    first = ordered[names[0]]
    same = first.slice(1) == first.slice(0, len(first) - 1)
    edge = pl.Series([False])
    tied = pl.concat([edge, same]) | pl.concat([same, edge])
    positions = tied.arg_true()
    within = ordered.select(names).filter(tied).select(pl.arg_sort_by(names)).to_series()
    order = (
        pl.select(pl.int_range(len(ordered), dtype=pl.get_index_type()))
        .to_series()
        .scatter(positions, positions.gather(within))
    )
    return ordered[order]


def _is_in_order(frame: pl.DataFrame, names: Sequence[str]) -> bool:
    if len(frame) < 2:
        return True
    columns = frame.select(names)
    before, after = columns.slice(0, len(frame) - 1), columns.slice(1)
    rising: pl.Series | None = None
    for name in reversed(names):
        larger = after[name] > before[name]
        if rising is not None and not larger.all():
            larger = larger | ((after[name] == before[name]) & rising)
        rising = larger
    return rising is not None and rising.null_count() == 0 and bool(rising.all())


def event_order(use_case: UseCase, entity_key: str | None = None) -> list[str]:
    """Columns that put events in order: within an entity by event time, then primary key."""
    names = [use_case.event_time, *use_case.event_source.primary_key]
    return list(dict.fromkeys(names if entity_key is None else [entity_key, *names]))


def require_columns(columns: Sequence[str], names: Sequence[str], what: str) -> None:
    """Refuse rows that lack columns.

    Raises:
        FeatureError: naming what is missing and what is there.
    """
    missing = [name for name in dict.fromkeys(names) if name not in columns]
    if missing:
        raise FeatureError(f"{what} lack columns {missing}; they have {list(columns)}")


def example_keys(frame: pl.DataFrame, keys: Sequence[str], count: int = 3) -> list[dict[str, object]]:
    """The first few keys of a frame, for a message."""
    return frame.select(keys).unique(maintain_order=True).head(count).to_dicts()


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a time that carries its zone."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_microseconds(moment: int) -> datetime:
    """The time, in UTC, of microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)


def midnight(day: date, zone: str = UTC_ZONE) -> datetime:
    """The moment at which a day begins, in UTC or in a zone."""
    return day_start(day, zone)
