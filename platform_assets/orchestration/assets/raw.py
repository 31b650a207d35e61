"""The raw layer: rows as they were delivered, in the declared types.

Belongs here: one asset for each source that is asked for event days, or is loaded whole. Does not belong here: loading
(`pipelines/ingest.py`), sources that are asked what is new (`assets/feed.py`), and judging rows (`assets/clean.py`).
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.connectors.errors import SchemaMismatch
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import RAW
from platform_assets.lake.schemas import raw_schema
from platform_assets.orchestration.checks import DayVerdict, day_check, day_results, describe_days
from platform_assets.orchestration.kubernetes.sizes import step_tags
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
    days_def = event_days(use_case) if source.is_daily else None
    check = day_check(
        SCHEMA_CHECK,
        key,
        days_def,
        blocking=True,
        description="Every declared column arrives with the declared type.",
    )

    @dg.multi_asset(
        name=f"{use_case.name}__raw__{source.name}",
        specs=[_spec(use_case, source)],
        check_specs=[check],
        op_tags=step_tags(use_case, RAW, source.name),
        partitions_def=days_def,
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
            yield from _refused(context, check, ingested, ingested.mismatch, days)
        else:
            yield from _loaded(context, check, ingested, catalog.raw(source.name).stored.uri, source, config)

    return load


def _spec(use_case: UseCase, source: Source) -> dg.AssetSpec:
    key = asset_key(use_case, RAW, source.name)
    return dg.AssetSpec(
        key,
        description=f"{source.description} As delivered, in the declared types.",
        kinds={"deltalake", source.connector.kind},
        metadata=column_schema(use_case, key, raw_schema(source)),
        skippable=True,
        code_version="1",
        **policy(use_case, RAW),
    )


def _loaded(
    context: dg.AssetExecutionContext,
    check: dg.AssetCheckSpec,
    ingested: Ingested,
    uri: str,
    source: Source,
    config: LoadConfig,
) -> Load:
    passed = {"columns": len(source.columns), "rows": ingested.rows}
    describe_days(context, check.asset_key, _by_day(ingested))
    yield dg.MaterializeResult(
        asset_key=check.asset_key,
        metadata={
            **commit_metadata(ingested.commit, uri),
            "dagster/row_count": ingested.rows,
            "commits": len(ingested.chunks),
            "extra_columns": ingested.extra_columns,
            "migrations": ingested.migrations,
            "planted_faults": config.faults,
        },
        data_version=data_version(ingested.commit),
    )
    verdicts = {
        day: DayVerdict(True, {"columns": len(source.columns), "rows": rows})
        for day, rows in ingested.rows_by_day.items()
    }
    whole = dg.AssetCheckResult(asset_key=check.asset_key, check_name=SCHEMA_CHECK, passed=True, metadata=passed)
    yield from day_results(context, check, verdicts, whole)


def _by_day(ingested: Ingested) -> dict[date, dict[str, Any]]:
    """What each day's materialization says instead of what the whole load says."""
    versions = ingested.versions
    return {
        day: {"dagster/row_count": rows, "delta_version": versions[day], "commits": 1}
        for day, rows in ingested.rows_by_day.items()
    }


def _refused(
    context: dg.AssetExecutionContext,
    check: dg.AssetCheckSpec,
    ingested: Ingested,
    mismatch: SchemaMismatch,
    days: DayRange | None,
) -> Load:
    """Report the days that were stored before the columns changed, then fail; the days from there on are red."""
    key, by_day = check.asset_key, _by_day(ingested)
    for day in ingested.days:
        yield dg.AssetMaterialization(key, partition=day.isoformat(), metadata=by_day[day])
    evidence = mismatch_evidence(mismatch)
    verdicts = {
        day: DayVerdict(True, {"rows": by_day[day]["dagster/row_count"]})
        if day in by_day
        else DayVerdict(False, evidence)
        for day in (days.days if days else [])
    }
    whole = dg.AssetCheckResult(asset_key=key, check_name=SCHEMA_CHECK, passed=False, metadata=evidence)
    yield from day_results(context, check, verdicts, whole)
    raise dg.Failure(description=str(mismatch), metadata=evidence, allow_retries=False) from mismatch


def mismatch_evidence(mismatch: SchemaMismatch) -> dict[str, Any]:
    """Metadata of a failed check `schema`."""
    affected = max((problem.rows for problem in mismatch.problems), default=0)
    return {"explanation": str(mismatch), "rows_affected": affected}
