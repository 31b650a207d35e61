"""Upkeep of one table: small files are put together, files that no kept version needs are removed.

Belongs here: what is compacted and what is removed, safely beside writers and readers. Does not belong here: which
versions are kept (`pins`), and when it runs (assets and automation).

Only partitions with several small files are rewritten. A day that one write made has one file, and keeps its order; a
day put together from several writes has no order to keep, and is clustered by the columns given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
from deltalake import CommitProperties, DeltaTable

from platform_assets.lake import known_versions, storage
from platform_assets.lake.commits import RetryPolicy, WriteRecord, version_at, with_retries
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.table import LakeTable

SMALL_FILE_BYTES: Final = 16 * 2**20
"""Files below this are put together."""

MOST_CLUSTERED_BYTES: Final = 2**29
"""More than this in one partition is put together as it comes: sorting needs it in memory."""

FEWEST_FILES: Final = 8
"""An unpartitioned table is compacted from so many small files on."""

UNKNOWN_FILE_HOURS: Final = 48
"""A file that no commit names may belong to a write that is still going on, unless it is older than this."""

COMPACT: Final = "compact"
VACUUM: Final = "vacuum"


@dataclass(frozen=True)
class Upkeep:
    """What was done to a table, or would be.

    Attributes:
        version: Latest version afterwards.
        files_before: Data files of the latest version.
        files_after: The same afterwards.
        bytes_before: Bytes of the latest version.
        bytes_after: The same afterwards.
        stored_files_before: Data files on disk, those of older versions included.
        stored_files_after: The same afterwards.
        stored_bytes_before: Bytes on disk, those of older versions included.
        stored_bytes_after: The same afterwards.
        compacted_partitions: Partitions that were rewritten; 1 for an unpartitioned table.
        removed_files: Files that were removed.
    """

    version: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    stored_files_before: int
    stored_files_after: int
    stored_bytes_before: int
    stored_bytes_after: int
    compacted_partitions: int
    removed_files: int


def stored_tables(root: str, use_case: str, storage_options: Mapping[str, str] | None) -> list[str]:
    """Tables of a use case that are there, as `layer/table`, in order."""
    below = f"{root.rstrip('/')}/{use_case}"
    if "://" not in root:
        return sorted("/".join(path.parts[-3:-1]) for path in Path(below).glob("*/*/_delta_log"))
    layers = folder_names(below, storage_options)
    names = [f"{layer}/{table}" for layer in layers for table in folder_names(f"{below}/{layer}", storage_options)]
    options = dict(storage_options or {})
    return sorted(name for name in names if DeltaTable.is_deltatable(f"{below}/{name}", storage_options=options))


def maintain(
    uri: str,
    storage_options: Mapping[str, str] | None,
    *,
    cluster_by: Sequence[str],
    keep_versions: Sequence[int],
    keep_days: int,
    dry_run: bool,
    retry: RetryPolicy | None = None,
    known: str | None = None,
) -> Upkeep:
    """Compact a table and remove files that no kept version needs.

    Args:
        uri: Address of the table.
        storage_options: Options of the object store.
        cluster_by: Columns by which rows of rewritten partitions are clustered, where the table has them.
        keep_versions: Versions that must stay readable.
        keep_days: Versions replaced within so many days stay readable as well.
        dry_run: Change nothing, and say what would be removed.
        retry: How long to keep trying against writers.
        known: Where the table's last known version is recorded.

    Raises:
        LakeDamaged: The table is not what was written; nothing was changed.
        LakeTableMissing: There is no table.
        LakeConflictError: Writers kept winning; nothing was compacted.
    """
    table = storage.open_table(uri, storage_options, known=known)
    before, on_disk = storage.file_listing(table), _stored(uri, storage_options)
    compacted = with_retries(
        lambda: _compact(uri, storage_options, cluster_by, dry_run), retry or RetryPolicy(), uri=uri, operation=COMPACT
    )
    removed = with_retries(
        lambda: _vacuum(uri, storage_options, keep_versions, keep_days, dry_run),
        retry or RetryPolicy(),
        uri=uri,
        operation=VACUUM,
    )
    table = storage.open_table(uri, storage_options)
    if not dry_run:
        known_versions.remember(known, table, uri, storage_options)
    after, left = storage.file_listing(table), _stored(uri, storage_options)
    return Upkeep(
        version=int(table.version()),
        files_before=before.height,
        files_after=after.height,
        bytes_before=int(before["size_bytes"].sum()),
        bytes_after=int(after["size_bytes"].sum()),
        stored_files_before=len(on_disk),
        stored_files_after=len(left),
        stored_bytes_before=sum(on_disk),
        stored_bytes_after=sum(left),
        compacted_partitions=compacted,
        removed_files=removed,
    )


def _compact(uri: str, storage_options: Mapping[str, str] | None, cluster_by: Sequence[str], dry_run: bool) -> int:
    """Put small files together; returns how many partitions have them."""
    table = storage.open_table(uri, storage_options)
    partition_by = list(table.metadata().partition_columns)
    files = storage.file_listing(table).with_columns(small=pl.col("size_bytes") < SMALL_FILE_BYTES)
    sums = [pl.col("small").sum().alias("small"), pl.col("size_bytes").sum().alias("size_bytes")]
    if partition_by:
        crowded = files.group_by(partition_by).agg(sums).filter(pl.col("small") > 1).sort(partition_by)
    else:
        crowded = files.select(sums).filter(pl.col("small") >= FEWEST_FILES)
    if crowded.is_empty() or dry_run:
        return crowded.height
    names = set(pl.Schema(table.schema()))
    columns = [name for name in dict.fromkeys(cluster_by) if name in names and name not in partition_by]
    clustered = crowded.filter((pl.col("size_bytes") <= MOST_CLUSTERED_BYTES) & pl.lit(bool(columns)))
    others = crowded.filter((pl.col("size_bytes") > MOST_CLUSTERED_BYTES) | pl.lit(not columns))
    if clustered.height:
        table.optimize.z_order(columns, partition_filters=_filters(clustered, partition_by), **_how(table, COMPACT))
    if others.height:
        table = storage.open_table(uri, storage_options)
        table.optimize.compact(partition_filters=_filters(others, partition_by), **_how(table, COMPACT))
    return crowded.height


def _filters(crowded: pl.DataFrame, partition_by: Sequence[str]) -> list[tuple[str, str, Any]] | None:
    if not partition_by:
        return None
    return [(partition_by[0], "in", [str(value) for value in crowded[partition_by[0]]])]


def _how(table: DeltaTable, operation: str) -> dict[str, Any]:
    return {
        "writer_properties": storage.writer_properties(pl.Schema(table.schema()), small=True),
        "commit_properties": _properties(operation, table),
        "post_commithook_properties": storage.after_commit(),
    }


def _properties(operation: str, table: DeltaTable) -> CommitProperties:
    return WriteRecord(operation, 0).properties(table.version())


def _vacuum(
    uri: str, storage_options: Mapping[str, str] | None, keep_versions: Sequence[int], keep_days: int, dry_run: bool
) -> int:
    """Remove files that no kept version needs; returns how many.

    In two passes: files that commits took out of the table, by age; then files that no commit names, which a write that
    died leaves behind, once they are too old to belong to one that goes on.

    Checkpoints forget after a week which files were taken out. The second pass then goes by the age of the files: those
    written in the last `keep_days` stay, and with them those that were current when these days began.
    """
    table = storage.open_table(uri, storage_options)
    kept = {version for version in keep_versions if 0 <= version <= table.version()}
    passes: list[tuple[set[int], dict[str, Any]]] = [
        (kept, {"retention_hours": 24 * keep_days}),
        (
            kept | _current_before(table, keep_days, uri=uri),
            {"retention_hours": 24 * keep_days + UNKNOWN_FILE_HOURS, "full": True},
        ),
    ]
    removed: set[str] = set()
    for versions, arguments in passes:
        how = {**arguments, "enforce_retention_duration": False, "keep_versions": sorted(versions)}
        unneeded = table.vacuum(dry_run=True, **how)
        if unneeded and not dry_run:
            table.vacuum(
                dry_run=False,
                commit_properties=_properties(VACUUM, table),
                post_commithook_properties=storage.after_commit(),
                **how,
            )
            table = storage.open_table(uri, storage_options)
        removed |= set(unneeded)
    return len(removed)


def _current_before(table: DeltaTable, days: int, *, uri: str) -> set[int]:
    """The version that was current so many days ago; none where the table is younger."""
    try:
        return {version_at(table, datetime.now(UTC) - timedelta(days=days), uri=uri)}
    except LakeVersionMissing:
        return set()


def stored_bytes(table: LakeTable) -> int:
    """Bytes of all data files of a table, those of older versions included."""
    return sum(_stored(table.uri, table.storage_options))


def _stored(uri: str, storage_options: Mapping[str, str] | None) -> list[int]:
    """Sizes in bytes of all data files below a table, of whatever version."""
    if "://" not in uri:
        files = Path(uri).rglob("*.parquet")
        return [size for path in files if "_delta_log" not in path.parts and (size := _size(path)) is not None]
    from pyarrow import fs

    infos = lake_file_system(uri, storage_options).get_file_info(fs.FileSelector("", recursive=True))
    return [info.size for info in infos if info.path.endswith(".parquet") and not info.path.startswith("_delta_log")]


def _size(path: Path) -> int | None:
    """Size in bytes; None when somebody removed the file just now."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def folder_names(uri: str, storage_options: Mapping[str, str] | None) -> list[str]:
    """Names of the folders directly below an address in an object store."""
    from pyarrow import fs

    infos = lake_file_system(uri, storage_options).get_file_info(fs.FileSelector("", allow_not_found=True))
    return [info.base_name for info in infos if info.type == fs.FileType.Directory]


def lake_file_system(uri: str, storage_options: Mapping[str, str] | None) -> Any:
    """pyarrow's view of an object store, through deltalake's own client."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow import fs

    return fs.PyFileSystem(DeltaStorageHandler(uri, options=dict(storage_options or {})))
