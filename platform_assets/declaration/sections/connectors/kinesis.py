"""A Kinesis data stream, as declared.

Belongs here: the declaration. Does not belong here: reading the stream (`connectors/kinesis/`).
"""

from typing import ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.sections.connectors.base import EpochUnits, Variable
from platform_assets.declaration.sections.connectors.messages import MessagesConnector


class KinesisConnector(MessagesConnector):
    """Rows of a Kinesis data stream, one JSON object in each record; what was read of each shard is kept with the data."""

    reader: ClassVar[str] = "platform_assets.connectors.kinesis.reader:KINESIS"
    extra: ClassVar[str] = "s3"

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
