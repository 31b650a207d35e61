"""The training set and the model.

Belongs here: the training-set asset and the model asset, each partitioned by the day it is made as of. Does not
belong here: fitting (`training/`) or judging (`assets/evaluation.py`).
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
from pydantic import Field

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.features.offline.training_set import training_set, training_set_schema
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, TRAINING
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.metadata import (
    asset_key,
    column_lineage,
    column_schema,
    commit_metadata,
    data_version,
    policy,
)
from platform_assets.orchestration.partitions import as_of_days, earlier_days
from platform_assets.pipelines.tables import clean_rows, clean_table
from platform_assets.tasks.registry import task_of
from platform_assets.training.folds import training_offsets


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
    labels_key = asset_key(use_case, CLEAN, use_case.label.source)
    upstream = [labels_key, *(asset_key(use_case, FEATURES, view.table) for view in use_case.features)]
    schema = training_set_schema(use_case)
    key = asset_key(use_case, TRAINING, TRAINING_SET)

    @dg.asset(
        key=key,
        deps=[dg.AssetDep(dep, partition_mapping=mapping) for dep in upstream],
        description="Labelled events whose label was known as of the day, with the features each event had at its time.",
        kinds={"deltalake", "polars"},
        metadata=column_schema(schema, {use_case.label.column: "The label."}),
        partitions_def=as_of_days(use_case),
        code_version="1",
        **policy(use_case, TRAINING),
    )
    def build_training_set(
        context: dg.AssetExecutionContext, config: TrainingSetConfig, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        as_of = date.fromisoformat(context.partition_key)
        first, last = as_of + timedelta(days=offsets.first), as_of + timedelta(days=offsets.last)
        versions = (
            current_versions(use_case, lake)
            if config.known_at is None
            else versions_known_at(use_case, lake, _moment(config.known_at))
        )
        delivered, labels, frame = training_rows(use_case, lake, as_of, versions)
        table = lake.table(use_case.name, TRAINING, TRAINING_SET, schema, partition_by="as_of")
        commit = table.write_partitions(frame, as_of, as_of, metadata={"data_versions": json.dumps(versions)})
        label = frame[use_case.label.column]
        return dg.MaterializeResult(
            metadata={
                **commit_metadata(commit, table.uri),
                "event_days": f"{first} .. {last}",
                "labels_of_refused_events": delivered - labels,
                **task_of(use_case).label_statistics(label, use_case.classes),
                "known_at": config.known_at or "now",
                "data_versions": {name: version or 0 for name, version in versions.items()},
                **column_lineage(use_case, key, schema),
            },
            data_version=data_version(commit),
        )

    return build_training_set


def current_versions(use_case: UseCase, lake: Lake) -> dict[str, int | None]:
    """Delta versions of the tables that a training set reads now, by path below the lake's root."""
    return {table.uri.removeprefix(lake.root): table.version() for table in _tables(use_case, lake)}


def versions_known_at(use_case: UseCase, lake: Lake, moment: datetime) -> dict[str, int | None]:
    """Versions that the tables of a training set had at a moment, by path below the lake's root.

    A training set from these versions is the one that could have been made then: rows that arrived later, labels that were
    corrected later and feature days that were computed again since are not part of it, whenever it is made.

    Raises:
        LakeTableMissing: A table does not exist.
        LakeVersionMissing: A table was made later, or its versions of then were removed.
    """
    return {table.uri.removeprefix(lake.root): table.version_at(moment) for table in _tables(use_case, lake)}


def _tables(use_case: UseCase, lake: Lake) -> list[LakeTable]:
    """The tables that a training set reads."""
    features = [_feature_table(use_case, lake, view) for view in use_case.features]
    return [clean_table(lake, use_case, use_case.label_source), *features]


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


def training_rows(
    use_case: UseCase, lake: Lake, as_of: date, versions: Mapping[str, int | None]
) -> tuple[int, int, pl.DataFrame]:
    """The training set as of a day from these versions of its tables, so that what is recorded is what was read.

    Args:
        use_case: The declaration.
        lake: Where the tables are.
        as_of: The day.
        versions: As `current_versions` gives them, or as an earlier training set recorded them.

    Returns:
        How many labels were delivered, how many of them belong to an event that counts, and the rows.

    Raises:
        LakeVersionMissing: A version was removed.
    """
    offsets = training_offsets(use_case)
    first, last = as_of + timedelta(days=offsets.first), as_of + timedelta(days=offsets.last)

    def version(table: LakeTable) -> int | None:
        return versions.get(table.uri.removeprefix(lake.root))

    tables = {view.name: _feature_table(use_case, lake, view) for view in use_case.features}
    views = {name: table.read(first, last, version=version(table)) for name, table in tables.items()}
    label_version = version(clean_table(lake, use_case, use_case.label_source))
    delivered = clean_rows(lake, use_case, use_case.label_source, first, last, version=label_version)
    labels = labels_of_events(delivered, views, use_case)
    return delivered.height, labels.height, training_set(labels, views, use_case, as_of, first, last)


def _feature_table(use_case: UseCase, lake: Lake, view: FeatureView) -> LakeTable:
    return lake.table(use_case.name, FEATURES, view.table, use_case.feature_schema(view))


def labels_of_events(labels: pl.DataFrame, views: Mapping[str, pl.DataFrame], use_case: UseCase) -> pl.DataFrame:
    """Labels without those of events that were refused: such an event is in quarantine, so that no feature table has it.

    An event that some feature table has, and the events of a day that no feature table has, keep their labels: there a
    feature table is incomplete, which the join reports.
    """
    keys = list(use_case.event_source.primary_key)
    known = pl.concat([view.select(keys) for view in views.values()]).unique()
    days = pl.concat([view[EVENT_DAY] for view in views.values()]).unique()
    refused = labels.filter(pl.col(EVENT_DAY).is_in(days.implode())).join(known, on=keys, how="anti")
    return labels.join(refused.select(keys), on=keys, how="anti", maintain_order="left")
