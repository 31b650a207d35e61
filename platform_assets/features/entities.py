"""Entities that several columns identify together: one column that stands for their combination.

Belongs here: making that column of event rows and of a single request, the same for both. Does not belong here: windows over it
(`offline/feature_table.py`), or where the state of an entity is kept (`entity_state.py`).

The combination is a text: the parts with a bar between them, bars and backslashes inside a part marked by a backslash, so that
different parts never give the same text. Where a part is missing there is no entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration.sections.features import Entity, FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError

_EPOCH = date(1970, 1, 1)
_EPOCH_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def with_entity_columns(events: pl.DataFrame, use_case: UseCase, views: Iterable[FeatureView]) -> pl.DataFrame:
    """Events with a column for each combined entity of the views, under the entity's `key`; others are there already.

    Raises:
        FeatureError: a column is missing.
    """
    for name in dict.fromkeys(view.entity for view in views if view.entity is not None):
        entity = use_case.entity(name)
        if not entity.is_combined:
            continue
        missing = [column for column in entity.keys if column not in events.columns]
        if missing:
            raise FeatureError(f"entity {entity.name!r}: events lack columns {missing}; they have {events.columns}")
        events = events.with_columns(combined_key(entity.keys, events.schema).alias(entity.key))
    return events


def combined_key(columns: Iterable[str], schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """The combination of columns as an expression; null where one of them is."""
    return pl.concat_str([_text(name, schema[name]) for name in columns], separator="|", ignore_nulls=False)


def combined_value(parts: Iterable[Any]) -> str | None:
    """The same for one row, as Python values."""
    texts = []
    for part in parts:
        if part is None:
            return None
        if isinstance(part, str):
            texts.append(part.replace("\\", "\\\\").replace("|", "\\|"))
        elif isinstance(part, datetime):
            texts.append(str((part - _EPOCH_TIME) // timedelta(microseconds=1)))
        elif isinstance(part, date):
            texts.append(str((part - _EPOCH).days))
        else:
            texts.append(str(int(part)))
    return "|".join(texts)


def entity_of(entity: Entity, event: Mapping[str, Any]) -> Any:
    """What identifies the entity of a request or event row; None where it has none."""
    if not entity.is_combined:
        return event[entity.key]
    return combined_value(event[name] for name in entity.keys)


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return pl.col(name).str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True)
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        column = column.dt.epoch("us")
    elif dtype == pl.Date:
        column = column.to_physical()
    return column.cast(pl.Int64).cast(pl.String)
