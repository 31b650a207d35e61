"""Source tables: where rows come from, what they look like, and how good they must be.

Belongs here: the declaration of connectors, tables and their quality limits. Does not belong here: reading
(`sources/`), checking (`validation/`) or storing (`lake/`).
"""

from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field

from platform_assets.spec.base import Declaration, Identifier
from platform_assets.spec.columns import Column

EVENT_DAY = "event_day"
"""Partition column of every daily table: the UTC date of the row's event time."""


class SimulatorConnector(Declaration):
    """Rows drawn by a generator of this project; simulated data says so in its name."""

    kind: Literal["simulator"] = Field(description="Simulated rows.")
    generator: str = Field(description="Dotted path of the generator class, `package.module:Class`.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the generator, the seed included.")
    table: str | None = Field(
        default=None, description="Name of the table inside the generator; default: the source's name."
    )
    faults: tuple[dict[str, Any], ...] = Field(
        default=(), description="Faults to plant on purpose, to prove that the gates hold (see simulation/faults.py)."
    )


class FilesConnector(Declaration):
    """Rows read from files."""

    kind: Literal["files"] = Field(description="Files on disk or in an object store.")
    format: Literal["csv", "parquet", "jsonl"] = Field(description="File format.")
    path: str = Field(
        description="File, folder or glob; relative to the use case's folder. `{event_day}` stands for the day."
    )


Connector = Annotated[SimulatorConnector | FilesConnector, Field(discriminator="kind")]


class VolumeRule(Declaration):
    """How far a day's row count may be from the median of the same weekday in the recent past."""

    min_ratio: float = Field(default=0.5, ge=0, description="Fewer rows than this share of the median stop the day.")
    max_ratio: float = Field(default=2.0, gt=0, description="More rows than this multiple of the median stop the day.")
    history_days: int = Field(default=28, ge=7, description="How many days back the median looks.")
    min_history: int = Field(
        default=2, ge=1, description="Below this many earlier same weekdays the rule only reports."
    )


class Quality(Declaration):
    """The limits past which a whole partition is refused."""

    max_refused_ratio: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="Share of rows that may go to quarantine before the partition is refused.",
    )
    volume: VolumeRule = Field(default_factory=VolumeRule, description="Row count against recent history.")


class Source(Declaration):
    """A table that the use case receives."""

    name: Identifier = Field(description="Table name; becomes the last part of its asset keys.")
    description: str = Field(description="What one row is.")
    connector: Connector = Field(description="Where the rows come from.")
    columns: tuple[Column, ...] = Field(min_length=1, description="Every column, declared once.")
    primary_key: tuple[Identifier, ...] = Field(min_length=1, description="Columns that identify a row.")
    event_time: Identifier | None = Field(
        default=None,
        description="Column with the time of the event; absent for a reference table that is loaded whole.",
    )
    arrival_delay_days: int = Field(
        default=0, ge=0, description="Rows of event day d are known from 00:00 UTC of day d + this many days."
    )
    quality: Quality = Field(default_factory=Quality, description="Limits past which a partition is refused.")

    @property
    def is_daily(self) -> bool:
        """Whether the table is partitioned by event day."""
        return self.event_time is not None

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
