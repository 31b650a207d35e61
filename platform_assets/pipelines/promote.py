"""Promote a model: the champion's alias moves with its evidence, and the ledger remembers what it was made from.

Belongs here: gathering the evidence of a promotion, parity included. Does not belong here: the verdict itself (`evaluate.py`), the rules of
a promotion (`registry/promotion.py`), going back (`roll_back.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from platform_assets.declaration.names import EVALUATION
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import MODEL
from platform_assets.pipelines.check_parity import require_parity
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.champion_moves import Move
from platform_assets.registry.errors import NotEvaluated
from platform_assets.registry.history import MADE_FROM, made_from
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.promotion import promote
from platform_assets.registry.training_run import registered_run
from platform_assets.training.artifact import read_manifest


@dataclass(frozen=True)
class PromotedModel:
    """A version that is champion.

    Attributes:
        version: the version.
        move: what was done; nothing moves when it was champion before.
        reason: why, in one sentence.
        parity: how it is known that online and offline features agree, in words.
    """

    version: RegisteredVersion
    move: Move
    reason: str
    parity: str


def promote_model(
    catalog: Catalog,
    registry: ModelRegistry,
    ledger: Ledger,
    version: RegisteredVersion,
    run_id: str,
    decided: Mapping[str, str] | None = None,
) -> PromotedModel:
    """Promote a version by the verdict that lies beside its model, and keep with it what the model was made from.

    Args:
        catalog: the tables, with the verdicts on parity.
        registry: of the environment to promote in.
        ledger: of the same environment.
        version: what to promote.
        run_id: Dagster run that promotes, or what stands for it.
        decided: `who` and `why`, when a person decided it.

    Raises:
        ParityNotProven: what it serves with differs online and offline.
        NotEvaluated: the version was not evaluated.
        PromotionRefused: its evidence does not allow it, or the model was rolled back from.
        ArtifactError: the registered model's files were damaged or replaced.
        RegistryUnreachable: the registry does not answer; the champion is the one it was.
    """
    parity = require_parity(catalog, version.tags["as_of"])
    run = registered_run(registry, version)
    evidence = run.evidence()
    if not evidence:
        raise NotEvaluated(
            f"{version.use_case}: version {version.version} was not evaluated; materialize "
            f"{version.use_case}/{MODEL}/{EVALUATION} of {version.tags.get('as_of', 'its day')}"
        )
    origin = made_from(version, read_manifest(run.predictor_folder)["versions"])
    move = promote(registry, ledger, version, {**evidence, MADE_FROM: origin}, None, run_id, decided=decided)
    registry.set_tags(version, {"promoted_because": evidence["reason"]})
    return PromotedModel(version, move, evidence["reason"], parity)
