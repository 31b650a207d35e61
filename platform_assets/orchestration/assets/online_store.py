"""The online store: each entity's recent events, and what look-ups find, as of the end of a day.

Belongs here: reading what a state needs, writing it, and what Dagster is told. Does not belong here: making a state
(`features/online/entity_state.py`), writing and verifying it (`features/online/store.py`).

A day that is materialized again after a later one changes nothing: the store holds a newer state, and the latest day is
materialized again after whatever changed the earlier one.
"""

from datetime import date, timedelta

import dagster as dg

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.names import ONLINE_STORE
from platform_assets.features.errors import OlderState
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.features.offline.lookups import days_to_read
from platform_assets.features.online.entity_state import entity_state
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.features.online.lookup_state import lookup_layouts, write_lookup
from platform_assets.features.online.store import apply, write_state
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.orchestration.assets.features import (
    lookup_deps,
    read_events,
    reference_keys,
    windowed_views,
    with_labels,
)
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import asset_key, column_schema, policy
from platform_assets.orchestration.partitions import earlier_days, event_days
from platform_assets.pipelines.lineage import online_columns
from platform_assets.pipelines.tables import clean_rows


def online_store_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Feast's online store: for each entity the recent events that its windows need, as of the end of the day."""
    key = asset_key(use_case, FEATURES, ONLINE_STORE)
    kept = online_columns(use_case)
    deps = [dep for view in windowed_views(use_case) for dep in online_deps(use_case, view)]
    deps += lookup_deps(use_case, use_case.stored_views, ahead_days=1)

    @dg.asset(
        key=key,
        deps=list({dep.asset_key: dep for dep in deps}.values()),
        description="Each entity's recent events in Feast's online store, from which the service computes the same windows.",
        kinds={"feast", "sqlite"},
        metadata=column_schema(
            {name: use_case.source(node.table).column(node.column).polars_type for name, node in kept.items()}, {}
        ),
        partitions_def=event_days(use_case),
        automation_condition=after_upstream(ignoring=reference_keys(use_case, use_case.stored_views)),
        code_version="1",
        **policy(use_case, FEATURES),
    )
    def online_store(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], feast: dg.ResourceParam[FeatureStore]
    ) -> dg.MaterializeResult:
        at = date.fromisoformat(context.partition_key) + timedelta(days=1)
        settings = feast.settings(use_case)
        apply(use_case, settings)
        written: dict[str, int] = {}
        newer: list[str] = []
        for view in windowed_views(use_case):
            first = max(at - timedelta(days=view.span_days + 1), use_case.history.first_day)
            events = read_events(use_case, lake, first, at - timedelta(days=1))
            if uses_label(view, use_case):
                # At midnight the labels of one more day have arrived than the day's own features could know.
                events = with_labels(use_case, lake, events, first, at - timedelta(days=use_case.label_delay_days))
            try:
                written[view.table] = write_state(view, entity_state(view, use_case, events, at), settings, use_case)
            except OlderState as error:
                context.log.info(str(error))
                newer.append(view.table)
        for layout in lookup_layouts(use_case, use_case.stored_views):
            days = days_to_read(use_case, layout.lookup, at - timedelta(days=1), at)
            rows = clean_rows(lake, use_case, use_case.source(layout.lookup.source), *(days or (None, None)))
            name = f"{layout.view.table}_{layout.lookup.name}"
            try:
                written[name] = write_lookup(layout, rows, settings, at)
            except OlderState as error:
                context.log.info(str(error))
                newer.append(name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(written.values()),
                "entities_written": written,
                "state_as_of": at.isoformat(),
                "newer_state_kept": newer,
            }
        )

    return online_store


def online_deps(use_case: UseCase, view: FeatureView) -> list[dg.AssetDep]:
    """Upstream tables of a view's online state: labels that arrive at the coming midnight are already part of it."""
    deps = [
        dg.AssetDep(asset_key(use_case, CLEAN, use_case.events), partition_mapping=earlier_days(-view.span_days, 0))
    ]
    if uses_label(view, use_case) and use_case.label.source != use_case.events:
        mapping = earlier_days(-view.span_days, 1 - use_case.label_delay_days)
        deps.append(dg.AssetDep(asset_key(use_case, CLEAN, use_case.label.source), partition_mapping=mapping))
    return deps
