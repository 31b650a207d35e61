"""Business measures: what a model's answers are worth, as an asset and a check.

Belongs here: what Dagster is told of them. Does not belong here: measuring (`pipelines/measure_business.py`).
"""

from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import BUSINESS_MEASURES
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN
from platform_assets.orchestration.assets.monitoring import predictions_key
from platform_assets.orchestration.assets.verdicts import verdict_asset, verdict_metadata
from platform_assets.orchestration.checks import missing_days_refused
from platform_assets.orchestration.left_out import catalog_of_run
from platform_assets.orchestration.metadata import (
    asset_key,
    data_version,
    picture,
)
from platform_assets.orchestration.partitions import earlier_days
from platform_assets.pipelines.measure_business import watch_business

MEASURES_CHECK = "measures_kept"


def business_measures_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Declared measures of the window of answered requests that ends with the day, once their labels are known."""
    mapping = earlier_days(1 - use_case.monitoring.window_days, 0)
    inputs = [predictions_key(use_case), asset_key(use_case, CLEAN, use_case.label.source)]
    names = ", ".join(measure.name for measure in use_case.monitoring.measures)

    @verdict_asset(
        use_case,
        BUSINESS_MEASURES,
        (MEASURES_CHECK, "Every measure with a bound is there and keeps it."),
        deps=[dg.AssetDep(dep, partition_mapping=mapping) for dep in inputs],
        description=f"What answers are worth, by {use_case.monitoring.window_days} days of requests with labels: {names}.",
        kind="polars",
    )
    def business_measures(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        with missing_days_refused():
            watched = watch_business(catalog_of_run(context, use_case, lake), date.fromisoformat(context.partition_key))
        result = watched.result
        evidence: dict[str, Any] = {
            "status": result.status,
            "explanation": " ".join(one.explanation for one in result.measures),
            "rows": result.rows,
            "labelled_rows": result.labelled_rows,
            **{one.name: one.value for one in result.measures if one.value is not None},
        }
        return dg.MaterializeResult(
            metadata={
                **verdict_metadata(use_case, BUSINESS_MEASURES, watched.stored),
                **evidence,
                "plot": picture(watched.plot),
            },
            data_version=data_version(watched.stored.commit),
            check_results=[dg.AssetCheckResult(check_name=MEASURES_CHECK, passed=result.passed, metadata=evidence)],
        )

    return business_measures
