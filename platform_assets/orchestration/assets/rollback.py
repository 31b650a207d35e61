"""The rollback asset: an earlier champion answers again, when a person materializes it.

Belongs here: what Dagster is told of it, from the UI or by `platform-assets models rollback`. Does not belong here: rolling back
(`pipelines/roll_back.py`), or which version may be gone back to (`registry/rollback.py`).
"""

from time import monotonic

import dagster as dg
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION, ROLLBACK
from platform_assets.deployment.packaging import BentoError
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, place
from platform_assets.pipelines.roll_back import ServiceNotBack, roll_back_model
from platform_assets.registry.errors import RollbackRefused
from platform_assets.registry.model_store import ModelStore
from platform_assets.training.artifact import ArtifactError


class RollbackConfig(dg.Config):
    """What a person says when rolling back."""

    why: str = Field(description="What makes it necessary; kept in the ledger.")
    to: str | None = Field(default=None, description="Version to go back to; default: the champion before this one.")
    who: str | None = Field(default=None, description="Who decided it.")


def rollback_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """An earlier champion answers again: its service is proven to start, address and alias go back, the ledger remembers."""

    @dg.asset(
        key=asset_key(use_case, MODEL, ROLLBACK),
        deps=[asset_key(use_case, MODEL, CHAMPION)],
        description="Materialize it to go back to an earlier champion. Its service has to start first; the ledger remembers why.",
        kinds={"mlflow"},
        code_version="1",
        op_tags=step_tags(use_case, MODEL, ROLLBACK),
        **place(use_case, MODEL),
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
        why = config.why.strip()
        try:
            back = roll_back_model(
                use_case, models, feast, serving, context.run_id, why=why, who=config.who or "", to=config.to
            )
        except (RollbackRefused, ArtifactError, BentoError) as error:
            raise dg.Failure(f"{error}\nNothing was changed.", allow_retries=False) from error
        except ServiceNotBack as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        version = back.version
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "rolled_back_from": back.replaced.version,
                "as_of": version.tags.get("as_of", ""),
                "why": config.why,
                "environment": models.environment,
                "seconds": monotonic() - started,
                **{name: value for name, value in back.evidence.items() if value is not None},
            },
            data_version=dg.DataVersion(f"{use_case.name}-{version.version}"),
        )

    return rollback
