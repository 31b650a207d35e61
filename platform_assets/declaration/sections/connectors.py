"""Where rows come from, as declared: one model for each kind of connector.

Belongs here: the declaration of connectors. Does not belong here: what has to fit together in one
(`checks/connectors.py`), reading through them (`connectors/`), and the table that the rows make (`connectors.py`).
"""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from platform_assets.declaration.base import Declaration

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable: addresses with credentials stand there, never in a declaration."""

EpochUnit = Literal["seconds", "milliseconds", "microseconds", "nanoseconds"]


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


class SqlConnector(Declaration):
    """Rows of a table or a query of a SQL database. With `cursor`, what is new since the last read."""

    kind: Literal["sql"] = Field(description="A SQL database, through SQLAlchemy; PostgreSQL and SQLite are tested.")
    url: Variable = Field(
        description="Name of the environment variable that holds the SQLAlchemy address, `postgresql://user:password@host/database`."
    )
    table: str | None = Field(default=None, description="Table or view, `schema.table` where it needs a schema.")
    query: str | None = Field(default=None, description="A SELECT to read instead of a table.")
    cursor: str | None = Field(
        default=None,
        description="Column that grows with every change (a change number or the time of the change): makes the source incremental.",
    )
    operation: str | None = Field(
        default=None,
        description="Column that says what happened to the row: insert, update or delete (or their first letters). Needs `cursor`.",
    )
    deleted: str | None = Field(
        default=None,
        description="Column that marks deleted rows: true, not 0, or a time of deletion. Needs `cursor`.",
    )
    overlap: int = Field(
        default=0,
        ge=0,
        description="How far behind the cursor each read looks for rows committed late: seconds for a time, else units of the cursor.",
    )


class DeltaConnector(Declaration):
    """Rows of a Delta table that somebody else writes."""

    kind: Literal["delta"] = Field(description="A Delta table of others.")
    uri: str = Field(
        description="Address of the table: a folder, relative to the use case's folder, or `s3://bucket/...`."
    )
    incremental: bool = Field(
        default=False,
        description="Whether to follow the table's change data feed, version by version, instead of reading event days.",
    )


class ChangeFeedConnector(Declaration):
    """Inserts, updates and deletes in the Debezium envelope, from JSON-lines files or a Kafka topic."""

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
        description="Field of the envelope that orders the changes of a row; default: `source.lsn`, without one the time `ts_ms`.",
    )
    epoch_unit: EpochUnit | None = Field(
        default=None,
        description="Unit of times that arrive as numbers; default: what the envelope's schema says; without both they are refused.",
    )
    settle_seconds: float = Field(
        default=5,
        ge=0,
        description="With a path: a local file that changed less long ago than this may be incomplete and waits for the next read.",
    )


class KafkaConnector(Declaration):
    """Rows of a Kafka topic, one JSON object in each message; the offsets read are kept with the data."""

    kind: Literal["kafka"] = Field(description="A Kafka topic with JSON objects.")
    topic: str = Field(description="Name of the topic.")
    brokers: Variable = Field(
        description="Name of the environment variable that holds `host:port,...`, or the client's settings as a JSON object."
    )
    sequence: str | None = Field(
        default=None,
        description="Whole-number field that orders the changes of a key; default: the offset, right where a key keeps its partition.",
    )
    epoch_unit: EpochUnit | None = Field(
        default=None, description="Unit of times that arrive as numbers; without one such times are refused."
    )


Connector = Annotated[
    SimulatorConnector | FilesConnector | SqlConnector | DeltaConnector | ChangeFeedConnector | KafkaConnector,
    Field(discriminator="kind"),
]


def is_incremental(connector: Connector) -> bool:
    """Whether a source with this connector is asked what is new since a cursor, instead of for event days."""
    match connector:
        case FilesConnector() | DeltaConnector():
            return connector.incremental
        case SqlConnector():
            return connector.cursor is not None
        case ChangeFeedConnector() | KafkaConnector():
            return True
    return False
