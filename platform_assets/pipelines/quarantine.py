"""Refused rows and decisions about them.

Belongs here: storing and choosing refused rows, recording a release, and the releases that hold. Does not belong here: which rows are
refused (`validation/`), commands (`cli/quarantine.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import SOURCE_POSITION
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.table import LakeTable
from platform_assets.validation.audit import Audit
from platform_assets.validation.released_rows import cannot_be_stored

_ALSO = re.compile(r"(\w+)\(([^)]*)\)")


class RowReleaseError(ValueError):
    """Rows cannot be released; the message says which and why."""


@dataclass(frozen=True)
class RecordedRelease:
    """What a release recorded.

    Attributes:
        rows: rows that may pass from now on.
        refused: rows that were chosen and cannot be stored, each with the reason.
    """

    rows: int
    refused: tuple[str, ...]


def released_rows(table: LakeTable, days: DayRange | None, today: date | None = None) -> pl.DataFrame:
    """Releases that hold and concern these days, or the reference table; none when nothing was ever released.

    Args:
        table: The table of decisions.
        days: The days the rows were delivered for; None for all.
        today: The day of asking, by default today in UTC: a release past its `until` holds no longer.
    """
    if not table.exists():
        return pl.DataFrame(schema=table.schema)
    releases = table.read() if days is None else table.read(days.first, days.last)
    return releases.filter(pl.col("until").is_null() | (pl.col("until") >= (today or datetime.now(UTC).date())))


def store_quarantine(table: LakeTable, result: Audit, days: DayRange | None) -> Commit:
    """Replace the refused rows of these days, or of the reference table."""
    if days is None:
        return table.replace(result.quarantine.drop(EVENT_DAY, strict=False), allow_empty=True)
    return table.write_partitions(result.quarantine, days.first, days.last, allow_empty=True)


def refused_rows(
    table: LakeTable, day: date | None = None, rule: str | None = None, positions: Sequence[str] = ()
) -> pl.DataFrame:
    """Rows in quarantine, chosen by day, rule (the first or a further one) and position."""
    if not table.exists():
        return pl.DataFrame(schema=table.schema)
    rows = table.read() if day is None or EVENT_DAY not in table.schema else table.read(day, day)
    if rule is not None:
        rows = rows.filter(
            (pl.col("rule") == rule) | pl.col("also").fill_null("").str.contains(rf"\b{re.escape(rule)}\(")
        )
    if positions:
        rows = rows.filter(pl.col(SOURCE_POSITION).is_in(list(positions)))
    return rows


def release(
    catalog: Catalog, source: Source, rows: pl.DataFrame, *, who: str, why: str, until: date | None = None
) -> RecordedRelease:
    """Record that rows may be published although they break a rule. The clean table is not touched here.

    Args:
        catalog: The tables of the use case.
        source: The declared source.
        rows: Rows of its quarantine.
        who: Who decides.
        why: The reason, for whoever reads it later.
        until: The last day (UTC) on which a load lets the rows pass; None for always.

    Raises:
        RowReleaseError: If nobody or no reason is named, `until` is over, no row was chosen, or none of them can be stored.
    """
    if not who.strip() or not why.strip():
        raise RowReleaseError("a release is a decision: say who decides and why.")
    now = datetime.now(UTC)
    if until is not None and until < now.date():
        raise RowReleaseError(
            f"the release would end on {until}, which is over (today is {now.date()}): give a later day."
        )
    if rows.is_empty():
        raise RowReleaseError(
            f"no such row is in quarantine {catalog.quarantine(source.name).uri}: look with `platform-assets quarantine show`."
        )
    reasons = [_reason(line, source) for line in rows.iter_rows(named=True)]
    refused = tuple(
        f"{position}: {reason}"
        for position, reason in zip(rows[SOURCE_POSITION], reasons, strict=True)
        if reason is not None
    )
    good = rows.filter(pl.Series([reason is None for reason in reasons], dtype=pl.Boolean))
    if good.is_empty():
        raise RowReleaseError(f"none of the {rows.height} chosen rows can be stored: {'; '.join(refused[:3])}.")
    table = catalog.releases(source.name)
    decided = good.with_columns(
        pl.lit(who).alias("who"),
        pl.lit(why).alias("why"),
        pl.lit(now).alias("released_at"),
        pl.lit(until, dtype=pl.Date).alias("until"),
    ).select(list(table.schema))
    table.append(decided)
    return RecordedRelease(good.height, refused)


def _reason(line: dict[str, Any], source: Source) -> str | None:
    """Why a row cannot be released, over all rules it breaks."""
    broken = [(line["rule"], line["column"]), *_ALSO.findall(line["also"] or "")]
    return next((reason for rule, column in broken if (reason := cannot_be_stored(rule, column, source))), None)
