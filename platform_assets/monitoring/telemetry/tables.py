"""Metrics of the lake: what is there, how new it is, and what was refused.

Belongs here: reading a use case's tables for them, from the tables' logs wherever the log says it. Does not belong here: the tables
(`lake/`), or judging rows (`validation/`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.time_zones import day_start
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.figures import table_figures
from platform_assets.monitoring.telemetry.exporter import Question, Sample

NEWEST = "newest"


def lake_questions(catalog: Catalog) -> Iterator[Question]:
    """A question for each table that is there, and for each source."""
    for name in catalog.stored_names():
        yield partial(table_samples, catalog, name)
    for source in catalog.use_case.sources:
        yield partial(newest_event, catalog, source)
        yield partial(refused_rows, catalog, source)


def table_samples(catalog: Catalog, name: str) -> list[Sample]:
    """Rows, bytes and files of a table, read from its log."""
    layer, _, table = name.partition("/")
    figures, labels = table_figures(catalog.stored(name)), (catalog.use_case.name, layer, table)
    return [
        Sample("table_rows", labels, figures.rows),
        Sample("table_bytes", labels, figures.size_bytes),
        Sample("table_files", labels, figures.files),
    ]


def newest_event(catalog: Catalog, source: Source) -> list[Sample]:
    """Time of the newest event of a daily source: the last day is read, and of it one column."""
    table = catalog.clean(source.name)
    if not source.is_daily or source.event_time is None or not table.exists():
        return []
    days = table.stored.partitions()
    if not days:
        return []
    newest = table.read(days[-1], days[-1], [source.event_time])[source.event_time].max()
    if not isinstance(newest, datetime):
        return []
    moment = newest.replace(tzinfo=UTC) if newest.tzinfo is None else newest
    return [Sample("newest_event_timestamp_seconds", (catalog.use_case.name, source.name), moment.timestamp())]


def refused_rows(catalog: Catalog, source: Source) -> list[Sample]:
    """Rows in quarantine of the newest delivered day; 0 where the day was delivered and nothing refused, nothing before the first day."""
    quarantine, raw = catalog.quarantine(source.name), catalog.raw(source.name).stored
    if not raw.exists():
        return []
    if quarantine.partition_by == EVENT_DAY and source.is_daily:
        days = raw.partitions()
        refused = quarantine.count_by_partition() if quarantine.exists() else {}
        newest = max([*days, *refused], default=None)
        if newest is None:
            return []
        count = refused.get(newest, 0)
    else:
        count = quarantine.row_count() if quarantine.exists() else 0
    return [Sample("refused_rows", (catalog.use_case.name, source.name, NEWEST), count)]


def feature_questions(catalog: Catalog) -> Iterator[Question]:
    """A question for each stored feature view."""
    for view in catalog.use_case.stored_views:
        yield partial(newest_feature_day, catalog, view)


def newest_feature_day(catalog: Catalog, view: FeatureView) -> list[Sample]:
    """The newest day of a feature table; nothing before the first."""
    table = catalog.features(view)
    days = table.partitions() if table.exists() else []
    return newest_day(catalog.use_case, "feature_newest_day_timestamp_seconds", days, view.table)


def newest_day(use_case: UseCase, metric: str, days: list[date], *labels: str) -> list[Sample]:
    """When the newest of some days began, in the use case's time zone; nothing where there is none."""
    if not days:
        return []
    return [Sample(metric, (use_case.name, *labels), day_start(max(days), use_case.time_zone).timestamp())]
