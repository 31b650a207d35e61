"""The feature store of an installation, as settings for Feast.

Belongs here: Feast's settings for a use case. Does not belong here: Feast's objects and calls (`store.py`, `feast_objects.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.features.online.drivers import registry_driver
from platform_assets.features.online.feast_connection import FeastSettings

PRODUCTION = "production"


@dataclass(frozen=True)
class FeatureStore:
    """Where Feast keeps its registry and its online values.

    Attributes:
        registry: SQLAlchemy address of Feast's registry; never shown, it may hold a password.
        online_store: Feast's configuration of the online store; never shown, it may hold a password.
        home: folder that Feast may write to.
        environment: whose values are meant, where environments share a registry or a store.
    """

    registry: str = field(repr=False)
    online_store: Mapping[str, Any] = field(repr=False)
    home: str
    environment: str = PRODUCTION

    def settings(self, use_case: UseCase) -> FeastSettings:
        """Feast's settings for one use case; each is a Feast project of its own in each environment.

        The project is part of every key in the store and of the names of locks.
        """
        name = use_case.name
        project = name if self.environment == PRODUCTION else f"{name}_{self.environment}"
        return FeastSettings(
            project=project, registry=self.registry, online_store=dict(self.online_store), home=self.home
        )

    def drivers(self) -> tuple[str, ...]:
        """Modules of the database drivers that a service of this feature store needs.

        Raises:
            DriverMissing: the registry's address names no database that can be opened.
        """
        return (registry_driver(self.registry),)
