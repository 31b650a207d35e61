"""Days that have to be there before they are read: a day without input is refused, and never read as an empty one.

Belongs here: which days of a table lack, and the refusal that names the asset, the days and what to run. Does not belong here: how a table
knows which days were written (`lake/table.py`), or whether what was written is whole (`completeness.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from platform_assets.declaration import Source
from platform_assets.declaration.days import consecutive_ranges
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import CLEAN, FEATURES, PREDICTIONS
from platform_assets.lake.table import LakeTable
from platform_assets.lake.written_days import absent_days
from platform_assets.pipelines.jobs import job_tables

SHOWN_RANGES = 5


class DaysMissing(RuntimeError):
    """Days that something is made from were never materialized; the message names them and what to run."""


def require_days(
    catalog: Catalog, table: LakeTable, first: date, last: date, what: str, *, version: int | None = None
) -> None:
    """Refuse to read days that were never written; those outside of the declared history, or left out by a rule, are not expected.

    Args:
        catalog: the tables of the use case.
        table: the table that is read.
        first: first day that is read.
        last: last day that is read; before `first` where none is.
        what: what is made from them, for the message.
        version: the Delta version that is read; None for the latest.

    Raises:
        DaysMissing: days lack, or the table was never written.
    """
    history = catalog.use_case.history
    first, last = max(first, history.first_day), min(last, history.last_day or last)
    if last < first:
        return
    left_out = _left_out(catalog, table)
    absent = [day for day in absent_days(table, first, last, version=version) if day not in left_out]
    if absent:
        raise DaysMissing(_refusal(catalog, table, absent, (last - first).days + 1, what))


def _left_out(catalog: Catalog, table: LakeTable) -> frozenset[date]:
    """Days of a table that count as absent: those of its source, of features and batch predictions those of the events."""
    *_, layer, name = catalog.path(table).strip("/").split("/")
    if layer in (FEATURES, PREDICTIONS):
        return catalog.left_out.get(catalog.use_case.events, frozenset())
    return catalog.left_out.get(name, frozenset()) if layer == CLEAN else frozenset()


def require_source_days(
    catalog: Catalog, source: Source, first: date, last: date, what: str, *, version: int | None = None
) -> None:
    """Refuse to read days of a published source that were never published.

    Of a source that delivers changes, a day on which nothing changed may never have been touched: there only the table has to be there.

    Raises:
        DaysMissing: days lack, or the table was never published.
    """
    table = catalog.clean(source.name).stored
    if source.is_daily and not source.is_incremental:
        require_days(catalog, table, first, last, what, version=version)
    elif not table.exists():
        raise DaysMissing(_refusal(catalog, table, [], 0, what))


def _refusal(catalog: Catalog, table: LakeTable, absent: Sequence[date], of_days: int, what: str) -> str:
    use_case, path = catalog.use_case, catalog.path(table).strip("/")
    jobs = [
        f"{use_case.name}__{job}"
        for job, tables in job_tables(use_case).items()
        if tuple(path.split("/")[1:]) in tables
    ]
    run = f"Materialize {path}{f' for {listed_days(absent)}' if absent else ''}"
    job = f", for example by the job {jobs[0]}" if jobs else ""
    lack = f"has no {listed_days(absent)} ({len(absent)} of {of_days} days)" if absent else "was never materialized"
    return (
        f"{what}: {path} {lack}. Nothing was written, because a day that was never loaded is not a day without rows. {run}{job}, "
        "then run this again."
    )


def listed_days(days: Iterable[date]) -> str:
    """Days in a few words: ranges, and how many more there are."""
    ranges = [
        str(one.first) if one.first == one.last else f"{one.first} .. {one.last}" for one in consecutive_ranges(days)
    ]
    more = len(ranges) - SHOWN_RANGES
    return ", ".join(ranges[:SHOWN_RANGES]) + (f" and {more} more ranges" if more > 0 else "")
