"""Control files: what whoever delivers files says there is in them.

Belongs here: finding and reading control files. Does not belong here: comparing them with the rows (`validation/reconcile.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.base import ControlTotals, Totals
from platform_assets.connectors.control_totals import ROWS, SUMS
from platform_assets.connectors.errors import NothingDelivered, SourceError
from platform_assets.declaration.sections.connectors.dated_path import DatedPath
from platform_assets.declaration.sections.sources import EVENT_DAY, Source


def control_file_totals(source: Source, folder: Path, days: Sequence[date] | None) -> Totals:
    """The totals of the declared control file; empty where none is declared.

    Raises:
        SourceError: If none of the files is there, or one cannot be read.
    """
    pattern = source.quality.reconciliation.control_file
    if pattern is None:
        return {}
    totals = Totals()
    names: list[tuple[str, date | None]] = (
        [(dated.of(day), day) for day in days]
        if days and (dated := DatedPath(pattern)).is_dated and not dated.holds_several_days
        else [(pattern, None)]
    )
    for name, day in names:
        path = folder / name
        if not path.exists():
            continue
        if path.suffix == ".json":
            totals[day] = _from_json(source, path)
        else:
            totals.update(_from_csv(source, path, day, days))
    if not totals:
        raise NothingDelivered(
            f"source '{source.name}': quality.reconciliation.control_file is {pattern}, and none of {folder} is there for the "
            f"days asked for. Deliver it with the rows, or take it out of the declaration."
        )
    return totals


def _from_json(source: Source, path: Path) -> ControlTotals:
    try:
        content = json.loads(path.read_text())
        return ControlTotals(
            None if content.get(ROWS) is None else int(content[ROWS]),
            {str(name): float(value) for name, value in content.get(SUMS, {}).items()},
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise _unreadable(source, path, error) from error


def _from_csv(source: Source, path: Path, day: date | None, days: Sequence[date] | None) -> Totals:
    totals = Totals()
    try:
        for line in pl.read_csv(path).iter_rows(named=True):
            of = date.fromisoformat(str(line[EVENT_DAY])) if EVENT_DAY in line else day
            if days is not None and of not in days:
                continue
            sums = {n: float(v) for n, v in line.items() if n not in (ROWS, EVENT_DAY) and v is not None}
            totals[of] = ControlTotals(None if line.get(ROWS) is None else int(line[ROWS]), sums)
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise _unreadable(source, path, error) from error
    return totals


def _unreadable(source: Source, path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"source '{source.name}': the control file {path} cannot be read ({error}). It holds JSON such as "
        f'{{"rows": 100, "sums": {{"amount": 12.5}}}}, or CSV with event_day, rows and sums.'
    )
