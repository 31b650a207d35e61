"""A feed of row changes, as declared.

Belongs here: the declaration, and what does not fit together in it. Does not belong here: taking envelopes apart
(`connectors/debezium/`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import (
    EVENT_DAY_IN_PATH,
    ConnectorDeclaration,
    ConnectorProblem,
    EpochUnits,
    Variable,
    epoch_unit_problems,
)

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source


class ChangeFeedConnector(ConnectorDeclaration):
    """Inserts, updates and deletes in the Debezium envelope, from JSON-lines files or a Kafka topic."""

    reader: ClassVar[str] = "platform_assets.connectors.debezium.reader:CHANGE_FEED"

    kind: Literal["change_feed"] = Field(description="A feed of row changes in the Debezium envelope, as JSON.")
    path: str | None = Field(
        default=None, description="File, folder or glob of JSON-lines files with one envelope a line; or `s3://...`."
    )
    topic: str | None = Field(default=None, description="Kafka topic, instead of a path.")
    brokers: Variable | None = Field(
        default=None,
        description="With a topic: name of the environment variable that holds `host:port,...`, or the client's settings as a JSON object.",
    )
    sequence: str | None = Field(
        default=None,
        description="Field of the envelope that orders the changes of a row; default: the position in the database's log that its "
        "connector sends, without one the time `ts_ms`.",
    )
    epoch_unit: EpochUnits | None = Field(
        default=None,
        description="Unit of times that arrive as numbers, or one for each column; default: what the envelope's schema says; without "
        "both they are refused.",
    )
    deleted: str | None = Field(
        default=None,
        description="Column that marks deleted rows where the database keeps them: true, not 0, or a time of deletion.",
    )
    settle_seconds: float = Field(
        default=5,
        ge=0,
        description="With a path: a local file that changed less long ago than this may be incomplete and waits for the next read.",
    )

    @property
    def is_incremental(self) -> bool:
        """Always."""
        return True

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return () if self.deleted is None else (self.deleted,)

    def arrives_as_text(self, column: Column) -> bool:
        """Every cell of an envelope is kept as its text."""
        return True

    def problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        """As `ConnectorDeclaration.problems`."""
        where = ("connector", "path")
        if (self.path is None) == (self.topic is None):
            yield ConnectorProblem(where, self.path, "give the `path` of files or the `topic`, one of them")
        if self.topic is not None and self.brokers is None:
            message = "a topic needs `brokers`: the name of the environment variable with their address"
            yield ConnectorProblem(("connector", "brokers"), None, message)
        if self.path is not None and EVENT_DAY_IN_PATH in self.path:
            message = "a change feed takes every new file, whatever its day: write `*` for `{event_day}`"
            yield ConnectorProblem(where, self.path, message)
        yield from epoch_unit_problems(self.epoch_unit, source)
