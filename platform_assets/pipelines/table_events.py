"""Features of the events of any table: by the offline kernel, from the published history and the table's own earlier events, as known.

Belongs here: which rows count as history, and what an event table must hold. Does not belong here: computing (`compute_features.py`), or
predicting (`predict_table.py`).

The table's columns besides the request's are not looked at: they are not known when the prediction is made. Where an event of the table is
published too, the table's row counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.declaration.days import DayRange, consecutive_ranges
from platform_assets.declaration.time_zones import days_of
from platform_assets.features.offline.carried_state import CarriedState
from platform_assets.features.offline.carried_state_file import StoredState
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.conform import conform
from platform_assets.pipelines.compute_features import FeatureDays
from platform_assets.pipelines.required_days import require_source_days
from platform_assets.pipelines.table_parts import PartedTable, TableUnreadable


@dataclass(frozen=True)
class TableEvents:
    """A table whose rows are events of a use case.

    Attributes:
        use_case: the declaration.
        table: holds the request columns at least.
    """

    use_case: UseCase
    table: PartedTable

    def require_zone(self) -> None:
        """Refuse event times that name no moment.

        Raises:
            TableUnreadable: the column is no time, or has no zone.
        """
        kind = self.table.schema[self.use_case.event_time]
        if not (isinstance(kind, pl.Datetime) and kind.time_zone is not None):
            raise TableUnreadable(
                f"{self.table.address}: {self.use_case.event_time} is {kind}, and the event time has to be a time with its zone, such as "
                "Datetime('us', 'UTC')"
            )

    @cached_property
    def rows_by_day(self) -> dict[date, int]:
        """How many events each day has, in order of days.

        Raises:
            TableUnreadable: an event has no time, or lies before the declared history.
        """
        time, first = self.use_case.event_time, self.use_case.history.first_day
        self.require_zone()
        days = self.table.scan([time]).select(days_of(pl.col(time), self.use_case.time_zone).alias("day"))
        counts = dict(days.group_by("day").len().collect().iter_rows())
        lacking = counts.pop(None, 0)
        early = sum(rows for day, rows in counts.items() if day < first)
        if lacking or early:
            raise TableUnreadable(
                f"{self.table.address}: {lacking} events have no {time}, and {early} lie before {first}, the first day of the declared "
                "history. Correct them, or leave them out"
            )
        return dict(sorted(counts.items()))

    def rows(self, first: date, last: date) -> pl.DataFrame:
        """The events of these days in the columns of the event source; what is no request column is null.

        Raises:
            TableUnreadable: values are null or infinite that may not be.
            LakeSchemaError: columns have other types than declared.
        """
        source, request = self.use_case.event_source, list(self.use_case.serving.request)
        day = days_of(pl.col(self.use_case.event_time), self.use_case.time_zone)
        stored = self.table.scan(request).filter(day.is_between(first, last)).collect()
        declared = pl.Schema({name: source.column(name).polars_type for name in request})
        rows = conform(stored, declared, table=self.table.address)
        self._refuse_bad_values(rows, first, last)
        absent = [column for column in source.columns if column.name not in request]
        return rows.with_columns(
            day.alias(EVENT_DAY), *(pl.lit(None, column.polars_type).alias(column.name) for column in absent)
        ).select(list(source.polars_schema()))

    def _refuse_bad_values(self, rows: pl.DataFrame, first: date, last: date) -> None:
        """Name every column with values that no request may carry."""
        source, problems = self.use_case.event_source, []
        for name in self.use_case.serving.request:
            column, values = source.column(name), rows[name]
            if not column.nullable and values.null_count():
                problems.append(f"{name} is null in {values.null_count()} rows")
            if values.dtype.is_float() and (infinite := int((~values.is_finite()).sum())):
                problems.append(f"{name} is infinite or no number in {infinite} rows")
        keys = list(source.primary_key)
        repeated = rows.height - rows.select(keys).n_unique()
        if repeated:
            problems.append(f"{', '.join(keys)} comes again in {repeated} rows")
        if problems:
            raise TableUnreadable(
                f"{self.table.address}, events of {DayRange(first, last)}: {'; '.join(problems)}. Correct them, and run this again: it "
                "goes on where it stopped"
            )


def events_with_features(
    catalog: Catalog, events: TableEvents, days: list[date]
) -> Iterator[tuple[date, pl.DataFrame, dict[str, int]]]:
    """The events of each of these days with their features, day after day, and the Delta versions that they came from.

    Raises:
        DaysMissing: days that the features look back at were never published.
        FeatureError: a view cannot be computed.
        TableUnreadable, LakeSchemaError: see `TableEvents`.
    """
    use_case = catalog.use_case
    for run in consecutive_ranges(days):
        views = [_TableDays(catalog, view, events) for view in use_case.features]
        for view in views:
            view.require_input(run)
        versions = {name: version for view in views for name, version in view.versions.items() if version is not None}
        for computed in zip(*(view.frames(run.first, run.last) for view in views), strict=True):
            day = computed[0][0]
            features = {view.name: frame for view, (_, _, frame) in zip(use_case.features, computed, strict=True)}
            yield day, join_views(events.rows(day, day), features, use_case, day, day), versions


class _TableDays(FeatureDays):
    """The days of a view as they are with a table's events among the published ones; nothing of it is stored."""

    def __init__(self, catalog: Catalog, view: FeatureView, events: TableEvents) -> None:
        super().__init__(catalog, view)
        self._own = events

    def _require_events(self, days: DayRange, what: str) -> None:
        """Days that the table has events of need not be published."""
        source, version = self._case.event_source, self.versions[self._case.events]
        for lacking in consecutive_ranges(set(days.days) - set(self._own.rows_by_day)):
            require_source_days(self._catalog, source, lacking.first, lacking.last, what, version=version)

    def _rows(self, source: str, first: date | None, last: date | None) -> pl.DataFrame:
        published = super()._rows(source, first, last)
        if source != self._case.events:
            return published
        begin, end = first or min(self._own.rows_by_day), last or max(self._own.rows_by_day)
        own, keys = self._own.rows(begin, end), list(self._case.event_source.primary_key)
        return pl.concat([published.join(own, on=keys, how="anti"), own], how="diagonal")

    def _chunks(self, first: date, last: date) -> Iterator[tuple[date, date]]:
        days = DayRange(first, last).days
        return iter([(day, day) for day in days])

    def _stored_state(self, first: date) -> StoredState:
        return StoredState(None, None, "a table's events are among the published ones")

    def _keep(self, state: CarriedState, stored: StoredState) -> None:
        return None
