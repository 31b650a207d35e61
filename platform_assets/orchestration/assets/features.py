"""The feature layer: one table for each feature view.

Belongs here: reading what a view needs and storing what it gives. Does not belong here: computing features
(`features/`), the online store (`assets/online_store.py`).
"""

from collections.abc import Iterable
from datetime import date

import dagster as dg
import polars as pl

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.contract import view_meaning_hash
from platform_assets.features.offline.feature_table import join_labels, uses_label
from platform_assets.features.offline.lookups import arrival_days
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import earlier_days, event_days, partition_range
from platform_assets.pipelines.compute_features import FeatureDays, commit_record, refuse_mixed_meanings
from platform_assets.pipelines.tables import clean_rows


def view_deps(use_case: UseCase, view: FeatureView) -> list[dg.AssetDep]:
    """Upstream tables of a view, with the days that each day of the view reads: a changed day makes exactly those days stale that
    `days_touched` names."""
    deps = {use_case.events: earlier_days(-view.span_days, 0)}
    if uses_label(view, use_case) and use_case.label.source != use_case.events:
        deps[use_case.label.source] = earlier_days(-view.span_days, -use_case.label_delay_days)
    return [
        *(dg.AssetDep(asset_key(use_case, CLEAN, name), partition_mapping=days) for name, days in deps.items()),
        *lookup_deps(use_case, [view]),
    ]


def lookup_deps(use_case: UseCase, views: Iterable[FeatureView], ahead_days: int = 0) -> list[dg.AssetDep]:
    """Tables that views look into; of those with an event time the days whose rows count on a day.

    Args:
        use_case: the declaration.
        views: the views.
        ahead_days: 1 for what is made as of the midnight that ends the day.
    """
    oldest: dict[str, int | None] = {}
    for lookup in (lookup for view in views for lookup in view.lookups):
        known = oldest.get(lookup.source)
        oldest[lookup.source] = None if lookup.max_age_days is None else max(lookup.max_age_days, known or 0)
    return [
        dg.AssetDep(
            asset_key(use_case, CLEAN, name),
            partition_mapping=None
            if age is None
            else earlier_days(-age, ahead_days - arrival_days(use_case.source(name))),
        )
        for name, age in oldest.items()
    ]


def reference_keys(use_case: UseCase, views: Iterable[FeatureView]) -> list[dg.AssetKey]:
    """Reference tables that views look into: a new load of one is no reason to compute all days again."""
    sources = {lookup.source for view in views for lookup in view.lookups}
    return [asset_key(use_case, CLEAN, name) for name in sorted(sources) if not use_case.source(name).is_daily]


def read_events(use_case: UseCase, lake: Lake, first: date, last: date) -> pl.DataFrame:
    """Clean events of these days, both included."""
    return clean_rows(lake, use_case, use_case.event_source, first, last)


def with_labels(use_case: UseCase, lake: Lake, events: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Events with the labels of event days up to `last` joined in; null where none is known."""
    labels = use_case.label_source
    if labels.name == use_case.events:
        return events
    return join_labels(events, clean_rows(lake, use_case, labels, first, last), use_case)


def feature_table_asset(*, use_case: UseCase, view: FeatureView) -> dg.AssetsDefinition:
    """The feature table of one view: a row for each event, with the features as of its time."""
    key = asset_key(use_case, FEATURES, view.table)
    schema = use_case.feature_schema(view)

    @dg.asset(
        key=key,
        deps=view_deps(use_case, view),
        description=view.description,
        kinds={"deltalake", "polars"},
        metadata=column_schema(schema, feature_descriptions(view)),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=after_upstream(ignoring=reference_keys(use_case, [view])),
        code_version=f"1-{view_meaning_hash(use_case, view)}",
        op_tags={"feature_view": view.table},
        **policy(use_case, FEATURES),
    )
    def feature_table(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        days = partition_range(context)
        table = lake.table(use_case.name, FEATURES, view.table, schema)
        rewritten = refuse_mixed_meanings(table, use_case, view, days.first, days.last)
        computed = FeatureDays(use_case, view, lake)
        rows = 0
        for first, last, frame in computed.frames(days.first, days.last):
            record = commit_record(computed, use_case, view, finished=not rewritten or last == days.last)
            commit = table.write_partitions(frame, first, last, allow_empty=True, metadata=record)
            rows += frame.height
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, table.uri),
                "dagster/row_count": rows,
                "carried_state": computed.state_used or "used",
                **column_lineage(use_case, key, schema),
            },
            data_version=data_version(commit),
        )

    return feature_table


def feature_descriptions(view: FeatureView) -> dict[str, str]:
    """Description of every feature of a view."""
    described = {row.name: row.description for row in view.rows}
    described |= {item.name: item.description for item in view.functions}
    for lookup in view.lookups:
        described |= dict.fromkeys(lookup.feature_names, lookup.description)
    for window in view.windows:
        for name, duration in zip(window.feature_names, window.durations, strict=True):
            described[name] = f"{window.description}; over {duration}"
    return described


def windowed_views(use_case: UseCase) -> list[FeatureView]:
    """Views that need an entity's history, older versions included."""
    return [view for view in use_case.stored_views if view.windows]
