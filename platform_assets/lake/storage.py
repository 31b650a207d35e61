"""The calls into deltalake: open, create, write, merge, list files, and the options they are made with.

Belongs here: the arguments that deltalake takes, and its errors turned into ours. Does not belong here: what a write means
or when to repeat it (`table`, `commits`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import polars as pl
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from platform_assets.lake import known_versions
from platform_assets.lake.errors import (
    LakeDamaged,
    LakeError,
    LakeFileDamaged,
    LakeSchemaError,
    LakeTableMissing,
    LakeVersionMissing,
    SchemaProblem,
)
from platform_assets.lake.folders import StoredFolder

# Log entries are kept: a version that a model pins must stay readable until maintenance decides otherwise. By default
# deltalake drops them after 30 days. Checkpoints are more frequent than its default of 100, because opening a table
# reads all commits since.
_TABLE_CONFIGURATION: Final = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "20"}

# Above this many days a merge names a range instead of a list, to keep its predicate short.
_LONGEST_DAY_LIST: Final = 62

# Rows that deltalake encodes at a time; its default of 1,024 costs a few percent more.
_WRITE_BATCH_ROWS: Final = 65_536


def open_table(
    uri: str, storage_options: Mapping[str, str] | None, version: int | None = None, *, known: str | None = None
) -> DeltaTable:
    """Open a table at a version, or at the latest, once it is what is known of it.

    Args:
        uri: Address of the table.
        storage_options: Options of the object store.
        version: Delta version, or None for the latest.
        known: Where its last known version is recorded; None to open it as it is.

    Raises:
        LakeDamaged: It is not what was written, or its log cannot be read.
        LakeTableMissing: There is no table.
        LakeVersionMissing: The version was never made, or its log entry is gone.
    """
    last = known_versions.last_known(known, storage_options)
    try:
        table = DeltaTable(uri, storage_options=_options(storage_options))
    except TableNotFoundError as error:
        known_versions.refuse_gone(last, uri)
        raise LakeTableMissing(f"table {uri} does not exist: materialize the asset that writes it first") from error
    except DeltaError as error:
        raise _unreadable_log(uri, error) from error
    known_versions.refuse_older(last, table, uri, storage_options)
    if version is None:
        return table
    latest = table.version()
    if not 0 <= version <= latest:
        raise LakeVersionMissing(f"table {uri} has no version {version}: its versions are 0 .. {latest}")
    try:
        table.load_as_version(version)
    except DeltaError as error:
        raise LakeVersionMissing(
            f"version {version} of table {uri} can no longer be read, the latest is {latest}: {error}"
        ) from error
    return table


def _unreadable_log(uri: str, error: DeltaError) -> LakeDamaged:
    """What deltalake says of a log, without its list of frames."""
    reason = str(error).partition("\n")[0].partition(": ParsedLogPath")[0]
    return LakeDamaged(f"the log of table {uri} cannot be read: {reason}. {known_versions.ADVICE}")


def open_or_create(
    uri: str,
    schema: pl.Schema,
    partition_by: str | None,
    storage_options: Mapping[str, str] | None,
    *,
    known: str | None = None,
) -> DeltaTable:
    """Open a table at its latest version; where there is none, and never was, create it empty as version 0.

    Raises:
        LakeDamaged: It is not what was written, or is gone.
        CommitFailedError: Another writer created it at the same moment; open it again.
        LakeError: Its folder cannot be made.
    """
    options = _options(storage_options)
    try:
        return open_table(uri, storage_options, known=known)
    except LakeTableMissing:
        pass  # created below, so that an error there does not look like one of opening
    try:
        return DeltaTable.create(
            uri,
            schema=Schema.from_arrow(schema),
            mode="ignore",
            partition_by=None if partition_by is None else [partition_by],
            configuration=dict(_TABLE_CONFIGURATION),
            storage_options=options,
            # Without this, one that loses the race creates the table a second time, as version 1.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except TableNotFoundError as error:
        raise LakeError(f"cannot create table {uri}, check that its folder may be written: {error}") from error


def check_partitioning(table: DeltaTable, partition_by: str | None, *, uri: str) -> None:
    """Refuse a table on disk that is partitioned otherwise than declared.

    Raises:
        LakeSchemaError: It is.
    """
    stored = list(table.metadata().partition_columns)
    declared = [] if partition_by is None else [partition_by]
    if stored != declared:
        problem = SchemaProblem(
            "/".join({*stored, *declared}), f"partitioned by {declared}", f"partitioned by {stored}"
        )
        raise LakeSchemaError.of(uri, "the declaration does not fit table", [problem], "Write to a new table instead.")


def write(table: DeltaTable, rows: pl.DataFrame, mode: str, predicate: str | None, *, commit: Any) -> None:
    """Append or overwrite in one commit; a predicate limits what is removed and refuses rows that do not match it."""
    rows = _as_stored(table, rows).rechunk()  # handed over in pieces that do not match, it takes twice as long
    write_deltalake(
        table,
        rows,
        mode=mode,
        predicate=predicate,
        writer_properties=writer_properties(rows.schema),
        commit_properties=commit,
        post_commithook_properties=after_commit(),
    )


def merge(
    table: DeltaTable, rows: pl.DataFrame, matched_by: Sequence[str], day: str | None, *, update: bool, commit: Any
) -> None:
    """Insert rows that match none by `matched_by`, and update those that match on request, in one commit.

    The days stand in the predicate as literals: with an equality of columns alone deltalake takes the merge to read
    every partition, and writers of different days fail each other.
    """
    rows = _as_stored(table, rows)
    conditions = [] if day is None else [_day_condition(rows.get_column(day))]
    conditions += [f'target."{name}" = source."{name}"' for name in matched_by]
    merger = table.merge(
        rows,
        predicate=" AND ".join(conditions),
        source_alias="source",
        target_alias="target",
        writer_properties=writer_properties(rows.schema),
        commit_properties=commit,
        post_commithook_properties=after_commit(),
    ).when_not_matched_insert_all()
    (merger.when_matched_update_all() if update else merger).execute()


def writer_properties(schema: Mapping[str, pl.DataType], *, small: bool = False) -> WriterProperties:
    """Parquet options: delta encoding for integers and times, dictionaries for strings only, statistics of row groups.

    Args:
        schema: Column types.
        small: Compress with zstd instead of snappy: files are a sixth smaller and take a third longer, which is for
            maintenance, that writes once what is read often.
    """
    kept: dict[str, Any] = {"statistics_enabled": "CHUNK"}  # files are skipped by the log, pages hardly ever
    encoded = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED", **kept)
    dictionary = ColumnProperties(dictionary_enabled=True, **kept)
    columns = {name: encoded for name, dtype in schema.items() if dtype.is_integer() or dtype.is_temporal()}
    columns |= {name: dictionary for name, dtype in schema.items() if dtype == pl.String}
    return WriterProperties(
        compression="ZSTD" if small else "SNAPPY",
        compression_level=1 if small else None,
        write_batch_size=_WRITE_BATCH_ROWS,
        default_column_properties=ColumnProperties(dictionary_enabled=False, **kept),
        column_properties=columns,
    )


def file_listing(table: DeltaTable) -> pl.DataFrame:
    """The data files of a version: `path`, `size_bytes`, `num_records`, and the partition column under its own name."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    partitions = {f"partition.{name}": name for name in table.metadata().partition_columns}
    return actions.select("path", "size_bytes", "num_records", *partitions).rename(partitions)


def refuse_cut_files(table: DeltaTable, day: str | None, first: date | None, last: date | None, *, uri: str) -> None:
    """Refuse to read data files of a local table that are gone or have another size than was written; none is opened.

    Args:
        table: The table.
        day: Its partition column.
        first: First partition that is read, or None for the oldest.
        last: Last partition that is read, or None for the newest.
        uri: Address of the table.

    Raises:
        LakeFileDamaged: A file is gone or was cut.
    """
    if "://" in uri:
        return
    files, folder = file_listing(table), StoredFolder(uri)
    if day is not None:
        bounds = [pl.col(day) >= first if first else pl.lit(True), pl.col(day) <= last if last else pl.lit(True)]
        files = files.filter(*bounds)
    for path, written in files.select("path", "size_bytes").iter_rows():
        size = folder.size(unquote(path))
        if size != written:
            gone = f"data files of table {uri} at version latest are gone: {path}."
            cut = f"data file {path} of table {uri} has {size} of its {written} bytes."
            raise LakeFileDamaged(f"{gone if size is None else cut} {known_versions.ADVICE}")


def check_files(table: DeltaTable, *, uri: str) -> None:
    """Refuse a version of a local table whose data files were removed; an object store is not searched.

    Raises:
        LakeVersionMissing: Files are gone.
    """
    if "://" in uri:
        return
    paths = table.file_uris()
    gone = sum(not Path(path).exists() for path in paths)
    if gone:
        raise LakeVersionMissing(
            f"version {table.version()} of table {uri} can no longer be read: {gone} of its {len(paths)} data files "
            "were removed by maintenance, because nothing pinned it. Read a newer version, or write the partitions again. "
            "To keep a version next time, declare it under `retention.holds`."
        )


def _as_stored(table: DeltaTable, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in the columns and the order of the table on disk; a column that is no longer declared is null."""
    stored = pl.Schema(table.schema())
    if list(stored) == rows.columns:
        return rows
    retired = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in stored.items() if name not in rows.columns]
    return rows.with_columns(retired).select(list(stored))


def _options(storage_options: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if storage_options is None else dict(storage_options)


def after_commit() -> PostCommitHookProperties:
    """What follows a commit: checkpoints as configured, and no log entry is removed."""
    return PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def _day_condition(days: pl.Series) -> str:
    values = days.unique().sort()
    if len(values) > _LONGEST_DAY_LIST:
        return f"target.\"{days.name}\" >= '{values[0]}' AND target.\"{days.name}\" <= '{values[-1]}'"
    listed = ", ".join(f"'{day}'" for day in values)
    return f'target."{days.name}" IN ({listed})'
