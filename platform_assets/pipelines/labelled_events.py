"""Published events of a use case with the labels that have arrived.

Belongs here: how pipelines read events and labels for features of days gone by. Does not belong here: which days a window reaches
(`features/`), or reading pinned versions (`pipelines/compute_features.py`).
"""

from datetime import date

import polars as pl

from platform_assets.features.offline.feature_table import join_labels
from platform_assets.lake.catalog import Catalog


def labelled_events(catalog: Catalog, first: date, last: date, last_labels: date | None = None) -> pl.DataFrame:
    """Clean events of the days from `first` to `last`, both included, with their labels; null where none is known.

    Args:
        catalog: the tables.
        first: first event day.
        last: last event day.
        last_labels: the newest event day whose labels are joined in; by default `last`.

    Raises:
        LakeTableMissing: events or labels were never published.
    """
    events = catalog.events.read(first, last)
    if catalog.use_case.label_source.name == catalog.use_case.events:
        return events
    labels = catalog.labels.read(first, last if last_labels is None else last_labels)
    return join_labels(events, labels, catalog.use_case)
