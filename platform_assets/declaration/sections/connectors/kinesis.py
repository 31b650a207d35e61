"""A Kinesis data stream, as declared.

Belongs here: the declaration. Does not belong here: reading the stream (`connectors/kinesis/`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import (
    ConnectorDeclaration,
    ConnectorProblem,
    EpochUnits,
    Variable,
    epoch_unit_problems,
)

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source


class KinesisConnector(ConnectorDeclaration):
    """Rows of a Kinesis data stream, one JSON object in each record; what was read of each shard is kept with the data."""

    reader: ClassVar[str] = "platform_assets.connectors.kinesis.reader:KINESIS"

    kind: Literal["kinesis"] = Field(
        description="A Kinesis data stream with JSON objects. Needs `platform-assets[s3]`."
    )
    stream: str = Field(description="Name of the stream.")
    client: Variable | None = Field(
        default=None,
        description="Name of the environment variable that holds what boto3's client is made with, as a JSON object: `region_name`, "
        "`endpoint_url`, `aws_access_key_id` ...; the usual AWS chain applies to what is missing, and to everything without it.",
    )
    sequence: str | None = Field(
        default=None,
        description="Whole-number field that orders the changes of a key; default: the order in the stream, right where a key keeps its "
        "partition key.",
    )
    epoch_unit: EpochUnits | None = Field(
        default=None,
        description="Unit of times that arrive as numbers, or one for each column; without it they are refused.",
    )
    deleted: str = Field(default="__deleted", description="Field that marks a deleted row, where records have it.")

    @property
    def is_incremental(self) -> bool:
        """Always."""
        return True

    def arrives_as_text(self, column: Column) -> bool:
        """Every cell of a record is kept as its text."""
        return True

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return (self.deleted,)

    def problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        """As `ConnectorDeclaration.problems`."""
        yield from epoch_unit_problems(self.epoch_unit, source)
