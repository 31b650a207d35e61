"""The serving layer: the champion packed as a Bento, self-tested, and put behind the address.

Belongs here: the service and the deployment asset. Does not belong here: what they do (`pipelines/package.py`, `pipelines/deploy.py`).
"""

from collections.abc import Iterator

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION, DEPLOYMENT, ONLINE_STORE, SERVICE
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import FEATURES, MODEL, SERVING
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.deploy import Deployed, deploy, what_serves
from platform_assets.pipelines.package import PackagedService, PackagingFailed, package, unmerged_version
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.model_store import ModelStore

SELF_TEST_CHECK = "self_test"


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
            day_check(
                SELF_TEST_CHECK,
                key,
                as_of_days(use_case),
                blocking=True,
                description="The built service starts and scores known rows as the model does, within 1e-6.",
            )
        ],
        op_tags=step_tags(use_case, SERVING, SERVICE),
        **policy(use_case, SERVING, by_training=True),
    )
    def service(
        context: dg.AssetExecutionContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        try:
            packaged = package(use_case, models, feast, serving, context.partition_key, context.log.info)
        except PackagingFailed as error:
            evidence = {"explanation": str(error)}
            yield dg.AssetCheckResult(asset_key=key, check_name=SELF_TEST_CHECK, passed=False, metadata=evidence)
            raise dg.Failure(description=str(error), allow_retries=False) from error
        yield _packaged(packaged)

    return service


def _packaged(packaged: PackagedService) -> dg.MaterializeResult:
    bento, tested = packaged.bento, packaged.self_test
    return dg.MaterializeResult(
        metadata={
            "bento": bento.tag,
            "digest": bento.digest,
            "size_bytes": bento.size_bytes,
            "model_version": packaged.model_version,
            "startup_seconds": tested.startup_seconds,
            "resident_bytes": tested.resident_bytes,
        },
        data_version=dg.DataVersion(bento.digest.removeprefix("sha256:")[:16]),
        check_results=[
            dg.AssetCheckResult(
                check_name=SELF_TEST_CHECK,
                passed=True,
                metadata={"rows": tested.rows, "max_difference": tested.max_difference},
            )
        ],
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
        op_tags=step_tags(use_case, SERVING, DEPLOYMENT),
        **policy(use_case, SERVING, by_training=True),
    )
    def deployment(
        context: dg.AssetExecutionContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        waits = unmerged_version(use_case, models, context.partition_key)
        if waits is not None:
            return _waiting(waits)
        try:
            deployed = deploy(use_case, models, feast, serving, context.partition_key, context.run_id)
        except DeploymentError as error:
            raise dg.Failure(description=f"{error}\n{what_serves(use_case, serving)}", allow_retries=False) from error
        return _deployed(deployed)

    return deployment


def _waiting(version: RegisteredVersion) -> dg.MaterializeResult:
    """Nothing is deployed: the delivery asset does it once the release was merged."""
    return dg.MaterializeResult(
        metadata={"model_version": version.version, "rollout": "begins once its release is merged"},
        data_version=dg.DataVersion(f"unmerged-{version.version}"),
    )


def _deployed(deployed: Deployed) -> dg.MaterializeResult:
    result = deployed.result
    return dg.MaterializeResult(
        metadata={
            "address": dg.MetadataValue.url(f"{result.address}/score"),
            "model_version": deployed.model_version,
            "release": result.version,
            "replaced": result.previous_version or "nothing",
            "seconds": dict(result.timings_seconds),
            "digest": deployed.digest,
            "rollout": result.waiting or "took over",
        },
        data_version=dg.DataVersion(result.version),
    )
