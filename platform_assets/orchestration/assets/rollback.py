"""Rolling back: an earlier champion answers again, once its service has started and answered known rows.

Belongs here: the rollback asset, which is materialized by a person, from the UI or by `platform-assets models rollback`. Does not
belong here: which version may be gone back to (`registry/rollback.py`), or how a service takes over (`deployment/local/`).

The earlier version's service takes the traffic first and the champion's alias follows: when the service does not start any more,
nothing has changed. Going back is not undone by itself: a model that was rolled back from is promoted again by a person only, see
`registry/promotion.py`, while the next new model is promoted as ever.
"""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.names import CHAMPION, ROLLBACK
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.packaging import BentoError, build_bento, find_bento
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.metadata import asset_key
from platform_assets.pipelines.deploy import put_in_service
from platform_assets.pipelines.package import DIGEST_TAG, release_info
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.errors import RollbackRefused
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.rollback import roll_back, rollback_target
from platform_assets.registry.training_run import ModelRun, registered_run
from platform_assets.training.artifact import ArtifactError

LARGEST_DIFFERENCE = 1e-6


class RollbackConfig(dg.Config):
    """What a person says when rolling back."""

    why: str = Field(description="What makes it necessary; kept in the ledger.")
    to: str | None = Field(default=None, description="Version to go back to; default: the champion before this one.")
    who: str = Field(default="", description="Who decided it.")


@dataclass(frozen=True)
class Proven:
    """That an earlier version still answers.

    Attributes:
        release: digest of its service; None without a service.
        evidence: what was found, for the ledger.
    """

    release: str | None
    evidence: dict[str, Any] = field(default_factory=dict)


def rollback_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """An earlier champion answers again: its service is proven to start, address and alias go back, the ledger remembers."""

    @dg.asset(
        key=asset_key(use_case, MODEL, ROLLBACK),
        deps=[asset_key(use_case, MODEL, CHAMPION)],
        description="Materialize it to go back to an earlier champion. Its service has to start first; the ledger remembers why.",
        kinds={"mlflow"},
        code_version="1",
        group_name=MODEL,
        owners=[use_case.owner],
    )
    def rollback(
        context: dg.AssetExecutionContext,
        config: RollbackConfig,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        started = monotonic()
        if not config.why.strip():
            raise dg.Failure("say why: `why` is kept in the ledger for those who look later", allow_retries=False)
        registry, ledger = models.registry(), models.ledger(use_case.name)
        try:
            champion, version = rollback_target(registry, ledger, use_case.name, config.to)
            run = registered_run(registry, version)
            _check_contract(use_case, version)
            proven = (
                _served(use_case, version, run, models, feast, serving, context.run_id)
                if use_case.is_realtime
                else _predicts(run)
            )
        except (RollbackRefused, ArtifactError, BentoError) as error:
            raise dg.Failure(f"{error}\nNothing was changed.", allow_retries=False) from error
        roll_back(
            registry,
            ledger,
            version,
            why=config.why.strip(),
            who=config.who,
            evidence=proven.evidence,
            release=proven.release,
            at=None,
            run_id=context.run_id,
        )
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "rolled_back_from": champion.version,
                "as_of": version.tags.get("as_of", ""),
                "why": config.why,
                "environment": models.environment,
                "seconds": monotonic() - started,
                **{name: value for name, value in proven.evidence.items() if value is not None},
            },
            data_version=dg.DataVersion(f"{use_case.name}-{version.version}"),
        )

    return rollback


def _check_contract(use_case: UseCase, version: RegisteredVersion) -> None:
    """An earlier model can only answer from features that mean what they meant.

    Raises:
        RollbackRefused: the declaration has changed them since.
    """
    then, now = version.tags.get("feature_contract"), feature_contract_hash(use_case)
    if then != now:
        raise RollbackRefused(
            f"version {version.version} of {use_case.name} was trained on feature contract {then}, and the declaration is {now} now: "
            "its inputs are not computed any more. Bring the declaration of that time back, or name a later version"
        )


def _predicts(run: ModelRun) -> Proven:
    """Without a service: the model is read, and gives the answers to known rows that it gave when it was trained.

    Raises:
        RollbackRefused: it answers otherwise.
    """
    sample, predictor = run.sample(), run.predictor()
    X = sample.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in predictor.features).to_numpy()
    difference = float(np.abs(predictor.predict(np.ascontiguousarray(X)) - sample["score"].to_numpy()).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise RollbackRefused(
            f"the model in {run.predictor_folder} answers {sample.height} known rows up to {difference:g} otherwise than when it was "
            "trained; library versions may have changed since"
        )
    return Proven(None, {"rows": sample.height, "max_difference": difference})


def _served(
    use_case: UseCase,
    version: RegisteredVersion,
    run: ModelRun,
    models: ModelStore,
    feast: FeatureStore,
    serving: ServingHome,
    run_id: str,
) -> Proven:
    """The kept release starts, answers known rows like the model, and takes the traffic; until then the present one serves.

    A release that was removed since is built again from the registered model.
    """
    digest = version.tags.get(DIGEST_TAG, "")
    bento = find_bento(use_case, digest, serving.bento_root()) if digest else None
    if bento is None:
        bento = build_bento(use_case, run.predictor_folder, release_info(use_case, version, run), serving.bento_root())
        models.registry().set_tags(version, {DIGEST_TAG: bento.digest})
    try:
        deployed = put_in_service(use_case, version, bento, models, feast, serving, run_id, {"rollback": True})
    except DeploymentError as error:
        raise dg.Failure(
            f"{error}\nVersion {version.version} does not serve any more; the version that served before still does.",
            allow_retries=False,
        ) from error
    result = deployed.result
    timings = dict(result.timings_seconds)
    evidence = {"address": result.address, "release": result.version, "replaced_release": result.previous_version}
    return Proven(bento.digest, {**evidence, "built_again": not bento.reused, "seconds_of": timings})
