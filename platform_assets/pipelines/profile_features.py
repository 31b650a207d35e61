"""Profile the features of a training set: how each is distributed, what it says, and whether it knows too much.

Belongs here: reading what is judged, and storing the profiles. Does not belong here: the statistics (`features/quality/profiles.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl

from platform_assets.declaration import FeatureView
from platform_assets.declaration.time_zones import zone_of
from platform_assets.features.offline.feature_table import history_needed, uses_label
from platform_assets.features.offline.known_labels import is_dated_by_decision
from platform_assets.features.offline.lookups import days_to_read, join_lookups
from platform_assets.features.quality.plot import plot_feature_quality
from platform_assets.features.quality.profiles import FeatureQuality, feature_quality, sees_the_future
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.schemas import AS_OF, FEATURE_QUALITY_SCHEMA
from platform_assets.monitoring.drift_statistics import (
    FloatArray,
    number_counts,
    population_stability_index,
    without_last_bits,
)
from platform_assets.pipelines.labelled_events import labelled_events
from platform_assets.pipelines.row_versions import known_rows

BUSY_HOUR = time(14, 0)
"""Where a day is cut in two, to see whether its morning reads its afternoon."""


@dataclass(frozen=True)
class ProfiledFeatures:
    """Profiles of the features of a training set.

    Attributes:
        quality: what was found.
        commit: of the table of profiles.
        uri: its address.
        plot: a picture, PNG.
    """

    quality: FeatureQuality
    commit: Commit
    uri: str
    plot: bytes


def profile_features(catalog: Catalog, as_of: date) -> ProfiledFeatures:
    """Profile every feature of the training set as of a day, and store the profiles.

    Raises:
        LakeTableMissing: there is no training set yet.
    """
    use_case = catalog.use_case
    rows = catalog.training_sets.read(as_of, as_of)
    last = rows["event_day"].max()
    future = changed_by_the_future(catalog, last) if isinstance(last, date) else {}
    bound = use_case.gates.single_feature_score_bound(use_case.task)
    quality = feature_quality(
        rows,
        use_case,
        instability=instability,
        period_days=use_case.training.splits.test_days,
        largest_score=bound,
        future=future,
    )
    table = catalog.feature_quality
    commit = table.write_partitions(profile_rows(quality, as_of), as_of, as_of)
    plot = plot_feature_quality(quality, bound, use_case.task.has_probabilities)
    return ProfiledFeatures(quality, commit, table.uri, plot)


def instability(before: FloatArray, now: FloatArray) -> float:
    """Population stability index with a bin for each point mass, less what chance alone is expected to make."""
    counts = number_counts(*without_last_bits(before, now))
    chance = (counts[0].size - 1) * (1 / max(1, before.size) + 1 / max(1, now.size))
    return max(0.0, population_stability_index(*counts) - chance)


def changed_by_the_future(catalog: Catalog, day: date) -> dict[str, str]:
    """Features whose values of a day's morning change when its afternoon, and what came later, is taken away."""
    use_case = catalog.use_case
    moment = datetime.combine(day, BUSY_HOUR, tzinfo=zone_of(catalog.use_case.time_zone)).astimezone(UTC)
    changed: dict[str, str] = {}
    for view in use_case.features:
        first = max(history_needed(view, day, use_case.time_zone), use_case.history.first_day)
        # More labels than were known that day: a feature that reads one of them changes.
        as_of = day if is_dated_by_decision(use_case) else None
        labelled = uses_label(view, use_case)
        events = labelled_events(catalog, first, day, as_of) if labelled else catalog.events.read(first, day)
        events = join_lookups(events, _lookup_tables(catalog, view, first, day), view, use_case)
        changed |= sees_the_future(view, use_case, events, moment)
    return changed


def _lookup_tables(catalog: Catalog, view: FeatureView, first: date, last: date) -> dict[str, pl.DataFrame]:
    """Rows of the tables that a view looks into, by source."""
    tables = {}
    for lookup in view.lookups:
        days = days_to_read(catalog.use_case, lookup, first, last)
        tables[lookup.source] = known_rows(catalog, catalog.use_case.source(lookup.source), days)
    return tables


def profile_rows(quality: FeatureQuality, as_of: date) -> pl.DataFrame:
    """Profiles in the columns of `FEATURE_QUALITY_SCHEMA`."""
    rows: list[dict[str, Any]] = []
    for profile in quality.features:
        similar = profile.most_similar or (None, None)
        own = {name: getattr(profile, name, None) for name in FEATURE_QUALITY_SCHEMA}
        derived = {
            "largest_psi": max(profile.psi_by_period, default=None),
            "most_similar": similar[0],
            "similarity": similar[1],
            "findings": list(profile.findings),
            AS_OF: as_of,
        }
        rows.append(own | derived)
    return pl.DataFrame(rows, schema=FEATURE_QUALITY_SCHEMA, orient="row")
