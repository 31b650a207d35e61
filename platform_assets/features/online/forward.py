"""States of a midnight from those of an earlier one, by what changed since.

Belongs here: which days of events have to be read again, the events of all days together, and the file that keeps them. Does not belong
here: reading the days (`pipelines/online_states.py`), writing states (`online/store.py`), or what a state holds (`entity_state.py`).

The file has the events that windows of the midnight reach, day by day, and for each day a mark of what it was made from: the data files
of its events (Delta never changes a file, so the same names are the same rows), and those of its labels once they are known. A day is
read again where its mark is another: it is new, its labels became known, or rows came late, were corrected, deleted or loaded anew. So the
outcome is that of `entity_state`, to the bit, whatever happened, and a day costs what changed.

The file saves work and is never needed: without it, or where it was made for another meaning, all days are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration.contract import view_meaning_hash
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.entity_state import EVENT_TIMES, StateLayout, event_rows, known_labels
from platform_assets.features.event_frames import in_order, microseconds, midnight
from platform_assets.features.offline.feature_table import entity_order
from platform_assets.features.online.feast_objects import feast_view_name
from platform_assets.lake.retries import polars_options

_RECORD, _FORMAT = "platform_assets_online_states", "1"


@dataclass(frozen=True, eq=False)
class DayEvents:
    """Events of the days that windows reach, as states keep them.

    Attributes:
        layout: what is kept of an event.
        rows: entity key and the columns of `StateLayout.list_types`, day after day.
        marks: for each day what its rows were made from.
        counts: for each day how many rows it has.
    """

    layout: StateLayout
    rows: pl.DataFrame
    marks: Mapping[date, str] = field(default_factory=dict)
    counts: Mapping[date, int] = field(default_factory=dict)

    def days_to_read(self, marks: Mapping[date, str]) -> list[date]:
        """Days whose rows are not what these marks say, in order."""
        return sorted(day for day, mark in marks.items() if self.marks.get(day) != mark)

    def brought_forward(self, events: pl.DataFrame | None, marks: Mapping[date, str], at: date) -> DayEvents:
        """These with the days that had to be read again, and without those that no window reaches any more.

        Args:
            events: clean rows of the days of `days_to_read`, in any order, label joined in where the view uses it; None where there are
                no such days.
            marks: of all days in reach.
            at: labels that are not known at 00:00 of this day are left out.

        Raises:
            FeatureError: a condition fails on these events, or looks at other rows.
        """
        again = set(self.days_to_read(marks))
        fresh = no_rows(self.layout) if events is None else rows_of(self.layout, known_labels(self.layout, events, at))
        added = dict(fresh.group_by(EVENT_DAY, maintain_order=True).len().iter_rows())
        kept_slices, fresh_slices = _slices(self.rows, self.counts), _slices(fresh.drop(EVENT_DAY), added)
        days = sorted(marks)
        parts = [(fresh_slices if day in again else kept_slices).get(day) for day in days]
        rows = pl.concat([self.rows.clear(), *(part for part in parts if part is not None)], rechunk=True)
        counts = {day: 0 if part is None else len(part) for day, part in zip(days, parts, strict=True)}
        return DayEvents(self.layout, rows, dict(marks), counts)

    def states(self, at: date) -> pl.DataFrame:
        """The rows of the states at 00:00 of a day, one entity after the other."""
        layout = self.layout
        moment = midnight(at, layout.use_case.time_zone)
        oldest = microseconds(moment - timedelta(days=layout.span_days))
        times = pl.col(EVENT_TIMES)
        reached = self.rows.filter((times > oldest) & (times < microseconds(moment)))
        ordered = in_order(reached, [EVENT_TIMES, *layout.key_fields, layout.entity_key])
        return ordered if ordered.is_empty() else ordered[entity_order(ordered[layout.entity_key])[1]]


def _slices(rows: pl.DataFrame, counts: Mapping[date, int]) -> dict[date, pl.DataFrame]:
    """The rows of each day."""
    slices, first = {}, 0
    for day, count in counts.items():
        slices[day] = rows.slice(first, count)
        first += count
    return slices


def no_days(layout: StateLayout) -> DayEvents:
    """Nothing yet: every day has to be read."""
    return DayEvents(layout, no_rows(layout).drop(EVENT_DAY))


def no_rows(layout: StateLayout) -> pl.DataFrame:
    """What `rows_of` makes of no events."""
    return pl.DataFrame(schema={**_schema(layout), EVENT_DAY: pl.Date()})


def rows_of(layout: StateLayout, events: pl.DataFrame) -> pl.DataFrame:
    """Clean rows as `DayEvents` has them with their `event_day`, day after day, each in order of time and key.

    Raises:
        FeatureError: a condition fails on these events, or looks at other rows.
    """
    events = with_entity_columns(events, layout.use_case, [layout.view])
    events = events.filter(pl.col(layout.entity_key).is_not_null())
    rows = event_rows(layout, events).with_columns(events[EVENT_DAY])
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in no_rows(layout).schema.items())
    return in_order(rows, [EVENT_DAY, EVENT_TIMES, *layout.key_fields, layout.entity_key])


def load(layout: StateLayout, uri: str, options: Mapping[str, str] | None = None) -> tuple[DayEvents, str]:
    """What the file holds; where that cannot be used, no days, and why.

    Args:
        layout: of the view.
        uri: the file's path, or its address in an object store.
        options: of the object store.
    """
    storage = polars_options(options)
    try:
        record = json.loads(pl.read_parquet_metadata(uri, storage_options=storage).get(_RECORD, "{}"))
        if record["format"] != _FORMAT or record["meaning"] != _meaning(layout):
            return no_days(layout), "the events before were kept for another meaning of the view"
        days = {date.fromisoformat(day): (str(mark), int(count)) for day, mark, count in record["days"]}
        rows = pl.read_parquet(uri, storage_options=storage)
    except FileNotFoundError:
        return no_days(layout), "no events were kept before"
    except (OSError, KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        return no_days(layout), f"the events that were kept cannot be read: {error}"
    if dict(rows.schema) != _schema(layout) or len(rows) != record["rows"] or _digest(rows) != record["digest"]:
        return no_days(layout), "the events that were kept are damaged"
    return DayEvents(layout, rows, {d: m for d, (m, _) in days.items()}, {d: n for d, (_, n) in days.items()}), ""


def save(events: DayEvents, uri: str, options: Mapping[str, str] | None = None) -> None:
    """Replace the file, atomically on a local disk."""
    days = [[day.isoformat(), events.marks[day], count] for day, count in events.counts.items()]
    record: dict[str, Any] = {"format": _FORMAT, "meaning": _meaning(events.layout), "days": days}
    record |= {"rows": len(events.rows), "digest": _digest(events.rows)}
    metadata = {_RECORD: json.dumps(record, sort_keys=True)}
    if "://" in uri:
        storage = polars_options(options)
        events.rows.write_parquet(
            uri, compression="uncompressed", statistics=False, metadata=metadata, storage_options=storage
        )
        return
    path = Path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        events.rows.write_parquet(building, compression="uncompressed", statistics=False, metadata=metadata)
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _schema(layout: StateLayout) -> dict[str, pl.DataType]:
    return {layout.entity_key: layout.schema[layout.entity_key], **layout.list_types}


def _meaning(layout: StateLayout) -> str:
    return f"{feast_view_name(layout)} {view_meaning_hash(layout.use_case, layout.view)}"


def _digest(rows: pl.DataFrame) -> int:
    """A number that another content would hardly give; the same for the same version of polars."""
    return int(rows.hash_rows(seed=1).to_numpy().sum(dtype=np.uint64)) if len(rows) else 0
