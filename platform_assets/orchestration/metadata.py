"""What every asset of a use case shares: keys, owner, freshness, schema metadata, pictures.

Belongs here: policy that is set once for all assets. Does not belong here: anything about a single layer.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

import dagster as dg
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.column_meanings import column_meanings
from platform_assets.lake.commits import Commit
from platform_assets.lake.layout import MODEL, TRAINING
from platform_assets.lake.lineage.graph import SOURCE, WHOLE_ROW, Lineage
from platform_assets.lake.lineage.use_case import lineage
from platform_assets.pipelines.use_case_state.links import served_page

USE_CASE_TAG, LAYER_TAG = "use_case", "layer"
"""Tags of every asset, to filter by: `tag:"use_case"="..."`."""


class AssetPlace(TypedDict):
    """Where an asset stands in the UI, and whose it is."""

    group_name: str
    tags: Mapping[str, str]
    owners: Sequence[str]


class AssetPolicy(AssetPlace):
    """Arguments that every asset definition of a use case gets."""

    freshness_policy: dg.FreshnessPolicy


def asset_key(use_case: UseCase, layer: str, table: str) -> dg.AssetKey:
    """Key `[use_case, layer, table]`."""
    return dg.AssetKey([use_case.name, layer, table])


def place(use_case: UseCase, layer: str) -> AssetPlace:
    """Group, tags and owner of an asset in a layer.

    A group is a layer of one use case, so that `group:"<use_case>__*"` is one picture, and one layer of it stands together.
    """
    return AssetPlace(
        group_name=f"{use_case.name}__{layer}",
        tags={USE_CASE_TAG: use_case.name, LAYER_TAG: layer},
        owners=[use_case.owner],
    )


def policy(use_case: UseCase, layer: str, *, by_training: bool = False) -> AssetPolicy:
    """Place and freshness of an asset in a layer.

    Dagster judges an asset by its newest materialization, whatever its day; which days are behind is a metric
    (`platform_assets_due_days_behind`). What each training makes is due every `training.every_days`, all else each day.

    Args:
        use_case: the declaration.
        layer: of the asset.
        by_training: whether each training makes it, though its layer is another's.
    """
    freshness = use_case.freshness
    days = use_case.training.every_days if by_training or layer in (TRAINING, MODEL) else 1
    between = timedelta(days=days - 1)
    return AssetPolicy(
        **place(use_case, layer),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=between + timedelta(hours=freshness.fail_after_hours),
            warn_window=between + timedelta(hours=freshness.warn_after_hours),
        ),
    )


def column_schema(use_case: UseCase, key: dg.AssetKey, schema: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """Definition metadata with the table's columns and what each means, shown by Dagster's UI.

    Args:
        use_case: the declaration.
        key: the asset.
        schema: its columns.
    """
    _, layer, table = key.path
    meanings = column_meanings(use_case, layer, table)
    columns = [dg.TableColumn(name, type=str(dtype), description=meanings.get(name)) for name, dtype in schema.items()]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def column_lineage(
    use_case: UseCase, key: dg.AssetKey, columns: Iterable[str], graph: Lineage | None = None
) -> dict[str, Any]:
    """Metadata with the upstream columns that each column of an asset comes from, for the UI.

    Columns of a source stand as those of an external asset `[use_case, source, table]`. What else lies outside of the use
    case's assets, such as a caller's request, is left out here; `lake/lineage/` has it.

    Args:
        use_case: the declaration.
        key: the asset.
        columns: its columns.
        graph: the use case's lineage, where it is at hand.
    """
    _, layer, table = key.path
    origins = (graph or lineage(use_case)).table(layer, table, columns)
    tables = {(node.layer, node.table) for nodes in origins.values() for node in nodes}
    keys = {place: dg.AssetKey([use_case.name, *place]) for place in tables}  # a key costs as much as all else here
    deps = {
        column: [
            dg.TableColumnDep(keys[node.layer, node.table], node.column)
            for node in nodes
            if (not node.is_origin or node.layer == SOURCE) and node.column != WHOLE_ROW
        ]
        for column, nodes in origins.items()
    }
    with_deps = {column: above for column, above in deps.items() if above}
    return {"dagster/column_lineage": dg.TableColumnLineage(with_deps)} if with_deps else {}


def with_column_lineage(use_case: UseCase, assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each that declares its columns with their lineage beside them."""
    graph = lineage(use_case)

    def with_lineage(spec: dg.AssetSpec) -> dg.AssetSpec:
        schema = spec.metadata.get("dagster/column_schema")
        if not isinstance(schema, dg.TableSchema) or "dagster/column_lineage" in spec.metadata:
            return spec
        columns = [column.name for column in schema.columns]
        return spec.merge_attributes(metadata=column_lineage(use_case, spec.key, columns, graph))

    return [definition.map_asset_specs(with_lineage) for definition in assets]


def commit_metadata(commit: Commit, uri: str) -> dict[str, Any]:
    """Row count, address and Delta version of what was written."""
    return {"dagster/row_count": commit.rows, "dagster/uri": uri, "delta_version": commit.version}


def data_version(commit: Commit) -> dg.DataVersion:
    """An asset's data version is its table's Delta version."""
    return dg.DataVersion(f"delta-{commit.version}")


def written_page(serving: ServingHome, name: str, file: Path, path: str) -> dict[str, Any]:
    """A page that was written: the file, and a link to it where this machine's doors show it.

    Args:
        serving: whose doors.
        name: of the metadata.
        file: where it lies.
        path: at the doors.
    """
    address = served_page(serving, path)
    link = {f"{name}_link": dg.MetadataValue.url(address)} if address else {}
    return {name: dg.MetadataValue.path(str(file)), **link}


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows in an asset's metadata."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")
