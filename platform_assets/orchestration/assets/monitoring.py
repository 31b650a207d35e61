"""The monitoring layer: the prediction log as a table, drift, and quality once labels have arrived.

Belongs here: windows of event days, reading what they need, publishing verdicts as checks. Does not belong here: the
statistics (`monitoring/`), or asking for a new model (`orchestration/sensors.py`).
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import CHAMPION, DAILY_PREDICTIONS, DEPLOYMENT, DRIFT, PREDICTION_LOG, QUALITY
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, MODEL, MONITORING, PREDICTIONS, SERVING
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.monitoring.drift import DriftResult
from platform_assets.monitoring.drift_page import evidently_report
from platform_assets.monitoring.latency import service_days
from platform_assets.monitoring.plots import plot_drift, plot_latency, plot_quality
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.monitoring.quality import (
    QualityResult,
    join_labels,
    production_quality,
    quality_by_day,
    quality_days,
)
from platform_assets.monitoring.retrain_verdict import window_verdict
from platform_assets.monitoring.watched_window import reference_frame, watch_window
from platform_assets.orchestration.assets.model import read_dataset, training_set_table
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.orchestration.partitions import earlier_days, event_days, partition_range
from platform_assets.pipelines.tables import clean_rows
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import CLASS_ROWS_TAG, ModelRun, read_model_run
from platform_assets.tasks.registry import task_of

READABLE_CHECK = "readable"
STORE_CHECK = "store_answered"
DRIFT_CHECK = "no_drift"
QUALITY_CHECK = "quality_kept"


class MonitoringError(RuntimeError):
    """A window cannot be judged; the message says what is missing and what to do next."""


def predictions_key(use_case: UseCase) -> dg.AssetKey:
    """The asset that holds what was predicted: the service's log, or the daily predictions."""
    if use_case.is_realtime:
        return asset_key(use_case, SERVING, PREDICTION_LOG)
    return asset_key(use_case, PREDICTIONS, DAILY_PREDICTIONS)


def read_predictions(use_case: UseCase, lake: Lake, first: date, last: date) -> pl.DataFrame:
    """What was predicted for these days, both included."""
    _, layer, table = predictions_key(use_case).path
    return lake.table(use_case.name, layer, table, prediction_log_schema(use_case)).read(first, last)


def prediction_log_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Predictions of a day as a Delta table, each request once."""
    schema = prediction_log_schema(use_case)
    key = asset_key(use_case, SERVING, PREDICTION_LOG)

    @dg.asset(
        key=key,
        deps=[dg.AssetDep(asset_key(use_case, SERVING, DEPLOYMENT), partition_mapping=dg.LastPartitionMapping())],
        description="Every answered request: what was asked, the features used, the score, the model and the latency.",
        kinds={"deltalake", "bentoml"},
        metadata=column_schema(schema, {}),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(READABLE_CHECK, asset=key, description="Every line the service wrote is a prediction."),
            dg.AssetCheckSpec(
                STORE_CHECK, asset=key, description="No prediction was made without what the online store holds."
            ),
        ],
        **policy(use_case, SERVING),
    )
    def prediction_log(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], serving: dg.ResourceParam[ServingHome]
    ) -> dg.MaterializeResult:
        days = partition_range(context)
        read = read_segments(serving.log_folder(use_case.name), use_case)
        table = lake.table(use_case.name, SERVING, PREDICTION_LOG, schema)
        rows = read.frame.filter(pl.col(EVENT_DAY).is_between(days.first, days.last))
        metadata: dict[str, Any] = {
            "predictions": rows.height,
            "bad_lines": len(read.bad_lines),
            "torn_lines": read.torn_lines,
        }
        if rows.is_empty() and not table.exists():
            commit = table.write_partitions(rows, days.first, days.last, allow_empty=True)
        else:
            commit = table.merge_rows(rows, ["request_id"], when_matched="keep")
        by_day = service_days(rows)
        if by_day:
            metadata["latency"] = picture(plot_latency(by_day))
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, table.uri),
                **column_lineage(use_case, key, schema),
                **metadata,
                "service_days": [day.to_dict() for day in by_day[:31]],
            },
            data_version=data_version(commit),
            check_results=[
                dg.AssetCheckResult(
                    check_name=READABLE_CHECK,
                    passed=not read.bad_lines,
                    metadata={
                        "lines_read": read.lines_read,
                        "bad_lines": [f"{line.place}: {line.reason}" for line in read.bad_lines[:20]],
                    },
                ),
                _store_answered(rows, use_case),
            ],
        )

    return prediction_log


def _store_answered(rows: pl.DataFrame, use_case: UseCase) -> dg.AssetCheckResult:
    """A warning, not more: the declared fallback did what it is for, and somebody should look at the store."""
    without = rows.filter(pl.col("fallback").is_not_null())
    evidence: dict[str, Any] = {"predictions": rows.height, "predictions_without_store": without.height}
    if not without.is_empty():
        times = without[use_case.event_time]
        evidence |= {"first": str(times.min()), "last": str(times.max())}
        evidence["next_step"] = "check the online store; docs/operations/runbooks.md says how to catch up"
    return dg.AssetCheckResult(
        check_name=STORE_CHECK, passed=without.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata=evidence
    )


def _window(use_case: UseCase, last: date) -> tuple[date, date]:
    return last - timedelta(days=use_case.monitoring.window_days - 1), last


def _model_of(log: pl.DataFrame, registry: ModelRegistry, use_case: UseCase) -> RegisteredVersion:
    """The version that made most of the window's predictions."""
    if log.is_empty():
        raise MonitoringError(
            f"{use_case.name}: no predictions in the window; materialize "
            f"{predictions_key(use_case).to_user_string()} for its days"
            + (", after requests were sent to the service" if use_case.is_realtime else "")
        )
    counts = log.group_by("model_version").len().sort("len", "model_version", descending=True)
    return registry.get(use_case.name, str(counts["model_version"][0]))


def _reference(use_case: UseCase, lake: Lake, version: RegisteredVersion, run: ModelRun) -> pl.DataFrame:
    """The labelled days before the model's own training days, scored by the model itself: rows it has not learned."""
    as_of = date.fromisoformat(version.tags["as_of"])
    last = date.fromisoformat(version.tags["trained_on_first_day"]) - timedelta(days=1)
    first = last - timedelta(days=use_case.training.splits.test_days - 1)
    rows = training_set_table(use_case, lake).read(as_of, as_of).filter(pl.col(EVENT_DAY).is_between(first, last))
    predictor = run.predictor()
    task = task_of(use_case)
    outputs = predictor.predict(read_dataset(use_case, rows).X)
    answers = task.log_columns(use_case, outputs, predictor.classes)
    # read_dataset orders by event time and key; the frame has to follow before the scores are put next to it.
    ordered = rows.sort(use_case.event_time, use_case.event_source.primary_key[0])
    decisions = answers["decision"] if "decision" in task.drift_columns else None
    return reference_frame(ordered, use_case, answers["score"], decisions)


def _write_verdict(
    lake: Lake,
    use_case: UseCase,
    table_name: str,
    day: date,
    version: str,
    result: DriftResult | QualityResult,
    causes: Sequence[str],
) -> tuple[dict[str, Any], dg.DataVersion]:
    row = {
        "status": result.status,
        "passed": result.passed,
        "causes": list(causes),
        "model_version": version,
        "result": json.dumps(result.to_dict(), default=str),
        EVENT_DAY: day,
    }
    table = lake.table(use_case.name, MONITORING, table_name, VERDICT_SCHEMA)
    commit = table.write_partitions(pl.DataFrame([row], schema=VERDICT_SCHEMA), day, day)
    key = asset_key(use_case, MONITORING, table_name)
    metadata = {**commit_metadata(commit, table.uri), **column_lineage(use_case, key, VERDICT_SCHEMA)}
    return metadata, data_version(commit)


def drift_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Drift of every feature and of the score: the window that ends with the day against the model's evaluation rows."""
    window_days = use_case.monitoring.window_days
    key = asset_key(use_case, MONITORING, DRIFT)

    @dg.asset(
        key=key,
        deps=[
            dg.AssetDep(predictions_key(use_case), partition_mapping=earlier_days(1 - window_days, 0)),
            dg.AssetDep(asset_key(use_case, MODEL, CHAMPION), partition_mapping=dg.LastPartitionMapping()),
        ],
        description=f"A verdict for every column of the last {window_days} days of predictions, and Evidently's report.",
        kinds={"evidently"},
        metadata=column_schema(VERDICT_SCHEMA, {}),
        partitions_def=event_days(use_case),
        code_version="1",
        check_specs=[dg.AssetCheckSpec(DRIFT_CHECK, asset=key, description="No column has moved past its limits.")],
        **policy(use_case, MONITORING),
    )
    def drift(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        log = read_predictions(use_case, lake, *_window(use_case, day))
        registry = models.registry()
        version = _model_of(log, registry, use_case)
        reference = _reference(use_case, lake, version, read_model_run(registry.run_folder(version)))
        window = watch_window(log, reference, use_case, day, {version.version})
        result = window.result
        path = serving.report_folder(use_case.name) / f"drift-{day}.html"
        evidently_report(window.reference, window.current, result, path, title=f"{use_case.name}: drift up to {day}")
        causes = window_verdict(day, result, None).causes
        metadata, delta = _write_verdict(lake, use_case, DRIFT, day, version.version, result, causes)
        failed = {verdict.column: verdict.explanation for verdict in result.failed_columns}
        return dg.MaterializeResult(
            metadata={
                **metadata,
                "status": result.status,
                "model_version": version.version,
                "rows": result.rows_current,
                "report": dg.MetadataValue.path(str(path)),
                "plot": picture(plot_drift(result)),
                "failed_columns": failed,
            },
            data_version=delta,
            check_results=[
                dg.AssetCheckResult(
                    check_name=DRIFT_CHECK,
                    passed=result.passed,
                    metadata={"status": result.status, "rows": result.rows_current, "failed_columns": failed},
                )
            ],
        )

    return drift


def quality_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Quality in production: predictions of the window that ends with the day, joined with the labels that arrived."""
    window_days = use_case.monitoring.window_days
    key = asset_key(use_case, MONITORING, QUALITY)
    mapping = earlier_days(1 - window_days, 0)
    inputs = [predictions_key(use_case), asset_key(use_case, CLEAN, use_case.label.source)]

    @dg.asset(
        key=key,
        deps=[dg.AssetDep(dep, partition_mapping=mapping) for dep in inputs],
        description=f"The model's metrics on {window_days} days of live predictions, once their labels are known.",
        kinds={"polars"},
        metadata=column_schema(VERDICT_SCHEMA, {}),
        partitions_def=event_days(use_case),
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                QUALITY_CHECK, asset=key, description="The followed metric and the label rate keep their bounds."
            )
        ],
        **policy(use_case, MONITORING),
    )
    def quality(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        as_of = day + timedelta(days=max(1, use_case.label_delay_days))
        first, last = quality_days(use_case, as_of)
        log = read_predictions(use_case, lake, first, last)
        registry = models.registry()
        version = _model_of(log, registry, use_case)
        labels = clean_rows(lake, use_case, use_case.label_source, first, last)
        joined = join_labels(log, labels, use_case, as_of, {version.version})
        comparison = read_model_run(registry.run_folder(version)).comparison
        promised = comparison["candidates"][version.tags["learner"]]["mean"]
        label_rate = float(version.tags["label_mean"]) if "label_mean" in version.tags else None
        result = production_quality(joined, use_case, promised, label_rate, class_rows=version.tag_json(CLASS_ROWS_TAG))
        causes = window_verdict(day, None, result).causes
        metadata, delta = _write_verdict(lake, use_case, QUALITY, day, version.version, result, causes)
        evidence: dict[str, Any] = {
            "status": result.status,
            "explanation": result.explanation,
            "rows": result.rows,
            "labelled_rows": result.labelled_rows,
            **{f"production_{name}": value for name, value in result.metrics.items()},
        }
        bound = result.bounds.get(use_case.monitoring.quality_metric)
        return dg.MaterializeResult(
            metadata={
                **metadata,
                **evidence,
                "model_version": version.version,
                "plot": picture(
                    plot_quality(quality_by_day(joined, use_case), use_case.monitoring.quality_metric, bound)
                ),
            },
            data_version=delta,
            check_results=[dg.AssetCheckResult(check_name=QUALITY_CHECK, passed=result.passed, metadata=evidence)],
        )

    return quality
