"""An installation: the parts that are made from its settings.

Belongs here: the lake, source reader, feature store, model store and serving home that Dagster, the command line, benchmarks and tests all
take from here. Does not belong here: settings and the environment (`settings.py`), or anything a team declares about a use case.
"""

import os
from collections.abc import Mapping, MutableMapping
from functools import cached_property, partial
from typing import Self

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import Clock, SimulatedClock, SystemClock
from platform_assets.declaration.sections.rollout import RolloutStage
from platform_assets.deployment.callers import CallerAccess, CallersUnusable, make_access, with_file
from platform_assets.deployment.gitops.git_repository import GitRepository
from platform_assets.deployment.gitops.repository import ReleaseRepository
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.offline.sharding.memory import capacity
from platform_assets.features.offline.sharding.plan import Capacity
from platform_assets.features.online.credentials import OF_SERVICES
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.lake import Lake
from platform_assets.lake.retries import RETRIES
from platform_assets.monitoring.cost.spending import MeteredSpending
from platform_assets.registry.artifact_variables import artifact_variables
from platform_assets.registry.model_store import ModelStore
from platform_assets.secret_sources.database_logins import DatabaseLogins
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.secret_sources.present import PresentOptions
from platform_assets.settings import (
    LENT_VARIABLE,
    PREFIX,
    Settings,
    SettingsError,
    is_set,
    kept_secrets,
    object_store_options,
    source_access,
)
from platform_assets.training.selection import Placement

SIGNS_IN = "MLFLOW_TRACKING_"
"""What begin the names of variables that MLflow's client reads user, password or token from."""


def lend_object_store(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Let MLflow's client reach artifacts in an object store: it reads endpoint and keys from the environment, and from nowhere else.

    Nothing is lent where artifacts lie in a folder, and what a person set keeps its value. What was lent before is lent again, since a key
    may have changed: processes that were started meanwhile have the old one. What MLflow's client signs in with is lent too, where it
    comes from a source of secrets.

    Raises:
        SecretError: the source of secrets cannot be read.
    """
    by_server = settings.mlflow.startswith(("http://", "https://"))
    in_store = (settings.mlflow_artifacts or "").startswith("s3://")
    lent = artifact_variables(settings.object_store) if by_server or in_store else {}
    kept = kept_secrets(environment)
    if kept is not None:
        lent |= {name: text for name, text in kept.values().items() if name.startswith(SIGNS_IN)}
    free = {name: text for name, text in lent.items() if not is_set(name, environment)}
    if free:
        before = environment.get(LENT_VARIABLE, "").split(",")
        environment.update(free | {LENT_VARIABLE: ",".join(sorted({*before, *free} - {""}))})


class Installation:
    """The parts of an installation, each made once, when it is first asked for.

    Attributes:
        settings: what they are made from.
        rollout: stages in which new versions take over, instead of those that are declared.
    """

    def __init__(self, settings: Settings, rollout: tuple[RolloutStage, ...] = ()) -> None:
        """Take the settings; nothing is opened."""
        self.settings = settings
        self.rollout = rollout

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The installation that the environment describes.

        Raises:
            SettingsError: when a value cannot be used.
            SecretError: the source of secrets cannot be used or read.
        """
        kept = kept_secrets(environment)
        if kept is not None:
            DatabaseLogins(kept).follow()
        return cls(Settings.from_environment(environment))

    @cached_property
    def clock(self) -> Clock:
        """What time it is."""
        path = self.settings.simulated_clock
        return SystemClock() if path is None else SimulatedClock(path)

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        settings, copies = self.settings, self.settings.lake_copy
        kept = self._kept()
        options = settings.object_store if kept is None else PresentOptions(kept, object_store_options)
        of_copies = {**RETRIES, **settings.object_store} if copies is not None and "://" in copies else None
        copied_to = None if copies is None else StoredFolder(copies.rstrip("/"), of_copies)
        return Lake(settings.lake, options, settings.environment, copied_to)

    @cached_property
    def sources(self) -> SourceReader:
        """What reads declared sources."""
        return SourceReader(self.settings.simulation, source_access)

    @cached_property
    def feature_store(self) -> FeatureStore:
        """Feast's registry and online store."""
        settings = self.settings
        home = str(settings.own_home / "feast")
        kept = self._kept()
        if kept is None or settings.secrets is None:
            return FeatureStore(settings.feast_registry, settings.feast_online_store, home, settings.environment)
        held = tuple(name for name in OF_SERVICES if name in kept.values() and not is_set(name))
        return FeatureStore(
            settings.feast_registry,
            settings.feast_online_store,
            home,
            settings.environment,
            kept,
            settings.secrets.folder_of_services,
            held,
            settings.secrets.services is not None,
        )

    @cached_property
    def capacity(self) -> Capacity:
        """What a backfill of features may take."""
        settings = self.settings
        return capacity(settings.feature_memory_megabytes, settings.scratch, settings.ray_address)

    @cached_property
    def models(self) -> ModelStore:
        """The registry of models and the ledger."""
        settings = self.settings
        lend_object_store(settings)
        return ModelStore(
            settings.mlflow,
            self.lake,
            settings.environment,
            settings.home / "searches",
            Placement(settings.ray_address, settings.training_workers),
            keeps_holds=settings.gitops is not None,
            spending=partial(MeteredSpending.of_cloud, settings.price_sheet),
        )

    @cached_property
    def releases(self) -> ReleaseRepository:
        """The GitOps repository.

        Raises:
            SettingsError: no setting names one.
        """
        settings = self.settings
        if settings.gitops is None:
            raise SettingsError(
                f"no GitOps repository is named: set {PREFIX}GITOPS, such as "
                '{"repository": "git@example.com:team/releases.git"}; docs/operations/gitops.md'
            )
        return GitRepository(settings.gitops, settings.own_home / "gitops")

    @cached_property
    def serving(self) -> ServingHome:
        """Where services are built, logged and answered."""
        settings = self.settings
        home, cluster = str(settings.own_home), settings.kubernetes
        telemetry = settings.otlp, settings.log_format
        copy = settings.prediction_log_copy
        return ServingHome(
            home, settings.port, settings.target, self._callers(), self.rollout, cluster, *telemetry, copy
        )

    def _kept(self) -> KeptSecrets | None:
        """The source of secrets that this process follows; None where the settings name none."""
        return kept_secrets() if self.settings.secrets is not None else None

    def _callers(self) -> CallerAccess | None:
        """Whether callers are checked, and how; None where no setting says so.

        Raises:
            SettingsError: tokens or certificates cannot be used.
        """
        settings = self.settings
        if settings.callers is None:
            return None
        try:
            tokens = with_file(settings.caller_tokens, settings.caller_tokens_file, f"{PREFIX}CALLER_TOKENS_FILE")
            return make_access(settings.callers == "on", tokens, settings.caller_tls)
        except CallersUnusable as error:
            raise SettingsError(str(error)) from None

    def catalog(self, use_case: UseCase) -> Catalog:
        """The tables of a use case."""
        return Catalog(use_case, self.lake)
