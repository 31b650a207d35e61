"""Feast as a Dagster resource.

Belongs here: Feast's settings for a use case. Does not belong here: Feast's objects and calls (`features/online/store.py`).
"""

from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.features.online.store import FeastSettings


class FeastResource(dg.ConfigurableResource[None]):
    """Where Feast keeps its registry and its online values."""

    registry: str
    online_store: dict[str, Any]
    home: str

    def settings(self, use_case: UseCase) -> FeastSettings:
        """Feast's settings for one use case; each is a Feast project of its own."""
        return FeastSettings(
            project=use_case.name, registry=self.registry, online_store=self.online_store, home=self.home
        )
