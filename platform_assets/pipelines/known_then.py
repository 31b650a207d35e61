"""What the lake held when a request was scored: versions of the tables that features are computed from, and their rows.

Belongs here: which version of a table was current at a moment, and reading the tables as they were. Does not belong here: computing
features from them (`features/consistency/replay.py`), judging parity (`check_parity.py`), explaining one prediction
(`explain_prediction/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from platform_assets.declaration import FeatureView, Source, UseCase
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.features.offline.feature_table import join_labels, uses_label
from platform_assets.lake.catalog import Catalog, CleanTable, RawTable
from platform_assets.lake.schemas import clean_schema
from platform_assets.pipelines.build_training_set import starts_from_events
from platform_assets.pipelines.labelled_events import has_versions, label_rows, loaded_label_days
from platform_assets.pipelines.row_versions import known_rows

NO_VERSION = -1
"""Of a table that was not there yet."""


def tables_of_features(catalog: Catalog) -> list[CleanTable]:
    """The tables that features are computed from."""
    use_case = catalog.use_case
    names = [use_case.events]
    if any(uses_label(view, use_case) for view in use_case.features):
        names.append(use_case.label_source.name)
    names += [lookup.source for view in use_case.features for lookup in view.lookups]
    return [catalog.clean(name) for name in dict.fromkeys(names)]


def changing_lookups(catalog: Catalog) -> list[Source]:
    """Sources of changes that features look into: all versions of their rows are read."""
    names = dict.fromkeys(lookup.source for view in catalog.use_case.features for lookup in view.lookups)
    return [source for source in map(catalog.use_case.source, names) if source.is_incremental]


def versions_then(catalog: Catalog, moments: pl.Series) -> dict[str, pl.Series]:
    """The version that was current at each moment, by source; of changing look-ups that of the raw table too, as `<source> raw`."""
    versions = {table.source.name: _versions_at(table, moments) for table in tables_of_features(catalog)}
    for source in changing_lookups(catalog):
        versions[f"{source.name} raw"] = _versions_at(catalog.raw(source.name), moments)
    return versions


def reach_days(use_case: UseCase) -> int:
    """How many days before an event its features read, at most."""
    return max(_reach_days(view) for view in use_case.features) + (use_case.time_zone != UTC_ZONE)


def reached_days(catalog: Catalog, days: pl.Series) -> tuple[date, date]:
    """The days that features of events of these days read."""
    use_case = catalog.use_case
    first, last = days.min(), days.max()
    assert isinstance(first, date), "rows to replay have an event day"
    assert isinstance(last, date), "rows to replay have an event day"
    reach = reach_days(use_case)
    return first - timedelta(days=reach), last


def rows_then(catalog: Catalog, versions: Mapping[str, int], days: tuple[date, date]) -> dict[str, pl.DataFrame]:
    """Clean rows of these days, or of a whole reference table, in these versions; by source.

    Args:
        catalog: the tables.
        versions: of each table, as `versions_then` names them.
        days: first and last day of tables by day.

    Raises:
        LakeVersionMissing: such a version was removed.
    """
    tables = {}
    changing = changing_lookups(catalog)
    for table in tables_of_features(catalog):
        source, version = table.source, versions[table.source.name]
        if version == NO_VERSION:
            tables[source.name] = pl.DataFrame(schema=clean_schema(source))
        elif source in changing:
            tables[source.name] = known_rows(catalog, source, days, version, versions[f"{source.name} raw"])
        else:
            wanted = days if source.is_daily else (None, None)
            tables[source.name] = table.read(*wanted, version=version)
    return tables


def events_then(catalog: Catalog, tables: Mapping[str, pl.DataFrame], day: date) -> pl.DataFrame:
    """Events with the labels that the lake held; dated ones as they were known at the midnight of a day."""
    use_case = catalog.use_case
    events = tables[use_case.events]
    if use_case.label_source.name not in tables:
        return events
    as_of = day if starts_from_events(use_case) else None
    labels = tables[use_case.label_source.name]
    if has_versions(use_case):
        labels = label_rows(catalog, use_case.history.first_day, day)
    return join_labels(events, labels, use_case, as_of, loaded_label_days(catalog))


def _reach_days(view: FeatureView) -> int:
    """How many days before an event the view reads."""
    return max(view.span_days, *(lookup.max_age_days or 0 for lookup in view.lookups), 0) + 1


def _versions_at(table: CleanTable | RawTable, moments: pl.Series) -> pl.Series:
    """The version of a table that was current at each moment; NO_VERSION before the first."""
    if not table.stored.exists():
        return pl.Series([NO_VERSION], dtype=pl.Int64).new_from_index(0, len(moments))
    entries = sorted((entry.committed_at, entry.version) for entry in table.stored.history(None))
    times = pl.Series([moment for moment, _ in entries], dtype=moments.dtype).to_physical().to_numpy()
    positions = np.searchsorted(times, moments.to_physical().to_numpy(), side="right") - 1
    numbers = np.array([number for _, number in entries], dtype=np.int64)
    return pl.Series(np.where(positions < 0, NO_VERSION, numbers[np.maximum(positions, 0)]))
