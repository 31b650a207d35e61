"""Published events of a use case with the labels that have arrived.

Belongs here: how pipelines read events and the rows that tell of their labels. Does not belong here: which of them counts on a day
(`features/offline/known_labels.py`), which days a window reaches (`features/`).
"""

from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.features.offline.known_labels import LABEL_KNOWN_DAY, join_labels, labels_of_versions
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.row_versions import published_versions


def labelled_events(catalog: Catalog, first: date, last: date, as_of: date | None = None) -> pl.DataFrame:
    """Clean events of the days from `first` to `last`, both included, with their labels; null where none is known.

    Args:
        catalog: the tables.
        first: first event day.
        last: last event day.
        as_of: labels known at 00:00 UTC of this day; by default, of labels dated by their event, those of all these days.

    Raises:
        LakeTableMissing: events or labels were never published.
    """
    use_case = catalog.use_case
    events = catalog.events.read(first, last)
    if use_case.label_source.name == use_case.events and not has_versions(use_case):
        return join_labels(events, events, use_case, as_of if use_case.label.decided_at else None)
    known = last + timedelta(days=use_case.label_arrival_days) if as_of is None else as_of
    return join_labels(events, label_rows(catalog, first, known), use_case, known, loaded_label_days(catalog))


def has_versions(use_case: UseCase) -> bool:
    """Whether rows of the label's source change in place, and say when."""
    return use_case.label_source.is_incremental and use_case.label.decided_at is not None


def label_rows(
    catalog: Catalog, first: date, as_of: date, version: int | None = None, raw: int | None = None
) -> pl.DataFrame:
    """Rows of the label's source that tell of events from a day on and had arrived by 00:00 UTC of another.

    Args:
        catalog: the tables.
        first: first event day.
        as_of: the midnight.
        version: Delta version of the table; None for the latest.
        raw: that of the table of changes, where rows change in place.

    Raises:
        LakeTableMissing: labels that should have arrived were never published.
    """
    use_case = catalog.use_case
    last = as_of - timedelta(days=use_case.label_arrival_days)
    if last < max(first, use_case.history.first_day):  # none of them is known yet, and the table may not be there
        return pl.DataFrame(schema=use_case.label_source.polars_schema())
    if has_versions(use_case):
        found = labels_of_versions(published_versions(catalog, use_case.label_source, last, raw), use_case)
        return found.filter(pl.col(LABEL_KNOWN_DAY) <= as_of)
    return catalog.labels.read(first, last, version=version)


def loaded_label_days(catalog: Catalog) -> frozenset[date] | None:
    """Days of the label's source that were published, empty ones included; None where it makes no difference or nobody can tell."""
    use_case, table = catalog.use_case, catalog.labels.stored
    if use_case.label.absent is None or use_case.label_source.is_incremental:
        return None
    if not table.exists():
        return frozenset()
    written = [DayRange(*entry.partitions).days for entry in table.history(None) if entry.partitions is not None]
    return frozenset([*table.partitions(), *(day for days in written for day in days)])
