"""The monitoring layer before labels: estimated quality.

Belongs here: what Dagster is told of estimates. Does not belong here: making them (`pipelines/estimate_quality.py`), drift and quality with
labels (`monitoring.py`).
"""

from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import ESTIMATE
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN
from platform_assets.monitoring.estimates.change import WindowChange
from platform_assets.monitoring.estimates.kept import EstimatedQuality
from platform_assets.orchestration.assets.monitoring import model_deps, predictions_key, registry_of
from platform_assets.orchestration.assets.verdicts import verdict_asset, verdict_metadata
from platform_assets.orchestration.checks import missing_days_refused
from platform_assets.orchestration.left_out import catalog_of_run
from platform_assets.orchestration.metadata import (
    asset_key,
    data_version,
    picture,
)
from platform_assets.orchestration.partitions import earlier_days
from platform_assets.pipelines.estimate_quality import estimate_quality
from platform_assets.registry.model_store import ModelStore

ESTIMATE_CHECK = "estimate_kept"


def estimated_quality_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Quality of the window that ends with the day, estimated before its labels come."""
    window_days, delay = use_case.monitoring.window_days, use_case.label_delay_days
    labels = earlier_days(1 - window_days - delay, -use_case.label_arrival_days)

    @verdict_asset(
        use_case,
        ESTIMATE,
        (ESTIMATE_CHECK, "The followed metric is likely to keep its bound, and the estimate may be believed."),
        deps=[
            dg.AssetDep(predictions_key(use_case), partition_mapping=earlier_days(1 - window_days - delay, 0)),
            *model_deps(use_case),
            dg.AssetDep(asset_key(use_case, CLEAN, use_case.label.source), partition_mapping=labels),
        ],
        description=f"What the followed metric is likely to be on the last {window_days} days of predictions, before their labels come; "
        "withdrawn where it may not be believed.",
        kind="polars",
    )
    def estimated_quality(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelStore]
    ) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)
        with missing_days_refused():
            watched = estimate_quality(catalog_of_run(context, use_case, lake), registry_of(use_case, models), day)
        evidence = estimate_evidence(watched.result)
        # Lost quality is an error. An estimate that may not be believed is no loss: labels will tell, and somebody should know until then.
        lost = watched.result.status == "violated"
        severity = dg.AssetCheckSeverity.ERROR if lost else dg.AssetCheckSeverity.WARN
        return dg.MaterializeResult(
            metadata={
                **verdict_metadata(use_case, ESTIMATE, watched.stored),
                **evidence,
                **_change_evidence(watched.change),
                "model_version": watched.version.version,
                "plot": picture(watched.plot),
            },
            data_version=data_version(watched.stored.commit),
            check_results=[
                dg.AssetCheckResult(
                    check_name=ESTIMATE_CHECK, passed=watched.result.passed, severity=severity, metadata=evidence
                )
            ],
        )

    return estimated_quality


def estimate_evidence(result: EstimatedQuality) -> dict[str, Any]:
    """Figures of an estimate, for people."""
    evidence: dict[str, Any] = {
        "status": result.status,
        "explanation": result.explanation,
        "rows": result.rows,
        "belief": result.belief.standing if result.belief else "no estimate",
        "controls": [one.explanation for one in result.belief.controls] if result.belief else [],
        "reference_rows": result.reference_rows,
        "scored_estimates": len(result.scored),
    }
    for name, one in result.estimates.items():
        evidence |= {
            f"estimated_{name}": one.value,
            f"estimated_{name}_low": one.low,
            f"estimated_{name}_high": one.high,
        }
    if result.coverage_ratio is not None:
        evidence["coverage_ratio"] = result.coverage_ratio
    return evidence


def _change_evidence(change: WindowChange) -> dict[str, Any]:
    evidence: dict[str, Any] = {"moved": [one.explanation for one in change.moved]}
    if change.importance is not None:
        one = change.importance
        evidence |= {
            "importance_change": one.distance,
            "importance_change_low": one.low,
            "importance_change_high": one.high,
        }
        evidence["importance_changed"] = list(one.changed)
    return evidence
