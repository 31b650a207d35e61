"""The feature layer: one table for each feature view, and the online store.

Belongs here: reading what a view needs and storing what it gives. Does not belong here: computing features
(`features/`).
"""

from datetime import date, timedelta

import dagster as dg
import polars as pl

from platform_assets.assets.common import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.assets.conditions import after_upstream
from platform_assets.assets.lineage import online_columns
from platform_assets.assets.partitions import earlier_days, event_days, partition_range
from platform_assets.assets.tables import clean_rows
from platform_assets.features.state import entity_state
from platform_assets.features.store import apply, write_state
from platform_assets.features.windows import compute_view, history_needed, join_labels, uses_label
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.resources.feast import FeastResource
from platform_assets.resources.lake import LakeResource
from platform_assets.spec import FeatureView, UseCase
from platform_assets.spec.tables import ONLINE_STORE


def view_deps(use_case: UseCase, view: FeatureView) -> list[dg.AssetDep]:
    """Upstream tables of a view, with the days that each day of the view reads."""
    deps = [
        dg.AssetDep(asset_key(use_case, CLEAN, use_case.events), partition_mapping=earlier_days(-view.span_days, 0))
    ]
    if uses_label(view, use_case) and use_case.label.source != use_case.events:
        deps.append(
            dg.AssetDep(
                asset_key(use_case, CLEAN, use_case.label.source),
                partition_mapping=earlier_days(-view.span_days, -use_case.label_delay_days),
            )
        )
    return deps


def read_events(use_case: UseCase, lake: LakeResource, first: date, last: date) -> pl.DataFrame:
    """Clean events of these days, both included."""
    return clean_rows(lake, use_case, use_case.event_source, first, last)


def with_labels(use_case: UseCase, lake: LakeResource, events: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Events with the labels of event days up to `last` joined in; null where none is known."""
    labels = use_case.label_source
    if labels.name == use_case.events:
        return events
    return join_labels(events, clean_rows(lake, use_case, labels, first, last), use_case)


def feature_table_asset(*, use_case: UseCase, view: FeatureView) -> dg.AssetsDefinition:
    """The feature table of one view: a row for each event, with the features as of its time."""
    key = asset_key(use_case, FEATURES, view.name)
    schema = use_case.feature_schema(view)

    @dg.asset(
        key=key,
        deps=view_deps(use_case, view),
        description=view.description,
        kinds={"deltalake", "polars"},
        metadata=column_schema(schema, feature_descriptions(view)),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=after_upstream(),
        code_version="1",
        op_tags={"feature_view": view.name},
        **policy(use_case, FEATURES),
    )
    def feature_table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
        days = partition_range(context)
        first = max(history_needed(view, days.first), use_case.history.first_day)
        events = read_events(use_case, lake, first, days.last)
        if uses_label(view, use_case):
            known = days.last - timedelta(days=use_case.label_delay_days)
            events = with_labels(use_case, lake, events, first, known)
        frame = compute_view(view, use_case, events, days.first, days.last)
        table = lake.table(use_case.name, FEATURES, view.name, schema)
        commit = table.write_partitions(frame, days.first, days.last, allow_empty=True)
        return dg.MaterializeResult(
            metadata={**commit_metadata(commit, table.uri), **column_lineage(use_case, key, schema)},
            data_version=data_version(commit),
        )

    return feature_table


def feature_descriptions(view: FeatureView) -> dict[str, str]:
    """Description of every feature of a view."""
    described = {row.name: row.description for row in view.rows}
    for window in view.windows:
        for name, duration in zip(window.feature_names, window.durations, strict=True):
            described[name] = f"{window.description}; over {duration}"
    return described


def windowed_views(use_case: UseCase) -> list[FeatureView]:
    """Views that need an entity's history."""
    return [view for view in use_case.features if view.windows]


def online_store_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Feast's online store: for each entity the recent events that its windows need, as of the end of the day."""
    key = asset_key(use_case, FEATURES, ONLINE_STORE)
    kept = online_columns(use_case)
    deps = [dep for view in windowed_views(use_case) for dep in online_deps(use_case, view)]

    @dg.asset(
        key=key,
        deps=list({dep.asset_key: dep for dep in deps}.values()),
        description="Each entity's recent events in Feast's online store, from which the service computes the same windows.",
        kinds={"feast", "sqlite"},
        metadata=column_schema(
            {name: use_case.source(node.table).column(node.column).polars_type for name, node in kept.items()}, {}
        ),
        partitions_def=event_days(use_case),
        automation_condition=after_upstream(),
        code_version="1",
        **policy(use_case, FEATURES),
    )
    def online_store(
        context: dg.AssetExecutionContext, lake: LakeResource, feast: FeastResource
    ) -> dg.MaterializeResult:
        at = date.fromisoformat(context.partition_key) + timedelta(days=1)
        settings = feast.settings(use_case)
        apply(use_case, settings)
        written = {}
        for view in windowed_views(use_case):
            first = max(at - timedelta(days=view.span_days + 1), use_case.history.first_day)
            events = read_events(use_case, lake, first, at - timedelta(days=1))
            if uses_label(view, use_case):
                # At midnight the labels of one more day have arrived than the day's own features could know.
                events = with_labels(use_case, lake, events, first, at - timedelta(days=use_case.label_delay_days))
            written[view.name] = write_state(view, entity_state(view, use_case, events, at), settings, use_case)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(written.values()),
                "entities_written": written,
                "state_as_of": at.isoformat(),
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
