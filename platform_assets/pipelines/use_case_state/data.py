"""The newest of each source: days, rows, refused rows, and the newest event.

Belongs here: questions that the tables' logs answer, and one column of one day. Does not belong here: whether that is too old.
"""

from datetime import UTC, date, datetime

from platform_assets.lake.catalog import Catalog
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.use_case_page.state import SourceNewest


def newest_event(catalog: Catalog) -> datetime | None:
    """Time of the newest published event, in UTC; None while there is none."""
    table = catalog.events
    days = _days(table.stored)
    if not days:
        return None
    newest = max(days)
    time = table.stored.read(newest, newest, columns=[catalog.use_case.event_time])[catalog.use_case.event_time].max()
    if not isinstance(time, datetime):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def sources(catalog: Catalog) -> tuple[SourceNewest, ...]:
    """The newest day of each source that is delivered by day, with its published and refused rows."""
    found = []
    for source in catalog.use_case.sources:
        if not source.is_daily:
            continue
        days = _days(catalog.clean(source.name).stored)
        refused = _days(catalog.quarantine(source.name))
        newest = max({*days, *refused}, default=None)
        rows, bad = (0, 0) if newest is None else (days.get(newest, 0), refused.get(newest, 0))
        found.append(SourceNewest(name=source.name, newest_day=newest, rows=rows, refused_rows=bad))
    return tuple(found)


def _days(table: LakeTable) -> dict[date, int]:
    """Rows by day, from the log alone."""
    return table.count_by_partition() if table.exists() else {}
