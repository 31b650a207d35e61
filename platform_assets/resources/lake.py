"""The lake as a Dagster resource.

Belongs here: from an asset's place (use case, layer, table) to its Delta table. Does not belong here: reading and
writing (`lake/`).
"""

import dagster as dg
import polars as pl

from platform_assets.lake.layout import table_uri
from platform_assets.lake.table import LakeTable
from platform_assets.resources.settings import object_store_options
from platform_assets.spec import EVENT_DAY


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
    ) -> LakeTable:
        """The Delta table of an asset; partitioned when its schema has the partition column."""
        return LakeTable(
            uri=table_uri(self.root, use_case, layer, table),
            schema=schema,
            partition_by=partition_by if partition_by in schema else None,
            storage_options=object_store_options() or None if "://" in self.root else None,
        )
