"""Segments that movements are looked for in: declared slices, and features with a few values.

Belongs here: which part each row belongs to. Does not belong here: comparing (`where_it_moved`), bounds of slices (`evaluation/gates`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.evaluation.gates.slices import part_of_each_row
from platform_assets.tasks.metric import MetricError

MOST_VALUES = 10
"""A feature with more values is no segment."""
MOST_SEGMENTS = 8
LEAST_SHARE = 0.02
"""Of the rows, in at least two values: else the feature is constant but for exceptions."""

Parts = Mapping[str, NDArray[np.str_]]


def segments(use_case: UseCase, reference: pl.DataFrame, window: pl.DataFrame) -> tuple[Parts, Parts]:
    """The part of each row on both sides, by segment; a slice that names columns that one side lacks is left out.

    Args:
        use_case: declared slices, features.
        reference: rows with features under their own names, and columns of events where there are any.
        window: the same of now.
    """
    before: dict[str, NDArray[np.str_]] = {}
    now: dict[str, NDArray[np.str_]] = {}
    for item in use_case.gates.slices:
        try:
            parts = part_of_each_row(item, reference), part_of_each_row(item, window)
        except (MetricError, pl.exceptions.ColumnNotFoundError):
            continue
        before[item.name], now[item.name] = parts
    declared = {item.expression for item in use_case.gates.slices}
    for name in use_case.feature_names:
        if len(before) >= MOST_SEGMENTS or name in declared:
            continue
        values = reference[name]
        if values.n_unique() <= MOST_VALUES and (values.value_counts()["count"] >= LEAST_SHARE * len(values)).sum() > 1:
            before[name], now[name] = _text(values), _text(window[name])
    return before, now


def _text(values: pl.Series) -> NDArray[np.str_]:
    return np.array(
        [f"{value:g}" if value is not None else "missing" for value in values.cast(pl.Float64)], dtype=np.str_
    )
