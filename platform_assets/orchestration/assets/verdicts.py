"""What assets have in common that hold a verdict of each day: drift, quality, estimates, business measures.

Belongs here: how Dagster is told of such a table, its check and what was stored. Does not belong here: any of the verdicts.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.lake.layout import MONITORING
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, column_lineage, column_schema, commit_metadata, policy
from platform_assets.orchestration.partitions import event_days
from platform_assets.pipelines.watch import StoredVerdict


def verdict_asset(
    use_case: UseCase, table: str, check: tuple[str, str], *, deps: Sequence[dg.AssetDep], description: str, kind: str
) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
    """`dg.asset` for a table of verdicts by event day.

    Args:
        use_case: the declaration.
        table: its name below `monitoring`.
        check: name and description of the check of each day.
        deps: what verdicts are made from.
        description: of the asset.
        kind: what reaches them.
    """
    key, days = asset_key(use_case, MONITORING, table), event_days(use_case)
    name, promise = check

    def made(function: Callable[..., dg.MaterializeResult]) -> dg.AssetsDefinition:
        return dg.asset(
            key=key,
            deps=deps,
            description=description,
            kinds={kind},
            metadata=column_schema(use_case, key, VERDICT_SCHEMA),
            partitions_def=days,
            code_version="1",
            check_specs=[day_check(name, key, days, description=promise)],
            op_tags=step_tags(use_case, MONITORING, table),
            **policy(use_case, MONITORING),
        )(function)

    return made


def verdict_metadata(use_case: UseCase, table: str, stored: StoredVerdict) -> dict[str, Any]:
    """Where a verdict was stored, and what its columns come from."""
    key = asset_key(use_case, MONITORING, table)
    return {**commit_metadata(stored.commit, stored.uri), **column_lineage(use_case, key, VERDICT_SCHEMA)}
