"""Cross-checks of a source and its connector.

Belongs here: what one field of a connector alone cannot tell, each problem with its place below the source. Does not
belong here: anything that needs the source itself to be asked (`platform-assets sources check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platform_assets.declaration.sections.connectors import (
    ChangeFeedConnector,
    Connector,
    DeltaConnector,
    FilesConnector,
    SqlConnector,
    is_incremental,
)
from platform_assets.declaration.sections.sources import Source

EVENT_DAY_IN_PATH = "{event_day}"

PLATFORM_COLUMNS = frozenset(
    {"source_position", "source_line", "delivered_day", "source_problem", "change_operation", "change_sequence"}
)
"""What travels with every row beside its own columns while it is read."""

Found = tuple[tuple[str, ...], Any, str]
"""Place below the source, what was found there, and what is wrong with it."""


def connector_problems(source: Source) -> Iterator[Found]:
    """Everything about a source's connector that does not fit together."""
    connector = source.connector
    if isinstance(connector, FilesConnector):
        yield from _files(connector)
    elif isinstance(connector, SqlConnector):
        yield from _sql(source, connector)
    elif isinstance(connector, ChangeFeedConnector):
        yield from _change_feed(connector)
    if is_incremental(connector) and source.event_time is None:
        yield (
            ("connector", _incremental_field(connector)),
            connector.kind,
            "an incremental source needs an `event_time`: its table is kept by event day. Declare one, or load the table whole",
        )


def _incremental_field(connector: Connector) -> str:
    if isinstance(connector, FilesConnector | DeltaConnector):
        return "incremental"
    return "cursor" if isinstance(connector, SqlConnector) else "kind"


def _files(connector: FilesConnector) -> Iterator[Found]:
    if connector.incremental and EVENT_DAY_IN_PATH in connector.path:
        yield (
            ("connector", "path"),
            connector.path,
            "an incremental source takes every new file, whatever its day: write `*` for `{event_day}`",
        )
    if "://" in connector.path and not connector.path.startswith("s3://"):
        yield ("connector", "path"), connector.path, "only s3:// addresses and local paths can be read"


def _sql(source: Source, connector: SqlConnector) -> Iterator[Found]:
    if connector.table is not None and connector.query is not None:
        yield ("connector", "query"), connector.query, "give `table` or `query`, not both"
    if connector.table is None and connector.query is None:
        yield ("connector", "table"), None, "give the `table` or the `query` to read"
    if connector.query is not None and ";" in connector.query.strip().rstrip(";"):
        yield ("connector", "query"), connector.query, "must be a single SELECT: remove the `;`"
    if connector.cursor is None:
        for field in ("operation", "deleted", "overlap"):
            if value := getattr(connector, field):
                yield ("connector", field), value, f"`{field}` is for incremental sources: declare the `cursor` column"
    if connector.operation is not None and connector.deleted is not None:
        yield ("connector", "deleted"), connector.deleted, "give `operation` or `deleted`, not both"
    for field in ("cursor", "operation", "deleted"):
        if (name := getattr(connector, field)) in PLATFORM_COLUMNS:
            yield ("connector", field), name, "is a name of the platform's own columns: give it another one by `query`"
    if connector.cursor in source.column_names:
        declared = source.column(connector.cursor or "").type
        if declared in ("float64", "bool", "int8"):
            yield ("connector", "cursor"), connector.cursor, f"is declared {declared}: a cursor is a number or a time"


def _change_feed(connector: ChangeFeedConnector) -> Iterator[Found]:
    if (connector.path is None) == (connector.topic is None):
        yield ("connector", "path"), connector.path, "give the `path` of files or the `topic`, one of them"
    if connector.topic is not None and connector.brokers is None:
        yield (
            ("connector", "brokers"),
            None,
            "a topic needs `brokers`: the name of the environment variable with their address",
        )
    if connector.path is not None and EVENT_DAY_IN_PATH in connector.path:
        yield (
            ("connector", "path"),
            connector.path,
            "a change feed takes every new file, whatever its day: write `*` for `{event_day}`",
        )
