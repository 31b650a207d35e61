"""Control totals: what a source says it delivered, to hold against what arrived.

Belongs here: `ControlTotals`, asking each kind of source for them, and their form in a commit's metadata. Does not
belong here: comparing them with rows (`validation/reconcile`), and loading (`assets`).

A source that has no totals gives none, and then nothing is compared. Totals of simulated rows are the generator's own,
taken before anything is done to the delivery; faults that change the simulated world itself are in them. They hold sums only
where the declaration names columns: a fault of single values is for the row rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.delivery import days_between
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.simulation.faults import WORLD_KINDS

CONTROL_TOTALS = "control_totals"
"""Key in a raw commit's metadata under which the totals of its days stand."""

ROWS, SUMS = "rows", "sums"


@dataclass(frozen=True)
class ControlTotals:
    """What the source counted for one day, or for a reference table."""

    rows: int | None
    sums: Mapping[str, float] = field(default_factory=dict)


Totals = dict[date | None, ControlTotals]


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
    connector = source.connector
    days = days_between(first_day, last_day) if source.is_daily and first_day and last_day else None
    if isinstance(connector, SimulatorConnector):
        return _of_generator(source, connector, days)
    if isinstance(connector, FilesConnector):
        return _of_control_file(source, use_case_folder, days)
    if isinstance(connector, SqlConnector):
        return _of_database(source, connector, days, access)
    return {}


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
    wanted, found = set(days), Totals()
    for entry in metadata:
        for name, content in json.loads(entry.get(CONTROL_TOTALS, "{}")).items():
            day = date.fromisoformat(name) if name else None
            if day in wanted and day not in found:
                found[day] = ControlTotals(content[ROWS], content[SUMS])
        if len(found) == len(wanted):
            break
    return found


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


def _of_generator(source: Source, connector: SimulatorConnector, days: list[date] | None) -> Totals:
    from platform_assets.connectors.simulator.days import read_simulator

    changed = [fault for fault in connector.faults if fault.get("kind") in WORLD_KINDS]
    undisturbed = connector.model_copy(update={"faults": tuple(changed)})
    first, last = (days[0], days[-1]) if days else (None, None)
    rows = read_simulator(source, undisturbed, first, last)
    sums = source.quality.reconciliation.sums or ()
    if days is None:
        return frame_totals(rows, None, sums)
    found = frame_totals(
        rows.with_columns(pl.col(source.event_time or "").dt.date().alias("#event_day")),
        "#event_day",
        sums,
    )
    return {day: found.get(day, ControlTotals(0)) for day in days}


def _of_control_file(source: Source, folder: Path, days: list[date] | None) -> Totals:
    pattern = source.quality.reconciliation.control_file
    if pattern is None:
        return {}
    found = Totals()
    names: list[tuple[str, date | None]] = (
        [(pattern.replace("{event_day}", day.isoformat()), day) for day in days]
        if days and "{event_day}" in pattern
        else [(pattern, None)]
    )
    for name, day in names:
        path = folder / name
        if not path.exists():
            continue
        if path.suffix == ".json":
            found[day] = _from_json(source, path)
        else:
            found.update(_from_csv(source, path, day, days))
    if not found:
        raise SourceError(
            f"source '{source.name}': quality.reconciliation.control_file is {pattern}, and none of {folder} is there for the "
            f"days asked for. Deliver it with the rows, or take it out of the declaration."
        )
    return found


def _from_json(source: Source, path: Path) -> ControlTotals:
    try:
        content = json.loads(path.read_text())
        return ControlTotals(
            None if content.get(ROWS) is None else int(content[ROWS]),
            {str(name): float(value) for name, value in content.get(SUMS, {}).items()},
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise _unreadable(source, path, error) from error


def _from_csv(source: Source, path: Path, day: date | None, days: list[date] | None) -> Totals:
    found = Totals()
    try:
        for line in pl.read_csv(path).iter_rows(named=True):
            of = date.fromisoformat(str(line[EVENT_DAY])) if EVENT_DAY in line else day
            if days is not None and of not in days:
                continue
            sums = {n: float(v) for n, v in line.items() if n not in (ROWS, EVENT_DAY) and v is not None}
            found[of] = ControlTotals(None if line.get(ROWS) is None else int(line[ROWS]), sums)
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise _unreadable(source, path, error) from error
    return found


def _unreadable(source: Source, path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"source '{source.name}': the control file {path} cannot be read ({error}). It holds JSON such as "
        f'{{"rows": 100, "sums": {{"amount": 12.5}}}}, or CSV with event_day, rows and sums.'
    )


def _of_database(source: Source, connector: SqlConnector, days: list[date] | None, access: Access) -> Totals:
    """COUNT and SUM as the database has them; a day has its own statement, within one snapshot."""
    from platform_assets.connectors.sql.days import ask, within_days

    def read(connection: Any, relation: Any) -> Totals:
        import sqlalchemy as sa

        if days is not None:
            time = relation.column(source.event_time or "")
            example = connection.execute(sa.select(time).where(time.is_not(None)).limit(1)).scalar()
            if isinstance(example, str):  # days are cut out of text after the read, which SQL cannot repeat
                return {}
        names = [name for name in source.quality.reconciliation.sums or () if name in relation.columns]
        columns = [sa.func.count(), *(sa.func.sum(relation.column(name)) for name in names)]
        found = Totals()
        for day in days or [None]:  # type: ignore[list-item]
            query = sa.select(*columns).select_from(relation.selectable)
            if day is not None:
                query = query.where(*within_days(connection, source, relation, day, day))
            rows, *sums = connection.execute(query).one()
            found[day] = ControlTotals(int(rows), {n: float(v or 0) for n, v in zip(names, sums, strict=True)})
        return found

    needed = [source.event_time] if source.event_time else []
    return ask(source, connector, access, needed, read)
