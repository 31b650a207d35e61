"""Cross-checks of a source and its connector.

Belongs here: what holds for every kind of connector, each problem with its place below the source. Does not belong here: what is wrong
with one kind (its model, `sections/connectors/`), and anything that needs the source itself to be asked (`platform-assets sources
check`).
"""

from collections.abc import Iterator

from platform_assets.declaration.sections.connectors.base import ConnectorProblem
from platform_assets.declaration.sections.sources import Source


def connector_problems(source: Source) -> Iterator[ConnectorProblem]:
    """Everything about a source's connector that does not fit together."""
    connector = source.connector
    yield from connector.problems(source)
    if connector.is_incremental and source.event_time is None:
        yield ConnectorProblem(
            ("connector", connector.incremental_field),
            connector.kind,
            "an incremental source needs an `event_time`: its table is kept by event day. Declare one, or load the table whole",
        )
