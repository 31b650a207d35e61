"""Promotion: the champion's alias moves with its evidence, and the ledger remembers.

Belongs here: the champion asset, and promoting a version by hand. Does not belong here: the verdict (`assets/evaluation.py`), the
registry's own rules (`registry/`), going back (`assets/rollback.py`).
"""

import json
from collections.abc import Mapping

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION, EVALUATION
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.assets.evaluation import VERDICT_FILE, EvaluationError, require_version
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.check_parity import require_parity
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.history import MADE_FROM, made_from
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.promotion import Promotion, promote
from platform_assets.registry.training_run import registered_run
from platform_assets.training.artifact import read_manifest


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
    def champion(context: dg.AssetExecutionContext, models: dg.ResourceParam[ModelStore]) -> dg.MaterializeResult:
        registry = models.registry()
        version = require_version(use_case, registry, context.partition_key)
        parity = require_parity(Catalog(use_case, models.lake), context.partition_key)
        promotion, because = promote_with_evidence(registry, models.ledger(use_case.name), version, context.run_id)
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "replaced": promotion.previous.version if promotion.previous else "nothing",
                "moved": promotion.moved,
                "because": because,
                "parity": parity,
                "environment": models.environment,
                "mlflow_run": version.run_id,
            },
            data_version=dg.DataVersion(f"{use_case.name}-{version.version}"),
        )

    return champion


def promote_with_evidence(
    registry: ModelRegistry,
    ledger: Ledger,
    version: RegisteredVersion,
    run_id: str,
    decided: Mapping[str, str] | None = None,
) -> tuple[Promotion, str]:
    """Promote a version by the verdict that lies beside its model, and keep with it what the model was made from.

    Args:
        registry: of the environment to promote in.
        ledger: of the same environment.
        version: what to promote.
        run_id: Dagster run that promotes, or what stands for it.
        decided: `who` and `why`, when a person asked for it.

    Returns:
        What was done, and why in one sentence.

    Raises:
        EvaluationError: the version was not evaluated.
        PromotionRefused: its evidence does not allow it, or the model was rolled back from.
        RegistryUnreachable: the registry does not answer; the champion is the one it was.
    """
    run = registered_run(registry, version)
    path = run.folder / VERDICT_FILE
    if not path.exists():
        raise EvaluationError(
            f"{version.use_case}: version {version.version} was not evaluated; materialize "
            f"{version.use_case}/{MODEL}/{EVALUATION} of {version.tags.get('as_of', 'its day')}"
        )
    evidence = json.loads(path.read_text())
    origin = made_from(version, read_manifest(run.predictor_folder)["versions"])
    promotion = promote(registry, ledger, version, {**evidence, MADE_FROM: origin}, None, run_id, decided=decided)
    registry.set_tags(version, {"promoted_because": evidence["reason"]})
    return promotion, evidence["reason"]
