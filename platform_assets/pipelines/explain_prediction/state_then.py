"""The state that a request was answered from, as it was: rows of table versions, requests answered before, and features of them.

Belongs here: reading that state for one prediction, and features over it. Does not belong here: which events a window counts
(`features/consistency/explain.py`), whether the features are the logged ones (`explain.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.prediction_log import SHADOW, prediction_log_schema
from platform_assets.features.consistency.replay import SCORED_AT, replayed_features
from platform_assets.features.entities import entity_of, with_entity_columns
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.maintenance import VACUUM
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.known_then import (
    NO_VERSION,
    events_then,
    reached_days,
    rows_then,
    tables_of_features,
    versions_then,
)


@dataclass(frozen=True)
class TableThen:
    """A table as a prediction saw it.

    Attributes:
        table: its path below the lake's root.
        version: the Delta version; None where the table was not there yet.
        written_at: when that version was written.
        replaced_at: when a later one took its place; None where it is the newest.
        kept_until: until when retention keeps it at least; None where it is the newest. Versions that a model was made from stay longer.
        removed_at: of a version whose files are gone, when upkeep first removed files after it was replaced.
    """

    table: str
    version: int | None
    written_at: datetime | None = None
    replaced_at: datetime | None = None
    kept_until: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, eq=False)
class StateThen:
    """What a request could know.

    Attributes:
        use_case: the declaration it was answered under.
        request: the request, a frame of one row with `scored_at`.
        tables: rows of each table that features read, by source.
        events: of its entities, with labels as far as the lake held them.
        answered: requests of its entities that were answered before it.
        spread: values that each column of the events had on the days around it, ascending and distinct.
    """

    use_case: UseCase
    request: pl.DataFrame
    tables: Mapping[str, pl.DataFrame]
    events: pl.DataFrame
    answered: pl.DataFrame
    spread: Mapping[str, pl.Series]

    def features(self, requests: pl.DataFrame | None = None) -> pl.DataFrame:
        """Features of the request, or of others in its place that differ in what they ask, a row for each."""
        asked = self.request if requests is None else requests
        return replayed_features(asked, self.events, self.answered, self.use_case, self.tables)

    def everything(self) -> pl.DataFrame:
        """The events that the request could know and itself, as rows of the event source; labels of requests are not known."""
        use_case = self.use_case
        keys = list(use_case.event_source.primary_key)
        held = self.events.join(self.request, on=keys, how="anti")
        before = self.answered.filter(pl.col(SCORED_AT) < self.request[SCORED_AT][0])
        before = before.sort(SCORED_AT).unique(keys, keep="first", maintain_order=True)
        before = before.join(held, on=keys, how="anti").join(self.request, on=keys, how="anti")
        asked = [frame.select(use_case.serving.request) for frame in (before, self.request)]
        return pl.concat([held, *asked], how="diagonal")


def state_then(catalog: Catalog, row: Mapping[str, Any], waiting: pl.DataFrame | None = None) -> StateThen:
    """Read what a request could know.

    Args:
        catalog: the tables, with the declaration that the request was answered under.
        row: the logged prediction.
        waiting: predictions of the log that are not stored yet; None where the log is stored as far as the prediction.

    Raises:
        LakeVersionMissing: a version was removed.
    """
    use_case = catalog.use_case
    schema = {**prediction_log_schema(use_case)}
    request = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    versions = {name: int(numbers[0]) for name, numbers in versions_then(catalog, request[SCORED_AT]).items()}
    days = reached_days(catalog, request[EVENT_DAY])
    tables = rows_then(catalog, versions, days)
    whole = tables[use_case.events]
    spread = {
        name: whole[name].drop_nulls().unique().sort() for name in use_case.serving.request if name in whole.columns
    }
    own = {**tables, use_case.events: _of_entities(whole, use_case, row)}
    events = events_then(catalog, own, row[EVENT_DAY])
    return StateThen(use_case, request, tables, events, _answered(catalog, row, days, waiting), spread)


def _answered(
    catalog: Catalog, row: Mapping[str, Any], days: tuple[date, date], waiting: pl.DataFrame | None
) -> pl.DataFrame:
    use_case, table = catalog.use_case, catalog.predictions
    columns = list(dict.fromkeys([*use_case.serving.request, SCORED_AT, "request_id", "role", EVENT_DAY]))
    nothing = pl.DataFrame(schema={name: table.schema[name] for name in columns})
    if not use_case.is_realtime:
        return nothing
    frames = [table.read(*days, columns=columns) if table.exists() else nothing]
    if waiting is not None:
        near = pl.col(EVENT_DAY).is_between(*days) & pl.col("role").ne_missing(SHADOW)
        frames.append(waiting.filter(near).select(columns))
    answered = pl.concat(frames).unique("request_id", keep="first", maintain_order=True)
    return _of_entities(answered, use_case, row)


def _of_entities(rows: pl.DataFrame, use_case: UseCase, row: Mapping[str, Any]) -> pl.DataFrame:
    """Rows that one of the request's entities has."""
    names = list(dict.fromkeys(view.entity for view in use_case.features if view.entity is not None))
    if not names:
        return rows.clear()
    wide = with_entity_columns(rows, use_case, use_case.features)
    entities = [use_case.entity(name) for name in names]
    own = [pl.col(entity.key) == pl.lit(entity_of(entity, row)) for entity in entities]
    return wide.filter(pl.any_horizontal(own)).select(rows.columns)


def tables_then(catalog: Catalog, scored_at: datetime) -> list[TableThen]:
    """The tables that features were computed from, in the versions of a moment, and how long these are kept."""
    moments = pl.Series([scored_at], dtype=pl.Datetime("us", "UTC"))
    versions = versions_then(catalog, moments)
    keep = timedelta(days=catalog.use_case.retention.keep_days)
    stored = {table.source.name: table.stored for table in tables_of_features(catalog)}
    raw = {name: catalog.raw(name.removesuffix(" raw")).stored for name in versions if name not in stored}
    return [_table_then(catalog, table, int(versions[name][0]), keep) for name, table in {**stored, **raw}.items()]


def _table_then(catalog: Catalog, table: LakeTable, version: int, keep: timedelta) -> TableThen:
    path = catalog.path(table)
    if version == NO_VERSION:
        return TableThen(path, None)
    history = sorted(table.history(None), key=lambda entry: entry.version)
    written = next((entry.committed_at for entry in history if entry.version == version), None)
    later = [entry for entry in history if entry.version > version and entry.operation != VACUUM]
    if not later:
        return TableThen(path, version, written)
    replaced = later[0].committed_at
    emptied = (entry.committed_at for entry in history if entry.operation == VACUUM and entry.committed_at >= replaced)
    return TableThen(path, version, written, replaced, replaced + keep, next(emptied, None))


def features_today(catalog: Catalog, row: Mapping[str, Any]) -> dict[str, float | None] | None:
    """What the feature tables say of the event today; None where one of them lacks it."""
    use_case = catalog.use_case
    values: dict[str, float | None] = {}
    on = [pl.col(name) == pl.lit(row[name]) for name in use_case.event_source.primary_key]
    for view in use_case.features:
        table = catalog.features(view)
        if not table.exists():
            return None
        names = list(view.feature_names)
        own = (
            table.scan(row[EVENT_DAY], row[EVENT_DAY], ordered=False)
            .filter(*on)
            .select(pl.col(names).cast(pl.Float64))
            .collect()
        )
        if own.height != 1:
            return None
        values |= own.row(0, named=True)
    return values
