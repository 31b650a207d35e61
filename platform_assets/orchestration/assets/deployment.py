"""The serving layer: the champion packed as a Bento, self-tested, and put behind the address.

Belongs here: the service and the deployment asset. Does not belong here: packing (`deployment/bento/`), rollout
(`deployment/local/`), or the service's own code (`serving/`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.names import CHAMPION, DEPLOYMENT, ONLINE_STORE, SERVICE
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.packaging import (
    BentoError,
    BuiltBento,
    SelfTestError,
    build_bento,
    find_bento,
    probe,
    self_test,
    serve_command,
)
from platform_assets.deployment.packaging.run import READY_PATH
from platform_assets.deployment.release import Release
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import FEATURES, MODEL, SERVING
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.training_run import ModelRun, registered_run
from platform_assets.registry.ledger import Action, Entry
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.models import CHAMPION as CHAMPION_ALIAS
from platform_assets.registry.models import RegisteredVersion
from platform_assets.training.artifact import ArtifactError
from serving.release import ReleaseError, ReleaseInfo, SelfTestRow
from serving.settings import ServingSettings

SELF_TEST_ROWS = 20
DIGEST_TAG = "release_digest"
SELF_TEST_CHECK = "self_test"


class NotPromoted(RuntimeError):
    """A service was asked for a model that is not the champion."""


def champion_of(use_case: UseCase, models: ModelStore, as_of: str) -> RegisteredVersion:
    """The champion, when it is the model as of that day.

    Raises:
        NotPromoted: when another version is champion, or none.
    """
    registry = models.registry()
    version, champion = registry.by_as_of(use_case.name, as_of), registry.by_alias(use_case.name, CHAMPION_ALIAS)
    if version is None or champion is None or champion.version != version.version:
        raise NotPromoted(
            f"{use_case.name}: the model as of {as_of} is version {version.version if version else 'none'}, but the champion "
            f"is {champion.version if champion else 'none'}. Materialize {use_case.name}/{MODEL}/{CHAMPION} of {as_of} first."
        )
    return version


def release_info(use_case: UseCase, version: RegisteredVersion, run: ModelRun) -> ReleaseInfo:
    """What the Bento carries about itself, with rows for its self-test.

    Raises:
        ReleaseError: the model was fitted without a feature that the use case declares.
    """
    sample = run.sample().tail(SELF_TEST_ROWS)
    absent = [name for name in use_case.feature_names if name not in sample.columns]
    if absent:
        raise ReleaseError(
            f"{use_case.name}: version {version.version} was fitted without {', '.join(absent)}, which the use case declares; train a "
            "model for this declaration"
        )
    rows = tuple(
        SelfTestRow(features={name: row[name] for name in use_case.feature_names}, score=row["score"])
        for row in sample.iter_rows(named=True)
    )
    contract = feature_contract_hash(use_case)
    return ReleaseInfo(
        use_case=use_case.name,
        model_version=version.version,
        feature_contract=contract,
        feature_service=f"{use_case.name}_{contract}",
        data_versions=version.tag_json("data_versions") or {},
        code_version=version.tags.get("code_version", ""),
        self_test=rows,
    )


def serving_settings(use_case: UseCase, feast: FeatureStore, serving: ServingHome) -> ServingSettings:
    """Settings of the service's processes."""
    return ServingSettings(
        feast=feast.settings(use_case).model_dump(mode="json"), log_folder=serving.log_folder(use_case.name)
    )


def service_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The champion as a Bento that started, and answered known rows like the model itself."""
    key = asset_key(use_case, SERVING, SERVICE)

    @dg.asset(
        key=key,
        deps=[asset_key(use_case, MODEL, CHAMPION)],
        description="The champion as a Bento, addressed by the digest of its content, after it answered known rows.",
        kinds={"bentoml"},
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(),
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                SELF_TEST_CHECK,
                asset=key,
                blocking=True,
                description="The built service starts and scores known rows as the model does, within 1e-6.",
            )
        ],
        **policy(use_case, SERVING),
    )
    def service(
        context: dg.AssetExecutionContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        version = champion_of(use_case, models, context.partition_key)
        registry = models.registry()
        try:
            run = registered_run(registry, version)
            info = release_info(use_case, version, run)
            bento = build_bento(use_case, run.predictor_folder, info, serving.bento_root())
            context.log.info(f"Bento {bento.tag}, {bento.size_bytes / 1e6:.1f} MB, built before: {bento.reused}")
            result = self_test(bento, serving_settings(use_case, feast, serving))
        except (ArtifactError, BentoError, ReleaseError, SelfTestError) as error:
            evidence = {"explanation": str(error)}
            yield dg.AssetCheckResult(asset_key=key, check_name=SELF_TEST_CHECK, passed=False, metadata=evidence)
            raise dg.Failure(description=str(error), allow_retries=False) from error
        registry.set_tags(version, {DIGEST_TAG: bento.digest})
        yield dg.MaterializeResult(
            metadata={
                "bento": bento.tag,
                "digest": bento.digest,
                "size_bytes": bento.size_bytes,
                "model_version": version.version,
                "startup_seconds": result.startup_seconds,
                "resident_bytes": result.resident_bytes,
            },
            data_version=dg.DataVersion(bento.digest.removeprefix("sha256:")[:16]),
            check_results=[
                dg.AssetCheckResult(
                    check_name=SELF_TEST_CHECK,
                    passed=True,
                    metadata={"rows": result.rows, "max_difference": float(np.float64(result.max_difference))},
                )
            ],
        )

    return service


def release_of(use_case: UseCase, version: RegisteredVersion, bento: BuiltBento, settings: ServingSettings) -> Release:
    """What the target is asked to run."""
    command, environment = serve_command(bento, settings)
    return Release(
        use_case=use_case.name,
        version=f"v{version.version}-{bento.digest.removeprefix('sha256:')[:12]}",
        command=command,
        environment=environment,
        ready_path=READY_PATH,
        working_dir=bento.code_folder,
        probe=probe(bento),
        processes=use_case.serving.processes,
    )


def deployment_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The service at its address: a new version takes over without a lost request, a bad one never does."""

    @dg.asset(
        key=asset_key(use_case, SERVING, DEPLOYMENT),
        deps=[
            asset_key(use_case, SERVING, SERVICE),
            dg.AssetDep(asset_key(use_case, FEATURES, ONLINE_STORE), partition_mapping=dg.LastPartitionMapping()),
        ],
        description="The service receiving traffic at the use case's address.",
        kinds={"bentoml", "envoy"},
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(ignoring=[asset_key(use_case, FEATURES, ONLINE_STORE)]),
        code_version="1",
        **policy(use_case, SERVING),
    )
    def deployment(
        context: dg.AssetExecutionContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        version = champion_of(use_case, models, context.partition_key)
        digest = version.tags.get(DIGEST_TAG, "")
        bento = find_bento(use_case, digest, serving.bento_root()) if digest else None
        if bento is None:
            raise NotPromoted(
                f"{use_case.name}: no service was built for version {version.version}, or it was changed since; materialize "
                f"{use_case.name}/{SERVING}/{SERVICE} of {context.partition_key} again"
            )
        release = release_of(use_case, version, bento, serving_settings(use_case, feast, serving))
        ledger = models.ledger(use_case.name)
        try:
            result = serving.target().deploy(release)
        except DeploymentError as error:
            told = {"error": str(error)}
            ledger.record(
                ledger_entry("deployment_failed", use_case, version, None, bento.digest, told, context.run_id)
            )
            raise dg.Failure(
                description=f"{error}\nThe version that served before still does.", allow_retries=False
            ) from error
        evidence = {"address": result.address, "message": result.message, "seconds": dict(result.timings_seconds)}
        ledger.record(
            ledger_entry("deployed", use_case, version, result.previous_version, bento.digest, evidence, context.run_id)
        )
        return dg.MaterializeResult(
            metadata={
                "address": dg.MetadataValue.url(f"{result.address}/score"),
                "model_version": version.version,
                "release": result.version,
                "replaced": result.previous_version or "nothing",
                "seconds": dict(result.timings_seconds),
                "digest": bento.digest,
            },
            data_version=dg.DataVersion(result.version),
        )

    return deployment


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
