"""One Delta table: whole-partition overwrite, snapshot, ledger, merge, and reading it as it is or as it was.

Belongs here: the operations that the platform needs, each one commit, each safe to repeat. Does not belong here:
column meaning (`schemas`), row rules (`validation`), compaction and retention (`maintenance`). Partitions are
days; ranges are inclusive.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import polars as pl
from deltalake import DeltaTable

from platform_assets.lake import known_versions, storage
from platform_assets.lake.commit_copies import copy_commits
from platform_assets.lake.commits import (
    Commit,
    HistoryEntry,
    RetryPolicy,
    WriteRecord,
    commit_once,
    history_entries,
    taken_back,
    version_at,
)
from platform_assets.lake.conform import (
    DeclaredSchema,
    check_keys,
    check_range,
    checked_schema,
    conform,
    in_partition_order,
    in_range,
    refuse_empty,
)
from platform_assets.lake.errors import LakeTableMissing, LakeVersionMissing
from platform_assets.lake.evolution import Evolution, evolve, plan_evolution
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.scanning import scan_opened


@dataclass(frozen=True)
class LakeTable:
    """A Delta table with a declared schema.

    Attributes:
        uri: Local folder or object-store address such as `s3://bucket/lake/use_case/layer/table`.
        schema: Every column in order, with its polars type; the partition column included.
        partition_by: The `Date` column that partitions the table, or None.
        storage_options: Options of the object store, as deltalake and polars take them.
        retry: How long to keep trying against other writers.
        evolution: How the table on disk may change to follow `schema`; by default not at all.
        known: Where its last known version is recorded (`known_versions`); None for a table without records.
        copied_to: Where commits are copied to before a write returns (`commit_copies`); None for nowhere.

    Raises:
        LakeSchemaError: The declaration has a type that Delta would not give back unchanged, or no such partition
            column.
    """

    uri: str
    schema: DeclaredSchema
    partition_by: str | None = None
    storage_options: dict[str, str] | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    evolution: Evolution = field(default_factory=Evolution)
    known: str | None = None
    copied_to: StoredFolder | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", dict(checked_schema(self.schema, self.partition_by, table=self.uri)))

    # --- facts: of a table that is not there they raise LakeTableMissing, of a version that is not LakeVersionMissing -

    def exists(self) -> bool:
        """Whether the table has been created.

        Raises:
            LakeDamaged: It was, and is gone.
        """
        if not DeltaTable.is_deltatable(self.uri, storage_options=self.storage_options):
            known_versions.refuse_gone(known_versions.last_known(self.known, self.storage_options), self.uri)
            return False
        return True

    def version(self) -> int | None:
        """The latest Delta version, or None when the table does not exist."""
        try:
            return int(self._open().version())
        except LakeTableMissing:
            return None

    def history(self, limit: int | None = 20) -> list[HistoryEntry]:
        """The newest `limit` commits, newest first; None for all.

        Raises:
            LakeTableMissing: The table does not exist.
        """
        return history_entries(self._open(), limit)

    def committed(self, idempotency_keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that a commit carries which counts; none where the table does not exist."""
        try:
            table = self._open()
        except LakeTableMissing:
            return frozenset()
        found = {key: at for key in idempotency_keys if (at := table.transaction_version(key)) is not None}
        restores = taken_back(table, min(found.values())) if found else []
        return frozenset(key for key, at in found.items() if not any(to < at <= by for by, to in restores))

    def version_at(self, moment: datetime) -> int:
        """The version that was current at a moment (with its zone); `LakeTableMissing` or `LakeVersionMissing` where there was none."""
        return version_at(self._open(), moment, uri=self.uri)

    def count_by_partition(self, *, version: int | None = None) -> dict[date, int]:
        """Rows of each partition that has any, in day order; read from the log, no data file is opened."""
        day = self._partition_column("count_by_partition")
        files = self._files(version)
        if files["num_records"].null_count():  # written by an engine that keeps no statistics
            counts = self.scan(version=version).group_by(day).len("num_records").collect()
        else:
            counts = files.group_by(day).agg(pl.col("num_records").sum())
        return dict(counts.filter(pl.col("num_records") > 0).sort(day).iter_rows())

    def partitions(self, *, version: int | None = None) -> list[date]:
        """Days that have rows, in order."""
        return list(self.count_by_partition(version=version))

    def files_by_partition(
        self, first: date | None = None, last: date | None = None, *, version: int | None = None
    ) -> dict[date, tuple[str, ...]]:
        """Names of the data files of each partition that has any, in day order. Files never change: same names, same rows.

        Raises:
            LakeTableMissing: The table does not exist.
            LakeVersionMissing: The version does not exist.
        """
        day = self._partition_column("files_by_partition")
        files = self._files(version)
        if first is not None or last is not None:
            files = files.filter(in_range(day, first, last))
        named = files.group_by(day).agg(pl.col("path").sort()).sort(day)
        return {partition: tuple(names) for partition, names in named.iter_rows()}

    def row_count(self, *, version: int | None = None) -> int:
        """Rows of the table, read from the log."""
        return int(self._open(version).count())

    def size_bytes(self, first: date | None = None, last: date | None = None, *, version: int | None = None) -> int:
        """Bytes of the data files of a version, of the partitions in [first, last] if given."""
        files = self._files(version)
        if first is not None or last is not None:
            files = files.filter(in_range(self._partition_column("a range of days"), first, last))
        return int(files["size_bytes"].sum())

    # --- reading ------------------------------------------------------------------------------------------------------

    def scan(
        self,
        first: date | None = None,
        last: date | None = None,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        ordered: bool = True,
    ) -> pl.LazyFrame:
        """Read lazily; files outside [first, last] are not opened.

        The version is fixed here: writes that come after the scan and before the collect do not show.

        Args:
            first: First partition, or None for the oldest.
            last: Last partition, or None for the newest.
            version: Delta version, or None for the latest.
            columns: Columns in the order wanted, or None for all declared ones. Columns that are on disk but not
                declared are left out.
            ordered: Sort by partition, keeping the written order inside a file. Delta keeps its files in no order, so
                without this the same rows may come back in another order after a rewrite. The optimizer drops the sort
                where a query does not depend on it; pass False to stream a table that does not fit in memory.

        Raises:
            LakeTableMissing: The table does not exist.
            LakeVersionMissing: The version does not exist, or its files were removed (checked for local tables only).
            LakeDamaged: The table is not what was written.
            LakeSchemaError: A column is not declared, or what is on disk does not fit the declaration.
        """
        wanted = list(self.schema) if columns is None else list(columns)
        return scan_opened(self, self._open(version), (first, last), version, wanted, ordered=ordered)

    def read(
        self,
        first: date | None = None,
        last: date | None = None,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Read into memory; arguments and errors as for `scan`, and `LakeFileDamaged` where a file is gone or cut."""
        wanted = list(self.schema) if columns is None else list(columns)
        day = self.partition_by
        ordering = [] if day is None or day in wanted else [day]
        table = self._open(version)
        rows = scan_opened(self, table, (first, last), version, [*wanted, *ordering], ordered=False)
        if version is None:
            storage.refuse_cut_files(table, self.partition_by, first, last, uri=self.uri)
        try:
            collected = rows.collect()
            return collected if day is None else in_partition_order(collected, day).select(wanted)
        except FileNotFoundError as error:
            raise LakeVersionMissing(
                f"data files of table {self.uri} at version {'latest' if version is None else version} are gone: "
                f"{error} Read a newer version, or write the partitions again."
            ) from error

    # --- writing ------------------------------------------------------------------------------------------------------

    def write_partitions(
        self,
        frame: pl.DataFrame,
        first: date,
        last: date,
        *,
        idempotency_key: str | None = None,
        metadata: dict[str, str] | None = None,
        allow_empty: bool = False,
    ) -> Commit:
        """Make the partitions [first, last] hold exactly these rows; all other partitions are untouched.

        A day of the range without a row in `frame` is empty afterwards. Rows keep their order within a day. No rows, key and
        metadata for partitions that are empty already make no commit.

        Args:
            frame: Rows with the declared columns.
            first: First partition that is overwritten.
            last: Last partition that is overwritten.
            idempotency_key: Name of this write; when a commit already carries it, that one is returned and nothing is
                written.
            metadata: Kept with the commit, see `history`.
            allow_empty: Whether an empty frame may delete the whole range.

        Raises:
            EmptyWriteError: The frame is empty.
            LakeRangeError: Rows lie outside the range or have no day.
            LakeSchemaError: The frame or the table does not fit the declaration.
            LakeIdempotencyError: The key was used for another write.
            LakeConflictError: Other writers of the same partitions kept winning.
        """
        day = self._partition_column("write_partitions")
        if last < first:
            raise ValueError(f"the range of table {self.uri} ends before it begins: {first} .. {last}")
        rows = self._conformed(frame, allow_empty=allow_empty)
        check_range(rows, day, first, last, table=self.uri)
        predicate = f"\"{day}\" >= '{first}' AND \"{day}\" <= '{last}'"
        record = WriteRecord("write_partitions", rows.height, idempotency_key, (first, last), metadata or {})
        writer = self._writer(rows, mode="overwrite", predicate=predicate)

        def write(table: DeltaTable, properties: Any) -> None:
            is_void = rows.is_empty() and idempotency_key is None and not metadata
            if not is_void or storage.file_listing(table).filter(in_range(day, first, last)).height:
                writer(table, properties)

        return self._commit(record, write)

    def replace(
        self,
        frame: pl.DataFrame,
        *,
        idempotency_key: str | None = None,
        metadata: dict[str, str] | None = None,
        allow_empty: bool = False,
    ) -> Commit:
        """Make the whole unpartitioned table hold exactly these rows, in this order.

        Args and errors are those of `write_partitions`.

        Raises:
            ValueError: The table is partitioned.
        """
        if self.partition_by is not None:
            raise ValueError(f"table {self.uri} is partitioned by {self.partition_by}: use write_partitions")
        rows = self._conformed(frame, allow_empty=allow_empty)
        record = WriteRecord("replace", rows.height, idempotency_key, None, metadata or {})
        return self._commit(record, self._writer(rows, mode="overwrite"))

    def append(
        self,
        frame: pl.DataFrame,
        *,
        idempotency_key: str | None = None,
        metadata: dict[str, str] | None = None,
        allow_empty: bool = False,
    ) -> Commit:
        """Add rows to a ledger or log. Without an idempotency key a repeated call adds them twice.

        Args and errors are those of `write_partitions`.
        """
        rows = self._conformed(frame, allow_empty=allow_empty)
        if self.partition_by is not None:
            check_range(rows, self.partition_by, None, None, table=self.uri)
        record = WriteRecord("append", rows.height, idempotency_key, None, metadata or {})
        return self._commit(record, self._writer(rows, mode="append"))

    def merge_rows(
        self,
        frame: pl.DataFrame,
        keys: list[str],
        *,
        when_matched: Literal["update", "keep"] = "update",
        idempotency_key: str | None = None,
        metadata: dict[str, str] | None = None,
        partitions: tuple[date, date] | None = None,
    ) -> Commit:
        """Insert rows whose key is new; update, or keep as they are, those whose key is there.

        In a partitioned table the key is only looked for in the row's own partition: that is what lets writers of
        different partitions work at the same time. A row that moves to another day is therefore another row.

        Args:
            frame: Rows with the declared columns; must not be empty.
            keys: Columns that identify a row within a partition.
            when_matched: "update" overwrites all columns, "keep" leaves the row as it was first written.
            idempotency_key: As for `write_partitions`.
            metadata: As for `write_partitions`.
            partitions: First and last day that the rows are all of, kept with the commit.

        Returns:
            The commit; where every row was there already and kept, the table's version with 0 rows.

        Raises:
            EmptyWriteError: The frame is empty.
            LakeKeyError: Keys are null or not unique in the frame.
            LakeSchemaError: The frame or the table does not fit the declaration.
            LakeIdempotencyError: The key was used for another write.
            LakeConflictError: Other writers of the same partitions kept winning.
        """
        rows = self._conformed(frame, allow_empty=False)
        matched_by = [*keys] if self.partition_by is None else [self.partition_by, *keys]
        check_keys(rows, keys, matched_by, table=self.uri)

        def write(table: DeltaTable, properties: Any) -> None:
            updating = when_matched == "update"
            storage.merge(table, rows, matched_by, self.partition_by, update=updating, commit=properties)

        record = WriteRecord("merge_rows", rows.height, idempotency_key, partitions, metadata or {})
        return self._commit(record, write, count_new_rows=when_matched == "keep")

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _declared(self) -> pl.Schema:
        return pl.Schema(self.schema)

    def _partition_column(self, wanted_by: str) -> str:
        if self.partition_by is None:
            raise ValueError(f"table {self.uri} is not partitioned, which {wanted_by} needs")
        return self.partition_by

    def _open(self, version: int | None = None) -> DeltaTable:
        return storage.open_table(self.uri, self.storage_options, version, known=self.known)

    def open_for_writing(self) -> DeltaTable:
        """Open or create the table, with its columns as declared."""
        options = self.storage_options
        table = storage.open_or_create(self.uri, self._declared, self.partition_by, options, known=self.known)
        storage.check_partitioning(table, self.partition_by, uri=self.uri)
        plan = plan_evolution(pl.Schema(table.schema()), self._declared, self.evolution, table=self.uri, complete=True)
        if plan.is_needed:
            evolve(table, plan, self._declared, self.partition_by, self.storage_options, uri=self.uri)
        return self._open() if plan.is_needed else table

    def _files(self, version: int | None) -> pl.DataFrame:
        return storage.file_listing(self._open(version))

    def _conformed(self, frame: pl.DataFrame, *, allow_empty: bool) -> pl.DataFrame:
        if not allow_empty:
            refuse_empty(frame, table=self.uri)
        return conform(frame, self._declared, table=self.uri)

    def _writer(self, rows: pl.DataFrame, mode: str, predicate: str | None = None) -> Callable[[DeltaTable, Any], None]:
        return lambda table, properties: storage.write(table, rows, mode, predicate, commit=properties)

    def _commit(
        self, record: WriteRecord, write: Callable[[DeltaTable, Any], None], *, count_new_rows: bool = False
    ) -> Commit:
        rows_before = (lambda version: int(self._open(version).count())) if count_new_rows else None

        def write_and_remember(table: DeltaTable, properties: Any) -> None:
            write(table, properties)
            known_versions.remember(self.known, table, self.uri, self.storage_options)

        opened = self.open_for_writing
        commit = commit_once(record, opened, write_and_remember, self.retry, uri=self.uri, rows_before=rows_before)
        copy_commits(self.copied_to, StoredFolder(self.uri, self.storage_options), commit.version)
        return commit
