"""Earlier windows of a drift report, and the order in which columns are looked at.

Belongs here: reading verdicts that were stored. Does not belong here: drawing them (`charts.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.monitoring.drift import BROKEN, ColumnVerdict

SHOWN_WINDOWS = 30
"""Windows on a page, the newest one included."""
_FIELDS = frozenset(one.name for one in fields(ColumnVerdict))


@dataclass(frozen=True, slots=True)
class DriftWindow:
    """A window that was judged before.

    Attributes:
        day: its last day.
        status: of the window.
        failed: columns that did not pass.
        columns: that were judged.
        shares: the deciding statistic in limits, by column; None where there is none.
        model_version: that made its predictions.
    """

    day: date
    status: str
    failed: int
    columns: int
    shares: Mapping[str, float | None]
    model_version: str


def earlier_windows(verdicts: pl.DataFrame, day: date) -> tuple[DriftWindow, ...]:
    """Windows that ended before a day, oldest first.

    Args:
        verdicts: rows of the table of drift verdicts, in any order.
        day: last day of the window that is looked at.
    """
    rows = verdicts.filter(pl.col(EVENT_DAY) < day).sort(EVENT_DAY).tail(SHOWN_WINDOWS - 1)
    return tuple(_window(row) for row in rows.iter_rows(named=True))


def _window(row: Mapping[str, Any]) -> DriftWindow:
    columns = [_verdict(one) for one in json.loads(row["result"]).get("columns", ())]
    return DriftWindow(
        row[EVENT_DAY],
        row["status"],
        sum(not one.passed for one in columns),
        len(columns),
        {one.column: one.limit_share for one in columns},
        row["model_version"],
    )


def _verdict(stored: Mapping[str, Any]) -> ColumnVerdict:
    """A verdict as it was stored, by whichever release."""
    return ColumnVerdict(**{name: value for name, value in stored.items() if name in _FIELDS})


def worst_first(columns: Iterable[ColumnVerdict]) -> list[ColumnVerdict]:
    """What is not usable, then what moved by how far, then what could not be judged, then the rest by how near it is to its limit."""
    return sorted(columns, key=_order)


def _order(verdict: ColumnVerdict) -> tuple[int, float]:
    rank = 0 if verdict.status in BROKEN else 1 if verdict.status == "drift" else 2 if not verdict.passed else 3
    return rank, -(verdict.limit_share or 0.0)
