"""Deploying: the champion's Bento takes over the use case's address, and the ledger remembers it.

Belongs here: from a built Bento to a release on the installation's target, and the ledger's entry for either outcome. Does not belong here:
building a Bento (`package.py`), or how a version takes over from another (`deployment/`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import SERVICE
from platform_assets.declaration.sections.compute import SERVICE_PODS, Compute
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.packaging import BuiltBento, find_bento, probe, serve_command
from platform_assets.deployment.packaging.run import READY_PATH
from platform_assets.deployment.release import HOST_PLACEHOLDER, DeploymentResult, Release
from platform_assets.deployment.rollout.registry import declared_plan, experiment_of_version
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import SERVING
from platform_assets.pipelines.keep_secrets import keep_for_services
from platform_assets.pipelines.package import DIGEST_TAG, NotPromoted, champion_of, serving_settings
from platform_assets.pipelines.running_experiments import record_start, refuse_another_plan, split_of_plan
from platform_assets.pipelines.targets import TARGET
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import Action, Entry
from platform_assets.registry.model_store import ModelStore
from serving.settings import ServingSettings


@dataclass(frozen=True)
class Deployed:
    """A model in service.

    Attributes:
        model_version: version of the registered model.
        digest: of the Bento that serves it.
        result: what the target did.
    """

    model_version: str
    digest: str
    result: DeploymentResult


def deploy(
    use_case: UseCase,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    as_of: str,
    run_id: str,
    plan: Plan | None = None,
) -> Deployed:
    """Put the service of the champion of a day behind the address, or begin its rollout; no table is read.

    Args:
        use_case: whose service.
        models: where the champion is registered, and the ledger.
        feature_store: what the service reads its features from.
        serving: where the Bento lies and what it is deployed on.
        as_of: the day that the model was trained as of, YYYY-MM-DD.
        run_id: Dagster's run, for the ledger.
        plan: the stages in which the version takes over; None for those that are declared.

    Raises:
        NotPromoted: another model is champion, or no service was built for this one.
        DeploymentError: the service did not take over; what served before still does, and the ledger has an entry of it.
    """
    return deploy_version(use_case, champion_of(use_case, models, as_of), models, feature_store, serving, run_id, plan)


def deploy_version(
    use_case: UseCase,
    version: RegisteredVersion,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    run_id: str,
    plan: Plan | None = None,
) -> Deployed:
    """Put the service that was built for a version behind the address, or begin its rollout.

    Raises:
        NotPromoted: no service was built for it, or under other settings.
        DeploymentError: the service did not take over; what served before still does, and the ledger has an entry of it.
    """
    as_of = version.tags.get("as_of", "its day")
    digest = version.tags.get(DIGEST_TAG, "")
    bento = find_bento(use_case, digest, serving.bento_root()) if digest else None
    if bento is None:
        raise NotPromoted(
            f"{use_case.name}: no service was built for version {version.version}, or it was changed since; materialize "
            f"{use_case.name}/{SERVING}/{SERVICE} of {as_of} again"
        )
    lacking = bento.lacks(feature_store.drivers())
    if lacking:
        raise NotPromoted(
            f"{use_case.name}: the service of version {version.version} was built under other settings and lacks the driver "
            f"{', '.join(lacking)} of Feast's registry; materialize {use_case.name}/{SERVING}/{SERVICE} of {as_of} again"
        )
    return put_in_service(
        use_case,
        version,
        bento,
        models,
        feature_store,
        serving,
        run_id,
        plan=plan or declared_plan(use_case, serving.rollout),
    )


def put_in_service(
    use_case: UseCase,
    version: RegisteredVersion,
    bento: BuiltBento,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    run_id: str,
    reason: Mapping[str, Any] | None = None,
    plan: Plan = AT_ONCE,
) -> Deployed:
    """Let a version's Bento take over the address, and write to the ledger whether it did.

    Args:
        use_case: whose service.
        version: the registered model.
        bento: its service.
        models: for the ledger.
        feature_store: what the service reads its features from.
        serving: the target and the folders.
        run_id: Dagster's run, for the ledger.
        reason: what the ledger remembers of a failure besides the error.
        plan: the stages in which the version takes over.

    Raises:
        DeploymentError: it did not take over; what served before still does.
        ExperimentChanged: its A/B test was begun with another plan; nothing was changed.
    """
    settings = serving_settings(use_case, feature_store, serving, follow=True)
    release = release_of(use_case, version, bento, settings)
    keep_for_services(feature_store, serving.target())
    ledger = models.ledger(use_case.name)
    plan = experiment_of_version(plan, version.version)
    split = split_of_plan(use_case, plan)
    refuse_another_plan(use_case, ledger, split)
    try:
        result = serving.target().deploy(release, plan)
    except DeploymentError as error:
        evidence: dict[str, Any] = {"error": str(error), **(reason or {})}
        ledger.record(ledger_entry("deployment_failed", use_case, version, None, bento.digest, evidence, run_id))
        raise
    record_start(use_case, ledger, split, version, bento.digest, run_id)
    evidence = {"address": result.address, "message": result.message, "seconds": dict(result.timings_seconds)}
    if result.waiting is not None:
        begun = {**evidence, "plan": [asdict(stage) for stage in plan]}
        if result.changed:
            ledger.record(
                ledger_entry("rollout_started", use_case, version, result.previous_version, bento.digest, begun, run_id)
            )
        return Deployed(version.version, bento.digest, result)
    evidence[TARGET] = serving.name
    ledger.record(ledger_entry("deployed", use_case, version, result.previous_version, bento.digest, evidence, run_id))
    return Deployed(version.version, bento.digest, result)


def what_serves(use_case: UseCase, serving: ServingHome) -> str:
    """Who answers after a deployment that failed, in a sentence, as the target says it: after a first one it is nobody."""
    try:
        status = serving.target().status().use_cases.get(use_case.name)
    except DeploymentError as error:
        return f"Whether the version that served before still does is not known: {error}"
    if status is None or status.version is None:
        return f"No version of {use_case.name} serves: none had taken over before."
    if not status.serving:
        return f"{status.version}, which served before, has the requests and no process that is ready: `platform-assets status` says why."
    return f"The version that served before still does: {status.version}."


def release_of(use_case: UseCase, version: RegisteredVersion, bento: BuiltBento, settings: ServingSettings) -> Release:
    """What the target is asked to run."""
    command, environment = serve_command(bento, settings, host=HOST_PLACEHOLDER)
    return Release(
        use_case=use_case.name,
        version=f"v{version.version}-{bento.digest.removeprefix('sha256:')[:12]}",
        command=command,
        environment=environment,
        ready_path=READY_PATH,
        working_dir=bento.code_folder,
        probe=probe(bento),
        processes=use_case.serving.processes,
        callers=use_case.serving.callers,
        root=bento.path,
        compute=_compute_of_pods(use_case),
    )


def _compute_of_pods(use_case: UseCase) -> Compute:
    """What each process may use; where no range of pods is declared, there are as many as processes."""
    declared = use_case.compute.get(SERVICE_PODS)
    compute = use_case.compute_of(SERVICE_PODS)
    return compute if declared and declared.replicas else compute.model_copy(update={"replicas": None})


def ledger_entry(
    action: Action,
    use_case: UseCase,
    version: RegisteredVersion,
    previous: str | None,
    digest: str,
    evidence: dict[str, Any],
    run_id: str,
) -> Entry:
    """What the ledger remembers of a deployment; once for each version, release and Dagster run."""
    return Entry(
        entry=f"{use_case.name}/{action}/{version.version}/{digest}/{run_id}",
        at=datetime.now(UTC),
        use_case=use_case.name,
        action=action,
        model_version=version.version,
        previous_version=previous,
        release=digest,
        evidence=evidence,
        run_id=run_id,
    )
