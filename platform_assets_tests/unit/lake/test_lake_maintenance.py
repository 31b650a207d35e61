"""What upkeep leaves readable, what it takes away, and that it stands beside writers."""

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.maintenance import Upkeep, maintain, stored_tables
from platform_assets.lake.table import LakeTable

Day = Callable[[int], date]
Payments = Callable[..., pl.DataFrame]


def keep(table: LakeTable, *versions: int, days: int = 0, dry_run: bool = False) -> Upkeep:
    return maintain(
        table.uri,
        None,
        cluster_by=["transaction_id", "no_such_column"],
        keep_versions=versions,
        keep_days=days,
        dry_run=dry_run,
    )


def test_kept_versions_read_back_identical_and_others_are_refused_in_words(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    for number in range(24):  # past the checkpoint after 20 commits
        table.write_partitions(payments(number % 3, [number, 99, 3]), day(number % 3), day(number % 3))
    pinned = {version: table.read(version=version) for version in (2, 7, 21)}
    current = table.read()
    done = keep(table, *pinned)
    for version, rows in pinned.items():
        assert table.read(version=version).equals(rows)
    assert table.read().equals(current)
    for version in (5, 12, 20):
        with pytest.raises(LakeVersionMissing, match=r"nothing pinned it\..*retention\.holds"):
            table.read(version=version)
    assert done.removed_files == done.stored_files_before - done.stored_files_after > 0
    assert done.stored_bytes_after < done.stored_bytes_before
    assert (done.files_before, done.files_after) == (3, 3)


def test_versions_replaced_within_the_days_stay(table: LakeTable, day: Day, payments: Payments) -> None:
    for amount in (1.0, 2.0, 3.0):
        table.write_partitions(payments(0, [1], amount), day(0), day(0))
    assert keep(table, days=1).removed_files == 0
    assert [table.read(version=version)["amount"].item() for version in (1, 2, 3)] == [1.0, 2.0, 3.0]


def made_older(table: LakeTable, version: int, days: int) -> None:
    """Let a commit be of so many days ago, and the data files that are there be as old."""
    seconds = int(time.time()) - days * 86_400
    log = Path(table.uri, "_delta_log", f"{version:020}.json")
    log.write_text(re.sub(r'("(?:deletionTimestamp|timestamp)"):\d+', rf"\1:{seconds * 1000}", log.read_text()))
    for path in Path(table.uri).glob("event_day=*/*.parquet"):
        os.utime(path, (min(seconds, path.stat().st_mtime), min(seconds, path.stat().st_mtime)))


@pytest.mark.parametrize(("days_ago", "is_there"), [(10, True), (40, False)])
def test_a_checkpoint_that_forgets_removed_files_changes_nothing(
    table: LakeTable, day: Day, payments: Payments, days_ago: int, is_there: bool
) -> None:
    table.write_partitions(payments(0, [1], 1.0), day(0), day(0))
    made_older(table, 0, 100)
    made_older(table, 1, 100)
    table.write_partitions(payments(0, [1], 2.0), day(0), day(0))
    made_older(table, 2, days_ago)
    DeltaTable(table.uri).create_checkpoint()  # forgets what was taken out more than a week ago
    table.write_partitions(payments(0, [1], 3.0), day(0), day(0))
    keep(table, days=30)
    assert table.read(version=2)["amount"].item() == 2.0
    if is_there:
        assert table.read(version=1)["amount"].item() == 1.0
    else:
        with pytest.raises(LakeVersionMissing):
            table.read(version=1)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(table: LakeTable, day: Day, payments: Payments) -> None:
    for number in range(3):
        table.append(payments(0, [number]))
    table.write_partitions(payments(1, [7]), day(1), day(1))
    table.write_partitions(payments(1, [8]), day(1), day(1))
    version = table.version()
    told = keep(table, dry_run=True)
    assert (told.compacted_partitions, told.removed_files) == (1, 1)
    assert table.version() == version
    assert table.read(version=4)["transaction_id"].to_list().count(7) == 1


def test_a_day_of_many_writes_becomes_one_clustered_file_and_other_days_keep_their_order(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    table.write_partitions(payments(0, [5, 1, 3]), day(0), day(0))
    for ids in ([8, 2], [9, 1], [4, 7]):
        table.append(payments(1, ids))
    done = keep(table)
    assert (done.files_before, done.files_after, done.compacted_partitions) == (4, 2, 1)
    assert table.read()["transaction_id"].to_list() == [5, 1, 3, 1, 2, 4, 7, 8, 9]
    assert keep(table).compacted_partitions == 0
    assert table.history(1)[0].operation == "vacuum"


def test_a_ledger_is_compacted_once_it_has_many_files(ledger: LakeTable) -> None:
    for entry in range(9):
        ledger.append(pl.DataFrame({"entry": [entry], "who": ["a"]}), idempotency_key=f"entry {entry}")
    done = maintain(ledger.uri, None, cluster_by=[], keep_versions=[], keep_days=0, dry_run=False)
    assert (done.files_before, done.files_after) == (9, 1)
    assert sorted(ledger.read()["entry"]) == list(range(9))
    assert ledger.append(pl.DataFrame({"entry": [4], "who": ["a"]}), idempotency_key="entry 4").already_committed


def test_files_of_a_write_that_goes_on_are_left_alone(table: LakeTable, day: Day, payments: Payments) -> None:
    table.write_partitions(payments(0, [1]), day(0), day(0))
    folder = Path(table.uri, f"event_day={day(0)}")
    young, old = folder / "part-young.parquet", folder / "part-old.parquet"
    for path in (young, old):
        path.write_bytes(b"not committed")
    a_week_ago = time.time() - 7 * 86_400
    os.utime(old, (a_week_ago, a_week_ago))
    assert keep(table).removed_files == 1
    assert (young.exists(), old.exists()) == (True, False)


def test_upkeep_and_loads_at_the_same_time_lose_nothing(table: LakeTable, day: Day, payments: Payments) -> None:
    for number in range(4):
        table.append(payments(number, [0]))

    def load(worker: int) -> None:
        for number in range(1, 5):
            table.append(payments(worker, [10 * number]))

    def upkeep(_: int) -> None:
        for _ in range(4):
            keep(table, days=1)

    with ThreadPoolExecutor(5) as pool:
        for future in [*(pool.submit(load, worker) for worker in range(4)), pool.submit(upkeep, 0)]:
            future.result()
    assert table.count_by_partition() == {day(number): 5 for number in range(4)}


def test_tables_that_are_there_are_found(
    tmp_path: Path, table: LakeTable, ledger: LakeTable, payments: Payments
) -> None:
    table.append(payments(0, [1]))
    (tmp_path / "card_fraud" / "raw" / "no_table").mkdir()
    assert stored_tables(str(tmp_path), "card_fraud", None) == ["raw/transactions"]
    assert stored_tables(str(tmp_path), "another", None) == []
