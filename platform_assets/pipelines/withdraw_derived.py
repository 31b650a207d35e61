"""What was made from a day whose acceptance was taken back: feature days are withdrawn, training sets are named.

Belongs here: which stored days hold something of it, and withdrawing them. Does not belong here: the decision and the day itself
(`acceptances.py`), computing again (`compute_features.py`), or printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, Source
from platform_assets.declaration.days import DayRange
from platform_assets.features.offline.feature_table import days_reached, uses_label
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.schemas import AS_OF
from platform_assets.lake.written_days import WITHDRAWN


@dataclass(frozen=True)
class WithdrawnFeatures:
    """Days of a feature table that held something of the day, and hold nothing now."""

    table: str
    days: Sequence[date]


@dataclass(frozen=True)
class DerivedFromDay:
    """What was made from a day.

    Attributes:
        features: feature days that were withdrawn: whoever needs them is refused until they are computed again.
        training_sets: days as of which there is a training set with events of the day; models were fitted on them.
        predictions: days of predictions that were made from it: withdrawn as well where they are delivered scores, else as they were made.
    """

    features: Sequence[WithdrawnFeatures]
    training_sets: Sequence[date]
    predictions: Sequence[date] = ()

    @property
    def last_day(self) -> date | None:
        """The last feature day that was withdrawn."""
        return max((day for one in self.features for day in one.days), default=None)


def withdraw_derived(catalog: Catalog, source: Source, day: date, reason: str) -> DerivedFromDay:
    """Withdraw the feature days that read a day of a source, and find the training sets that do.

    Args:
        catalog: the tables.
        source: whose day it is.
        day: the day, which is published no longer.
        reason: for the record of each table.
    """
    withdrawn = []
    for view in catalog.use_case.features:
        table = catalog.features(view)
        if not table.exists() or not _reads(catalog, view, source):
            continue
        reach = DayRange(day, day + timedelta(days=days_reached(view, catalog.use_case.time_zone)))
        # A looked-up row counts for as long as no newer one takes its place.
        looked_up = any(lookup.source == source.name for lookup in view.lookups)
        held = [one for one in table.partitions() if one >= day and (looked_up or one <= reach.last)]
        if held:
            empty = pl.DataFrame(schema=table.schema)
            table.write_partitions(empty, held[0], held[-1], allow_empty=True, metadata={WITHDRAWN: reason})
            withdrawn.append(WithdrawnFeatures(view.table, held))
    predicted = _predictions(catalog, source, day, withdrawn)
    if predicted and not catalog.use_case.is_trained_here:
        table = catalog.predictions
        for one in predicted:
            record = {WITHDRAWN: reason}
            table.write_partitions(pl.DataFrame(schema=table.schema), one, one, allow_empty=True, metadata=record)
    return DerivedFromDay(withdrawn, _training_sets(catalog, source, day, withdrawn), predicted)


def _reads(catalog: Catalog, view: FeatureView, source: Source) -> bool:
    use_case = catalog.use_case
    own = source.name == use_case.events or any(lookup.source == source.name for lookup in view.lookups)
    return own or (source.name == use_case.label.source and uses_label(view, use_case))


def _predictions(catalog: Catalog, source: Source, day: date, withdrawn: Sequence[WithdrawnFeatures]) -> Sequence[date]:
    """Days whose predictions were made from the day, or from feature days that were; those of a service are what callers were given."""
    use_case, table = catalog.use_case, catalog.predictions
    if use_case.is_realtime or not table.exists():
        return []
    delivered = use_case.predictions.source if use_case.predictions is not None else use_case.events
    own = {day} if source.name in (use_case.events, delivered) else set()
    days = own | {one for features in withdrawn for one in features.days}
    return [one for one in table.partitions() if one in days]


def _training_sets(
    catalog: Catalog, source: Source, day: date, withdrawn: Sequence[WithdrawnFeatures]
) -> Sequence[date]:
    """Days as of which a training set has rows of the day, or of feature days that were made from it."""
    table = catalog.training_sets
    if not table.exists():
        return []
    own = {day} if source.name in (catalog.use_case.events, catalog.use_case.label.source) else set()
    days = own | {one for features in withdrawn for one in features.days}
    rows = table.scan().filter(pl.col(EVENT_DAY).is_in(sorted(days))).select(AS_OF).unique().collect()
    return sorted(rows[AS_OF].to_list())
