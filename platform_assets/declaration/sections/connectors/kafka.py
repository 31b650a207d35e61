"""A Kafka topic, as declared.

Belongs here: the declaration. Does not belong here: reading the topic (`connectors/kafka/`, `features/streaming/`).
"""

from typing import ClassVar, Literal, Self

from pydantic import Field

from platform_assets.declaration.sections.connectors.base import EpochUnits, Variable
from platform_assets.declaration.sections.connectors.messages import MessagesConnector


class KafkaConnector(MessagesConnector):
    """Rows of a Kafka topic, one JSON object in each message; the offsets read are kept with the data."""

    reader: ClassVar[str] = "platform_assets.connectors.kafka.reader:KAFKA"
    extra: ClassVar[str] = "kafka"

    kind: Literal["kafka"] = Field(description="A Kafka topic with JSON objects.")
    topic: str = Field(description="Name of the topic.")
    brokers: Variable = Field(
        description="Name of the environment variable that holds `host:port,...`, or the client's settings as a JSON object."
    )
    sequence: str | None = Field(
        default=None,
        description="Whole-number field that orders the changes of a key; default: the offset, right where a key keeps its partition.",
    )
    epoch_unit: EpochUnits | None = Field(
        default=None,
        description="Unit of times that arrive as numbers, or one for each column; default: what the message's schema says; without "
        "both they are refused.",
    )
    deleted: str = Field(
        default="__deleted",
        description="Field that marks a deleted row, `true` or `false`, where messages have it; the default is what Debezium adds to "
        "rows that it takes out of their envelope.",
    )

    @property
    def event_topic(self) -> Self:
        """Itself."""
        return self
