"""The lake: Delta tables below one root.

Belongs here: from a table's place (use case, layer, table) to the table. Does not belong here: reading and writing (`table.py`), or which
tables a use case has (`catalog.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from platform_assets.declaration.sections.migrations import Migration
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.lake.evolution import Evolution
from platform_assets.lake.known_versions import known_uri
from platform_assets.lake.layout import CLEAN, MODEL, table_uri
from platform_assets.lake.table import LakeTable

KEPT_AS_DECLARED = (CLEAN, MODEL)
"""Layers whose tables change by declared migrations only; all others follow their declaration when they are written."""


@dataclass(frozen=True)
class Lake:
    """Delta tables below one root.

    Attributes:
        root: a folder, or an address such as `s3://bucket/lake`.
        object_store: endpoint and keys, used where the root is an address; never shown.
    """

    root: str
    object_store: Mapping[str, str] = field(default_factory=dict, repr=False)

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
            known=known_uri(self.root, use_case, layer, table),
        )

    def storage_options(self) -> dict[str, str] | None:
        """Options of the object store; None for a folder."""
        return dict(self.object_store) or None if "://" in self.root else None
