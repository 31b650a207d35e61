"""The model registry and the deployment ledger as a Dagster resource.

Belongs here: making them from settings. Does not belong here: what they do (`registry/`).
"""

from pathlib import Path

import dagster as dg

from platform_assets.installation import Settings, object_store_options
from platform_assets.lake.layout import MODEL, table_uri
from platform_assets.registry.ledger import Ledger, ledger_table
from platform_assets.registry.models import PRODUCTION, Environment, ModelRegistry
from platform_assets.registry.tables import TableRegistry


class ModelsResource(dg.ConfigurableResource[None]):
    """MLflow's registry, and the ledger in the lake, of one environment."""

    tracking_uri: str
    lake_root: str
    environment: Environment = PRODUCTION
    home: str | None = None
    ray_address: str | None = None
    training_workers: int | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "ModelsResource":
        """Those of this installation."""
        return cls(
            tracking_uri=settings.mlflow,
            lake_root=settings.lake,
            environment=settings.environment,
            home=str(settings.home),
            ray_address=settings.ray_address,
            training_workers=settings.training_workers,
        )

    def registry(self) -> ModelRegistry:
        """The registry of model versions."""
        return ModelRegistry(self.tracking_uri, self.environment)

    def quick_registry(self) -> ModelRegistry:
        """The same registry for those in a hurry: where MLflow keeps its tables in a database, MLflow is not imported."""
        return TableRegistry(self.tracking_uri, self.environment)

    def search_storage(self, use_case: str) -> str | None:
        """SQLAlchemy address of the file that keeps a use case's finished trials; None where nothing is kept."""
        if self.home is None:
            return None
        folder = Path(self.home) / "searches"
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{folder / use_case}.db"

    def ledger(self, use_case: str) -> Ledger:
        """The ledger of a use case's moves."""
        options = object_store_options() or None if "://" in self.lake_root else None
        return Ledger(ledger_table(table_uri(self.lake_root, use_case, MODEL, "ledger"), options), self.environment)
