"""The lake: Delta tables below one root.

Belongs here: from a table's place (use case, layer, table) to the table. Does not belong here: reading and writing (`table.py`), or which
tables a use case has (`catalog.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from platform_assets.declaration.sections.migrations import Migration
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.lake.evolution import Evolution
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import known_uri
from platform_assets.lake.layout import CLEAN, MODEL, MONITORING, PREDICTIONS, SERVING, table_uri
from platform_assets.lake.retries import RETRIES
from platform_assets.lake.table import LakeTable

PRODUCTION = "production"
OF_AN_ENVIRONMENT = (SERVING, PREDICTIONS, MONITORING)
"""Layers that each environment has tables of its own in; production's lie directly below the root."""
KEPT_AS_DECLARED = (CLEAN, MODEL)
"""Layers whose tables change by declared migrations only; all others follow their declaration when they are written."""


@dataclass(frozen=True)
class Lake:
    """Delta tables below one root.

    Attributes:
        root: a folder, or an address such as `s3://bucket/lake`.
        object_store: endpoint and keys, used where the root is an address; never shown.
        environment: whose tables are meant of the layers that each environment has to itself.
        copied_to: where every commit is copied to before its write returns; None for nowhere.
    """

    root: str
    object_store: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: str = PRODUCTION
    copied_to: StoredFolder | None = None

    def copy_of(self, use_case: str, layer: str, table: str) -> StoredFolder | None:
        """Where commits of a table are copied to; None for nowhere."""
        if self.copied_to is None:
            return None
        path = self.uri(use_case, layer, table).removeprefix(self.root.rstrip("/"))
        return replace(self.copied_to, uri=f"{self.copied_to.uri.rstrip('/')}{path}")

    def root_of(self, layer: str) -> str:
        """Root of the tables of a layer.

        What an environment's services answered, and what is made from that, is its own; everything before is shared.
        """
        if self.environment == PRODUCTION or layer not in OF_AN_ENVIRONMENT:
            return self.root
        return f"{self.root.rstrip('/')}/environments/{self.environment}"

    def uri(self, use_case: str, layer: str, table: str) -> str:
        """Address of a table."""
        return table_uri(self.root_of(layer), use_case, layer, table)

    def known(self, use_case: str, layer: str, table: str) -> str:
        """Address of the records of a table's last known versions."""
        return known_uri(self.root_of(layer), use_case, layer, table)

    def table(
        self,
        use_case: str,
        layer: str,
        table: str,
        schema: dict[str, pl.DataType],
        partition_by: str | None = EVENT_DAY,
        migrations: tuple[Migration, ...] = (),
    ) -> LakeTable:
        """The Delta table of an asset; partitioned when its schema has the partition column.

        Args:
            use_case: First part of the asset's key.
            layer: Second part.
            table: Last part.
            schema: Declared columns.
            partition_by: The partition column, where the schema has it.
            migrations: Declared changes of its columns.
        """
        return LakeTable(
            uri=self.uri(use_case, layer, table),
            schema=schema,
            partition_by=partition_by if partition_by in schema else None,
            storage_options=self.storage_options(),
            evolution=Evolution(automatic=layer not in KEPT_AS_DECLARED, migrations=migrations),
            known=self.known(use_case, layer, table),
            copied_to=self.copy_of(use_case, layer, table),
        )

    def storage_options(self) -> dict[str, str] | None:
        """Options of the object store, which is asked again with growing pauses; None for a folder.

        What the settings name comes before our defaults.
        """
        return {**RETRIES, **self.object_store} if "://" in self.root else None
