"""What connectors of plain messages share, one JSON object in each.

Belongs here: the fields' common meaning and the answers that follow from it. Does not belong here: where messages come from (`kafka.py`,
`kinesis.py`), or messages in an envelope (`change_feed.py`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import (
    ConnectorDeclaration,
    ConnectorProblem,
    EpochUnits,
    epoch_unit_problems,
)

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source


class MessagesConnector(ConnectorDeclaration):
    """Rows of plain messages; a kind declares the fields, each with its own meaning and default."""

    if TYPE_CHECKING:  # not for pydantic, which would list them before a kind's own fields
        epoch_unit: EpochUnits | None
        deleted: str

    @property
    def is_incremental(self) -> bool:
        """Always."""
        return True

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
