"""The champion asset: the alias moves with its evidence, and the ledger remembers; where releases stand in git, the move is proposed.

Belongs here: what Dagster is told of it. Does not belong here: promoting (`pipelines/promote.py`), proposing (`pipelines/gitops/`), the
verdict (`assets/evaluation.py`), going back (`assets/rollback.py`).
"""

from collections.abc import Callable
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION, EVALUATION
from platform_assets.deployment.gitops.git_repository import GitRepository
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.gitops.automation import AwaitedMerge, promote_or_propose
from platform_assets.pipelines.gitops.propose import Proposer
from platform_assets.pipelines.promote import PromotedModel, promote_model
from platform_assets.pipelines.write_model_card import renew_model_cards
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import trained_as_of
from platform_assets.settings import environment_variables


def champion_asset(*, use_case: UseCase, by_git: bool = False) -> dg.AssetsDefinition:
    """The champion: the alias moves to the model as of the day, with its evidence, and the ledger remembers.

    Args:
        use_case: whose models.
        by_git: releases stand in a git repository: the move is proposed there, and made once it is merged.
    """
    options: dict[str, Any] = {
        "key": asset_key(use_case, MODEL, CHAMPION),
        "deps": [asset_key(use_case, MODEL, EVALUATION)],
        "description": "The version that serves: promoted with its evidence, recorded in a ledger that is never overwritten.",
        "kinds": {"mlflow"},
        "partitions_def": as_of_days(use_case),
        "automation_condition": after_upstream(),
        "code_version": "1",
        "op_tags": step_tags(use_case, MODEL, CHAMPION),
        **policy(use_case, MODEL),
    }
    decorate: Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition] = dg.asset(**options)
    return decorate(_proposed_champion(use_case) if by_git else _promoted_champion(use_case))


def _promoted_champion(use_case: UseCase) -> Callable[..., dg.MaterializeResult]:
    def champion(
        context: dg.AssetExecutionContext, models: dg.ResourceParam[ModelStore], serving: dg.ResourceParam[ServingHome]
    ) -> dg.MaterializeResult:
        registry = models.registry()
        version = trained_as_of(registry, use_case, context.partition_key)
        catalog, ledger = Catalog(use_case, models.lake), models.ledger(use_case.name)
        promoted = promote_model(catalog, registry, ledger, version, context.run_id)
        return _promoted(use_case, promoted, models, serving)

    return champion


def _proposed_champion(use_case: UseCase) -> Callable[..., dg.MaterializeResult]:
    def champion(
        context: dg.AssetExecutionContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
        releases: dg.ResourceParam[GitRepository],
    ) -> dg.MaterializeResult:
        version = trained_as_of(models.registry(), use_case, context.partition_key)
        requests, variables = releases.settings.requests, environment_variables()
        parts = Proposer(models, feast, serving, releases, requests, variables, context.log.info)
        done = promote_or_propose(use_case, version, parts, context.run_id)
        if isinstance(done, PromotedModel):
            return _promoted(use_case, done, models, serving)
        context.log.warning(f"version {version.version} serves once {done.branch} is merged")
        return _awaited(use_case, done, models)

    return champion


def _promoted(
    use_case: UseCase, promoted: PromotedModel, models: ModelStore, serving: ServingHome
) -> dg.MaterializeResult:
    version, previous = promoted.version, promoted.move.previous
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


def _awaited(use_case: UseCase, awaited: AwaitedMerge, models: ModelStore) -> dg.MaterializeResult:
    """The champion is the one it was; the delivery asset moves it once the branch was merged."""
    version = awaited.version
    return dg.MaterializeResult(
        metadata={
            "model_version": version.version,
            "moved": False,
            "proposed": awaited.branch if awaited.pushed else f"{awaited.branch}, before this",
            "request": awaited.address or "a branch",
            "environment": models.environment,
            "mlflow_run": version.run_id,
        },
        data_version=dg.DataVersion(f"{use_case.name}-{version.version}-proposed"),
    )
