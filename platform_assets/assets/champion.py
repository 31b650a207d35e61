"""Promotion: the champion's alias moves with its evidence, and the ledger remembers.

Belongs here: the champion asset. Does not belong here: the verdict (`evaluation.py`), the registry's own rules (`registry/`).
"""

import json
from datetime import UTC, datetime

import dagster as dg

from platform_assets.assets.common import asset_key, policy
from platform_assets.assets.conditions import after_upstream
from platform_assets.assets.evaluation import VERDICT_FILE, EvaluationError, require_version
from platform_assets.assets.model_folder import registered_run
from platform_assets.assets.partitions import as_of_days
from platform_assets.lake.layout import MODEL
from platform_assets.registry.promotion import promote
from platform_assets.resources.models import ModelsResource
from platform_assets.spec import UseCase
from platform_assets.spec.tables import CHAMPION, EVALUATION


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
        **policy(use_case, MODEL),
    )
    def champion(context: dg.AssetExecutionContext, models: ModelsResource) -> dg.MaterializeResult:
        registry = models.registry()
        version = require_version(use_case, registry, context.partition_key)
        path = registered_run(registry, version).folder / VERDICT_FILE
        if not path.exists():
            raise EvaluationError(
                f"{use_case.name}: version {version.version} was not evaluated; materialize {use_case.name}/{MODEL}/{EVALUATION}"
            )
        evidence = json.loads(path.read_text())
        promotion = promote(
            registry, models.ledger(use_case.name), version, evidence, datetime.now(UTC), context.run_id
        )
        registry.set_tags(version, {"promoted_because": evidence["reason"]})
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "replaced": promotion.previous.version if promotion.previous else "nothing",
                "moved": promotion.moved,
                "because": evidence["reason"],
            },
            data_version=dg.DataVersion(f"{use_case.name}-{version.version}"),
        )

    return champion
