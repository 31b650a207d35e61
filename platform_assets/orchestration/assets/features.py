"""The feature layer: one table for each feature view.

Belongs here: which days of which tables a view's days depend on, and what Dagster is told. Does not belong here: computing them
(`pipelines/compute_features.py`), the online store (`assets/online_store.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.contract import view_meaning_hash
from platform_assets.features.offline.feature_table import days_reached, uses_label
from platform_assets.features.offline.lookups import arrival_days
from platform_assets.features.offline.sharding.plan import Capacity
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.orchestration.checks import (
    DayVerdict,
    day_check,
    day_results,
    describe_days,
    missing_days_refused,
)
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.left_out import catalog_of_run, left_out_metadata
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import earlier_days, event_days, partition_range
from platform_assets.pipelines.completeness import Completeness
from platform_assets.pipelines.compute_features import ComputedFeatures, compute_features
from platform_assets.pipelines.publish_features import publish_features
from platform_assets.settings import source_access

COMPLETE_CHECK = "complete"
SHOWN_DAYS = 3

Computed = Iterator[dg.MaterializeResult | dg.AssetCheckResult]


def view_deps(use_case: UseCase, view: FeatureView) -> list[dg.AssetDep]:
    """Upstream tables of a view, with the days that each day of the view reads: a changed day makes exactly those days stale whose
    windows reach it."""
    span = days_reached(view, use_case.time_zone)
    deps = {use_case.events: earlier_days(-span, 0)}
    if uses_label(view, use_case) and use_case.label.source != use_case.events:
        deps[use_case.label.source] = earlier_days(-span, -use_case.label_arrival_days)
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


def feature_table_asset(*, use_case: UseCase, view: FeatureView) -> dg.AssetsDefinition:
    """The feature table of one view: a row for each event, with the features as of its time; its blocking check `complete` says so."""
    key = asset_key(use_case, FEATURES, view.table)
    schema = use_case.feature_schema(view)
    check = day_check(
        COMPLETE_CHECK,
        key,
        event_days(use_case),
        blocking=True,
        description="Every published event of the day has one row, with its key, and no other row is there.",
    )

    @dg.asset(
        key=key,
        deps=view_deps(use_case, view),
        description=view.description,
        kinds={"deltalake", "polars"},
        metadata=column_schema(use_case, key, schema),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=after_upstream(ignoring=reference_keys(use_case, [view])),
        code_version=f"1-{view_meaning_hash(use_case, view)}",
        op_tags={"feature_view": view.table, **step_tags(use_case, FEATURES, view.table)},
        check_specs=[check],
        **policy(use_case, FEATURES),
    )
    def feature_table(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], capacity: dg.ResourceParam[Capacity]
    ) -> Computed:
        catalog = catalog_of_run(context, use_case, lake)
        with missing_days_refused():
            computed = compute_features(catalog, view, partition_range(context), capacity)
        describe_days(context, key, _by_day(computed))
        published = publish_features(catalog, view, partition_range(context).days, source_access)
        yield dg.MaterializeResult(
            metadata={
                **commit_metadata(computed.commit, computed.uri),
                **({} if published is None else {"published_in": f"{published.store}: {published.table}"}),
                "dagster/row_count": computed.rows,
                "carried_state": computed.carried_state,
                **left_out_metadata(catalog),
                **column_lineage(use_case, key, schema),
            },
            data_version=data_version(computed.commit),
        )
        yield from day_results(context, check, *completeness_results(COMPLETE_CHECK, key, computed.completeness))

    return feature_table


def _by_day(computed: ComputedFeatures) -> dict[date, dict[str, Any]]:
    return {
        day: {"dagster/row_count": one.rows, "delta_version": computed.versions[day]}
        for day, one in computed.completeness.items()
    }


def completeness_results(
    name: str, key: dg.AssetKey, days: Mapping[date, Completeness]
) -> tuple[dict[date, DayVerdict], dg.AssetCheckResult]:
    """Completeness of days as verdicts of a check: each day's, and that of all."""
    verdicts = {
        day: DayVerdict(one.passed, {"rows": one.rows, "expected": one.expected, "explanation": one.explanation})
        for day, one in days.items()
    }
    red = {day: one for day, one in days.items() if not one.passed}
    totals = {"rows": sum(one.rows for one in days.values()), "expected": sum(one.expected for one in days.values())}
    worst = [f"{day}: {one.explanation}" for day, one in red.items()][:SHOWN_DAYS]
    explanation = "; ".join(worst) or f"{totals['rows']:,} rows, one for each published event"
    metadata: dict[str, Any] = {**totals, "incomplete_days": [str(day) for day in red], "explanation": explanation}
    return verdicts, dg.AssetCheckResult(asset_key=key, check_name=name, passed=not red, metadata=metadata)
