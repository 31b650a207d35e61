"""What every declared connector can be asked.

Belongs here: the base of the models, with the answers of most kinds, and the small types that they share. Does not belong here: any one
kind, and the list of them (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, StringConstraints

from platform_assets.declaration.base import Declaration

if TYPE_CHECKING:
    from platform_assets.declaration.sections.columns import Column
    from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
    from platform_assets.declaration.sections.sources import Source

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable: addresses with credentials stand there, never in a declaration."""

EpochUnit = Literal["days", "seconds", "milliseconds", "microseconds", "nanoseconds"]

EpochUnits = EpochUnit | dict[str, EpochUnit]
"""What numbers count where times are declared: one unit, or one for each column."""

EVENT_DAY_IN_PATH = "{event_day}"
"""Stands for the event day in a path."""


class ConnectorProblem(NamedTuple):
    """What does not fit together in a connector."""

    where: tuple[str, ...]
    """The field, below the source."""
    value: Any
    message: str


class ConnectorDeclaration(Declaration):
    """Where the rows of a source come from. What reads them is named by `reader` and imported when rows are read."""

    kind: str

    reader: ClassVar[str]
    """`package.module:OBJECT` of the `connectors.base.Reader` for this kind."""
    incremental_field: ClassVar[str] = "kind"
    """The field that makes a source incremental."""
    extra: ClassVar[str] = ""
    """The extra of the distribution that reading takes, see `platform_assets/extras.py`; empty for none."""
    is_simulated: ClassVar[bool] = False
    """Whether the rows are drawn and not observed; then `simulated_with` changes how."""

    @property
    def is_incremental(self) -> bool:
        """Whether the source is asked what is new since a cursor, instead of for event days."""
        return False

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Columns that the connector reads for itself: where they are not declared, they are no surprise either."""
        return ()

    @property
    def event_topic(self) -> KafkaConnector | None:
        """The topic that carries the rows as they happen; None where rows cannot be streamed."""
        return None

    def arrives_as_text(self, column: Column) -> bool:
        """Whether text in a column stands for a value of its declared type, so that a bad cell stays with its row."""
        return False

    def problems(self, source: Source) -> Iterator[ConnectorProblem]:
        """What one field alone cannot tell, and what does not fit the source."""
        yield from ()

    def simulated_with(self, settings: Mapping[str, Any], faults: Iterable[Mapping[str, Any]]) -> Self:
        """The connector with other settings of its simulation and more faults; itself where nothing is simulated."""
        return self


def deletion_mark() -> Any:
    """The field `deleted` of a connector that reads rows out of their envelope."""
    return Field(
        default="__deleted",
        description="Incremental only: column that marks deleted rows (true, not 0, or a time of deletion), where rows have it; the "
        "default is what Debezium adds to rows that it takes out of their envelope.",
    )


def epoch_unit_problems(units: EpochUnits | None, source: Source) -> Iterator[ConnectorProblem]:
    """Columns that have a unit of time and are no times."""
    for name in units if isinstance(units, dict) else ():
        if name not in source.column_names:
            yield ConnectorProblem(("connector", "epoch_unit"), name, "is no declared column")
        elif source.column(name).type not in ("datetime", "date"):
            message = f"is declared {source.column(name).type}: a unit of time is for columns of type datetime or date"
            yield ConnectorProblem(("connector", "epoch_unit"), name, message)
