"""Batch predictions: a table of predictions for each day, where no service is asked.

Belongs here: the predictions asset of a use case in batch mode. Does not belong here: how a prediction is made
(`training/predictor.py`), or the service's log (`assets/monitoring.py`).
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import dagster as dg
import numpy as np
import polars as pl

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import CHAMPION, DAILY_PREDICTIONS
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, prediction_log_schema
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, MODEL, PREDICTIONS
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.tables import clean_rows
from platform_assets.registry.base import CHAMPION as CHAMPION_ALIAS
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, registered_run
from platform_assets.tasks.registry import task_of
from platform_assets.training.predictor import Predictor

COMPLETE_CHECK = "complete"


class PredictionError(RuntimeError):
    """A day cannot be predicted; the message says what is missing and what to do next."""


def predictions_table(use_case: UseCase, lake: Lake) -> LakeTable:
    """The table of daily predictions, with the columns of a service's prediction log."""
    return lake.table(use_case.name, PREDICTIONS, DAILY_PREDICTIONS, prediction_log_schema(use_case))


def daily_predictions_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Predictions of each day's events, made by the champion from what was known before the day began."""
    key = asset_key(use_case, PREDICTIONS, DAILY_PREDICTIONS)
    champion_key = asset_key(use_case, MODEL, CHAMPION)
    features = [asset_key(use_case, FEATURES, view.table) for view in use_case.features]

    @dg.asset(
        key=key,
        deps=[*features, dg.AssetDep(champion_key, partition_mapping=dg.LastPartitionMapping())],
        description="One prediction for each event of the day: what was known, the features used, the value, the model.",
        kinds={"deltalake"},
        metadata=column_schema(prediction_log_schema(use_case), {}),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        # The champion's latest as-of day is missing on most days, which would keep the condition closed.
        automation_condition=after_upstream(ignoring=[champion_key]),
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                COMPLETE_CHECK, asset=key, blocking=True, description="Every published event has one finite prediction."
            )
        ],
        **policy(use_case, PREDICTIONS),
    )
    def predictions(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        days = partition_range(context)
        registry = models.registry()
        version = champion_for(use_case, registry, days)
        events = clean_rows(lake, use_case, use_case.event_source, days.first, days.last)
        views = {
            view.name: lake.table(use_case.name, FEATURES, view.table, use_case.feature_schema(view)).read(
                days.first, days.last
            )
            for view in use_case.features
        }
        joined = join_views(events, views, use_case, days.first, days.last)
        frame = predict_rows(use_case, joined, registered_run(registry, version).predictor(), version)
        lacking = frame.filter(~pl.col("score").is_finite()).height + events.height - frame.height
        evidence = {"events": events.height, "without_prediction": lacking}
        passed = lacking == 0 and events.height > 0
        if not passed:
            yield dg.AssetCheckResult(asset_key=key, check_name=COMPLETE_CHECK, passed=False, metadata=evidence)
            raise dg.Failure(
                description=f"{use_case.name}: {lacking} of {events.height} events of {days} have no prediction; nothing was written.",
                metadata=evidence,
                allow_retries=False,
            )
        table = predictions_table(use_case, lake)
        commit = table.write_partitions(frame, days.first, days.last)
        yield dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, table.uri),
                "model_version": version.version,
                "mean_prediction": float(str(frame["score"].mean())),
            },
            data_version=data_version(commit),
            check_results=[dg.AssetCheckResult(check_name=COMPLETE_CHECK, passed=True, metadata=evidence)],
        )

    return predictions


def champion_for(use_case: UseCase, registry: ModelRegistry, days: DayRange) -> RegisteredVersion:
    """The champion, if it knows nothing of these days.

    Raises:
        PredictionError: there is none, or it was trained as of a later day.
    """
    version = registry.by_alias(use_case.name, CHAMPION_ALIAS)
    if version is None:
        raise PredictionError(
            f"{use_case.name}: there is no champion to predict with; run the job {use_case.name}__train for a day"
        )
    as_of = date.fromisoformat(version.tags["as_of"])
    if days.first < as_of:
        raise PredictionError(
            f"{use_case.name}: the champion, version {version.version}, knows data up to {as_of}: predicting {days.first} "
            f"with it would use the future. Predict days from {as_of} on."
        )
    return version


def predict_rows(
    use_case: UseCase, rows: pl.DataFrame, predictor: Predictor, version: RegisteredVersion
) -> pl.DataFrame:
    """Predictions in the columns of `prediction_log_schema`, ordered by event time and key.

    Args:
        use_case: the declaration.
        rows: events with their columns, features and `event_day`.
        predictor: the champion.
        version: its registry entry.

    Raises:
        PredictionError: the champion tells other classes apart than the declared ones.
    """
    if predictor.classes != use_case.classes:
        raise PredictionError(
            f"{use_case.name}: the champion, version {version.version}, tells {', '.join(predictor.classes) or 'no classes'} apart, but "
            f"{', '.join(use_case.classes) or 'none'} are declared; train and promote a model for this declaration"
        )
    keys = use_case.event_source.primary_key
    rows = rows.sort(use_case.event_time, *keys)
    X = rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features).to_numpy()
    started = time.perf_counter()
    answers = predictor.predict(np.ascontiguousarray(X))
    each_ms = (time.perf_counter() - started) * 1e3 / max(1, rows.height)
    names = [".".join(map(str, key)) for key in rows.select(keys).iter_rows()]
    given: dict[str, Any] = {
        "request_id": pl.Series(
            [str(uuid5(NAMESPACE_URL, f"{use_case.name}/{version.version}/{name}")) for name in names]
        ),
        "scored_at": pl.lit(datetime.now(UTC)),
        **task_of(use_case).log_columns(use_case, answers, predictor.classes),
        "model_version": pl.lit(version.version),
        "release": pl.lit(version.tags.get(MODEL_DIGEST_TAG)),
        "feature_contract": pl.lit(feature_contract_hash(use_case)),
        "unknown_entities": pl.lit(""),
        "latency_ms": pl.lit(each_ms),
        "fallback": pl.lit(None),
        **{FEATURE_PREFIX + name: pl.col(name) for name in use_case.feature_names},
    }
    schema = prediction_log_schema(use_case)
    return rows.with_columns(**given).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
