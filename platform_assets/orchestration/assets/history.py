"""The history layer: every version of every row of a source with `deletes: history`.

Belongs here: the asset. Does not belong here: storing the versions (`pipelines/history.py`).
"""

import dagster as dg

from platform_assets.declaration import Source, UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import HISTORY, RAW
from platform_assets.lake.schemas import history_schema
from platform_assets.orchestration.checks import describe_days
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.history import store_row_versions


def history_asset(*, use_case: UseCase, source: Source) -> dg.AssetsDefinition:
    """The table of all versions of a source's rows, each in the day in which it stood, as delivered and not audited."""
    raw_key, own_key = asset_key(use_case, RAW, source.name), asset_key(use_case, HISTORY, source.name)
    schema = history_schema(source)

    @dg.asset(
        key=own_key,
        deps=[raw_key],
        description=f"{source.description} Every version of every row, deleted ones included.",
        kinds={"deltalake", "polars"},
        metadata=column_schema(use_case, own_key, schema),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=after_upstream(),
        code_version="1",
        op_tags=step_tags(use_case, HISTORY, source.name),
        **policy(use_case, HISTORY),
    )
    def history(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        catalog, days, key = Catalog(use_case, lake), partition_range(context), own_key
        commit = store_row_versions(catalog, source, days)
        counts = catalog.history(source.name).count_by_partition(version=commit.version)
        describe_days(context, key, {day: {"dagster/row_count": counts.get(day, 0)} for day in days.days})
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, catalog.history(source.name).uri),
                **column_lineage(use_case, key, schema),
            },
            data_version=data_version(commit),
        )

    return history
