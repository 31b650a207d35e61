"""Which partitions of a table have rows of given keys.

Belongs here: finding keys in a long table without reading all of it. Does not belong here: what a key that is there already means
(`validation/other_days.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl
from deltalake import DeltaTable

from platform_assets.lake.table import LakeTable


def rows_with_keys(table: LakeTable, keys: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Keys and days of the rows with one of these keys, outside of the days from `first` to `last`.

    Partitions whose smallest and largest key, as the table's log has them, leave no room for any of the keys are not opened.

    Args:
        table: A partitioned table.
        keys: Distinct keys, one column for each part of them.
        first: First day that is left out.
        last: Last day that is left out.
    """
    day = str(table.partition_by)
    nothing = pl.DataFrame(schema={**keys.schema, day: pl.Date()})
    if keys.is_empty() or not table.exists():
        return nothing
    days = [one for one in _candidates(table, keys, day) if not first <= one <= last]
    if not days:
        return nothing
    rows = table.scan(min(days), max(days), columns=[*keys.columns, day], ordered=False)
    return rows.filter(pl.col(day).is_in(days)).join(keys.lazy(), on=keys.columns, how="semi").collect()


def _candidates(table: LakeTable, keys: pl.DataFrame, day: str) -> Sequence[date]:
    """Partitions that may have one of the keys, by the range of their first part."""
    actions = pl.DataFrame(DeltaTable(table.uri, storage_options=table.storage_options).get_add_actions(flatten=True))
    name = keys.columns[0]
    low, high = f"min.{name}", f"max.{name}"
    partition = f"partition.{day}"
    if low in actions.columns and high in actions.columns and actions.schema[low] == keys.schema[name]:
        unknown = pl.col(low).is_null() | pl.col(high).is_null()
        actions = actions.filter(unknown | ((pl.col(high) >= keys[name].min()) & (pl.col(low) <= keys[name].max())))
    return list(actions[partition].cast(pl.Date).unique().sort().to_list())
