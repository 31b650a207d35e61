"""Maintenance: the tables of a use case are compacted, and files that nothing pins are removed.

Belongs here: the asset, and reading a use case's pins. Does not belong here: what is done to one table
(`lake/maintenance.py`) and what pins a version (`lake/pins.py`, `registry/pins.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import TABLES
from platform_assets.lake.commits import HistoryEntry
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MAINTENANCE, table_uri
from platform_assets.lake.maintenance import maintain, stored_tables
from platform_assets.lake.pins import Pin, lasting_versions
from platform_assets.lake.plots import plot_upkeep
from platform_assets.lake.schemas import UPKEEP_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.lake.versions import stored_table
from platform_assets.orchestration.assets.model import training_set_table
from platform_assets.orchestration.metadata import (
    asset_key,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.pins import collect_pins

_COLUMNS = {
    "ran_at": "When the upkeep began.",
    "table": "The table, as `layer/table`.",
    "kept_versions": "Versions that models, training sets and holds pin, and the current one.",
}


class MaintenanceConfig(dg.Config):
    """What a person can ask of an upkeep."""

    dry_run: bool = Field(default=False, description="Change nothing, and report what would be removed.")
    keep_days: int | None = Field(default=None, ge=0, description="Instead of the declared `retention.keep_days`.")


@dataclass(frozen=True)
class Kept:
    """The tables of a use case that are there, and what pins their versions."""

    tables: tuple[str, ...]
    """As `layer/table`."""
    pins: tuple[Pin, ...]
    idle_holds: tuple[str, ...] = ()
    """Holds that keep nothing here, because the version was never made, each with what there is."""


def read_pins(
    use_case: UseCase, lake: Lake, registry: ModelRegistry, now: datetime, keep_days: int | None = None
) -> Kept:
    """Every table of a use case that is there, and every pin.

    Raises:
        RegistryError: it cannot be told what a model was made from.
    """
    tables = stored_tables(lake.root, use_case.name, lake.storage_options())
    histories = {f"{use_case.name}/{name}": table_on_disk(lake, use_case.name, name).history(None) for name in tables}
    training_set = training_set_table(use_case, lake)
    return Kept(
        tuple(tables),
        tuple(collect_pins(use_case, training_set, registry, histories, now, keep_days)),
        _idle_holds(use_case, histories, now.date()),
    )


def _idle_holds(use_case: UseCase, histories: Mapping[str, Sequence[HistoryEntry]], today: date) -> tuple[str, ...]:
    """Holds in force on versions that were never made: a slip, or made for another installation of the same use case."""
    found = []
    for hold in use_case.retention.holds:
        versions = [entry.version for entry in histories.get(f"{use_case.name}/{hold.table}", ())]
        if hold.is_in_force(today) and hold.version not in versions:
            there = f"its versions are {min(versions)} .. {max(versions)}" if versions else "there is no such table"
            found.append(f"{hold.table} version {hold.version}, held for {hold.who} ({there})")
    return tuple(found)


def table_on_disk(lake: Lake, use_case: str, name: str, version: int | None = None) -> LakeTable:
    """A table as it is on disk, whatever is declared; `name` is `layer/table`.

    Raises:
        LakeTableMissing: there is none.
        LakeVersionMissing: the version does not exist.
    """
    layer, _, table = name.partition("/")
    return stored_table(table_uri(lake.root, use_case, layer, table), lake.storage_options(), version)


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
        "training set or a hold pins stays readable.",
        kinds={"deltalake"},
        metadata=column_schema(UPKEEP_SCHEMA, _COLUMNS),
        code_version="1",
        **standing,
    )
    def tables(
        context: dg.AssetExecutionContext,
        config: MaintenanceConfig,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
    ) -> dg.MaterializeResult:
        now = datetime.now(UTC)
        keep_days = use_case.retention.keep_days if config.keep_days is None else config.keep_days
        kept = read_pins(use_case, lake, models.registry(), now, keep_days)
        for hold in kept.idle_holds:
            context.log.warning(
                f"a declared hold keeps nothing here: {hold}. Correct retention.holds in defs.yaml if it is a slip."
            )
        rows = []
        for name in kept.tables:
            versions = lasting_versions(kept.pins, f"{use_case.name}/{name}")
            done = maintain(
                f"{lake.root.rstrip('/')}/{use_case.name}/{name}",
                lake.storage_options(),
                cluster_by=list(dict.fromkeys(key for entity in use_case.entities for key in entity.key_columns)),
                keep_versions=versions,
                keep_days=keep_days,
                dry_run=config.dry_run,
            )
            rows.append({"ran_at": now, "table": name, "kept_versions": len(versions), **asdict(done)})
            context.log.info(f"{name}: {done.removed_files} files removed, {len(versions)} versions kept")
        frame = pl.DataFrame(rows, schema=UPKEEP_SCHEMA)
        if config.dry_run:
            return dg.MaterializeResult(
                metadata={"dry_run": True, "idle_holds": list(kept.idle_holds), **upkeep_metadata(frame)}
            )
        table = lake.table(use_case.name, MAINTENANCE, TABLES, UPKEEP_SCHEMA)
        commit = table.append(frame, idempotency_key=context.run_id, allow_empty=True)
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, table.uri),
                "dry_run": False,
                "idle_holds": list(kept.idle_holds),
                **upkeep_metadata(frame),
                "plot": picture(plot_upkeep(table.read())),
            },
            data_version=data_version(commit),
        )

    return tables


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
