"""The feature store of an installation, as settings for Feast.

Belongs here: Feast's settings for a use case. Does not belong here: Feast's objects and calls (`store.py`, `feast_objects.py`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.features.online.credentials import CREDENTIALS, ONLINE_STORE, REGISTRY
from platform_assets.features.online.drivers import registry_driver
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.secret_sources.kept import KeptSecrets

PRODUCTION = "production"


@dataclass(frozen=True)
class FeatureStore:
    """Where Feast keeps its registry and its online values.

    Attributes:
        registry: SQLAlchemy address of Feast's registry; never shown, it may hold a password.
        online_store: Feast's configuration of the online store; never shown, it may hold a password.
        home: folder that Feast may write to.
        environment: whose values are meant, where environments share a registry or a store.
        secrets: the source of secrets; None where there is none beside the environment.
        credentials: folder that services read their logins from while they run; None where they are handed over once.
        in_credentials: names of the secrets that are there.
        keeps_credentials: whether the platform writes the folder, and not an agent or the kubelet.
    """

    registry: str = field(repr=False)
    online_store: Mapping[str, Any] = field(repr=False)
    home: str
    environment: str = PRODUCTION
    secrets: KeptSecrets | None = field(default=None, repr=False)
    credentials: Path | None = None
    in_credentials: Collection[str] = ()
    keeps_credentials: bool = False

    def settings(self, use_case: UseCase) -> FeastSettings:
        """Feast's settings for one use case; each is a Feast project of its own in each environment.

        The project is part of every key in the store and of the names of locks.
        """
        name = use_case.name
        project = name if self.environment == PRODUCTION else f"{name}_{self.environment}"
        return FeastSettings(
            project=project,
            registry=self.registry,
            online_store=dict(self.online_store),
            home=self.home,
            secrets=self.secrets if ONLINE_STORE in self.in_credentials else None,
        )

    def settings_of_service(self, use_case: UseCase) -> dict[str, Any]:
        """Feast's settings as a service is handed them: without what it reads from the folder of credentials."""
        given = self.settings(use_case).model_dump(mode="json", exclude={CREDENTIALS})
        if self.credentials is None or not self.in_credentials:
            return given
        absent: dict[str, Any] = {"registry": "", "online_store": {}}
        fields = {REGISTRY: "registry", ONLINE_STORE: "online_store"}
        left_out = {fields[name]: absent[fields[name]] for name in fields if name in self.in_credentials}
        return given | left_out | {CREDENTIALS: str(self.credentials)}

    def drivers(self) -> tuple[str, ...]:
        """Modules of the database drivers that a service of this feature store needs.

        Raises:
            DriverMissing: the registry's address names no database that can be opened.
        """
        return (registry_driver(self.registry),)
