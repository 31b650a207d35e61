"""The raw layer: rows as they were delivered, in the declared types.

Belongs here: one asset for each source that is asked for event days, or is loaded whole. Does not belong here: sources that
are asked what is new (`assets/feed.py`), and judging rows (`assets/clean.py`).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.connectors.conforming import Conformed, conform
from platform_assets.connectors.control_totals import totals_metadata
from platform_assets.connectors.delivery import DELIVERED_DAY
from platform_assets.connectors.errors import SchemaMismatch
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import EVENT_DAY, Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.commits import Commit
from platform_assets.lake.evolution import migrations_metadata
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import RAW
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.metadata import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.tables import raw_schema, raw_table

SCHEMA_CHECK = "schema"
CHUNK_ROWS = 2_000_000
"""About how many rows of a long range are in memory at a time; each chunk of days is one commit."""


class LoadConfig(dg.Config):
    """What a person can ask of a load: faults to plant in simulated rows, to see the gates go red."""

    faults: list[dict[str, Any]] = Field(default_factory=list)


def raw_asset(*, use_case: UseCase, source: Source, folder: Path) -> dg.AssetsDefinition:
    """The raw asset of one source.

    Its blocking check `schema` fails when a column is missing or has another type; nothing of the days in question is
    written, and those that were written before them in the same run are told.
    """
    key = asset_key(use_case, RAW, source.name)
    schema = raw_schema(source)

    spec = dg.AssetSpec(
        key,
        description=f"{source.description} As delivered, in the declared types.",
        kinds={"deltalake", source.connector.kind},
        metadata=column_schema(schema, {column.name: column.description for column in source.columns}),
        skippable=True,
        code_version="1",
        **policy(use_case, RAW),
    )
    description = "Every declared column arrives with the declared type."

    @dg.multi_asset(
        name=f"{use_case.name}__raw__{source.name}",
        specs=[spec],
        check_specs=[dg.AssetCheckSpec(SCHEMA_CHECK, asset=key, blocking=True, description=description)],
        partitions_def=event_days(use_case) if source.is_daily else None,
        backfill_policy=dg.BackfillPolicy.single_run() if source.is_daily else None,
    )
    def load(
        context: dg.AssetExecutionContext,
        config: LoadConfig,
        lake: dg.ResourceParam[Lake],
        sources: dg.ResourceParam[SourceReader],
    ) -> Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]:
        days = partition_range(context) if source.is_daily else None
        table = raw_table(lake, use_case, source)
        written: list[Written] = []

        def read(first: date | None, last: date | None) -> Conformed:
            return conform(sources.read(source, folder, first, last, config.faults), source)

        def totals(first: date | None, last: date | None) -> dict[str, str]:
            return totals_metadata(sources.totals(source, folder, first, last, config.faults))

        try:
            for part in load_in_chunks(table, read, days, totals=totals, key=f"load:{context.run.run_id}"):
                written.append(part)
        except SchemaMismatch as error:
            evidence: dict[str, Any] = {
                "explanation": str(error),
                "rows_affected": max((p.rows for p in error.problems), default=0),
            }
            for part in written:
                for day in part.days.days if part.days else []:
                    yield dg.AssetMaterialization(key, partition=day.isoformat())
            yield dg.AssetCheckResult(asset_key=key, check_name=SCHEMA_CHECK, passed=False, metadata=evidence)
            raise dg.Failure(description=str(error), metadata=evidence, allow_retries=False) from error
        commit, rows = written[-1].commit, sum(part.commit.rows for part in written)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                **commit_metadata(commit, table.uri),
                "dagster/row_count": rows,
                "commits": len(written),
                "extra_columns": list(dict.fromkeys(name for part in written for name in part.extra_columns)),
                "migrations": list(dict.fromkeys(change for part in written for change in part.migrations)),
                "planted_faults": config.faults,
            },
            data_version=data_version(commit),
            check_results=[
                dg.AssetCheckResult(
                    check_name=SCHEMA_CHECK, passed=True, metadata={"columns": len(source.columns), "rows": rows}
                )
            ],
        )

    return load


@dataclass(frozen=True)
class Written:
    """One commit of a load."""

    days: DayRange | None
    commit: Commit
    extra_columns: tuple[str, ...]
    migrations: tuple[str, ...]
    """Declared migrations that the rows needed, in words."""


def load_in_chunks(
    table: LakeTable,
    read: Callable[[date | None, date | None], Conformed],
    days: DayRange | None,
    chunk_rows: int = CHUNK_ROWS,
    totals: Callable[[date | None, date | None], dict[str, str]] = lambda first, last: {},
    key: str | None = None,
) -> Iterator[Written]:
    """Read and store a range of days in chunks, so that memory does not grow with the range.

    The first chunk is one day; the next ones have as many days as give about `chunk_rows` rows, going by the chunk before,
    and at most four times its days. Each is one commit, and the next is read while it is written. A reference table is one chunk.

    Args:
        table: The raw table.
        read: Conformed rows of the days from first to last.
        days: The range; None for a reference table.
        chunk_rows: Rows to hold in memory, about.
        totals: What the source itself counted for the days, as metadata of the commit.
        key: Names this load: one that is tried again under its name stores no chunk twice.
    """
    if days is None:
        conformed = read(None, None)
        yield _write(table, conformed, None, totals(None, None), key)
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as reader:
        chunk: DayRange | None = DayRange(days.first, days.first)
        coming = reader.submit(read, days.first, days.first)
        while chunk is not None:
            here, conformed = chunk, coming.result()
            chunk = _next_chunk(here, days, conformed.frame.height, chunk_rows)
            if chunk is not None:
                coming = reader.submit(read, chunk.first, chunk.last)
            yield _write(table, conformed, here, totals(here.first, here.last), key)


def _next_chunk(chunk: DayRange, days: DayRange, rows: int, chunk_rows: int) -> DayRange | None:
    """The days after a chunk that had so many rows; None when the range is done."""
    if chunk.last >= days.last:
        return None
    length = (chunk.last - chunk.first).days + 1
    length = max(1, min(4 * length, length * chunk_rows // max(1, rows)))
    first = chunk.last + timedelta(days=1)
    return DayRange(first, min(days.last, first + timedelta(days=length - 1)))


def _write(
    table: LakeTable, conformed: Conformed, days: DayRange | None, totals: dict[str, str], key: str | None
) -> Written:
    """Store what was delivered: a reference table whole, a daily table under the day it was delivered for."""
    frame, columns = conformed.frame, list(table.schema)
    told = {**totals, **migrations_metadata(conformed.migrations)}
    if days is None:
        whole = frame.drop(DELIVERED_DAY, strict=False).select(columns)
        commit = table.replace(whole, idempotency_key=key, metadata=told)
    else:
        rows = frame.rename({DELIVERED_DAY: EVENT_DAY}).select(columns)
        name = None if key is None else f"{key}:{days.first}:{days.last}"
        commit = table.write_partitions(
            rows, days.first, days.last, idempotency_key=name, metadata=told, allow_empty=True
        )
    return Written(days, commit, conformed.extra_columns, conformed.migrations)
