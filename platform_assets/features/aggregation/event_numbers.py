"""What windows aggregate of a single event, by the same expressions as over a table of events.

Belongs here: event values compiled for one event. Does not belong here: what a value is, and its form over a table (`event_values.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from platform_assets.declaration.expressions import NotCompiled, compile_expression
from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.reading import column_node
from platform_assets.declaration.expressions.row_code import row_values
from platform_assets.declaration.expressions.scalars import taker_of
from platform_assets.declaration.expressions.trees import as_condition, as_number, one_where_present
from platform_assets.features.aggregation.event_values import LARGEST_EXACT, EventValue

NAN = float("nan")


class EventNumbers:
    """Values of one event.

    Attributes:
        reason: why they are not compiled and need a table of one row; nothing where they are.
    """

    def __init__(self, values: Sequence[EventValue], types: Mapping[str, pl.DataType]) -> None:
        """Compile.

        Args:
            values: what is aggregated.
            types: of the columns that they are computed from.
        """
        self.reason = ""
        self._takers = [(name, taker_of(dtype)) for name, dtype in types.items()]
        self._are_codes = [value.kind == "code" for value in values]
        try:
            trees = [tree for value in values for tree in _trees(value, types)]
        except NotCompiled as error:
            self.reason = str(error)
            trees = []
        self._row = row_values(trees)

    def numbers(self, event: Mapping[str, Any]) -> list[float]:
        """A double for each value, NaN where the event has none.

        Raises:
            Unfit: a value is not plainly one of its column's type: compute over a table of one row.
        """
        computed = self._row({name: take(event[name]) for name, take in self._takers})
        found: list[float] = []
        for index, is_code in enumerate(self._are_codes):
            passes, value = computed[2 * index], computed[2 * index + 1]
            if not passes or value is None:
                found.append(NAN)
            else:
                found.append(code_of(value) if is_code else float(value))
        return found


def _trees(value: EventValue, types: Mapping[str, pl.DataType]) -> tuple[Any, Any]:
    """Whether the event passes, and its value."""
    passes = as_condition("TRUE", {}) if value.where is None else as_condition(value.where, types)
    if value.kind == "condition":
        return passes, as_number(as_condition(str(value.condition), types))
    if value.kind == "event":
        return passes, compile_expression("1.0", {}).tree
    column = column_node(str(value.column), types)
    if value.kind == "code":
        return passes, column
    return passes, as_number(column) if column.kind in (Kind.WHOLE, Kind.FLOAT, Kind.BOOL) else one_where_present(
        column
    )


def code_of(value: Any) -> float:
    """The number of one value, as `event_values.codes` gives it for a column."""
    if isinstance(value, float | bool):
        return float(value)
    if isinstance(value, int):
        if -LARGEST_EXACT <= value <= LARGEST_EXACT:
            return float(value)
        value = str(value)
    return float(int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest()) >> 11)
