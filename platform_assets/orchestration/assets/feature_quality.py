"""Quality of features as an asset: a profile of every feature of a training set, with a picture.

Belongs here: what Dagster is told. Does not belong here: profiling (`pipelines/profile_features.py`).

It is a branch beside the model: its checks are red where a feature knows too much or says nothing, and stop no training.
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import FEATURE_QUALITY, TRAINING_SET
from platform_assets.features.quality.profiles import FeatureQuality
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES, TRAINING
from platform_assets.lake.schemas import FEATURE_QUALITY_SCHEMA
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.glance import GLANCE, MOST_NAMES, glance_of_names
from platform_assets.orchestration.kubernetes.sizes import step_tags
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
from platform_assets.pipelines.profile_features import profile_features

NO_LEAKAGE = "no_leakage"
SOUND = "sound"


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
        metadata=column_schema(use_case, key, FEATURE_QUALITY_SCHEMA),
        partitions_def=as_of_days(use_case),
        code_version="1",
        check_specs=[day_check(name, key, as_of_days(use_case), description=text) for name, text in described.items()],
        op_tags=step_tags(use_case, FEATURES, FEATURE_QUALITY),
        **policy(use_case, FEATURES, by_training=True),
    )
    def build_feature_quality(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        profiled = profile_features(Catalog(use_case, lake), date.fromisoformat(context.partition_key))
        quality = profiled.quality
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(profiled.commit, profiled.uri),
                **column_lineage(use_case, key, FEATURE_QUALITY_SCHEMA),
                GLANCE: glance_of_names(_highest_scores(quality, MOST_NAMES), "score of the feature alone"),
                "rows": quality.rows,
                "of_rows": quality.of_rows,
                "plot": picture(profiled.plot),
                "findings": {p.feature: list(p.findings) for p in quality.questionable},
            },
            data_version=data_version(profiled.commit),
            check_results=list(_check_results(quality)),
        )

    return build_feature_quality


def _highest_scores(quality: FeatureQuality, count: int) -> dict[str, float]:
    """The features that say most about the label by themselves, the first one most."""
    scores = {p.feature: p.single_feature_score for p in quality.features if p.single_feature_score is not None}
    return dict(sorted(scores.items(), key=lambda item: -item[1])[:count])


def _check_results(quality: FeatureQuality) -> Iterator[dg.AssetCheckResult]:
    best = _highest_scores(quality, 5)
    leaking = {p.feature: "; ".join(p.findings) for p in quality.leaking}
    findings = "; ".join(f"{name} {words}" for name, words in leaking.items())
    yield dg.AssetCheckResult(
        check_name=NO_LEAKAGE,
        passed=not leaking,
        metadata={
            "explanation": findings or "no feature knows more than the others would let expect",
            "highest_scores": {name: round(score, 4) for name, score in best.items()},
        },
    )
    odd = {p.feature: "; ".join(p.findings) for p in quality.questionable if not p.leaks}
    yield dg.AssetCheckResult(
        check_name=SOUND,
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"explanation": "; ".join(f"{name} {words}" for name, words in odd.items()) or "nothing stands out"},
    )
