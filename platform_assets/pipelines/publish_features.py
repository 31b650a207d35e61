"""Publish days of a feature table in the feature store that the use case declares.

Belongs here: which rows are published, and reading them again. Does not belong here: computing them (`compute_features.py`), or any store
(`features/feature_stores`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from platform_assets.connectors.access import Access
from platform_assets.declaration import FeatureView
from platform_assets.features.feature_stores.base import FeatureStoreError, PublishedTable
from platform_assets.features.feature_stores.registry import FEATURE_STORES
from platform_assets.lake.catalog import Catalog


@dataclass(frozen=True)
class PublishedDays:
    """Days of a feature table that others can see.

    Attributes:
        store: what `feature_store` calls it.
        table: the table's name there.
        days: the days.
        rows: how many they have.
    """

    store: str
    table: str
    days: tuple[date, ...]
    rows: int


def publish_features(catalog: Catalog, view: FeatureView, days: Iterable[date], access: Access) -> PublishedDays | None:
    """Publish days of a view's table, one after the other, and read each again.

    Args:
        catalog: the tables.
        view: whose table it is.
        days: that were computed.
        access: credentials and the object store's options.

    Returns:
        What was published; None where the declared store takes no tables.

    Raises:
        FeatureStoreError: the store refuses a table or a day, is away, or shows other rows than it was given; days before that one are
            published, and the same call again is right.
    """
    use_case = catalog.use_case
    store = FEATURE_STORES[use_case.feature_store](use_case, access.variables, access.object_store)
    if store is None:
        return None
    source = catalog.features(view)
    table = PublishedTable.of_view(use_case, view, source.uri)
    store.apply(table)
    chosen, rows = tuple(sorted(days)), 0
    for day in chosen:
        frame = source.read(day, day)
        store.take_day(table, day, frame)
        shown, given = store.read_day(table, day), frame.select(list(table.columns))
        key = [*use_case.event_source.primary_key]
        if shown.height != given.height or not shown.select(given.columns).sort(key).equals(given.sort(key)):
            raise FeatureStoreError(
                f"table {table.name}: of {given.height} rows of {day} the store {use_case.feature_store} shows {shown.height}, and not "
                "the same: nothing may be read from it until they are published again"
            )
        rows += given.height
    return PublishedDays(use_case.feature_store, table.name, chosen, rows)
