"""Samples of each day's predictions, explained.

Belongs here: what Dagster is told of them. Does not belong here: explaining (`pipelines/explain_prediction`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import EXPLANATIONS
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MONITORING
from platform_assets.orchestration.assets.monitoring import predictions_key
from platform_assets.orchestration.checks import DayVerdict, day_check, day_results, describe_days
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, column_schema, commit_metadata, data_version, policy
from platform_assets.orchestration.partitions import event_days, partition_range
from platform_assets.pipelines.explain_prediction.samples import ExplainedDay, explain_samples, explanations_schema
from platform_assets.registry.model_store import ModelStore

PROVEN_CHECK = "proven"


def explanations_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """As many predictions of a day as are declared, computed again from what was known and taken apart."""
    key = asset_key(use_case, MONITORING, EXPLANATIONS)
    check = day_check(
        PROVEN_CHECK,
        key,
        event_days(use_case),
        description="No sampled answer, computed again, is another one. What retention has taken is counted, and is no fault.",
    )

    @dg.asset(
        key=key,
        deps=[predictions_key(use_case)],
        description="Samples of a day's predictions, computed again from what was known, and what mattered in each.",
        kinds={"deltalake"},
        metadata=column_schema(use_case, key, explanations_schema(use_case)),
        partitions_def=event_days(use_case),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        check_specs=[check],
        op_tags=step_tags(use_case, MONITORING, EXPLANATIONS),
        **policy(use_case, MONITORING),
    )
    def explanations(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        serving: dg.ResourceParam[ServingHome],
        models: dg.ResourceParam[ModelStore],
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        samples = explain_samples(Catalog(use_case, lake), serving, models, partition_range(context))
        by_day = {day: _evidence(found) for day, found in samples.by_day.items()}
        describe_days(
            context, key, {day: {**shown, "dagster/row_count": shown["explained"]} for day, shown in by_day.items()}
        )
        yield dg.MaterializeResult(
            metadata=commit_metadata(samples.commit, samples.uri), data_version=data_version(samples.commit)
        )
        wrong = [f"{request}: {verdict}" for found in samples.by_day.values() for request, verdict in found.wrong]
        counts = {name: sum(shown[name] for shown in by_day.values()) for name in ("explained", "proven", "expired")}
        whole = dg.AssetCheckResult(
            asset_key=key, check_name=PROVEN_CHECK, passed=not wrong, metadata={**counts, "wrong": wrong[:20]}
        )
        verdicts = {day: DayVerdict(not found.wrong, by_day[day]) for day, found in samples.by_day.items()}
        yield from day_results(context, check, verdicts, whole)

    return explanations


def _evidence(found: ExplainedDay) -> dict[str, Any]:
    return {
        "explained": found.explained,
        "proven": found.proven,
        "expired": found.expired,
        "wrong_answers": len(found.wrong),
    }
