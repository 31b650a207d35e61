"""The monitoring layer: the prediction log as a table, drift, and quality once labels have arrived.

Belongs here: what Dagster is told of them, verdicts as checks among it. Does not belong here: reaching verdicts (`pipelines/watch.py`), or
asking for a new model (`orchestration/sensors.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import isnan
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import CHAMPION, DEPLOYMENT, DRIFT, PREDICTION_LOG, QUALITY
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, prediction_log_schema
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog, predictions_path
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, MODEL, SERVING
from platform_assets.monitoring.drift import DriftResult
from platform_assets.monitoring.prediction_log import LogOutage, SegmentRead
from platform_assets.orchestration.assets.verdicts import verdict_asset, verdict_metadata
from platform_assets.orchestration.checks import (
    DayVerdict,
    day_check,
    day_results,
    describe_days,
    missing_days_refused,
)
from platform_assets.orchestration.glance import GLANCE, glance_of_days, glance_of_names
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.left_out import catalog_of_run
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
    written_page,
)
from platform_assets.orchestration.partitions import earlier_days, event_days, partition_range
from platform_assets.orchestration.run_traces import tag_traces
from platform_assets.pipelines.audit import anchor_of_day
from platform_assets.pipelines.use_case_state.links import report_path
from platform_assets.pipelines.watch import (
    StoredPredictions,
    store_predictions,
    watch_drift,
    watch_quality,
)
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.model_store import ModelStore

READABLE_CHECK = "readable"
LOG_CHECK = "requests_logged"
STORE_CHECK = "store_answered"
DRIFT_CHECK = "no_drift"
QUALITY_CHECK = "quality_kept"


def predictions_key(use_case: UseCase) -> dg.AssetKey:
    """The asset that holds what was predicted: the service's log, or the daily predictions."""
    return asset_key(use_case, *predictions_path(use_case))


def model_deps(use_case: UseCase) -> list[dg.AssetDep]:
    """The champion that predictions are judged by; nothing where scores are delivered."""
    if not use_case.is_trained_here:
        return []
    return [dg.AssetDep(asset_key(use_case, MODEL, CHAMPION), partition_mapping=dg.LastPartitionMapping())]


def registry_of(use_case: UseCase, models: ModelStore) -> ModelRegistry | None:
    """Where its models are; None where scores are delivered."""
    return models.registry() if use_case.is_trained_here else None


def prediction_log_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Predictions of a day as a Delta table, each request once."""
    schema = prediction_log_schema(use_case)
    key = asset_key(use_case, SERVING, PREDICTION_LOG)
    days_def = event_days(use_case)
    readable = day_check(READABLE_CHECK, key, days_def, description="Every line the service wrote is a prediction.")
    lines_taken = day_check(
        LOG_CHECK, key, days_def, description="No request was refused because the log took no line."
    )
    store_answered = day_check(
        STORE_CHECK, key, days_def, description="No prediction was made without what the online store holds."
    )

    @dg.asset(
        key=key,
        deps=[dg.AssetDep(asset_key(use_case, SERVING, DEPLOYMENT), partition_mapping=dg.LastPartitionMapping())],
        description="Every answered request: what was asked, the features used, the score, the model and the latency.",
        kinds={"deltalake", "bentoml"},
        metadata=column_schema(use_case, key, schema),
        partitions_def=days_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        check_specs=[readable, lines_taken, store_answered],
        op_tags=step_tags(use_case, SERVING, PREDICTION_LOG),
        **policy(use_case, SERVING),
    )
    def prediction_log(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], serving: dg.ResourceParam[ServingHome]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        days = partition_range(context)
        catalog, folder = Catalog(use_case, lake), Path(serving.log_folder(use_case.name))
        stored = store_predictions(catalog, folder, days)
        segments = stored.segments
        tag_traces(context, stored.rows)
        by_day = {day: stored.rows.filter(pl.col(EVENT_DAY) == day) for day in days.days}
        described = {
            day: {"predictions": rows.height, "dagster/row_count": rows.height} for day, rows in by_day.items()
        }
        describe_days(context, key, _with_service(described, stored))
        yield dg.MaterializeResult(
            metadata={
                **commit_metadata(stored.commit, stored.uri),
                **column_lineage(use_case, key, schema),
                "predictions": stored.rows.height,
                "bad_lines": len(segments.bad_lines),
                "torn_lines": segments.torn_lines,
                "anchor": anchor_of_day(catalog, folder),
            },
            data_version=data_version(stored.commit),
        )
        # A line that cannot be read belongs to no day: it is every day's.
        lines = dict.fromkeys(days.days, _verdict(_readable(segments)))
        yield from day_results(context, readable, lines, _readable(segments))
        outages = {day: [one for one in stored.outages if day in one.event_days] for day in days.days}
        taken = {day: _verdict(_lines_taken(of_day)) for day, of_day in outages.items()}
        yield from day_results(context, lines_taken, taken, _lines_taken(stored.outages))
        answered = {day: _verdict(_store_answered(rows, use_case)) for day, rows in by_day.items()}
        yield from day_results(context, store_answered, answered, _store_answered(stored.rows, use_case))

    return prediction_log


def _with_service(described: Mapping[date, dict[str, Any]], stored: StoredPredictions) -> dict[date, dict[str, Any]]:
    """Each day's figures of the service; the picture of all days stands on the last."""
    figures = {figure.day: {"service_days": [figure.to_dict()]} for figure in stored.by_day}
    days = {day: {**metadata, **figures.get(day, {})} for day, metadata in described.items()}
    slowest = {figure.day: figure.latency_p99_ms for figure in stored.by_day}
    for day in set(days) & set(slowest):
        days[day][GLANCE] = glance_of_days(slowest, day, "ms, p99 in the service")
    if stored.latency_plot is not None:
        days[max(days)]["latency"] = picture(stored.latency_plot)
    return days


def _verdict(result: dg.AssetCheckResult) -> DayVerdict:
    return DayVerdict(result.passed, result.metadata)


def _readable(segments: SegmentRead) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=READABLE_CHECK,
        passed=not segments.bad_lines,
        metadata={
            "lines_read": segments.lines_read,
            "bad_lines": [f"{line.place}: {line.reason}" for line in segments.bad_lines[:20]],
        },
    )


def _lines_taken(outages: Sequence[LogOutage]) -> dg.AssetCheckResult:
    """Nothing is lost, for nothing is answered that is not logged; but somebody asked and got no answer."""
    evidence: dict[str, Any] = {"refused_requests": sum(outage.refused for outage in outages)}
    if outages:
        evidence["outages"] = [
            f"{o.since:%Y-%m-%d %H:%M:%S} .. {o.until:%H:%M:%S}: {o.refused}, {o.reason}" for o in outages
        ]
        evidence["next_step"] = "make room where the log is written; the callers have to send these requests again"
    return dg.AssetCheckResult(check_name=LOG_CHECK, passed=not outages, metadata=evidence)


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


def drift_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Drift of every feature and of the score: the window that ends with the day against the model's evaluation rows."""
    window_days = use_case.monitoring.window_days

    @verdict_asset(
        use_case,
        DRIFT,
        (DRIFT_CHECK, "No column has moved past its limits."),
        deps=[
            dg.AssetDep(predictions_key(use_case), partition_mapping=earlier_days(1 - window_days, 0)),
            *model_deps(use_case),
        ],
        description=f"A verdict for every column of the last {window_days} days of predictions, and a page that shows the worst first.",
        kind="html",
    )
    def drift(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        folder = serving.report_folder(use_case.name)
        with missing_days_refused():
            watched = watch_drift(catalog_of_run(context, use_case, lake), registry_of(use_case, models), folder, day)
        result = watched.result
        failed = {verdict.column: verdict.explanation for verdict in result.failed_columns}
        unjudged = sum(verdict.status == "too_few_rows" for verdict in result.failed_columns)
        return dg.MaterializeResult(
            metadata={
                **verdict_metadata(use_case, DRIFT, watched.stored),
                "status": result.status,
                GLANCE: glance_of_names(_farthest(result), "times its limit", limit=1.0),
                "model_version": watched.version.version,
                "rows": result.rows_current,
                **written_page(serving, "report", watched.report, report_path(use_case, watched.report.name)),
                "plot": picture(watched.plot),
                "failed_columns": failed,
                "columns_not_judged": unjudged,
            },
            data_version=data_version(watched.stored.commit),
            check_results=[
                dg.AssetCheckResult(
                    check_name=DRIFT_CHECK,
                    passed=result.passed,
                    metadata={"status": result.status, "rows": result.rows_current, "failed_columns": failed},
                )
            ],
        )

    return drift


def _farthest(result: DriftResult) -> dict[str, float]:
    """How far each column has moved, as a multiple of its limit, the farthest first."""
    moved = {
        one.column.removeprefix(FEATURE_PREFIX): max(
            (
                value / limit
                for value, limit in ((one.ks, one.ks_limit), (one.psi, one.psi_limit))
                if value is not None and limit
            ),
            default=float("nan"),
        )
        for one in result.columns
    }
    failed = {one.column.removeprefix(FEATURE_PREFIX) for one in result.failed_columns}
    return dict(sorted(moved.items(), key=lambda item: (item[0] not in failed, isnan(item[1]), -item[1])))


def quality_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Quality in production: predictions of the window that ends with the day, joined with the labels that arrived."""
    window_days = use_case.monitoring.window_days
    mapping = earlier_days(1 - window_days, 0)
    inputs = [predictions_key(use_case), asset_key(use_case, CLEAN, use_case.label.source)]

    @verdict_asset(
        use_case,
        QUALITY,
        (QUALITY_CHECK, "The followed metric and the label rate keep their bounds."),
        deps=[dg.AssetDep(dep, partition_mapping=mapping) for dep in inputs],
        description=f"The model's metrics on {window_days} days of live predictions, once their labels are known.",
        kind="polars",
    )
    def quality(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        with missing_days_refused():
            watched = watch_quality(catalog_of_run(context, use_case, lake), registry_of(use_case, models), day)
        result = watched.result
        evidence: dict[str, Any] = {
            "status": result.status,
            "explanation": result.explanation,
            "rows": result.rows,
            "labelled_rows": result.labelled_rows,
            **{f"production_{name}": value for name, value in result.metrics.items()},
        }
        return dg.MaterializeResult(
            metadata={
                **verdict_metadata(use_case, QUALITY, watched.stored),
                **evidence,
                GLANCE: glance_of_days(watched.by_day, day, use_case.monitoring.quality_metric),
                "model_version": watched.version.version,
                "plot": picture(watched.plot),
            },
            data_version=data_version(watched.stored.commit),
            check_results=[dg.AssetCheckResult(check_name=QUALITY_CHECK, passed=result.passed, metadata=evidence)],
        )

    return quality
