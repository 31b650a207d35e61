"""Exactly once: retries after a crash, writers at the same time, and what a commit remembers."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from platform_assets.lake import storage
from platform_assets.lake.commits import Commit
from platform_assets.lake.errors import LakeConflictError, LakeIdempotencyError
from platform_assets.lake.table import LakeTable

Day = Callable[[int], date]
Payments = Callable[..., pl.DataFrame]


class Crash(Exception):
    """Stands for the process going away."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`crash("before")` or `crash("after")`: the next write dies before or after its commit."""
    real: dict[str, Callable[..., None]] = {"write": storage.write, "merge": storage.merge}

    def arm(moment: str) -> None:
        def dying(name: str) -> Callable[..., None]:
            def call(*args: Any, **named: Any) -> None:
                monkeypatch.setattr(storage, name, real[name])
                if moment == "after":
                    real[name](*args, **named)
                raise Crash

            return call

        for name in real:
            monkeypatch.setattr(storage, name, dying(name))

    return arm


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", ["append", "write_partitions", "merge_rows"])
def test_a_retry_after_a_crash_neither_loses_nor_doubles(
    table: LakeTable, day: Day, payments: Payments, crash: Callable[[str], None], moment: str, operation: str
) -> None:
    def load() -> Commit:
        rows = payments(0, [1, 2, 3])
        if operation == "append":
            return table.append(rows, idempotency_key="load-7")
        if operation == "merge_rows":
            return table.merge_rows(rows, ["transaction_id"], idempotency_key="load-7")
        return table.write_partitions(rows, day(0), day(0), idempotency_key="load-7")

    table.append(payments(1, [9]))
    crash(moment)
    with pytest.raises(Crash):
        load()
    retried = load()
    assert retried.already_committed == (moment == "after")
    assert (retried.version, retried.rows) == (2, 3)
    assert load() == Commit(2, 3, retried.files_added, retried.files_removed, already_committed=True)
    assert table.count_by_partition() == {day(0): 3, day(1): 1}
    assert table.version() == 2


def test_the_key_is_found_behind_checkpoints_and_other_commits(ledger: LakeTable) -> None:
    first = ledger.append(pl.DataFrame({"entry": [0], "who": ["a"]}), idempotency_key="entry-0")
    for entry in range(1, 45):
        ledger.append(pl.DataFrame({"entry": [entry], "who": ["a"]}))
    again = ledger.append(pl.DataFrame({"entry": [0], "who": ["a"]}), idempotency_key="entry-0")
    assert again.already_committed
    assert again.version == first.version == 1
    assert ledger.row_count() == 45


def test_a_key_stands_for_one_write_only(table: LakeTable, day: Day, payments: Payments) -> None:
    table.write_partitions(payments(0, [1]), day(0), day(0), idempotency_key="k")
    with pytest.raises(LakeIdempotencyError, match=r"'k' .* version 1 .*partitions"):
        table.write_partitions(payments(1, [1]), day(1), day(1), idempotency_key="k")
    with pytest.raises(LakeIdempotencyError, match="operation write_partitions, now with append"):
        table.append(payments(0, [1]), idempotency_key="k")


def test_a_commit_remembers_what_it_was_told(table: LakeTable, day: Day, payments: Payments) -> None:
    begun = datetime.now(UTC)
    told = {"code_version": "3f2a", "quote": '"it\'s"', "seed": "7"}
    table.write_partitions(payments(0, [1, 2]), day(0), day(0), idempotency_key="k", metadata=told)
    table.append(payments(1, [3]))
    newest, told_one, created = table.history(None)
    assert [entry.version for entry in (newest, told_one, created)] == [2, 1, 0]
    assert (told_one.operation, told_one.rows, told_one.idempotency_key) == ("write_partitions", 2, "k")
    assert told_one.metadata == told
    assert abs((told_one.committed_at - begun).total_seconds()) < 60
    assert (newest.operation, newest.metadata, created.rows) == ("append", {}, None)
    assert table.history(1) == [newest]


@pytest.mark.parametrize("user_metadata", ["plain words", "[1]", '{"metadata": 3}'])
def test_commits_of_other_engines_show_in_the_history(ledger: LakeTable, user_metadata: str) -> None:
    ledger.append(pl.DataFrame({"entry": [1], "who": ["a"]}))
    theirs = CommitProperties(custom_metadata={"userMetadata": user_metadata})
    rows = pl.DataFrame({"entry": [2], "who": ["b"]})
    write_deltalake(DeltaTable(ledger.uri), rows, mode="append", commit_properties=theirs)
    newest = ledger.history(1)[0]
    assert (newest.version, newest.operation, newest.rows, newest.metadata) == (2, "WRITE", None, {})


@pytest.mark.parametrize("operation", ["write_partitions", "append", "merge_rows"])
def test_writers_of_different_days_all_succeed(table: LakeTable, day: Day, payments: Payments, operation: str) -> None:
    """Four threads, three days each; the table does not exist when they begin."""

    def load(writer: int) -> list[tuple[str, Commit]]:
        made = []
        for number in range(writer, 12, 4):
            rows, key = payments(number, [number * 10, number * 10 + 1]), f"day-{number}"
            if operation == "append":
                commit = table.append(rows, idempotency_key=key)
            elif operation == "merge_rows":
                commit = table.merge_rows(rows, ["transaction_id"], when_matched="keep", idempotency_key=key)
            else:
                commit = table.write_partitions(rows, day(number), day(number), idempotency_key=key)
            made.append((key, commit))
        return made

    with ThreadPoolExecutor(4) as threads:
        commits = dict(pair for made in threads.map(load, range(4)) for pair in made)
    assert table.count_by_partition() == {day(number): 2 for number in range(12)}
    assert sorted(table.read()["transaction_id"]) == [number * 10 + i for number in range(12) for i in (0, 1)]
    written = {entry.idempotency_key: entry.version for entry in table.history(None) if entry.idempotency_key}
    assert {key: commit.version for key, commit in commits.items()} == written
    assert {commit.rows for commit in commits.values()} == {2}


def test_writers_of_the_same_day_take_turns(table: LakeTable, day: Day, payments: Payments) -> None:
    table.append(payments(0, [0]))

    def load(writer: int) -> int:
        return table.write_partitions(payments(0, [writer] * (writer + 1)), day(0), day(0)).version

    with ThreadPoolExecutor(4) as threads:
        versions = list(threads.map(load, range(4)))
    assert sorted(versions) == [2, 3, 4, 5]
    winner = versions.index(5)
    assert table.read()["transaction_id"].to_list() == [winner] * (winner + 1)


def test_one_key_from_many_writers_is_committed_once(ledger: LakeTable, table: LakeTable, payments: Payments) -> None:
    def load(_: int) -> Commit:
        return table.append(payments(0, [1, 2]), idempotency_key="same")

    with ThreadPoolExecutor(4) as threads:
        commits = list(threads.map(load, range(8)))
    assert sorted(commit.already_committed for commit in commits) == [False] + [True] * 7
    assert {commit.version for commit in commits} == {1}
    assert table.row_count() == 2


def test_processes_writing_at_once_all_succeed(ledger: LakeTable) -> None:
    script = (
        "import sys, polars as pl\n"
        "from platform_assets.lake.table import LakeTable\n"
        "uri, writer = sys.argv[1], int(sys.argv[2])\n"
        "ledger = LakeTable(uri, {'entry': pl.Int64(), 'who': pl.String()})\n"
        "for entry in range(5):\n"
        "    rows = pl.DataFrame({'entry': [writer * 100 + entry], 'who': [str(writer)]})\n"
        "    ledger.append(rows, idempotency_key=f'{writer}-{entry}')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, ledger.uri, str(number)]) for number in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0, 0]
    assert sorted(ledger.read()["entry"]) == [writer * 100 + entry for writer in range(4) for entry in range(5)]


def test_conflicts_are_tried_again_and_then_named(ledger: LakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    real, lost = storage.write, []

    def losing(*args: Any, **named: Any) -> None:
        lost.append(1)
        if len(lost) <= losses:
            raise CommitFailedError("a concurrent transaction added new data")
        real(*args, **named)

    monkeypatch.setattr(storage, "write", losing)
    rows = pl.DataFrame({"entry": [1], "who": ["a"]})
    losses = 2
    assert ledger.append(rows).version == 1
    lost.clear()
    losses = 99
    with pytest.raises(LakeConflictError, match=r"append on table .*ledger lost .* 3 times .*concurrent transaction"):
        ledger.append(rows)
    assert len(lost) == 3
    assert ledger.row_count() == 1
