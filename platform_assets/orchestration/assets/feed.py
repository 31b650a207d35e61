"""The feed of an incremental source: one asset that takes in what is new, and the raw table that it writes.

Belongs here: reporting to Dagster which days a feed touched, so that what is downstream is computed again. Does not belong here:
placing and committing changes (`pipelines/take_in_changes.py`), or sources that are asked for event days (`assets/raw.py`).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.connectors.errors import SchemaMismatch, SourceError
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.names import feed_name
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import RAW
from platform_assets.lake.schemas import raw_schema
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.assets.raw import SCHEMA_CHECK, Load, mismatch_evidence
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, column_schema, policy
from platform_assets.orchestration.partitions import event_days
from platform_assets.pipelines.take_in_changes import (
    CURSOR,
    TOUCHED,
    IngestedChanges,
    UnreportedDays,
    current_cursor,
    take_in_changes,
    unreported_days,
)

REPORTED_VERSION, WAITING_DAYS = "reported_version", "waiting_days"
MAX_ROWS = 200_000
SHOWN = 200
"""Characters of a cursor that metadata shows; the whole one is kept in the table."""


class FeedConfig(dg.Config):
    """How much one commit takes in."""

    max_rows: int = Field(default=MAX_ROWS, ge=1, description="About how many changes one commit takes in.")


def incremental_assets(*, use_case: UseCase, source: Source, folder: Path) -> list[dg.AssetsDefinition]:
    """The feed of an incremental source, and its raw table, which only the feed writes."""
    return [
        feed_asset(use_case=use_case, source=source, folder=folder),
        dg.AssetsDefinition(specs=[_raw_spec(use_case, source)]),
    ]


def _raw_spec(use_case: UseCase, source: Source) -> dg.AssetSpec:
    key, feed = asset_key(use_case, RAW, source.name), asset_key(use_case, RAW, feed_name(source.name))
    return dg.AssetSpec(
        key,
        deps=[feed],
        description=f"{source.description} Every change, as delivered. Written by {feed.to_user_string()}, which tells the "
        f"days it touched; to load, materialize that.",
        kinds={"deltalake", source.connector.kind},
        metadata=column_schema(use_case, key, raw_schema(source)),
        partitions_def=event_days(use_case),
        code_version="1",
        **policy(use_case, RAW),
    )


def feed_asset(*, use_case: UseCase, source: Source, folder: Path) -> dg.AssetsDefinition:
    """The asset that takes in everything that is new.

    Its blocking check `schema` fails, and nothing of the batch is written, when a column is missing or has another type.
    """
    key = asset_key(use_case, RAW, feed_name(source.name))
    description = "Every declared column arrives with the declared type."

    @dg.multi_asset(
        name=f"{use_case.name}__raw__{feed_name(source.name)}",
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
        op_tags=step_tags(use_case, RAW, feed_name(source.name)),
        check_specs=[dg.AssetCheckSpec(SCHEMA_CHECK, asset=key, blocking=True, description=description)],
    )
    def feed(
        context: dg.AssetExecutionContext,
        config: FeedConfig,
        lake: dg.ResourceParam[Lake],
        sources: dg.ResourceParam[SourceReader],
    ) -> Load:
        catalog = Catalog(use_case, lake)
        ingested = take_in_changes(catalog, sources, source, folder, config.max_rows, context.log.info)
        unreported = unreported_days(catalog.raw(source.name).stored, *_last_report(context.instance, key))
        yield from _report(catalog, source, ingested, unreported)

    return feed


def _last_report(instance: dg.DagsterInstance, feed: dg.AssetKey) -> tuple[int, list[str]]:
    """The Delta version that the feed's last materialization reported, and the days that waited for their partition then."""
    event = instance.get_latest_materialization_event(feed)
    materialization = event.asset_materialization if event else None
    report: dict[str, Any] = (
        {name: value.value for name, value in materialization.metadata.items()} if materialization else {}
    )
    return int(report.get(REPORTED_VERSION, -1)), report.get(WAITING_DAYS, [])


def _report(catalog: Catalog, source: Source, ingested: IngestedChanges, unreported: UnreportedDays) -> Load:
    """Report the days that were touched, then the feed itself; one whose source failed ends as failed."""
    use_case, table = catalog.use_case, catalog.raw(source.name).stored
    key = asset_key(use_case, RAW, feed_name(source.name))
    now, waiting = _split(use_case, unreported.days)
    yield from _touched(asset_key(use_case, RAW, source.name), table, now)
    metadata = _metadata(ingested, table, unreported.version, now, waiting)
    if ingested.failure is None:
        passed = {"columns": len(source.columns), **ingested.rows}
        check = dg.AssetCheckResult(check_name=SCHEMA_CHECK, passed=True, metadata=passed)
        version = dg.DataVersion(f"delta-{unreported.version}")
        yield dg.MaterializeResult(asset_key=key, metadata=metadata, data_version=version, check_results=[check])
        return
    if unreported.commits or now:
        yield dg.AssetMaterialization(key, metadata=metadata)
    yield from _failed(key, ingested.failure)


def _failed(key: dg.AssetKey, failure: SourceError) -> Iterator[dg.AssetCheckResult]:
    """End a feed whose source failed; the check goes red only if it is the columns that are wrong."""
    if not isinstance(failure, SchemaMismatch):
        raise failure
    evidence = mismatch_evidence(failure)
    yield dg.AssetCheckResult(asset_key=key, check_name=SCHEMA_CHECK, passed=False, metadata=evidence)
    raise dg.Failure(description=str(failure), metadata=evidence, allow_retries=False) from failure


def _metadata(
    ingested: IngestedChanges, table: LakeTable, version: int, now: list[date], waiting: list[date]
) -> dict[str, Any]:
    return {
        "rows_by_operation": ingested.rows,
        "late_rows": ingested.late,
        "moved_rows": ingested.moved,
        "duplicates_dropped": ingested.duplicates,
        "deletes_of_unknown_keys": ingested.unknown_deletes,
        "rows_without_key_or_sequence": ingested.unordered,
        "rows_ahead_of_the_clock": ingested.ahead,
        "commits": ingested.commits,
        "extra_columns": list(ingested.extra_columns),
        "order_notices": list(ingested.notices),
        TOUCHED: [day.isoformat() for day in now],
        WAITING_DAYS: [day.isoformat() for day in waiting],
        REPORTED_VERSION: version,
        "cursor_before": _shown(ingested.cursor_before),
        "cursor_after": _shown(current_cursor(table)),
        "dagster/row_count": sum(ingested.rows.values()),
        "dagster/uri": table.uri,
    }


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
