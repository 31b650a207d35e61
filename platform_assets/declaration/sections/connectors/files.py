"""Files, as declared.

Belongs here: the declaration, and what does not fit together in it. Does not belong here: reading files (`connectors/files/`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import (
    EVENT_DAY_IN_PATH,
    ConnectorDeclaration,
    ConnectorProblem,
)

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source


class FilesConnector(ConnectorDeclaration):
    """Rows read from files."""

    reader: ClassVar[str] = "platform_assets.connectors.files.reader:FILES"
    incremental_field: ClassVar[str] = "incremental"

    kind: Literal["files"] = Field(description="Files on disk or in an object store.")
    format: Literal["csv", "parquet", "jsonl"] = Field(description="File format.")
    path: str = Field(
        description="File, folder or glob, relative to the use case's folder, or `s3://bucket/...`. `{event_day}` stands for the day."
    )
    incremental: bool = Field(
        default=False,
        description="Whether each new or changed file below the path is a delivery of changes, by arrival instead of by event day.",
    )
    settle_seconds: float = Field(
        default=5,
        ge=0,
        description="Incremental only: a local file that changed less long ago than this may be incomplete and waits for the next read.",
    )

    deleted: str = Field(
        default="__deleted",
        description="Incremental only: column that marks deleted rows (true, not 0, or a time of deletion), where rows have it; the "
        "default is what Debezium adds to rows that it takes out of their envelope.",
    )

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return (self.deleted,) if self.incremental else ()

    @property
    def is_incremental(self) -> bool:
        """As declared."""
        return self.incremental

    def arrives_as_text(self, column: Column) -> bool:
        """CSV and JSON lines have no types of their own; in Parquet text may stand for a time, as many writers keep them."""
        return self.format in ("csv", "jsonl") or column.type in ("datetime", "date")

    def problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        """As `ConnectorDeclaration.problems`."""
        where = ("connector", "path")
        if self.incremental and EVENT_DAY_IN_PATH in self.path:
            message = "an incremental source takes every new file, whatever its day: write `*` for `{event_day}`"
            yield ConnectorProblem(where, self.path, message)
        if "://" in self.path and not self.path.startswith("s3://"):
            yield ConnectorProblem(where, self.path, "only s3:// addresses and local paths can be read")
