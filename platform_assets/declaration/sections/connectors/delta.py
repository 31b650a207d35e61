"""A Delta table that somebody else writes, as declared.

Belongs here: the declaration. Does not belong here: reading the table (`connectors/delta/`).
"""

from typing import ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration, deletion_mark


class DeltaConnector(ConnectorDeclaration):
    """Rows of a Delta table that somebody else writes."""

    reader: ClassVar[str] = "platform_assets.connectors.delta.reader:DELTA"
    incremental_field: ClassVar[str] = "incremental"

    kind: Literal["delta"] = Field(description="A Delta table of others.")
    uri: str = Field(
        description="Address of the table: a folder, relative to the use case's folder, or `s3://bucket/...`."
    )
    incremental: bool = Field(
        default=False,
        description="Whether to follow the table's change data feed, version by version, instead of reading event days.",
    )

    deleted: str = deletion_mark()

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return (self.deleted,) if self.incremental else ()

    @property
    def is_incremental(self) -> bool:
        """As declared."""
        return self.incremental

    def arrives_as_text(self, column: Column) -> bool:
        """Text may stand for a time, as many writers keep them."""
        return column.type in ("datetime", "date")
