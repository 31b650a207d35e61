"""Packaging: the champion becomes a Bento that started and answered known rows like the model itself.

Belongs here: which model is packed, what a release carries about itself, and the settings of its processes. Does not belong here: packing
and the self-test themselves (`deployment/packaging/`), putting a Bento in service (`deploy.py`), or the service's own code (`serving/`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.names import CHAMPION
from platform_assets.deployment.packaging import (
    BentoError,
    BuiltBento,
    SelfTestError,
    SelfTestResult,
    build_bento,
    self_test,
)
from platform_assets.deployment.packaging.sources import PackingError
from platform_assets.deployment.platforms.base import PlatformRefused
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.errors import DriverMissing
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import MODEL
from platform_assets.pipelines.model_to_package import packageable
from platform_assets.registry.base import CHAMPION as CHAMPION_ALIAS
from platform_assets.registry.base import RegisteredVersion, trained_in
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import ModelRun, registered_run, trained_as_of
from platform_assets.training.artifact import ArtifactError
from serving.release import PackedReleaseError, ReleaseInfo, SelfTestRow
from serving.settings import ServingSettings

SELF_TEST_ROWS = 20
DIGEST_TAG = "release_digest"
"""Tag of a registered version: the digest of the Bento that was built from it."""


class NotPromoted(RuntimeError):
    """A service was asked for a model that is not the champion."""


class PackagingFailed(RuntimeError):
    """The model, the release or the built service is not fit to serve; the message says which and why."""


@dataclass(frozen=True)
class PackagedService:
    """A service that was built and passed its self-test.

    Attributes:
        model_version: version of the registered model.
        bento: what was built, or found from an earlier build of the same content.
        self_test: what the self-test measured.
    """

    model_version: str
    bento: BuiltBento
    self_test: SelfTestResult


def package(
    use_case: UseCase,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    as_of: str,
    log: Callable[[str], None],
) -> PackagedService:
    """Pack the champion of a day as a Bento, start it, compare its answers, and tag the model with its digest.

    Where releases stand in git it is the model of that day, whether its release was merged yet or not. No table is read: what a service
    carries is the model and the declaration.

    Args:
        use_case: whose champion.
        models: where it is registered.
        feature_store: what the service will read its features from.
        serving: where Bentos are built.
        as_of: the day that the model was trained as of, YYYY-MM-DD.
        log: progress.

    Raises:
        NotPromoted: another model than that of the day is champion, or none.
        PackagingFailed: the model is damaged, does not fit the declaration, or its service does not answer like it.
    """
    version = unmerged_version(use_case, models, as_of) or champion_of(use_case, models, as_of)
    return package_version(use_case, version, models, feature_store, serving, log)


def package_version(
    use_case: UseCase,
    version: RegisteredVersion,
    models: ModelStore,
    feature_store: FeatureStore,
    serving: ServingHome,
    log: Callable[[str], None],
) -> PackagedService:
    """Pack a version as a Bento whether it is champion or not, start it, compare its answers, and tag the model with its digest.

    Raises:
        PackagingFailed: the model is damaged, does not fit the declaration, or its service does not answer like it.
    """
    registry = models.registry()
    try:
        run = registered_run(registry, version)
        info = release_info(use_case, version, run)
        drivers = feature_store.drivers()
        bento = build_bento(use_case, run.predictor_folder, info, serving.bento_root(), drivers=drivers)
        log(f"Bento {bento.tag}, {bento.size_bytes / 1e6:.1f} MB, built before: {bento.reused}")
        if use_case.serving.platform != "bento":
            log(packageable(use_case, version, run))
        tested = self_test(bento, serving_settings(use_case, feature_store, serving))
    except (
        ArtifactError,
        BentoError,
        DriverMissing,
        PackedReleaseError,
        PackingError,
        PlatformRefused,
        SelfTestError,
    ) as error:
        raise PackagingFailed(str(error)) from error
    registry.set_tags(version, {DIGEST_TAG: bento.digest})
    return PackagedService(version.version, bento, tested)


def champion_of(use_case: UseCase, models: ModelStore, as_of: str) -> RegisteredVersion:
    """The champion, when it is the model as of that day.

    Raises:
        NotPromoted: when another version is champion, or none.
    """
    registry = models.registry()
    version, champion = registry.by_as_of(use_case.name, as_of), registry.by_alias(use_case.name, CHAMPION_ALIAS)
    if champion is not None and champion.tags.get("as_of") == as_of and trained_in(champion) != registry.environment:
        return champion  # promoted from the environment that trained it
    if version is None or champion is None or champion.version != version.version:
        raise NotPromoted(
            f"{use_case.name}: the model as of {as_of} is version {version.version if version else 'none'}, but the champion "
            f"is {champion.version if champion else 'none'}. Materialize {use_case.name}/{MODEL}/{CHAMPION} of {as_of} first."
        )
    return version


def unmerged_version(use_case: UseCase, models: ModelStore, as_of: str) -> RegisteredVersion | None:
    """The model of a day that serves only once its release is merged; None where releases do not stand in git, or where it is champion.

    Raises:
        NotTrained: there is none of that day.
    """
    if not models.keeps_holds:
        return None
    try:
        champion_of(use_case, models, as_of)
    except NotPromoted:
        return trained_as_of(models.registry(), use_case, as_of)
    return None


def release_info(use_case: UseCase, version: RegisteredVersion, run: ModelRun) -> ReleaseInfo:
    """What the Bento carries about itself, with rows for its self-test.

    Raises:
        PackedReleaseError: the model was fitted without a feature that the use case declares.
    """
    sample = run.sample().tail(SELF_TEST_ROWS)
    absent = [name for name in use_case.feature_names if name not in sample.columns]
    if absent:
        raise PackedReleaseError(
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


def serving_settings(
    use_case: UseCase, feature_store: FeatureStore, serving: ServingHome, *, follow: bool = False
) -> ServingSettings:
    """Settings of the service's processes.

    Args:
        use_case: whose service.
        feature_store: what it reads its features from.
        serving: where it runs.
        follow: leave logins out that it can read from the folder of credentials while it runs, where there is one.
    """
    plain = feature_store.settings(use_case).model_dump(mode="json", exclude={"credentials"})
    return ServingSettings(
        feast=feature_store.settings_of_service(use_case) if follow else plain,
        log_folder=serving.log_folder(use_case.name),
        log_copy_folder=serving.log_copy_folder(use_case.name),
        otlp=serving.otlp,
        log_format="json" if serving.log_format == "json" else None,
    )
