"""Upkeep in an object store, with the protocol of S3."""

from collections.abc import Callable, Iterator
from datetime import date

import polars as pl
import pytest

from platform_assets.lake.errors import LakeDamaged, LakeVersionMissing
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.lake import Lake
from platform_assets.lake.maintenance import maintain, stored_tables
from platform_assets.lake.table import LakeTable
from platform_assets.lake.verification import known_tables, verify_table
from platform_assets.testing.servers import S3, s3


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3() as started:
        started.bucket("lake")
        yield started


def test_upkeep_in_an_object_store(
    server: S3, day: Callable[[int], date], payments: Callable[..., pl.DataFrame], table: LakeTable
) -> None:
    remote = LakeTable("s3://lake/card_fraud/raw/transactions", table.schema, "event_day", server.options)
    for number in range(3):
        remote.append(payments(0, [number]))
    for amount in (1.0, 2.0):
        remote.write_partitions(payments(1, [9], amount), day(1), day(1))
    pinned = remote.read(version=2)
    assert stored_tables("s3://lake", "card_fraud", server.options) == ["raw/transactions"]
    assert stored_tables("s3://lake", "another", server.options) == []
    done = maintain(
        remote.uri, server.options, cluster_by=["transaction_id"], keep_versions=[2], keep_days=0, dry_run=False
    )
    assert (done.files_before, done.files_after, done.compacted_partitions) == (4, 2, 1)
    assert done.stored_files_before - done.stored_files_after == done.removed_files - 1  # one file was written
    assert sorted(remote.read(version=2)["transaction_id"]) == sorted(pinned["transaction_id"])
    assert remote.read()["transaction_id"].to_list() == [0, 1, 2, 9]
    with pytest.raises(LakeVersionMissing, match="at version 4 are gone"):
        remote.read(version=4)


def test_a_lost_version_is_noticed_in_an_object_store(server: S3) -> None:
    """What is known lies in the store, for every machine that shares it."""
    rows = pl.DataFrame({"id": [1, 2], "event_day": [date(2024, 1, 1)] * 2})
    lake = Lake("s3://lake/shared", server.options)
    table = lake.table("shop", "clean", "sales", dict(rows.schema))
    for number in range(3):
        day = date(2024, 1, 1 + number)
        table.write_partitions(rows.with_columns(event_day=day), day, day)
    assert table.known is not None
    assert verify_table(table.uri, table.known, server.options).wrong is None
    assert known_tables(lake.root, "shop", server.options) == ["clean/sales"]
    assert stored_tables(lake.root, "shop", server.options) == ["clean/sales"]
    StoredFolder(table.uri, server.options).remove(f"_delta_log/{3:020d}.json")
    another_machine = Lake("s3://lake/shared", server.options).table("shop", "clean", "sales", dict(rows.schema))
    with pytest.raises(LakeDamaged, match="at version 2, but version 3 with 6 rows was written"):
        another_machine.read()
    assert f"{3:020d}.json is gone" in str(verify_table(table.uri, table.known, server.options).wrong)
