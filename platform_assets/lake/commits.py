"""How a write becomes exactly one commit: what the commit says about itself, retries, and writes that were made before.

Belongs here: the record kept in each commit, the look-up of an idempotency key, the retry on conflict. Does not
belong here: which rows are written (`table`). The record is JSON in Delta's own `userMetadata` field, so that other
engines show it in their history; the key is a Delta application transaction, which a concurrent writer of the same
key cannot overtake and which checkpoints keep.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from platform_assets.lake.errors import LakeConflictError, LakeIdempotencyError, LakeVersionMissing

Result = TypeVar("Result")

RESTORE = "restore_version"
"""Operation of a commit that makes an earlier version the table's content again."""
RESTORED_VERSION = "restored_version"
"""Which version that was, in the commit's metadata."""


@dataclass(frozen=True)
class Commit:
    """What a write did.

    Attributes:
        version: Delta version that holds the rows.
        rows: Rows written; for `merge_rows` that keeps existing rows, the rows that were new.
        files_added: Data files added.
        files_removed: Data files that are no longer part of the table.
        already_committed: The idempotency key was found, and this is the earlier commit; nothing was written now.
    """

    version: int
    rows: int
    files_added: int
    files_removed: int
    already_committed: bool


@dataclass(frozen=True)
class HistoryEntry:
    """One commit as the table remembers it.

    Attributes:
        version: Delta version.
        committed_at: When it was committed, in UTC.
        operation: Name of the method of `LakeTable` that wrote it, or what another engine called it.
        rows: Rows written, if known.
        idempotency_key: Key that was passed, if any.
        metadata: What the writer passed.
        partitions: First and last partition that the write owned; None for the whole table, or when it is not known.
    """

    version: int
    committed_at: datetime
    operation: str
    rows: int | None
    idempotency_key: str | None
    metadata: dict[str, str]
    partitions: tuple[date, date] | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """How long to keep trying against other writers: exponential back-off with full jitter.

    Attributes:
        attempts: Tries in all.
        first_wait_seconds: Upper limit of the first wait; doubled each time.
        longest_wait_seconds: Upper limit of any wait.
    """

    attempts: int = 20
    first_wait_seconds: float = 0.05
    longest_wait_seconds: float = 3.0


@dataclass(frozen=True)
class WriteRecord:
    """What a commit says about itself.

    Attributes:
        operation: Name of the method of `LakeTable`.
        rows: Rows handed over.
        idempotency_key: The caller's key, or None.
        partitions: First and last partition that the write owns, or None for the whole table.
        metadata: What the caller passed.
    """

    operation: str
    rows: int
    idempotency_key: str | None = None
    partitions: tuple[date, date] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Encode for Delta's `userMetadata`, with sorted keys."""
        days = None if self.partitions is None else [day.isoformat() for day in self.partitions]
        content = {
            "operation": self.operation,
            "rows": self.rows,
            "idempotency_key": self.idempotency_key,
            "partitions": days,
            "metadata": dict(self.metadata),
        }
        return json.dumps(content, sort_keys=True)

    def properties(self, read_version: int, *, alone: bool = False) -> CommitProperties:
        """Commit properties for deltalake; the transaction's version is a lower bound of the version being made.

        Args:
            read_version: The version that was read.
            alone: Fail when any commit came after it. By default one that adds rows elsewhere is no conflict.
        """
        key = self.idempotency_key
        transactions = None if key is None else [Transaction(key, read_version + 1)]
        return CommitProperties(
            custom_metadata={"userMetadata": self.to_json()},
            app_transactions=transactions,
            max_commit_retries=0 if alone else None,
        )


def history_entries(table: DeltaTable, limit: int | None) -> list[HistoryEntry]:
    """The newest `limit` commits up to the table's loaded version, newest first; None for all."""
    # deltalake returns more than the limit when the table is loaded at an older version.
    return [_entry(raw) for raw in table.history(limit)[:limit]]


def version_at(table: DeltaTable, moment: datetime, *, uri: str) -> int:
    """The version that was current at a moment, by the times that the commits themselves carry.

    Raises:
        LakeVersionMissing: The first commit that is left is younger.
    """
    limit = 64
    while True:
        entries = history_entries(table, limit)
        for entry in entries:
            if entry.committed_at <= moment:
                return entry.version
        if len(entries) < limit:
            break
        limit *= 4
    oldest = f"{entries[-1].committed_at:%Y-%m-%d %H:%M:%S} UTC" if entries else "unknown"
    raise LakeVersionMissing(
        f"table {uri} has no version as of {moment:%Y-%m-%d %H:%M:%S %Z}: its oldest commit is of {oldest}. Ask for a later time."
    )


def earlier_commit(table: DeltaTable, record: WriteRecord, *, uri: str) -> Commit | None:
    """Find the commit that already carries the record's idempotency key.

    Args:
        table: The table at its latest version.
        record: The write about to be made.
        uri: Address of the table, for the message.

    Returns:
        The earlier commit, or None when there is no key, it is new, or a restored version took the commit back. When the log entry itself
        has been cleaned away, the commit has the lowest version it can have had, and no rows.

    Raises:
        LakeIdempotencyError: The key belongs to another operation or to other partitions.
    """
    key = record.idempotency_key
    not_before = None if key is None else table.transaction_version(key)
    if not_before is None:
        return None
    taken_back_to = table.version() + 1
    for raw in table.history(table.version() - not_before + 1):
        content = _content(raw)
        taken_back_to = min(taken_back_to, _restored_version(content, taken_back_to))
        if content.get("idempotency_key") != key:
            continue
        if int(raw["version"]) > taken_back_to:
            return None
        wanted = json.loads(record.to_json())
        for aspect in ("operation", "partitions"):
            if content.get(aspect) != wanted[aspect]:
                raise LakeIdempotencyError(
                    f"idempotency key {key!r} of table {uri} was used in version {raw['version']} with {aspect} "
                    f"{content.get(aspect)}, now with {wanted[aspect]}: use one key per write."
                )
        return commit_of(raw, already_committed=True)
    return Commit(version=not_before, rows=0, files_added=0, files_removed=0, already_committed=True)


def taken_back(table: DeltaTable, first: int) -> list[tuple[int, int]]:
    """Restores of earlier versions since a version: which commit made each, and to which version it went back.

    What was committed in between is no longer in the table, although its idempotency key is still known.
    """
    found = [(int(raw["version"]), _restored_version(_content(raw), -1)) for raw in table.history(_since(table, first))]
    return [(version, restored) for version, restored in found if restored >= 0]


def _since(table: DeltaTable, first: int) -> int:
    return max(1, int(table.version()) - first + 1)


def _restored_version(content: Mapping[str, Any], otherwise: int) -> int:
    """The version that a commit went back to; `otherwise` for any other commit."""
    if content.get("operation") != RESTORE:
        return otherwise
    return int(content["metadata"][RESTORED_VERSION])


def commit_once(
    record: WriteRecord,
    open_for_writing: Callable[[], DeltaTable],
    write: Callable[[DeltaTable, CommitProperties], None],
    policy: RetryPolicy,
    *,
    uri: str,
    rows_before: Callable[[int], int] | None = None,
) -> Commit:
    """Make one write with retries, and describe the commit that it made or that carries its key already.

    Args:
        record: What the commit says about itself.
        open_for_writing: Opens the table afresh at its latest version.
        write: Makes the write with these commit properties; where there is nothing to do it makes no commit.
        policy: How often to try, and how long to wait between.
        uri: Address of the table, for the message.
        rows_before: Rows of a version, to count the new ones from the log: a merge's own metrics are not reliable.

    Raises:
        LakeIdempotencyError: The key belongs to another operation or to other partitions.
        LakeConflictError: Other writers kept winning.
    """

    def attempt() -> Commit:
        table = open_for_writing()
        earlier = earlier_commit(table, record, uri=uri)
        if earlier is not None:
            return earlier
        before = table.version()
        write(table, record.properties(before))
        if table.version() == before:
            return Commit(version=before, rows=0, files_added=0, files_removed=0, already_committed=False)
        commit = commit_of(table.history(1)[0], already_committed=False)
        return commit if rows_before is None else replace(commit, rows=table.count() - rows_before(commit.version - 1))

    return with_retries(attempt, policy, uri=uri, operation=record.operation)


def commit_of(raw: Mapping[str, Any], *, already_committed: bool, rows: int | None = None) -> Commit:
    """Describe a commit from its entry in the log; `rows` overrides the number in the record."""
    metrics = raw.get("operationMetrics") or {}
    return Commit(
        version=int(raw["version"]),
        rows=int(_content(raw).get("rows") or 0) if rows is None else rows,
        files_added=_metric(metrics, "num_added_files", "num_target_files_added"),
        files_removed=_metric(metrics, "num_removed_files", "num_target_files_removed"),
        already_committed=already_committed,
    )


def with_retries(attempt: Callable[[], Result], policy: RetryPolicy, *, uri: str, operation: str) -> Result:
    """Run `attempt` again while other writers win.

    Args:
        attempt: Opens the table afresh and makes the whole write.
        policy: How often, and how long to wait between.
        uri: Address of the table, for the message.
        operation: What is being tried, for the message.

    Returns:
        What the attempt that succeeded returned.

    Raises:
        LakeConflictError: Every attempt lost.
    """
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception_type(CommitFailedError),
        wait=wait_random_exponential(multiplier=policy.first_wait_seconds, max=policy.longest_wait_seconds),
        stop=stop_after_attempt(policy.attempts),
    )
    try:
        return retrying(attempt)
    except RetryError as error:
        cause = error.last_attempt.exception()
        raise LakeConflictError(
            f"{operation} on table {uri} lost against other writers {policy.attempts} times and wrote nothing: {cause} "
            "Find out who else writes these partitions, then run it again with the same idempotency key."
        ) from cause


def _metric(metrics: Mapping[str, Any], *names: str) -> int:
    """The first of `names` that the operation reported; operations call the same thing differently."""
    return next((int(metrics[name]) for name in names if name in metrics), 0)


def _content(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Our record in a log entry; empty for a commit made by someone else."""
    try:
        content = json.loads(raw.get("userMetadata") or "{}")
    except json.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) and isinstance(content.get("metadata"), dict) else {}


def _entry(raw: Mapping[str, Any]) -> HistoryEntry:
    content = _content(raw)
    metadata = content.get("metadata", {})
    days = content.get("partitions")
    return HistoryEntry(
        version=int(raw["version"]),
        committed_at=datetime.fromtimestamp(int(raw["timestamp"]) / 1000, tz=UTC),
        operation=str(content.get("operation") or raw.get("operation") or "unknown"),
        rows=content.get("rows"),
        idempotency_key=content.get("idempotency_key"),
        metadata={str(name): str(value) for name, value in metadata.items()},
        partitions=None if days is None else (date.fromisoformat(days[0]), date.fromisoformat(days[1])),
    )
