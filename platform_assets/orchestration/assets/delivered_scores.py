"""Predictions of somebody else's model: the delivered scores of each day.

Belongs here: what Dagster is told of them. Does not belong here: taking them in (`pipelines/take_in_scores.py`), or predictions that are
made here (`predictions.py`).
"""

from collections.abc import Iterator

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import DAILY_PREDICTIONS
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, PREDICTIONS
from platform_assets.orchestration.checks import (
    DayVerdict,
    day_check,
    day_results,
    describe_days,
    missing_days_refused,
)
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.left_out import catalog_of_run
from platform_assets.orchestration.metadata import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.take_in_scores import take_in_scores

SCORED_CHECK = "scored"


def delivered_scores_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The delivered scores of each day, beside the events and features that they are about."""
    given = use_case.predictions
    assert given is not None, "scores are delivered"
    key = asset_key(use_case, PREDICTIONS, DAILY_PREDICTIONS)
    published = [asset_key(use_case, CLEAN, name) for name in dict.fromkeys((use_case.events, given.source))]
    check = day_check(
        SCORED_CHECK,
        key,
        event_days(use_case),
        description="Every event has one finite score, and every score an event.",
    )

    @dg.asset(
        key=key,
        deps=[*published, *(asset_key(use_case, FEATURES, view.table) for view in use_case.features)],
        description="Scores that somebody else's model made of the day's events, with the features that stand beside them.",
        kinds={"deltalake"},
        metadata=column_schema(use_case, key, prediction_log_schema(use_case)),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=after_upstream(),
        code_version="1",
        check_specs=[check],
        op_tags=step_tags(use_case, PREDICTIONS, DAILY_PREDICTIONS),
        **policy(use_case, PREDICTIONS),
    )
    def delivered_scores(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        days = partition_range(context)
        with missing_days_refused():
            taken = take_in_scores(catalog_of_run(context, use_case, lake), days)
        rows = {day: one.events - one.without_score for day, one in taken.by_day.items()}
        described = {
            day: {"dagster/row_count": count, "delta_version": taken.commit.version} for day, count in rows.items()
        }
        describe_days(context, key, described)
        yield dg.MaterializeResult(
            metadata={**commit_metadata(taken.commit, taken.uri), "model_versions": dict(taken.versions)},
            data_version=data_version(taken.commit),
        )
        evidence = {
            day: {"events": one.events, "without_score": one.without_score, "scores_without_event": one.without_event}
            for day, one in taken.by_day.items()
        }
        verdicts = {day: DayVerdict(one.is_complete, evidence[day]) for day, one in taken.by_day.items()}
        total = {name: sum(one[name] for one in evidence.values()) for name in next(iter(evidence.values()))}
        passed = all(one.is_complete for one in taken.by_day.values())
        whole = dg.AssetCheckResult(asset_key=key, check_name=SCORED_CHECK, passed=passed, metadata=total)
        yield from day_results(context, check, verdicts, whole)

    return delivered_scores
