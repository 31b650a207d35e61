"""Publish days of a feature table in the feature store that the use case declares.

Belongs here: which rows are published, and reading them again. Does not belong here: computing them (`compute_features.py`), or any store
(`features/feature_stores`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from platform_assets.connectors.access import Access
from platform_assets.declaration import FeatureView
from platform_assets.features.feature_stores.base import NOTHING_TO_PUBLISH, FeatureStoreError, PublishedTable
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


def publish_features(
    catalog: Catalog, view: FeatureView, days: Iterable[date], access: Callable[[], Access]
) -> PublishedDays | None:
    """Publish days of a view's table, one after the other, and read each again.

    Args:
        catalog: the tables.
        view: whose table it is.
        days: that were computed.
        access: answers credentials and the object store's options; asked where a store takes tables alone.

    Returns:
        What was published; None where the declared store takes no tables.

    Raises:
        FeatureStoreError: the store refuses a table or a day, is away, or shows other rows than it was given; days before that one are
            published, and the same call again is right.
    """
    use_case = catalog.use_case
    opened = FEATURE_STORES[use_case.feature_store]
    if opened is NOTHING_TO_PUBLISH:
        return None
    given = access()
    store = opened(use_case, given.variables, given.object_store)
    if store is None:
        return None
    source = catalog.features(view)
    table = PublishedTable.of_view(use_case, view, source.uri)
    store.apply(table)
    chosen, rows = tuple(sorted(days)), 0
    for day in chosen:
        frame = source.read(day, day)
        store.take_day(table, day, frame)
        shown, wanted = store.read_day(table, day), frame.select(list(table.columns))
        key = [*use_case.event_source.primary_key]
        if shown.height != wanted.height or not shown.select(wanted.columns).sort(key).equals(wanted.sort(key)):
            raise FeatureStoreError(
                f"table {table.name}: of {wanted.height} rows of {day} the store {use_case.feature_store} shows {shown.height}, and not "
                "the same: nothing may be read from it until they are published again"
            )
        rows += wanted.height
    return PublishedDays(use_case.feature_store, table.name, chosen, rows)
