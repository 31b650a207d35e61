"""The feed of an incremental source: one asset that pulls what is new, and the raw table that it writes.

Belongs here: telling dagster which days a feed touched, so that what is downstream is computed again. Does not belong here:
placing and committing changes (`intake.py`), or sources that are asked for event days (`assets/raw.py`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import SchemaMismatch, SourceError
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.sections.changes import DELETE, UPSERT
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import RAW
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.metadata import asset_key, column_schema, policy
from platform_assets.orchestration.partitions import event_days
from platform_assets.pipelines.tables import raw_schema, raw_table
from platform_assets.pipelines.take_in_changes import (
    CURSOR,
    TOUCHED,
    Taken,
    current_cursor,
    feed_commits,
    take_in,
    touched_by,
    utc_today,
)

SCHEMA_CHECK = "schema"
REPORTED_VERSION, WAITING_DAYS = "reported_version", "waiting_days"
MAX_ROWS = 200_000
SHOWN = 200
"""Characters of a cursor that metadata shows; the whole one is kept in the table."""


class FeedConfig(dg.Config):
    """How much one commit takes in."""

    max_rows: int = Field(default=MAX_ROWS, ge=1, description="About how many changes one commit takes in.")


def feed_name(source: Source) -> str:
    """Last part of the feed's asset key."""
    return f"{source.name}_feed"


def incremental_assets(*, use_case: UseCase, source: Source, folder: Path) -> list[dg.AssetsDefinition]:
    """The feed of an incremental source, and its raw table, which only the feed writes."""
    return [
        feed_asset(use_case=use_case, source=source, folder=folder),
        dg.AssetsDefinition(specs=[_raw_spec(use_case, source)]),
    ]


def _raw_spec(use_case: UseCase, source: Source) -> dg.AssetSpec:
    feed = asset_key(use_case, RAW, feed_name(source))
    return dg.AssetSpec(
        asset_key(use_case, RAW, source.name),
        deps=[feed],
        description=f"{source.description} Every change, as delivered. Written by {feed.to_user_string()}, which tells the "
        f"days it touched; to load, materialize that.",
        kinds={"deltalake", source.connector.kind},
        metadata=column_schema(raw_schema(source), {column.name: column.description for column in source.columns}),
        partitions_def=event_days(use_case),
        code_version="1",
        **policy(use_case, RAW),
    )


@dataclass
class _Intake:
    """What one run of a feed took in, added up."""

    rows: dict[str, int] = field(default_factory=lambda: {UPSERT: 0, DELETE: 0})
    late: int = 0
    moved: int = 0
    duplicates: int = 0
    unknown_deletes: int = 0
    unordered: int = 0
    ahead: int = 0
    commits: int = 0
    cursor_before: str | None = None
    extra_columns: tuple[str, ...] = ()

    def add(self, taken: Taken) -> None:
        """Count one batch."""
        if not self.commits:
            self.cursor_before = taken.cursor_before
        self.commits += 1
        for operation, rows in taken.rows.items():
            self.rows[operation] += rows
        for name in ("late", "moved", "duplicates", "unknown_deletes", "unordered", "ahead"):
            setattr(self, name, getattr(self, name) + getattr(taken, name))
        self.extra_columns = tuple(dict.fromkeys([*self.extra_columns, *taken.extra_columns]))

    def metadata(self) -> dict[str, Any]:
        """As the feed's materialization tells it."""
        return {
            "rows_by_operation": self.rows,
            "late_rows": self.late,
            "moved_rows": self.moved,
            "duplicates_dropped": self.duplicates,
            "deletes_of_unknown_keys": self.unknown_deletes,
            "rows_without_key_or_sequence": self.unordered,
            "rows_ahead_of_the_clock": self.ahead,
            "commits": self.commits,
            "extra_columns": list(self.extra_columns),
        }


@dataclass(frozen=True)
class _Untold:
    """What the raw table has that dagster was not told."""

    days: list[date]
    commits: int
    version: int


def feed_asset(*, use_case: UseCase, source: Source, folder: Path) -> dg.AssetsDefinition:
    """The asset that takes in everything that is new.

    Its blocking check `schema` fails, and nothing of the batch is written, when a column is missing or has another type.
    """
    key, raw_key = asset_key(use_case, RAW, feed_name(source)), asset_key(use_case, RAW, source.name)
    description = "Every declared column arrives with the declared type."

    @dg.multi_asset(
        name=f"{use_case.name}__raw__{feed_name(source)}",
        specs=[
            dg.AssetSpec(
                key,
                description=f"Takes in what is new in {source.name}, and marks the days that it touched.",
                kinds={"deltalake", source.connector.kind},
                skippable=True,
                code_version="1",
                **policy(use_case, RAW),
            )
        ],
        check_specs=[dg.AssetCheckSpec(SCHEMA_CHECK, asset=key, blocking=True, description=description)],
    )
    def feed(
        context: dg.AssetExecutionContext,
        config: FeedConfig,
        lake: dg.ResourceParam[Lake],
        sources: dg.ResourceParam[SourceReader],
    ) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult | dg.MaterializeResult]:
        table = raw_table(lake, use_case, source)
        intake = _Intake()
        failure: SourceError | None = None

        def read(cursor: str | None) -> ChangeBatch:
            return sources.read_changes(source, folder, cursor, config.max_rows)

        try:
            history = use_case.history
            for taken in take_in(table, source, read, history.first_day, utc_today(), history.last_day):
                intake.add(taken)
                context.log.info(
                    f"{source.name}: version {taken.version}, {taken.rows}, {len(taken.touched_days)} days"
                )
        except SourceError as error:
            failure = error
        # Batches that were committed before the source failed are told, and so are those of a feed that died before it
        # told them.
        untold = _untold(context.instance, key, table)
        now, waiting = _split(use_case, untold.days)
        yield from _touched(raw_key, table, now)
        metadata = _metadata(intake, table, untold, now, waiting)
        if failure is None:
            passed = {"columns": len(source.columns), **intake.rows}
            check = dg.AssetCheckResult(check_name=SCHEMA_CHECK, passed=True, metadata=passed)
            version = dg.DataVersion(f"delta-{untold.version}")
            yield dg.MaterializeResult(asset_key=key, metadata=metadata, data_version=version, check_results=[check])
            return
        if untold.commits or now:
            yield dg.AssetMaterialization(key, metadata=metadata)
        yield from _failed(key, failure)

    return feed


def _failed(key: dg.AssetKey, failure: SourceError) -> Iterator[dg.AssetCheckResult]:
    """End a feed whose source failed; the check goes red only if it is the columns that are wrong."""
    if not isinstance(failure, SchemaMismatch):
        raise failure
    evidence: dict[str, Any] = {
        "explanation": str(failure),
        "rows_affected": max((problem.rows for problem in failure.problems), default=0),
    }
    yield dg.AssetCheckResult(asset_key=key, check_name=SCHEMA_CHECK, passed=False, metadata=evidence)
    raise dg.Failure(description=str(failure), metadata=evidence, allow_retries=False) from failure


def _metadata(
    intake: _Intake, table: LakeTable, untold: _Untold, now: list[date], waiting: list[date]
) -> dict[str, Any]:
    return {
        **intake.metadata(),
        TOUCHED: [day.isoformat() for day in now],
        WAITING_DAYS: [day.isoformat() for day in waiting],
        REPORTED_VERSION: untold.version,
        "cursor_before": _shown(intake.cursor_before),
        "cursor_after": _shown(current_cursor(table)),
        "dagster/row_count": sum(intake.rows.values()),
        "dagster/uri": table.uri,
    }


def _untold(instance: dg.DagsterInstance, feed: dg.AssetKey, table: LakeTable) -> _Untold:
    """Days that commits of the feed touched since its last materialization, and those that waited for their partition."""
    event = instance.get_latest_materialization_event(feed)
    found = event.asset_materialization if event else None
    told: dict[str, Any] = {name: value.value for name, value in found.metadata.items()} if found else {}
    after = int(told.get(REPORTED_VERSION, -1))
    waiting: list[str] = told.get(WAITING_DAYS, [])
    newest = table.version()
    if newest is None or newest < after:
        after, waiting = -1, []  # the table was made anew
    commits = list(feed_commits(table, after))
    days = {date.fromisoformat(day) for day in waiting}
    days.update(day for entry in commits for day in touched_by(entry))
    return _Untold(sorted(days), len(commits), max([after, *(entry.version for entry in commits)]))


def _split(use_case: UseCase, days: Iterable[date]) -> tuple[list[date], list[date]]:
    """Days that have a partition, and those that will have one when they are over; others lie outside the history."""
    partitions = event_days(use_case)
    now = [day for day in days if partitions.has_partition_key(day.isoformat())]
    last = use_case.history.last_day
    first = max(now, default=use_case.history.first_day)
    waiting = [day for day in days if day not in now and day >= first and (last is None or day <= last)]
    return now, waiting


def _touched(raw: dg.AssetKey, table: LakeTable, days: list[date]) -> Iterator[dg.AssetMaterialization]:
    metadata: dict[str, Any] = {"dagster/uri": table.uri, "delta_version": table.version() or 0}
    for day in days:
        yield dg.AssetMaterialization(raw, partition=day.isoformat(), metadata=metadata)


def _shown(cursor: str | None) -> str:
    if cursor is None:
        return "the beginning"
    return (
        cursor if len(cursor) <= SHOWN else f"{cursor[:SHOWN]}… ({len(cursor)} characters, in the commit's `{CURSOR}`)"
    )
