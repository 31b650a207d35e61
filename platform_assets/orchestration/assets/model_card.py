"""The model card: one page that says what a model is for, why it was chosen, how good it is and where it ends.

Belongs here: what Dagster is told of it. Does not belong here: writing it (`pipelines/write_model_card.py`), judging
(`assets/evaluation.py`).

A model that a gate stopped has its card from the evaluation, since nothing below a red gate runs.
"""

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import EVALUATION, MODEL_CARD
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, policy, written_page
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.use_case_state.links import report_path
from platform_assets.pipelines.write_model_card import write_model_card
from platform_assets.registry.model_store import ModelStore


def model_card_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The card of the model as of a day, beside its other artifacts and in the folder of reports."""

    @dg.asset(
        key=asset_key(use_case, MODEL, MODEL_CARD),
        deps=[asset_key(use_case, MODEL, EVALUATION)],
        description="What the model is for, why this learner, how good, which gates with which evidence, its limits, its lineage.",
        kinds={"html"},
        partitions_def=as_of_days(use_case),
        automation_condition=dg.AutomationCondition.eager()
        .without(dg.AutomationCondition.in_latest_time_window())
        .with_label("after the evaluation, whatever it found"),
        code_version="1",
        op_tags=step_tags(use_case, MODEL, MODEL_CARD),
        **policy(use_case, MODEL),
    )
    def model_card(
        context: dg.AssetExecutionContext, models: dg.ResourceParam[ModelStore], serving: dg.ResourceParam[ServingHome]
    ) -> dg.MaterializeResult:
        folder = serving.report_folder(use_case.name)
        card = write_model_card(use_case, models, folder, context.partition_key)
        return dg.MaterializeResult(
            metadata={
                "model_version": card.version.version,
                **written_page(serving, "card", card.path, report_path(use_case, card.path.name)),
                "size_bytes": card.size_bytes,
                "passed": card.passed,
                "mlflow_run": card.version.run_id,
            }
        )

    return model_card
