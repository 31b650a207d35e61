"""Cross-checks of business measures: names, and the columns that an expression may name.

Belongs here: rules that need columns, features and label. Does not belong here: limits of one field (`sections/measures.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def measure_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the measures; paths start at the use case."""
    measures = use_case.monitoring.measures
    known = [*use_case.serving.request, "score", "decision", *use_case.feature_names, use_case.label.column]
    for i, measure in enumerate(measures):
        if measure.name in [earlier.name for earlier in measures[:i]]:
            yield ("monitoring", "measures", i, "name"), measure.name, "names two measures"
        where = ("monitoring", "measures", i, "expression")
        try:
            named = columns_of(measure.expression)
        except (pl.exceptions.PolarsError, ValueError) as error:
            yield where, measure.expression, f"cannot be read: {error}"
            continue
        unknown = sorted(set(named) - set(known))
        if unknown:
            message = unknown_name(f"names {', '.join(unknown)}, which no logged answer has", unknown, known)
            yield where, measure.expression, message
