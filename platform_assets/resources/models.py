"""The model registry and the deployment ledger as a Dagster resource.

Belongs here: making them from settings. Does not belong here: what they do (`registry/`).
"""

import dagster as dg

from platform_assets.lake.layout import table_uri
from platform_assets.lake.table import LakeTable
from platform_assets.registry.ledger import LEDGER_SCHEMA, Ledger
from platform_assets.registry.models import ModelRegistry


class ModelsResource(dg.ConfigurableResource[None]):
    """MLflow's registry, and the ledger in the lake."""

    tracking_uri: str
    lake_root: str

    def registry(self) -> ModelRegistry:
        """The registry of model versions."""
        return ModelRegistry(self.tracking_uri)

    def ledger(self, use_case: str) -> Ledger:
        """The ledger of a use case's moves."""
        return Ledger(LakeTable(uri=table_uri(self.lake_root, use_case, "model", "ledger"), schema=LEDGER_SCHEMA))
