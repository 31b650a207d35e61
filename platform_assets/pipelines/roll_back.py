"""Roll back: an earlier champion answers again, once its service has started and answered known rows.

Belongs here: proving that an earlier version still answers, then moving address, alias and ledger. Does not belong here: which version may
be gone back to (`registry/rollback.py`), or how a service takes over (`deployment/`).

The earlier version's service takes the traffic first and the champion's alias follows: when the service does not start any more,
nothing has changed. Going back is not undone by itself: a model that was rolled back from is promoted again by a person only, see
`registry/promotion.py`, while the next new model is promoted as ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.packaging import build_bento, find_bento
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import Abort
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.deployment.target import Target
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.pipelines.deploy import put_in_service, what_serves
from platform_assets.pipelines.package import DIGEST_TAG, release_info
from platform_assets.pipelines.targets import targets_of
from platform_assets.pipelines.write_model_card import renew_model_cards
from platform_assets.registry.base import PRODUCTION, RegisteredVersion
from platform_assets.registry.errors import RollbackRefused
from platform_assets.registry.ledger import Entry
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.rollback import roll_back, rollback_target
from platform_assets.registry.training_run import ModelRun, registered_run

LARGEST_DIFFERENCE = 1e-6
BEHIND = "targets_that_serve_another_version"
"""Key of the evidence: targets that a move made here has not reached."""


class ServiceNotBack(RuntimeError):
    """The earlier version's service does not take over any more; the message says why, and what serves."""


@dataclass(frozen=True)
class AnswersAgain:
    """That an earlier version still answers.

    Attributes:
        release: digest of its service; None without a service.
        evidence: what shows it, for the ledger.
    """

    release: str | None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RolledBackModel:
    """A champion that is champion again.

    Attributes:
        version: the version.
        replaced: the champion until now.
        evidence: what shows that it answers.
    """

    version: RegisteredVersion
    replaced: RegisteredVersion
    evidence: Mapping[str, Any]


def roll_back_model(
    use_case: UseCase,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    run_id: str,
    *,
    why: str,
    who: str,
    to: str | None = None,
) -> RolledBackModel:
    """Go back to an earlier champion; no table is read.

    Args:
        use_case: whose champion.
        models: registry and ledger.
        feature_store: what its service reads its features from.
        serving: where its service lies and what it is deployed on.
        run_id: Dagster run that rolls back.
        why: what made it necessary; kept in the ledger.
        who: who decided it.
        to: version to go back to; None for the champion before this one.

    Raises:
        RollbackRefused: there is no such version, its features are not computed any more, or it answers otherwise; nothing has changed.
        ArtifactError: its files were damaged or replaced; nothing has changed.
        BentoError: its service cannot be built; nothing has changed.
        ServiceNotBack: its service did not take over; the ledger has an entry of it.
        RegistryError: another process moved the champion at the same time, or the registry is unreachable.
    """
    registry, ledger = models.registry(), models.ledger(use_case.name)
    champion, version = rollback_target(registry, ledger, use_case.name, to)
    run = registered_run(registry, version)
    _check_contract(use_case, version)
    answers = (
        _serves(use_case, version, run, models, feature_store, serving, run_id, why, who)
        if use_case.is_realtime
        else _predicts(run)
    )
    roll_back(
        registry,
        ledger,
        version,
        why=why,
        who=who,
        evidence=answers.evidence,
        release=answers.release,
        at=None,
        run_id=run_id,
    )
    renew_model_cards(use_case, models, serving.report_folder(use_case.name), [version, champion])
    behind = [str(one) for one in targets_of(use_case, models) if not one.is_champion]
    return RolledBackModel(version, champion, {**answers.evidence, **({BEHIND: behind} if behind else {})})


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


def _predicts(run: ModelRun) -> AnswersAgain:
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
    return AnswersAgain(None, {"rows": sample.height, "max_difference": difference})


def _serves(
    use_case: UseCase,
    version: RegisteredVersion,
    run: ModelRun,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    run_id: str,
    why: str,
    who: str,
) -> AnswersAgain:
    """The kept release starts, answers known rows like the model, and takes the traffic; until then the present one serves.

    A release that was removed since, or lacks a driver that the settings need by now, is built again from the registered model. A version
    that is being rolled out is aborted first: it has part of the traffic, or would get it.
    """
    digest = version.tags.get(DIGEST_TAG, "")
    bento = find_bento(use_case, digest, serving.bento_root()) if digest else None
    drivers = feature_store.drivers()
    if bento is None or bento.lacks(drivers):
        info = release_info(use_case, version, run)
        bento = build_bento(use_case, run.predictor_folder, info, serving.bento_root(), drivers=drivers)
        models.registry().set_tags(version, {DIGEST_TAG: bento.digest})
    _record_begin(models, version, bento.digest, run_id, why, who)
    try:
        aborted = _abort_rollout(serving.target(), use_case.name, why, who)
        deployed = put_in_service(use_case, version, bento, models, feature_store, serving, run_id, {"rollback": True})
    except DeploymentError as error:
        raise ServiceNotBack(
            f"{error}\nVersion {version.version} does not serve any more. {what_serves(use_case, serving)}"
        ) from error
    result = deployed.result
    timings = dict(result.timings_seconds)
    evidence: dict[str, Any] = {
        "address": result.address,
        "release": result.version,
        "replaced_release": result.previous_version,
    }
    if aborted is not None:
        evidence["aborted_rollout_of"] = aborted
    return AnswersAgain(bento.digest, {**evidence, "built_again": not bento.reused, "seconds_of": timings})


def _record_begin(models: ModelStore, version: RegisteredVersion, digest: str, run_id: str, why: str, who: str) -> None:
    """Write down that the service is about to go back, so that whoever finds this half done goes on with it and not back to the champion.

    Where releases stand in git only: there a reconciler looks.
    """
    ledger = models.ledger(version.use_case)
    if not ledger.keeps_holds:
        return
    environment = "" if ledger.environment == PRODUCTION else f"/{ledger.environment}"
    ledger.record(
        Entry(
            entry=f"{version.use_case}{environment}/rollback_begun/{version.version}/{run_id}",
            at=ledger.next_moment(version.use_case, None),
            use_case=version.use_case,
            action="rollback_begun",
            model_version=version.version,
            previous_version=None,
            release=digest,
            evidence={"who": who, "why": why},
            run_id=run_id,
        )
    )


def _abort_rollout(target: Target, use_case: str, why: str, who: str) -> str | None:
    """Abort the rollout under way; the release that was coming, None when none was.

    Raises:
        DeploymentError: it could not be aborted.
    """
    view = target.rollout(use_case)
    if view is None or not view.rollout.waiting:
        return None
    coming = view.new.version if view.new else view.rollout.new
    target.advance(use_case, view.rollout.revision, Abort(why, who, now()))
    return coming
