"""How two training sets made from the same label rows differ: rows lost, merged or added, and values that are not the same.

Belongs here: the comparison of our training set with one that another store made. Does not belong here: making either
(`offline/training_set.py`, `offline/as_of.py`), or comparing served values (`consistency/parity.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from platform_assets.features.event_frames import require_columns

EXAMPLES = 3
_TIMES = "__times"


@dataclass(frozen=True)
class SetDifference:
    """What another training set has differently.

    Attributes:
        rows: label rows.
        lost: label rows that it has not, or has fewer times: merged with an equal one, or dropped.
        added: rows that it has and no label row asked for.
        changed: for each column how many of the rows that both have hold another value.
        examples: for each changed column a few rows: what identifies them, `ours` and `theirs`.
    """

    rows: int
    lost: int
    added: int
    changed: dict[str, int]
    examples: dict[str, list[dict[str, Any]]]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.added or self.changed)

    def __str__(self) -> str:
        """The difference in a sentence."""
        if self.equal:
            return f"all {self.rows:,} rows are the same"
        changed = [
            f"{count:,} values of {name} differ, for example {self.examples[name][0]}"
            for name, count in self.changed.items()
        ]
        missing = [f"{self.lost:,} of {self.rows:,} label rows are lost"] if self.lost else []
        added = [f"{self.added:,} rows were not asked for"] if self.added else []
        return "; ".join([*missing, *added, *changed])


def set_difference(
    ours: pl.DataFrame, theirs: pl.DataFrame, *, on: Sequence[str], values: Sequence[str]
) -> SetDifference:
    """Compare two training sets, value by value; missing equals missing, and NaN is missing.

    Args:
        ours: one row for each label row.
        theirs: the other, in any order.
        on: columns that identify a label row for the other store: entities and time. Several label rows may share them; of such
            rows the other has to have as many, each with the values of one of ours.
        values: columns to compare.

    Raises:
        FeatureError: a column is missing.
    """
    require_columns(ours.columns, [*on, *values], "our training set")
    require_columns(theirs.columns, [*on, *values], "the other training set")
    place = pl.int_range(pl.len()).over(on).alias(_TIMES)
    left, right = (_comparable(frame, on, values).with_columns(place) for frame in (ours, theirs))
    keys = [*on, _TIMES]
    both = left.join(right, on=keys, how="inner", suffix="__theirs", nulls_equal=True)
    changed, examples = {}, {}
    for name in values:
        unequal = both.filter(pl.col(name).ne_missing(pl.col(f"{name}__theirs")))
        if unequal.is_empty():
            continue
        changed[name] = unequal.height
        shown = unequal.select(*on, pl.col(name).alias("ours"), pl.col(f"{name}__theirs").alias("theirs"))
        examples[name] = shown.head(EXAMPLES).to_dicts()
    return SetDifference(left.height, left.height - both.height, right.height - both.height, changed, examples)


def _comparable(frame: pl.DataFrame, on: Sequence[str], values: Sequence[str]) -> pl.DataFrame:
    """The columns, numbers as Float64 without NaN, times in microseconds, in an order that does not depend on where rows lay."""
    columns = []
    for name in [*on, *values]:
        column, dtype = pl.col(name), frame.schema[name]
        if isinstance(dtype, pl.Datetime):
            columns.append(column.cast(pl.Datetime("us", dtype.time_zone)))
        elif name in values and (dtype.is_numeric() or dtype == pl.Boolean):
            columns.append(column.cast(pl.Float64).fill_nan(None))
        else:
            columns.append(column)
    return frame.select(columns).sort([*on, *values], nulls_last=True)
