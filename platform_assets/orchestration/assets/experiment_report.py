"""The report of the running A/B test: its page, its picture, and what its verdict does to the rollout.

Belongs here: what Dagster is told of it. Does not belong here: the analysis (`pipelines/analyse_experiment.py`), acting on it
(`pipelines/decide_experiment.py`), the plan (`assets/experiment.py`).
"""

from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import EXPERIMENT_REPORT, PREDICTION_LOG
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.experiments.analysis.plot import plot_effect
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, MODEL, SERVING
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, picture, policy
from platform_assets.pipelines.analyse_experiment import AnalysedExperiment, analyse_experiment, write_experiment_report
from platform_assets.pipelines.decide_experiment import act_on_experiment
from platform_assets.registry.model_store import ModelStore


class ExperimentReportConfig(dg.Config):
    """What a person can ask of a report."""

    act: bool = Field(
        default=True, description="Let a verdict end the test's stage of the rollout; false only reports."
    )


def has_experiment_report(use_case: UseCase) -> bool:
    """Whether its rollouts run an experiment."""
    return any(stage.needs_experiment for stage in use_case.serving.rollout)


def experiment_report_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """What the test shows by now; made anew whenever a day of the log or of labels was stored."""
    below = [asset_key(use_case, SERVING, PREDICTION_LOG), asset_key(use_case, CLEAN, use_case.label.source)]

    @dg.asset(
        key=asset_key(use_case, MODEL, EXPERIMENT_REPORT),
        deps=[dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in below],
        description="What the running A/B test shows: effect with an interval that may be read at any time, sample ratio, guardrails. "
        "A verdict ends the test's stage of the rollout.",
        kinds={"html"},
        automation_condition=(
            dg.AutomationCondition.any_deps_updated() & ~dg.AutomationCondition.in_progress()
        ).with_label("when a day of the log or of labels was stored"),
        code_version="1",
        op_tags=step_tags(use_case, MODEL, EXPERIMENT_REPORT),
        **policy(use_case, MODEL),
    )
    def experiment_report(
        context: dg.AssetExecutionContext,
        config: ExperimentReportConfig,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        analysed = analyse_experiment(Catalog(use_case, lake), models.ledger(use_case.name))
        path = write_experiment_report(analysed, serving.report_folder(use_case.name))
        done = act_on_experiment(use_case, analysed, models, serving, context.run_id) if config.act else "only reported"
        return dg.MaterializeResult(metadata=_metadata(analysed, str(path), done))

    return experiment_report


def _metadata(analysed: AnalysedExperiment, page: str, done: str) -> dict[str, Any]:
    analysis, verdict = analysed.analysis, analysed.analysis.verdict
    found: dict[str, Any] = {
        "verdict": dg.MetadataValue.text(verdict.sentence),
        "outcome": dg.MetadataValue.text(verdict.outcome.value),
        "rollout": dg.MetadataValue.text(done),
        "page": dg.MetadataValue.path(page),
        "sample_ratio": dg.MetadataValue.text(verdict.sample_ratio.sentence()),
        "guardrails": dg.MetadataValue.md("\n".join(f"- {one.sentence}" for one in verdict.guardrails) or "none"),
        "requests": dg.MetadataValue.json(dict(analysis.requests.__dict__)),
        "evidence": dg.MetadataValue.json(dict(analysed.evidence)),
    }
    if analysis.path:
        found["effect"] = picture(plot_effect(analysis.path, analysis.minimum, analysis.experiment.direction))
    return found
