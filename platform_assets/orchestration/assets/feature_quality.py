"""Quality of features as an asset: a profile of every feature of a training set, with a picture.

Belongs here: reading what is judged, and what Dagster is told. Does not belong here: the statistics (`features/quality/profiles.py`).

It is a branch beside the model: its checks are red where a feature knows too much or says nothing, and stop no training.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.names import FEATURE_QUALITY, TRAINING_SET
from platform_assets.features.offline.feature_table import history_needed, uses_label
from platform_assets.features.offline.lookups import days_to_read, join_lookups
from platform_assets.features.quality.plot import plot_feature_quality
from platform_assets.features.quality.profiles import FeatureQuality, feature_quality, sees_the_future
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, TRAINING
from platform_assets.lake.schemas import FEATURE_QUALITY_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.drift_statistics import FloatArray, number_counts, population_stability_index
from platform_assets.orchestration.assets.features import read_events, with_labels
from platform_assets.orchestration.assets.model import training_set_table
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    picture,
    policy,
)
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.tables import clean_rows

NO_LEAKAGE = "no_leakage"
SOUND = "sound"
BUSY_HOUR = time(14, 0)
"""Where a day is cut in two, to see whether its morning reads its afternoon."""


def feature_quality_table(lake: Lake, use_case: UseCase) -> LakeTable:
    """The table of profiles."""
    return lake.table(use_case.name, FEATURES, FEATURE_QUALITY, FEATURE_QUALITY_SCHEMA, partition_by="as_of")


def feature_quality_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Profiles of the features of a training set, and whether one of them knows too much."""
    key = asset_key(use_case, FEATURES, FEATURE_QUALITY)
    described = {
        NO_LEAKAGE: "No feature says more about the label than it can know, or changes when the future is taken away.",
        SOUND: "Every feature varies, is mostly there, stays as it is from period to period, and says something of its own.",
    }

    @dg.asset(
        key=key,
        deps=[asset_key(use_case, TRAINING, TRAINING_SET)],
        description="Each feature's profile, stability, correlation with the label and the others, and a leakage test.",
        kinds={"scikitlearn", "deltalake"},
        metadata=column_schema(FEATURE_QUALITY_SCHEMA, {}),
        partitions_def=as_of_days(use_case),
        code_version="1",
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in described.items()],
        **policy(use_case, FEATURES),
    )
    def build_feature_quality(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        as_of = date.fromisoformat(context.partition_key)
        rows = training_set_table(use_case, lake).read(as_of, as_of)
        last = rows["event_day"].max()
        future = changed_by_the_future(use_case, lake, last) if isinstance(last, date) else {}
        bound = use_case.gates.single_feature_score_bound(use_case.training.task)
        quality = feature_quality(
            rows,
            use_case,
            instability=moved,
            period_days=use_case.training.splits.test_days,
            largest_score=bound,
            future=future,
        )
        table = feature_quality_table(lake, use_case)
        commit = table.write_partitions(profile_rows(quality, as_of), as_of, as_of)
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, table.uri),
                **column_lineage(use_case, key, FEATURE_QUALITY_SCHEMA),
                "rows": quality.rows,
                "of_rows": quality.of_rows,
                "plot": picture(plot_feature_quality(quality, bound, use_case.is_binary or use_case.is_multiclass)),
                "findings": {p.feature: list(p.findings) for p in quality.questionable},
            },
            data_version=data_version(commit),
            check_results=list(_check_results(quality)),
        )

    return build_feature_quality


def moved(before: FloatArray, now: FloatArray) -> float:
    """Population stability index with a bin for each point mass, less what chance alone is expected to make."""
    counts = number_counts(before, now)
    chance = (counts[0].size - 1) * (1 / max(1, before.size) + 1 / max(1, now.size))
    return max(0.0, population_stability_index(*counts) - chance)


def changed_by_the_future(use_case: UseCase, lake: Lake, day: date) -> dict[str, str]:
    """Features whose values of a day's morning change when its afternoon, and what came later, is taken away."""
    moment = datetime.combine(day, BUSY_HOUR, tzinfo=UTC)
    found: dict[str, str] = {}
    for view in use_case.features:
        first = max(history_needed(view, day), use_case.history.first_day)
        events = read_events(use_case, lake, first, day)
        if uses_label(view, use_case):
            # More labels than were known that day: a feature that reads one of them changes.
            events = with_labels(use_case, lake, events, first, day)
        events = join_lookups(events, _looked_into(use_case, lake, view, first, day), view, use_case)
        found |= sees_the_future(view, use_case, events, moment)
    return found


def _looked_into(use_case: UseCase, lake: Lake, view: FeatureView, first: date, last: date) -> dict[str, pl.DataFrame]:
    """Rows of the tables that a view looks into, by source."""
    found = {}
    for lookup in view.lookups:
        days = days_to_read(use_case, lookup, first, last) or (None, None)
        found[lookup.source] = clean_rows(lake, use_case, use_case.source(lookup.source), *days)
    return found


def profile_rows(quality: FeatureQuality, as_of: date) -> pl.DataFrame:
    """Profiles in the columns of `FEATURE_QUALITY_SCHEMA`."""
    rows: list[dict[str, Any]] = []
    for profile in quality.features:
        similar = profile.most_similar or (None, None)
        own = {name: getattr(profile, name, None) for name in FEATURE_QUALITY_SCHEMA}
        given = {
            "largest_psi": max(profile.psi_by_period, default=None),
            "most_similar": similar[0],
            "similarity": similar[1],
            "findings": list(profile.findings),
            "as_of": as_of,
        }
        rows.append(own | given)
    return pl.DataFrame(rows, schema=FEATURE_QUALITY_SCHEMA, orient="row")


def _check_results(quality: FeatureQuality) -> Iterator[dg.AssetCheckResult]:
    scores = {p.feature: p.single_feature_score for p in quality.features if p.single_feature_score is not None}
    best = sorted(scores.items(), key=lambda item: -item[1])[:5]
    leaking = {p.feature: "; ".join(p.findings) for p in quality.leaking}
    told = "; ".join(f"{name} {words}" for name, words in leaking.items())
    yield dg.AssetCheckResult(
        check_name=NO_LEAKAGE,
        passed=not leaking,
        metadata={
            "explanation": told or "no feature knows more than the others would let expect",
            "highest_scores": {name: round(score, 4) for name, score in best},
        },
    )
    odd = {p.feature: "; ".join(p.findings) for p in quality.questionable if not p.leaks}
    yield dg.AssetCheckResult(
        check_name=SOUND,
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"explanation": "; ".join(f"{name} {words}" for name, words in odd.items()) or "nothing stands out"},
    )
