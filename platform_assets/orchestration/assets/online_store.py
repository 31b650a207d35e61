"""The online store: each entity's recent events, and what look-ups find, as of the end of a day.

Belongs here: which days of which tables the store's state depends on, and what Dagster is told. Does not belong here: making and writing
the state (`pipelines/refresh_online_store.py`).
"""

from datetime import date

import dagster as dg

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.names import ONLINE_STORE
from platform_assets.features.entity_state import views_with_state
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.lake.lineage.features import online_columns
from platform_assets.orchestration.assets.features import lookup_deps, reference_keys
from platform_assets.orchestration.checks import missing_days_refused
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.left_out import catalog_of_run, left_out_metadata
from platform_assets.orchestration.metadata import asset_key, column_schema, policy
from platform_assets.orchestration.partitions import earlier_days, event_days
from platform_assets.pipelines.refresh_online_store import refresh_online_store


def online_store_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Feast's online store: for each entity the recent events that its windows need, as of the end of the day."""
    key = asset_key(use_case, FEATURES, ONLINE_STORE)
    kept = online_columns(use_case)
    deps = [dep for view in views_with_state(use_case) for dep in online_deps(use_case, view)]
    deps += lookup_deps(use_case, use_case.stored_views, ahead_days=1)

    @dg.asset(
        key=key,
        deps=list({dep.asset_key: dep for dep in deps}.values()),
        description="Each entity's recent events in Feast's online store, from which the service computes the same windows.",
        kinds={"feast", "sqlite"},
        metadata=column_schema(
            use_case,
            key,
            {name: use_case.source(node.table).column(node.column).polars_type for name, node in kept.items()},
        ),
        partitions_def=event_days(use_case),
        automation_condition=after_upstream(ignoring=reference_keys(use_case, use_case.stored_views)),
        code_version="1",
        op_tags=step_tags(use_case, FEATURES, ONLINE_STORE),
        **policy(use_case, FEATURES),
    )
    def online_store(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], feast: dg.ResourceParam[FeatureStore]
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        catalog = catalog_of_run(context, use_case, lake)
        with missing_days_refused():
            refreshed = refresh_online_store(catalog, feast.settings(use_case), day, context.log.info)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(refreshed.entities_written.values()),
                "entities_written": refreshed.entities_written,
                "entities_unchanged": dict(refreshed.entities_unchanged),
                "states": dict(refreshed.states),
                "state_as_of": refreshed.state_as_of.isoformat(),
                "newer_state_kept": list(refreshed.newer_state_kept),
                **left_out_metadata(catalog),
                **({"filled_because": refreshed.filled_because} if refreshed.filled_because else {}),
            }
        )

    return online_store


def online_deps(use_case: UseCase, view: FeatureView) -> list[dg.AssetDep]:
    """Upstream tables of a view's online state: labels that arrive at the coming midnight are already part of it."""
    deps = [
        dg.AssetDep(asset_key(use_case, CLEAN, use_case.events), partition_mapping=earlier_days(-view.span_days, 0))
    ]
    if uses_label(view, use_case) and use_case.label.source != use_case.events:
        mapping = earlier_days(-view.span_days, 1 - use_case.label_arrival_days)
        deps.append(dg.AssetDep(asset_key(use_case, CLEAN, use_case.label.source), partition_mapping=mapping))
    return deps
