"""Source tables: where rows come from, what they look like, and how good they must be.

Belongs here: the declaration of tables. Does not belong here: connectors and quality limits (each in a module of its
own), reading (`connectors/`), checking (`validation/`) or storing (`lake/`).
"""

from typing import Literal

import polars as pl
from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.sections.calendar import Calendar, EventDays, calendar_of
from platform_assets.declaration.sections.changes import Changes
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
from platform_assets.declaration.sections.connectors.registry import Connector
from platform_assets.declaration.sections.late import Late
from platform_assets.declaration.sections.migrations import Migration
from platform_assets.declaration.sections.quality import Quality
from platform_assets.declaration.time_zones import UTC_ZONE, TimeZone

EVENT_DAY = "event_day"
"""Partition column of every daily table: the date of the row's event time, in UTC or in the source's `time_zone`."""


class Source(Declaration):
    """A table that the use case receives."""

    name: Identifier = Field(description="Table name; becomes the last part of its asset keys.")
    description: str = Field(description="What one row is.")
    connector: Connector = Field(description="Where the rows come from.")
    stream: KafkaConnector | None = Field(
        default=None,
        description="Event source only: Kafka topic with the same rows as they happen, for online values fresh within a second; "
        "a source whose connector is `kafka` needs none.",
    )
    columns: tuple[Column, ...] = Field(min_length=1, description="Every column, declared once.")
    primary_key: tuple[Identifier, ...] = Field(min_length=1, description="Columns that identify a row.")
    event_time: Identifier | None = Field(
        default=None,
        description="Column with the time of the event; absent for a reference table that is loaded whole.",
    )
    repeated_keys: Literal["quarantine", "newest"] | None = Field(
        default=None,
        description="What becomes of a primary key that comes again on another day: `quarantine` refuses the row whose key is published "
        "already, `newest` lets the row of the newest day replace it. Left out: `quarantine` for the events and their labels; any other "
        "table may repeat keys.",
    )
    time_zone: TimeZone = Field(
        default=UTC_ZONE,
        description="IANA zone at whose midnights the days of the source begin and end, such as America/Chicago: `event_day` is the day "
        "there, and some have 23 or 25 hours. The same for every source with an event time.",
    )
    arrival_delay_days: int = Field(
        default=0,
        ge=0,
        description="Rows of event day d are known from 00:00 of day d + this many days, in UTC or the source's `time_zone`.",
    )
    calendar: EventDays | None = Field(
        default=None,
        description="On which days there are events: `any` (a day may be without), `weekdays` (Monday to Friday), or weekdays and holidays "
        "by name; by default every day has some. A day without a file, or with a header only, is refused unless it is closed here.",
    )
    late: Late = Field(
        default_factory=Late,
        description="What happens when a day does not come; for sources that are asked for event days.",
    )
    changes: Changes = Field(
        default_factory=Changes, description="What changes do to the published table; for incremental sources."
    )
    quality: Quality = Field(default_factory=Quality, description="Limits past which a partition is refused.")
    migrations: tuple[Migration, ...] = Field(
        default=(),
        description="Changes of the columns since the first load, oldest first: rename, widen, default, retire.",
    )

    @property
    def is_daily(self) -> bool:
        """Whether the table is partitioned by event day."""
        return self.event_time is not None

    @property
    def event_calendar(self) -> Calendar:
        """The days on which it has events."""
        return calendar_of(self.calendar)

    @property
    def is_incremental(self) -> bool:
        """Whether the source is asked what is new since a cursor, and its rows are changes."""
        return self.connector.is_incremental

    @property
    def event_topic(self) -> KafkaConnector | None:
        """The topic that carries the rows as they happen; None without."""
        return self.stream or self.connector.event_topic

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the declared columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The declared column of that name.

        Raises:
            KeyError: when the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"source {self.name!r} has no column {name!r}; it has {', '.join(self.column_names)}")

    def polars_schema(self) -> dict[str, pl.DataType]:
        """Stored schema: the declared columns, then `event_day` for daily tables."""
        schema = {column.name: column.polars_type for column in self.columns}
        if self.is_daily:
            schema[EVENT_DAY] = pl.Date()
        return schema
