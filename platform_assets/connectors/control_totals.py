"""Control totals: what a source says it delivered, to hold against what arrived.

Belongs here: asking a source for them, and their form in a commit's metadata. Does not belong here: how one kind of source counts (each
reader), comparing totals with rows (`validation/reconcile.py`), and loading.

A source that has no totals gives none, and then nothing is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.base import ControlTotals, Totals
from platform_assets.connectors.registry import reader_of
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.sources import Source

CONTROL_TOTALS = "control_totals"
"""Key in a raw commit's metadata under which the totals of its days stand."""

ROWS, SUMS = "rows", "sums"


def summed_columns(source: Source) -> tuple[str, ...]:
    """Numeric columns whose sums are compared: as declared, or all that are neither keys nor references."""
    declared = source.quality.reconciliation.sums
    if declared is not None:
        return declared
    return tuple(
        column.name
        for column in source.columns
        if column.is_numeric and not column.references and column.name not in source.primary_key
    )


def control_totals(
    source: Source,
    use_case_folder: Path,
    first_day: date | None = None,
    last_day: date | None = None,
    *,
    access: Access = NO_ACCESS,
) -> Totals:
    """The source's own totals, by event day; the day is None for a reference table.

    Args:
        source: The declared source, as it is read.
        use_case_folder: Relative paths start here.
        first_day: First event day, inclusive; ignored for a reference table.
        last_day: Last event day, inclusive.
        access: Credentials and addresses.

    Returns:
        Totals of the days that the source has some for; empty when it has none.

    Raises:
        SourceError: If a declared control file cannot be read, or a database refuses.
    """
    if not source.quality.reconciliation.enabled or source.is_incremental:
        return {}
    days = DayRange(first_day, last_day).days if source.is_daily and first_day and last_day else None
    return reader_of(source).control_totals(source, source.connector, use_case_folder, days, access)


def totals_metadata(totals: Totals) -> dict[str, str]:
    """Metadata for the commit that stores the rows; empty when there are no totals."""
    if not totals:
        return {}
    content = {
        "" if day is None else day.isoformat(): {ROWS: of_day.rows, SUMS: dict(of_day.sums)}
        for day, of_day in totals.items()
    }
    return {CONTROL_TOTALS: json.dumps(content, sort_keys=True)}


def totals_from(metadata: Iterable[Mapping[str, str]], days: Iterable[date | None]) -> Totals:
    """Totals of days, from the metadata of commits, the newest first; days without any are left out."""
    wanted, totals = set(days), Totals()
    for entry in metadata:
        for name, content in json.loads(entry.get(CONTROL_TOTALS, "{}")).items():
            day = date.fromisoformat(name) if name else None
            if day in wanted and day not in totals:
                totals[day] = ControlTotals(content[ROWS], content[SUMS])
        if len(totals) == len(wanted):
            break
    return totals


def frame_totals(frame: pl.DataFrame, day_column: str | None, sums: Sequence[str]) -> Totals:
    """Counts and sums of rows, by day."""
    names = [name for name in sums if name in frame.columns and frame[name].dtype.is_numeric()]
    lines = [
        pl.len().alias("#rows"),
        *(pl.col(name).cast(pl.Float64).fill_nan(None).sum().alias(name) for name in names),
    ]
    if day_column is None:
        table = frame.select(lines).with_columns(pl.lit(None, dtype=pl.Date).alias("#day"))
    else:
        table = frame.group_by(pl.col(day_column).alias("#day")).agg(lines)
    return {
        line["#day"]: ControlTotals(line["#rows"], {name: float(line[name]) for name in names})
        for line in table.iter_rows(named=True)
    }
