"""What work took, as an asset, and the sensor that records it.

Belongs here: what Dagster is told. Does not belong here: recording (`pipelines/record_usage.py`), or prices (`monitoring/cost/`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import USAGE
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MONITORING
from platform_assets.lake.schemas import USAGE_SCHEMA
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import RunUsage
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.measured_steps import read_run_usage
from platform_assets.orchestration.metadata import (
    asset_key,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.pipelines.budgets import STEPS, month_spent
from platform_assets.pipelines.record_usage import COMMAND, RecordedUsage, record_usage, runs_since
from platform_assets.pipelines.show_cost import cost_of_days, plot_costs

INTERVAL_SECONDS = 15 * 60
DATA_VERSION: Final = "dagster/data_version"
"""Tag by which Dagster knows the version of what was made."""
BUDGET_CHECK: Final = "budget"


def usage_sensor_name(use_case: UseCase) -> str:
    """Name of the sensor that records usage."""
    return f"{use_case.name}__{USAGE}"


def usage_asset(*, use_case: UseCase, sheet: str) -> dg.AssetsDefinition:
    """Quantities of all work of the use case, and what the last 30 days cost.

    Args:
        use_case: the declaration.
        sheet: name or file of the price sheet.
    """

    key = asset_key(use_case, MONITORING, USAGE)

    @dg.asset(
        key=key,
        check_specs=budget_specs(use_case),
        description="CPU, memory and bytes of every step, service process and table, and what they cost by a price sheet.",
        metadata=column_schema(use_case, key, USAGE_SCHEMA),
        code_version="1",
        op_tags=step_tags(use_case, MONITORING, USAGE),
        kinds={"deltalake", "polars"},
        **policy(use_case, MONITORING),
    )
    def usage(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], serving: dg.ResourceParam[ServingHome]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        catalog = Catalog(use_case, lake)
        recorded = recorded_usage(catalog, serving, context.instance)
        described = usage_metadata(catalog, recorded, PriceSheet.named(sheet))
        version = None if recorded.commit is None else data_version(recorded.commit)
        yield dg.MaterializeResult(metadata=described, data_version=version)
        yield from budget_results(catalog, PriceSheet.named(sheet))

    return usage


def usage_sensor(*, use_case: UseCase, automation: bool, sheet: str) -> dg.SensorDefinition:
    """Records what ended since the last look, without a run."""

    @dg.sensor(
        name=usage_sensor_name(use_case),
        asset_selection=dg.AssetSelection.assets(asset_key(use_case, MONITORING, USAGE)),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=sensor_status(running=automation),
        description="Records what runs, services and tables took, without a run.",
    )
    def usage(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], serving: dg.ResourceParam[ServingHome]
    ) -> dg.SensorResult:
        catalog = Catalog(use_case, lake)
        recorded = recorded_usage(catalog, serving, context.instance)
        if recorded.commit is None:
            return dg.SensorResult(skip_reason="nothing was done since the last look")
        metadata = usage_metadata(catalog, recorded, PriceSheet.named(sheet))
        made = usage_event(catalog, recorded, metadata)
        judged = budget_evaluations(catalog, PriceSheet.named(sheet))
        return dg.SensorResult(asset_events=[made, *judged], skip_reason=f"{recorded.rows} rows were recorded")

    return usage


def budget_specs(use_case: UseCase) -> list[dg.AssetCheckSpec]:
    """The check of a month's budget, where one is declared."""
    if use_case.budget is None or use_case.budget.per_month is None:
        return []
    key, text = (
        asset_key(use_case, MONITORING, USAGE),
        "Of this month's budget less than half is spent; red once all of it is.",
    )
    return [dg.AssetCheckSpec(BUDGET_CHECK, asset=key, description=text)]


def budget_results(catalog: Catalog, sheet: PriceSheet) -> Iterator[dg.AssetCheckResult]:
    """How a month's budget stands: a warning from the half of it on, red once it is spent.

    Raises:
        BudgetExceeded: it is in another currency than the prices.
    """
    month = month_spent(catalog, sheet, datetime.now(UTC))
    if month is not None:
        yield dg.AssetCheckResult(
            asset_key=asset_key(catalog.use_case, MONITORING, USAGE),
            check_name=BUDGET_CHECK,
            passed=month.ratio < STEPS[0],
            severity=dg.AssetCheckSeverity.ERROR if month.ratio >= STEPS[-1] else dg.AssetCheckSeverity.WARN,
            metadata={
                "spent_ratio": month.ratio,
                "spent": month.spent,
                "budget": month.most,
                "currency": month.currency,
            },
            description=month.sentence,
        )


def budget_evaluations(catalog: Catalog, sheet: PriceSheet) -> list[dg.AssetCheckEvaluation]:
    """The same where no run made the asset."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=asset_key(catalog.use_case, MONITORING, USAGE),
            check_name=BUDGET_CHECK,
            passed=result.passed,
            severity=result.severity,
            metadata=result.metadata or {},
            description=result.description,
        )
        for result in budget_results(catalog, sheet)
    ]


def usage_event(catalog: Catalog, recorded: RecordedUsage, metadata: dict[str, Any]) -> dg.AssetMaterialization:
    """What Dagster is told where no run made the asset."""
    tags = {} if recorded.commit is None else {DATA_VERSION: data_version(recorded.commit).value}
    return dg.AssetMaterialization(asset_key(catalog.use_case, MONITORING, USAGE), metadata=metadata, tags=tags)


def recorded_usage(
    catalog: Catalog, serving: ServingHome, instance: dg.DagsterInstance, command: tuple[datetime, float] | None = None
) -> RecordedUsage:
    """Record what Dagster remembers of runs that are not recorded yet, and what stands now.

    Args:
        catalog: the tables.
        serving: the target, whose processes are looked at.
        instance: Dagster's.
        command: of a command that runs jobs in its own process, since when it has done so for this use case, and the CPU-seconds that it
            took: what its runs did not take is recorded as its own.
    """
    now = datetime.now(UTC)  # Dagster stamps its runs with the machine's time, whatever a simulated clock says
    use_case = catalog.use_case.name
    runs = read_run_usage(instance, runs_since(catalog, now), use_case)
    if command is not None:
        began, cpu_seconds = command
        inside = sum(step.cpu_seconds for run in runs if run.ended_at >= began for step in run.steps.values())
        left = max(0.0, cpu_seconds - inside)
        runs.append(RunUsage(f"command-{uuid4()}", use_case, COMMAND, "", now, cpu_seconds=left))
    return record_usage(catalog, serving, runs, now)


def usage_metadata(catalog: Catalog, recorded: RecordedUsage, sheet: PriceSheet) -> dict[str, Any]:
    """What was recorded, and what the last 30 days cost by kind."""
    costs = cost_of_days(catalog, sheet, datetime.now(UTC), days=30)
    lines = ["| kind | CPU-seconds | GB-hours | " + sheet.currency + " |", "|---|---:|---:|---:|"]
    lines += [
        f"| {one.kind} | {one.cpu_seconds:,.0f} | {one.gigabyte_hours:,.2f} | {one.money:,.4f} |" for one in costs.kinds
    ]
    return {
        **({} if recorded.commit is None else commit_metadata(recorded.commit, catalog.usage.uri)),
        **({"dagster/row_count": catalog.usage.row_count()} if catalog.usage.exists() else {}),
        "recorded_rows": recorded.rows,
        "cost_30_days": round(costs.money, 6),
        "currency": sheet.currency,
        "price_sheet": f"{sheet.name} of {sheet.version}",
        "costs": dg.MetadataValue.md("\n".join(lines)),
        "plot": picture(plot_costs(costs, sheet)),
    }
