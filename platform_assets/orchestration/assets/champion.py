"""The champion asset: the alias moves with its evidence, and the ledger remembers.

Belongs here: what Dagster is told of it. Does not belong here: promoting (`pipelines/promote.py`), the verdict (`assets/evaluation.py`),
going back (`assets/rollback.py`).
"""

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION, EVALUATION
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.promote import promote_model
from platform_assets.pipelines.write_model_card import renew_model_cards
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import trained_as_of


def champion_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The champion: the alias moves to the model as of the day, with its evidence, and the ledger remembers."""

    @dg.asset(
        key=asset_key(use_case, MODEL, CHAMPION),
        deps=[asset_key(use_case, MODEL, EVALUATION)],
        description="The version that serves: promoted with its evidence, recorded in a ledger that is never overwritten.",
        kinds={"mlflow"},
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(),
        code_version="1",
        op_tags=step_tags(use_case, MODEL, CHAMPION),
        **policy(use_case, MODEL),
    )
    def champion(
        context: dg.AssetExecutionContext, models: dg.ResourceParam[ModelStore], serving: dg.ResourceParam[ServingHome]
    ) -> dg.MaterializeResult:
        registry = models.registry()
        version = trained_as_of(registry, use_case, context.partition_key)
        catalog, ledger = Catalog(use_case, models.lake), models.ledger(use_case.name)
        promoted = promote_model(catalog, registry, ledger, version, context.run_id)
        previous = promoted.move.previous
        folder = serving.report_folder(use_case.name)
        renew_model_cards(use_case, models, folder, [version, previous] if promoted.move.moved else [])
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "replaced": previous.version if previous else "nothing",
                "moved": promoted.move.moved,
                "because": promoted.reason,
                "parity": promoted.parity,
                "environment": models.environment,
                "mlflow_run": version.run_id,
            },
            data_version=dg.DataVersion(f"{use_case.name}-{version.version}"),
        )

    return champion
