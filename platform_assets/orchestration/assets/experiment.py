"""The design of the declared A/B test, from the latest labelled days.

Belongs here: what Dagster is told of it, and the file that keeps it. Does not belong here: the plan (`pipelines/design_experiment.py`).
"""

import json
from datetime import UTC, datetime

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import EXPERIMENT_DESIGN
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.experiments.design import Design
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, EXPERIMENTS
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.pipelines.design_experiment import design_experiment

DESIGN_FILE = "experiment-design.json"


def experiment_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Sample size and duration of the declared test; materialized when somebody plans it."""
    tables = dict.fromkeys([use_case.events, use_case.label.source])

    @dg.asset(
        key=asset_key(use_case, EXPERIMENTS, EXPERIMENT_DESIGN),
        deps=[
            dg.AssetDep(asset_key(use_case, CLEAN, table), partition_mapping=_all(use_case, table)) for table in tables
        ],
        description="What it takes to show that a new version is better: sample size, duration, and the effect that could be seen.",
        kinds={"scipy"},
        code_version="1",
        op_tags=step_tags(use_case, EXPERIMENTS, EXPERIMENT_DESIGN),
        **policy(use_case, EXPERIMENTS),
    )
    def experiment_design(lake: dg.ResourceParam[Lake], serving: dg.ResourceParam[ServingHome]) -> dg.MaterializeResult:
        design = design_experiment(Catalog(use_case, lake))
        path = serving.report_folder(use_case.name) / DESIGN_FILE
        path.write_text(json.dumps({**design.to_dict(), "planned_at": datetime.now(UTC).isoformat()}, indent=1))
        planned = design.planned
        return dg.MaterializeResult(
            metadata={
                "plan": dg.MetadataValue.md("\n\n".join(design.sentences())),
                "report": dg.MetadataValue.path(str(path)),
                "base": design.base,
                "events_per_day": design.events_per_day,
                "days": planned.days if planned else "not within the history",
                "participants": planned.needed_units if planned else design.horizons[-1].needed_units,
                "weeks": dg.MetadataValue.md(weeks_table(design)),
            }
        )

    return experiment_design


def _all(use_case: UseCase, table: str) -> dg.PartitionMapping | None:
    return dg.AllPartitionMapping() if use_case.source(table).is_daily else None


def weeks_table(plan: Design) -> str:
    """Tests of each length as a Markdown table."""
    lines = ["| days | participants | needed | effect that could be seen |", "|---:|---:|---:|---:|"]
    lines += [
        f"| {horizon.days} | {horizon.units:,} | {horizon.needed_units:,} | {horizon.detectable_ratio:.1%} |"
        for horizon in plan.horizons
    ]
    return "\n".join(lines)
