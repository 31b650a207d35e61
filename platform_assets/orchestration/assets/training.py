"""The training-set asset, partitioned by the day it is made as of.

Belongs here: what Dagster is told of it, and the moment of its configuration. Does not belong here: building it
(`pipelines/build_training_set.py`).
"""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, TRAINING
from platform_assets.orchestration.checks import day_check, missing_days_refused
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.left_out import catalog_of_run, left_out_metadata
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import as_of_days, earlier_days
from platform_assets.pipelines.build_training_set import build_training_set, starts_from_events
from platform_assets.pipelines.required_days import listed_days
from platform_assets.training.folds import training_offsets

COMPLETE_CHECK = "complete"


class TrainingSetConfig(dg.Config):
    """How a training set is made again."""

    known_at: str | None = Field(
        default=None,
        description="A moment, ISO 8601 with its zone: the training set as it could have been made then, from the versions that its "
        "tables had. Without one: from what is known now.",
    )


def training_set_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The training set as of a day: labelled events with the features as of each event, and the versions it came from."""
    offsets = training_offsets(use_case)
    mapping = earlier_days(offsets.first, offsets.last)
    features = [asset_key(use_case, FEATURES, view.table) for view in use_case.features]
    schema = training_set_schema(use_case)
    key = asset_key(use_case, TRAINING, TRAINING_SET)
    check = day_check(
        COMPLETE_CHECK,
        key,
        as_of_days(use_case),
        blocking=True,
        description="Every label that counts has one row, with its key and of its day, and no other row is there.",
    )

    @dg.asset(
        key=key,
        deps=[*table_deps(use_case), *(dg.AssetDep(dep, partition_mapping=mapping) for dep in features)],
        description="Labelled events whose label was known as of the day, with the features each event had at its time.",
        kinds={"deltalake", "polars"},
        metadata=column_schema(use_case, key, schema),
        partitions_def=as_of_days(use_case),
        code_version="1",
        check_specs=[check],
        op_tags=step_tags(use_case, TRAINING, TRAINING_SET),
        **policy(use_case, TRAINING),
    )
    def build(
        context: dg.AssetExecutionContext, config: TrainingSetConfig, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        known_at = None if config.known_at is None else _moment(config.known_at)
        as_of = date.fromisoformat(context.partition_key)
        catalog = catalog_of_run(context, use_case, lake)
        with missing_days_refused():
            built = build_training_set(catalog, as_of, known_at)
        whole = built.completeness
        evidence: dict[str, Any] = {"rows": whole.rows, "expected": whole.expected, "explanation": whole.explanation}
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(built.commit, built.uri),
                "event_days": f"{built.first_day} .. {built.last_day}",
                "event_days_without_rows": listed_days(built.days_without_rows) or "none",
                "labels_of_refused_events": built.refused_labels,
                **built.labels,
                "known_at": config.known_at or "now",
                **left_out_metadata(catalog),
                "data_versions": {name: version or 0 for name, version in built.versions.items()},
                **column_lineage(use_case, key, schema),
            },
            data_version=data_version(built.commit),
            check_results=[dg.AssetCheckResult(check_name=COMPLETE_CHECK, passed=whole.passed, metadata=evidence)],
        )

    return build


def table_deps(use_case: UseCase) -> list[dg.AssetDep]:
    """The published tables that a training set reads: labels of all days that had arrived, and events where these are started from."""
    offsets = training_offsets(use_case)
    newest = offsets.last if use_case.label.decided_at is None else -use_case.label_arrival_days
    days = {use_case.events: earlier_days(offsets.first, offsets.last)} if starts_from_events(use_case) else {}
    days[use_case.label.source] = earlier_days(offsets.first, newest)
    return [dg.AssetDep(asset_key(use_case, CLEAN, name), partition_mapping=mapping) for name, mapping in days.items()]


def _moment(text: str) -> datetime:
    """A moment of the run's configuration.

    Raises:
        ValueError: it cannot be read, or carries no zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"known_at {text!r} is no time: write it like 2024-03-01T00:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"known_at {text!r} carries no zone: write it like 2024-03-01T00:00:00Z")
    return moment.astimezone(UTC)
