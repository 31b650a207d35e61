"""The lake as a Dagster resource.

Belongs here: from an asset's place (use case, layer, table) to its Delta table. Does not belong here: reading and
writing (`lake/`).
"""

import dagster as dg
import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.sections.migrations import Migration
from platform_assets.installation import object_store_options
from platform_assets.lake.evolution import Evolution
from platform_assets.lake.layout import CLEAN, MODEL, table_uri
from platform_assets.lake.table import LakeTable

KEPT_AS_DECLARED = (CLEAN, MODEL)
"""Layers whose tables change by declared migrations only; all others follow their declaration when they are written."""


class LakeResource(dg.ConfigurableResource[None]):
    """Delta tables below one root."""

    root: str

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
            uri=table_uri(self.root, use_case, layer, table),
            schema=schema,
            partition_by=partition_by if partition_by in schema else None,
            storage_options=self.storage_options(),
            evolution=Evolution(automatic=layer not in KEPT_AS_DECLARED, migrations=migrations),
        )

    def storage_options(self) -> dict[str, str] | None:
        """Options of the object store; None for a folder."""
        return object_store_options() or None if "://" in self.root else None
