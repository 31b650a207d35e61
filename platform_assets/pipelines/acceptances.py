"""Days that a person accepts although rules refuse them: deciding, taking the decision back, and what holds.

Belongs here: recording a decision for exactly the delivery that is there, and reading those that hold. Does not belong here: judging with
them (`validation/`), publishing a day again (`orchestration/by_hand.py`), and commands (`cli/quarantine.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.written_days import WITHDRAWN
from platform_assets.validation.accepted_day import DayAcceptance, content_digest
from platform_assets.validation.audit import Audit
from platform_assets.validation.results import RuleResult

ACCEPT, UNDO = "accept", "undo"

WITHOUT_EVENTS, ACCEPTED_RULES = "days_without_events", "accepted_rules"
"""Keys in a clean commit's metadata: days that were published without a row, and rules that were accepted, each with the reason."""


class DayAcceptanceError(ValueError):
    """A day cannot be accepted, or its acceptance cannot be taken back; the message says why and what to do."""


def accepted_days(
    catalog: Catalog, source: str, days: DayRange | None = None, today: date | None = None
) -> dict[date, DayAcceptance]:
    """Decisions that hold, by day; none when nothing was ever accepted.

    Args:
        catalog: The tables of the use case.
        source: Name of the source.
        days: Only these days.
        today: The day of asking, by default today in UTC: a decision past its `until` holds no longer.
    """
    if not catalog.use_case.source(source).is_daily:
        return {}
    lines = decisions(catalog, source, days)
    newest = {line[EVENT_DAY]: line for line in lines}
    now = today or datetime.now(UTC).date()
    holding = {day: line for day, line in newest.items() if line["action"] == ACCEPT}
    return {day: _acceptance(line) for day, line in holding.items() if line["until"] is None or line["until"] >= now}


def days_without_events(catalog: Catalog, days: DayRange, source: str | None = None) -> dict[date, str]:
    """Days on which a source, by default that of the events, may be without a row: by its calendar, or because somebody accepted it.

    Every other day without a row is missing.

    Args:
        catalog: The tables of the use case.
        days: The days that are asked about.
        source: Name of the source.

    Returns:
        The reason for each such day.
    """
    declared = catalog.use_case.event_source if source is None else catalog.use_case.source(source)
    accepted = accepted_days(catalog, declared.name, days)
    empty = {day: one.reason for day, one in accepted.items() if not one.rows}
    calendar = declared.event_calendar
    return {
        day: empty.get(day) or calendar.closed(day) or "any day may be without events"
        for day in days.days
        if day in empty or calendar.may_be_empty(day)
    }


def decisions(catalog: Catalog, source: str, days: DayRange | None = None) -> list[dict[str, Any]]:
    """Every decision about days of a source, in order of time, as in `ACCEPTANCE_SCHEMA`."""
    table = catalog.acceptances(source)
    if not table.exists():
        return []
    rows = table.read() if days is None else table.read(days.first, days.last)
    return rows.sort("at").to_dicts()


def accept(
    catalog: Catalog,
    source: Source,
    day: date,
    refused_by: Sequence[RuleResult],
    delivered: pl.DataFrame,
    *,
    who: str,
    why: str,
    rules: Sequence[str] = (),
    until: date | None = None,
    now: datetime | None = None,
) -> DayAcceptance:
    """Record that a day may be published although rules refuse it. The clean table is not touched here.

    The decision holds for these rows and these rules: a day that is delivered again with other rows, or that breaks another rule then, is
    refused again.

    Args:
        catalog: The tables of the use case.
        source: The declared source.
        day: The event day.
        refused_by: The table rules that refuse the day now.
        delivered: Its rows, as they were delivered.
        who: Who decides.
        why: The reason, for whoever reads it later.
        rules: The rules that are meant; none for all that refuse the day.
        until: The last day (UTC) on which a load lets the day pass; None for always.
        now: The present.

    Raises:
        DayAcceptanceError: nobody or no reason is named, nothing refuses the day, or other rules refuse it than those that are named.
    """
    now = now or datetime.now(UTC)
    _refuse_without_reason(who, why)
    if until is not None and until < now.date():
        raise DayAcceptanceError(f"the acceptance would end on {until}, which is over (today is {now.date()}).")
    broken = sorted({(result.rule, result.column) for result in refused_by}, key=lambda pair: (pair[0], pair[1] or ""))
    names = sorted({rule for rule, _ in broken})
    if not broken:
        raise DayAcceptanceError(f"no rule refuses {source.name} of {day}: there is nothing to accept.")
    if rules and (set(rules) != set(names)):
        reasons = "; ".join(result.explanation for result in refused_by)
        raise DayAcceptanceError(
            f"{source.name} of {day} is refused by {', '.join(names)}, and {', '.join(sorted(set(rules)))} would be accepted: a day is "
            f"accepted with all that is wrong with it, or not at all. Name every rule, or none for all of them. {reasons}"
        )
    line = {
        "action": ACCEPT,
        "rules": json.dumps(broken),
        "rows": delivered.height,
        "content": content_digest(delivered, source),
        "who": who.strip(),
        "why": why.strip(),
        "at": now,
        "until": until,
        EVENT_DAY: day,
    }
    catalog.acceptances(source.name).append(_as_rows(catalog, source, line))
    return _acceptance(line)


def undo(
    catalog: Catalog, source: Source, day: date, *, who: str, why: str, now: datetime | None = None
) -> DayAcceptance:
    """Take a day's acceptance back, and what was published of the day only because of it.

    Returns:
        The acceptance that holds no longer.

    Raises:
        DayAcceptanceError: nobody or no reason is named, or no acceptance of the day holds.
    """
    _refuse_without_reason(who, why)
    held = accepted_days(catalog, source.name, DayRange(day, day)).get(day)
    if held is None:
        raise DayAcceptanceError(f"no acceptance of {source.name} of {day} holds: there is nothing to take back.")
    line = {
        "action": UNDO,
        "rules": json.dumps(sorted(held.rules, key=str)),
        "rows": held.rows,
        "content": held.content,
        "who": who.strip(),
        "why": why.strip(),
        "at": now or datetime.now(UTC),
        "until": None,
        EVENT_DAY: day,
    }
    catalog.acceptances(source.name).append(_as_rows(catalog, source, line))
    clean = catalog.clean(source.name).stored
    if clean.exists():
        record = {WITHDRAWN: f"the acceptance was taken back by {who}: {why}"}
        clean.write_partitions(pl.DataFrame(schema=clean.schema), day, day, allow_empty=True, metadata=record)
    return held


def decisions_record(result: Audit, days: DayRange) -> dict[str, str]:
    """What a clean commit says of decisions about its days; empty where there was none to take."""
    without = {
        day.isoformat(): why for day, why in result.days_without_events.items() if days.first <= day <= days.last
    }
    accepted: dict[str, list[str]] = {}
    for rule in result.accepted_rules:
        if rule.day is not None and days.first <= rule.day <= days.last:
            accepted.setdefault(rule.day.isoformat(), []).append(rule.explanation)
    record = {WITHOUT_EVENTS: without, ACCEPTED_RULES: accepted}
    return {name: json.dumps(content, sort_keys=True) for name, content in record.items() if content}


def _refuse_without_reason(who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise DayAcceptanceError("accepting a day is a decision: say who decides and why.")


def _as_rows(catalog: Catalog, source: Source, line: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([line], schema=catalog.acceptances(source.name).schema)


def _acceptance(line: dict[str, Any]) -> DayAcceptance:
    rules = frozenset((rule, column) for rule, column in json.loads(line["rules"]))
    return DayAcceptance(
        line[EVENT_DAY], rules, line["rows"], line["content"], line["who"], line["why"], line["at"], line["until"]
    )
