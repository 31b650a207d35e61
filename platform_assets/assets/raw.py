"""The raw layer: rows as they were delivered, in the declared types.

Belongs here: one asset for each source. Does not belong here: judging rows (`clean.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from platform_assets.assets.common import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.assets.partitions import DayRange, event_days, partition_range
from platform_assets.assets.tables import raw_schema, raw_table
from platform_assets.lake.commits import Commit
from platform_assets.lake.layout import RAW
from platform_assets.lake.table import LakeTable
from platform_assets.resources.lake import LakeResource
from platform_assets.resources.sources import SourcesResource
from platform_assets.sources.conform import conform
from platform_assets.sources.delivery import DELIVERED_DAY
from platform_assets.sources.errors import SchemaMismatch
from platform_assets.spec import EVENT_DAY, Source, UseCase

SCHEMA_CHECK = "schema"


class LoadConfig(dg.Config):
    """What a person can ask of a load: faults to plant in simulated rows, to see the gates go red."""

    faults: list[dict[str, Any]] = Field(default_factory=list)


def raw_asset(*, use_case: UseCase, source: Source, folder: Path) -> dg.AssetsDefinition:
    """The raw asset of one source.

    Its blocking check `schema` fails, and nothing is written, when a column is missing or has another type.
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
        context: dg.AssetExecutionContext, config: LoadConfig, lake: LakeResource, sources: SourcesResource
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        days = partition_range(context) if source.is_daily else None
        first, last = (days.first, days.last) if days else (None, None)
        try:
            conformed = conform(sources.read(source, folder, first, last, config.faults), source)
        except SchemaMismatch as error:
            evidence: dict[str, Any] = {
                "explanation": str(error),
                "rows_affected": max((p.rows for p in error.problems), default=0),
            }
            yield dg.AssetCheckResult(asset_key=key, check_name=SCHEMA_CHECK, passed=False, metadata=evidence)
            raise dg.Failure(description=str(error), metadata=evidence, allow_retries=False) from error
        table = raw_table(lake, use_case, source)
        commit = _write(table, conformed.frame, days)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                **commit_metadata(commit, table.uri),
                "extra_columns": list(conformed.extra_columns),
                "planted_faults": config.faults,
            },
            data_version=data_version(commit),
            check_results=[
                dg.AssetCheckResult(
                    check_name=SCHEMA_CHECK, passed=True, metadata={"columns": len(source.columns), "rows": commit.rows}
                )
            ],
        )

    return load


def _write(table: LakeTable, frame: pl.DataFrame, days: DayRange | None) -> Commit:
    """Store what was delivered: a reference table whole, a daily table under the day it was delivered for."""
    columns = list(table.schema)
    if days is None:
        return table.replace(frame.drop(DELIVERED_DAY, strict=False).select(columns))
    rows = frame.rename({DELIVERED_DAY: EVENT_DAY}).select(columns)
    return table.write_partitions(rows, days.first, days.last, allow_empty=True)
