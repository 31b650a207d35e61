"""Maintenance: the tables of a use case are compacted; files that nothing pins, old logs of runs and old reports are removed.

Belongs here: the asset, and its metadata. Does not belong here: upkeep itself (`pipelines/maintain.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import TABLES
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MAINTENANCE
from platform_assets.lake.schemas import UPKEEP_SCHEMA
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import (
    asset_key,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.orchestration.run_logs import remove_old_run_logs
from platform_assets.pipelines.maintain import MaintainedTables, maintain_tables, remove_old_reports
from platform_assets.registry.model_store import ModelStore


class MaintenanceConfig(dg.Config):
    """What a person can ask of an upkeep."""

    dry_run: bool = Field(default=False, description="Change nothing, and report what would be removed.")
    keep_days: int | None = Field(default=None, ge=0, description="Instead of the declared `retention.keep_days`.")


def maintenance_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Upkeep of every table of the use case, with bytes and files before and after."""
    key = asset_key(use_case, MAINTENANCE, TABLES)
    standing = policy(use_case, MAINTENANCE)
    standing["freshness_policy"] = dg.FreshnessPolicy.time_window(
        fail_window=timedelta(days=15), warn_window=timedelta(days=8)
    )

    @dg.asset(
        key=key,
        description="Small files are put together, and files go that no kept version needs. A version that a model, a "
        "training set or a hold pins stays readable. Old logs of runs and old reports of days go.",
        kinds={"deltalake"},
        metadata=column_schema(use_case, key, UPKEEP_SCHEMA),
        code_version="1",
        op_tags=step_tags(use_case, MAINTENANCE, TABLES),
        **standing,
    )
    def tables(
        context: dg.AssetExecutionContext,
        config: MaintenanceConfig,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        catalog = Catalog(use_case, lake)
        maintained = maintain_tables(
            catalog,
            models.registry(),
            keep_days=config.keep_days,
            dry_run=config.dry_run,
            key=context.run_id,
            log=context.log.info,
            warn=context.log.warning,
        )
        keep, now = use_case.retention, datetime.now(UTC)
        logs = remove_old_run_logs(
            context.instance, use_case, now - timedelta(days=keep.keep_run_logs_days), dry_run=config.dry_run
        )
        pages, page_bytes = remove_old_reports(
            Path(serving.report_folder(use_case.name)), keep.keep_reports_days, dry_run=config.dry_run
        )
        context.log.info(f"logs of {logs.runs} runs and {pages} reports of days removed")
        beside = {
            "removed_run_logs": logs.runs,
            "removed_run_log_bytes": logs.bytes,
            "removed_reports": pages,
            "removed_report_bytes": page_bytes,
        }
        return _result(maintained, catalog.upkeep.uri, beside)

    return tables


def _result(maintained: MaintainedTables, uri: str, beside: Mapping[str, int]) -> dg.MaterializeResult:
    metadata = {"idle_holds": list(maintained.idle_holds), **upkeep_metadata(maintained.rows), **beside}
    if maintained.commit is None or maintained.plot is None:
        return dg.MaterializeResult(metadata={"dry_run": True, **metadata})
    return dg.MaterializeResult(
        metadata={
            **commit_metadata(maintained.commit, uri),
            "dry_run": False,
            **metadata,
            "plot": picture(maintained.plot),
        },
        data_version=data_version(maintained.commit),
    )


def upkeep_metadata(frame: pl.DataFrame) -> dict[str, Any]:
    """Totals, and a table with a line for each table."""
    sums = frame.select(pl.col(pl.Int64).sum()).row(0, named=True)
    names = ["removed_files", "stored_bytes_before", "stored_bytes_after", "files_before", "files_after"]
    return {
        "tables": dg.MetadataValue.md(_markdown(frame.iter_rows(named=True))),
        **{name: int(sums[name] or 0) for name in names},
    }


def _markdown(rows: Iterable[dict[str, Any]]) -> str:
    lines = ["| table | files | MB | MB with old versions | versions kept | files removed |", "|---" * 6 + "|"]
    for row in rows:
        cells = [
            row["table"],
            f"{row['files_before']} → {row['files_after']}",
            f"{row['bytes_before'] / 1e6:.1f} → {row['bytes_after'] / 1e6:.1f}",
            f"{row['stored_bytes_before'] / 1e6:.1f} → {row['stored_bytes_after'] / 1e6:.1f}",
            str(row["kept_versions"]),
            str(row["removed_files"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
