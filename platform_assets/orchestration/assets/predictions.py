"""Batch predictions: a table of predictions for each day, where no service is asked.

Belongs here: what Dagster is told of them. Does not belong here: predicting (`pipelines/predict.py`), or the service's log
(`assets/monitoring.py`).
"""

from collections.abc import Iterator

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import CHAMPION, DAILY_PREDICTIONS
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, MODEL, PREDICTIONS
from platform_assets.orchestration.checks import (
    DayVerdict,
    day_check,
    day_results,
    describe_days,
    missing_days_refused,
)
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.predict import DailyPredictions, predict
from platform_assets.registry.model_store import ModelStore

COMPLETE_CHECK = "complete"


def daily_predictions_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Predictions of each day's events, made by the champion from what was known before the day began."""
    key = asset_key(use_case, PREDICTIONS, DAILY_PREDICTIONS)
    champion_key = asset_key(use_case, MODEL, CHAMPION)
    features = [asset_key(use_case, FEATURES, view.table) for view in use_case.features]
    check = day_check(
        COMPLETE_CHECK,
        key,
        event_days(use_case),
        blocking=True,
        description="Every published event has one finite prediction.",
    )

    @dg.asset(
        key=key,
        deps=[*features, dg.AssetDep(champion_key, partition_mapping=dg.LastPartitionMapping())],
        description="One prediction for each event of the day: what was known, the features used, the value, the model.",
        kinds={"deltalake"},
        metadata=column_schema(use_case, key, prediction_log_schema(use_case)),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        # The champion's latest as-of day is missing on most days, which would keep the condition closed.
        automation_condition=after_upstream(ignoring=[champion_key]),
        code_version="1",
        check_specs=[check],
        op_tags=step_tags(use_case, PREDICTIONS, DAILY_PREDICTIONS),
        **policy(use_case, PREDICTIONS),
    )
    def predictions(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        days = partition_range(context)
        with missing_days_refused():
            predicted = predict(Catalog(use_case, lake), models.registry(), days)
        yield from _results(context, check, predicted, days)

    return predictions


def _results(
    context: dg.AssetExecutionContext, check: dg.AssetCheckSpec, predicted: DailyPredictions, days: DayRange
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """What was predicted, with the verdict on each day; where a prediction lacks, the run fails."""
    key, commit = check.asset_key, predicted.commit
    if commit is not None:
        by_day = {
            day: {"dagster/row_count": events, "delta_version": commit.version}
            for day, (events, _) in predicted.by_day.items()
        }
        describe_days(context, key, by_day)
        yield dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, predicted.uri),
                "model_version": predicted.version.version,
                **({"mean_prediction": predicted.mean} if days.first == days.last else {}),
            },
            data_version=data_version(commit),
        )
    lacking = predicted.without_prediction
    evidence = {"events": predicted.events, "without_prediction": lacking, "mean_prediction": predicted.mean}
    passed = commit is not None
    verdicts = {
        day: DayVerdict(passed and without == 0, {"events": events, "without_prediction": without})
        for day, (events, without) in predicted.by_day.items()
    }
    whole = dg.AssetCheckResult(asset_key=key, check_name=COMPLETE_CHECK, passed=passed, metadata=evidence)
    yield from day_results(context, check, verdicts, whole)
    if commit is None:
        raise dg.Failure(
            description=f"{context.asset_key.to_user_string()}: {lacking} of {predicted.events} events of {days} have no prediction; "
            "nothing was written.",
            metadata=evidence,
            allow_retries=False,
        )
