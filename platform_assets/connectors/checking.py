"""Whether a source can be used, and how far it has come.

Belongs here: judging what an inspection showed against the declaration. Does not belong here: inspecting (each reader), and
showing the result (`cli/sources.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import Inspection
from platform_assets.connectors.casting import text_to_times
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.errors import SchemaMismatch, SourceError
from platform_assets.connectors.registry import reader_of
from platform_assets.declaration.delivered_columns import CHANGE_OPERATION, DELETE
from platform_assets.declaration.sections.sources import Source

_CLOCKS_DIFFER = timedelta(minutes=5)
"""How far ahead of this clock an event may lie."""


@dataclass(frozen=True)
class SourceState:
    """A source as it is now."""

    source: str
    kind: str
    is_reachable: bool
    declared_columns: int
    columns_found: int | None
    """How many declared columns arrive as declared; None where no row could be seen."""
    extra_columns: tuple[str, ...]
    rows: str
    newest_event: datetime | None
    lag: timedelta | None
    """From the newest event to now."""
    cursor: str | None
    problems: tuple[str, ...]
    """What keeps the source from being used, each with what to do next."""
    notes: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether a load would work."""
        return not self.problems


def check_source(
    source: Source, folder: Path, day: date, cursor: str | None, access: Access, now: datetime
) -> SourceState:
    """Look at a source and judge it. Nothing is written, at the source or here.

    Args:
        source: The declared source.
        folder: Relative paths start here.
        day: An event day that the source should have.
        cursor: Cursor of the load committed last, of an incremental source.
        access: Credentials and addresses.
        now: The present, with its zone.
    """
    try:
        inspection = reader_of(source).inspect(source, source.connector, folder, day, cursor, access)
    except (SourceError, ImportError) as error:
        return _state(source, Inspection(None, problems=(str(error),)), cursor, reachable=False)
    if inspection.sample is None:
        return _state(source, inspection, cursor, notes=("no row yet: columns could not be compared",))
    try:
        conformed = conform(inspection.sample, source)
    except SchemaMismatch as error:
        fits = len(source.columns) - len(error.problems)
        return _state(source, inspection, cursor, columns=fits, problems=(str(error),))
    notes = []
    if conformed.extra_columns:
        names = ", ".join(conformed.extra_columns)
        notes.append(f"undeclared columns are kept aside in `extra`: {names}. Declare them to use them")
    if conformed.uncast_rows:
        notes.append(
            f"{conformed.uncast_rows:,} of {conformed.frame.height:,} rows looked at have a cell that does not fit"
        )
    newest = _newest(inspection, conformed.frame, source)
    if newest is not None and newest > now + _CLOCKS_DIFFER:
        notes.append(
            f"the newest event lies ahead of this clock ({now:%Y-%m-%d %H:%M} UTC): check the clocks of the source"
        )
    return _state(
        source,
        inspection,
        cursor,
        columns=len(source.columns),
        extra=conformed.extra_columns,
        notes=tuple(notes),
        newest=newest,
        lag=None if newest is None else now - newest,
    )


def _newest(inspection: Inspection, frame: pl.DataFrame, source: Source) -> datetime | None:
    """Newest event time, of the source where it tells, else of the rows looked at."""
    if source.event_time is None:
        return None
    newest: Any = inspection.newest
    if newest is None:
        rows = frame.filter(pl.col(CHANGE_OPERATION) != DELETE) if CHANGE_OPERATION in frame.columns else frame
        newest = rows[source.event_time].max()
    if isinstance(newest, str):
        newest = text_to_times(pl.Series([newest])).item()
    if isinstance(newest, datetime):
        return newest.astimezone(UTC) if newest.tzinfo else newest.replace(tzinfo=UTC)
    return datetime.combine(newest, time(), UTC) if isinstance(newest, date) else None


def _state(
    source: Source,
    inspection: Inspection,
    cursor: str | None,
    *,
    reachable: bool = True,
    columns: int | None = None,
    extra: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    problems: tuple[str, ...] = (),
    newest: datetime | None = None,
    lag: timedelta | None = None,
) -> SourceState:
    return SourceState(
        source=source.name,
        kind=source.connector.kind,
        is_reachable=reachable,
        declared_columns=len(source.columns),
        columns_found=columns,
        extra_columns=extra,
        rows=inspection.rows,
        newest_event=newest,
        lag=lag,
        cursor=cursor,
        problems=(*inspection.problems, *problems),
        notes=(*inspection.notes, *notes),
    )
