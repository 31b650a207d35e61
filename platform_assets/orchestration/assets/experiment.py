"""The design of the declared A/B test, from the latest labelled days.

Belongs here: the design asset, and reading the history. Does not belong here: the arithmetic (`experiments/design.py`).
"""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import EXPERIMENT_DESIGN
from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.experiments.design import Design, DesignError, design, measured
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, EXPERIMENTS
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.pipelines.tables import clean_rows, clean_table

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
        **policy(use_case, EXPERIMENTS),
    )
    def experiment_design(lake: dg.ResourceParam[Lake], serving: dg.ResourceParam[ServingHome]) -> dg.MaterializeResult:
        found = design_of(use_case, lake)
        path = serving.report_folder(use_case.name) / DESIGN_FILE
        path.write_text(json.dumps({**found.to_dict(), "planned_at": datetime.now(UTC).isoformat()}, indent=1))
        planned = found.planned
        return dg.MaterializeResult(
            metadata={
                "plan": dg.MetadataValue.md("\n\n".join(found.sentences())),
                "report": dg.MetadataValue.path(str(path)),
                "base": found.base,
                "events_per_day": found.events_per_day,
                "days": planned.days if planned else "not within the history",
                "participants": planned.needed_units if planned else found.horizons[-1].needed_units,
                "weeks": dg.MetadataValue.md(weeks_table(found)),
            }
        )

    return experiment_design


def _all(use_case: UseCase, table: str) -> dg.PartitionMapping | None:
    return dg.AllPartitionMapping() if use_case.source(table).is_daily else None


def declared_experiment(use_case: UseCase) -> Experiment:
    """The declared test.

    Raises:
        DesignError: none is declared.
    """
    if use_case.experiment is None:
        raise DesignError(
            f"{use_case.name} declares no experiment; add `experiment:` with hypothesis, measure, direction and minimum_effect_ratio "
            "(docs/guide/experiments.md)"
        )
    return use_case.experiment


def design_of(use_case: UseCase, lake: Lake) -> Design:
    """The plan of the declared test, from the latest labelled days.

    Raises:
        DesignError: none is declared, or the history does not allow a plan.
    """
    experiment = declared_experiment(use_case)
    labels = clean_table(lake, use_case, use_case.label_source)
    days = labels.partitions() if labels.exists() else []
    if not days:
        raise DesignError(f"{use_case.name} has no labels yet; run `platform-assets run {use_case.name}` first")
    first = days[-1] - timedelta(days=experiment.history_days - 1)
    events = clean_rows(lake, use_case, use_case.event_source, first, days[-1])
    known = clean_rows(lake, use_case, use_case.label_source, first, days[-1])
    if use_case.label.source != use_case.events:
        keys = list(use_case.event_source.primary_key)
        events = events.join(known.select(*keys, use_case.label.column), on=keys, how="inner")
    return design(experiment, measured(events.with_columns(pl.col(EVENT_DAY)), experiment, EVENT_DAY))


def weeks_table(found: Design) -> str:
    """Tests of each length as a Markdown table."""
    lines = ["| days | participants | needed | effect that could be seen |", "|---:|---:|---:|---:|"]
    lines += [
        f"| {horizon.days} | {horizon.units:,} | {horizon.needed_units:,} | {horizon.detectable_ratio:.1%} |"
        for horizon in found.horizons
    ]
    return "\n".join(lines)
