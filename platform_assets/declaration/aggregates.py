"""Aggregates: what a declaration, the window plan and the tests ask of one, and the list of them.

Belongs here: the Protocol and the registry. Does not belong here: the aggregates themselves (`features/aggregation/aggregates.py`).

An aggregate is one object for the feature table, the single request and the stream alike: all three hand the same events to the same
kernel, which knows operations (`features/aggregation/operations.py`). Most aggregates are one operation; others put several together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from platform_assets.members import MemberRegistry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Input = Literal["number", "code", "condition"]
"""What an aggregate takes of an event: a column's value (1 for each event without a column), a number that stands for a column's
value, or 1 where a condition holds and 0 where it does not."""


class Aggregate(Protocol):
    """How the values in a window are combined."""

    @property
    def input(self) -> Input:
        """What it takes of an event."""

    @property
    def needs_column(self) -> bool:
        """Whether it cannot do without a column."""

    @property
    def needs_numbers(self) -> bool:
        """Whether its column must hold numbers."""

    @property
    def is_about_the_past(self) -> bool:
        """Whether it leaves the row's own event out unless told otherwise: what was before it is the question."""

    @property
    def own_event_problem(self) -> str | None:
        """Why a window of it cannot hold the row's own event; None where it can."""

    @property
    def when_empty(self) -> float | None:
        """Value of a window without values; None is null. A declaration can name another one."""

    @property
    def definition_version(self) -> int:
        """Grows when its values change, if only in the last bits: models trained on values of another version are not served with these."""

    @property
    def operations(self) -> tuple[int, ...]:
        """The kernel's operations that it is made of, at least one."""

    def combine(self, results: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values from the results of several operations; not called for a single one.

        Args:
            results: float64 [o, n], a row for each operation, NaN where the window has no value.

        Returns:
            float64 [n], NaN where the window has no value.
        """

    def plainly(self, values: Sequence[float], ages_seconds: Sequence[float]) -> float | None:
        """The value of one window as anybody would write it down: what every path is held to by the contract suite.

        Args:
            values: what it takes of each event that has a value, oldest first; at least one.
            ages_seconds: how long before the row each was.

        Returns:
            None where there is none: the value of an empty window.
        """


AGGREGATES: MemberRegistry[Aggregate] = MemberRegistry(
    "aggregate",
    {
        "count": "platform_assets.features.aggregation.aggregates:COUNT",
        "sum": "platform_assets.features.aggregation.aggregates:SUM",
        "mean": "platform_assets.features.aggregation.aggregates:MEAN",
        "min": "platform_assets.features.aggregation.aggregates:MIN",
        "max": "platform_assets.features.aggregation.aggregates:MAX",
        "std": "platform_assets.features.aggregation.aggregates:STD",
        "ratio": "platform_assets.features.aggregation.aggregates:RATIO",
        "distinct": "platform_assets.features.aggregation.aggregates:DISTINCT",
        "last": "platform_assets.features.aggregation.aggregates:LAST",
        "seconds_since_last": "platform_assets.features.aggregation.aggregates:SECONDS_SINCE_LAST",
    },
)


def _known(name: str) -> str:
    if name not in AGGREGATES:
        *others, last = (repr(other) for other in AGGREGATES.names)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return name


AggregateName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(AGGREGATES.names)})
]
"""The name of an aggregate in the registry, as the type of a declaration's field."""
