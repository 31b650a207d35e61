"""A Kafka topic, as declared.

Belongs here: the declaration. Does not belong here: reading the topic (`connectors/kafka/`, `features/streaming/`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self

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


class KafkaConnector(ConnectorDeclaration):
    """Rows of a Kafka topic, one JSON object in each message; the offsets read are kept with the data."""

    reader: ClassVar[str] = "platform_assets.connectors.kafka.reader:KAFKA"

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
    def is_incremental(self) -> bool:
        """Always."""
        return True

    @property
    def event_topic(self) -> Self:
        """Itself."""
        return self

    def arrives_as_text(self, column: Column) -> bool:
        """Every cell of a message is kept as its text."""
        return True

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return (self.deleted,)

    def problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        """As `ConnectorDeclaration.problems`."""
        yield from epoch_unit_problems(self.epoch_unit, source)
