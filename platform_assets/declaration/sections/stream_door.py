"""The stream door: the topics between which events are scored.

Belongs here: the declaration. Does not belong here: scoring (`serving/doors/`), or the topic that keeps the online store fresh
(`sections/sources.py`).
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from platform_assets.declaration.base import Declaration
from platform_assets.declaration.sections.connectors.base import Variable

Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
"""Name of a Kafka topic."""

DEAD_LETTERS_SUFFIX = ".dead-letters"


class StreamDoor(Declaration):
    """Events of one topic in, predictions of another out, in one transaction."""

    brokers: Variable = Field(
        description="Name of the environment variable that holds `host:port,...`, or the client's settings as a JSON object."
    )
    events: Topic = Field(description="Topic with one JSON object of the request columns in each message.")
    predictions: Topic = Field(description="Topic for the answers; the key is the event's.")
    dead_letters: Topic | None = Field(
        default=None,
        description="Topic for messages that cannot be scored, each with its reason; default: `predictions` with `.dead-letters`.",
    )

    @property
    def dead_letter_topic(self) -> str:
        """Where messages go that cannot be scored."""
        return self.dead_letters or f"{self.predictions}{DEAD_LETTERS_SUFFIX}"

    @property
    def topics(self) -> tuple[str, str, str]:
        """Events, predictions, dead letters."""
        return self.events, self.predictions, self.dead_letter_topic
