"""The raw layer: rows as they were delivered, in the declared types.

Belongs here: one asset for each source that is asked for event days, or is loaded whole. Does not belong here: loading
(`pipelines/ingest.py`), sources that are asked what is new (`assets/feed.py`), and judging rows (`assets/clean.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.connectors.errors import SchemaMismatch
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import RAW
from platform_assets.lake.schemas import raw_schema
from platform_assets.orchestration.metadata import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.ingest import Ingested, ingest

SCHEMA_CHECK = "schema"

Load = Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]


class LoadConfig(dg.Config):
    """What a person can ask of a load: faults to plant in simulated rows, to see the gates go red."""

    faults: list[dict[str, Any]] = Field(default_factory=list)


def raw_asset(*, use_case: UseCase, source: Source, folder: Path) -> dg.AssetsDefinition:
    """The raw asset of one source.

    Its blocking check `schema` fails when a column is missing or has another type; nothing of the days in question is
    written, and those that were written before them in the same run are reported.
    """
    key = asset_key(use_case, RAW, source.name)
    description = "Every declared column arrives with the declared type."

    @dg.multi_asset(
        name=f"{use_case.name}__raw__{source.name}",
        specs=[_spec(use_case, source)],
        check_specs=[dg.AssetCheckSpec(SCHEMA_CHECK, asset=key, blocking=True, description=description)],
        partitions_def=event_days(use_case) if source.is_daily else None,
        backfill_policy=dg.BackfillPolicy.single_run() if source.is_daily else None,
    )
    def load(
        context: dg.AssetExecutionContext,
        config: LoadConfig,
        lake: dg.ResourceParam[Lake],
        sources: dg.ResourceParam[SourceReader],
    ) -> Load:
        days = partition_range(context) if source.is_daily else None
        catalog, run = Catalog(use_case, lake), f"load:{context.run.run_id}"
        ingested = ingest(catalog, sources, source, folder, days, faults=config.faults, key=run)
        if ingested.mismatch is not None:
            yield from _refused(key, ingested, ingested.mismatch)
        else:
            yield _loaded(key, ingested, catalog.raw(source.name).stored.uri, source, config)

    return load


def _spec(use_case: UseCase, source: Source) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(use_case, RAW, source.name),
        description=f"{source.description} As delivered, in the declared types.",
        kinds={"deltalake", source.connector.kind},
        metadata=column_schema(raw_schema(source), {column.name: column.description for column in source.columns}),
        skippable=True,
        code_version="1",
        **policy(use_case, RAW),
    )


def _loaded(key: dg.AssetKey, ingested: Ingested, uri: str, source: Source, config: LoadConfig) -> dg.MaterializeResult:
    passed = {"columns": len(source.columns), "rows": ingested.rows}
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            **commit_metadata(ingested.commit, uri),
            "dagster/row_count": ingested.rows,
            "commits": len(ingested.chunks),
            "extra_columns": ingested.extra_columns,
            "migrations": ingested.migrations,
            "planted_faults": config.faults,
        },
        data_version=data_version(ingested.commit),
        check_results=[dg.AssetCheckResult(check_name=SCHEMA_CHECK, passed=True, metadata=passed)],
    )


def _refused(key: dg.AssetKey, ingested: Ingested, mismatch: SchemaMismatch) -> Load:
    """Report the days that were stored before the columns changed, then fail."""
    for day in ingested.days:
        yield dg.AssetMaterialization(key, partition=day.isoformat())
    evidence = mismatch_evidence(mismatch)
    yield dg.AssetCheckResult(asset_key=key, check_name=SCHEMA_CHECK, passed=False, metadata=evidence)
    raise dg.Failure(description=str(mismatch), metadata=evidence, allow_retries=False) from mismatch


def mismatch_evidence(mismatch: SchemaMismatch) -> dict[str, Any]:
    """Metadata of a failed check `schema`."""
    affected = max((problem.rows for problem in mismatch.problems), default=0)
    return {"explanation": str(mismatch), "rows_affected": affected}
