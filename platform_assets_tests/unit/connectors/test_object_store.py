"""Files in an object store: found and read as those on disk are."""

import gzip
import itertools
from collections.abc import Callable
from datetime import date, datetime
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from platform_assets.connectors import (
    SOURCE_POSITION,
    Access,
    SourceError,
    conform,
    positions,
    read_changes,
    read_source,
)
from platform_assets.connectors.files import stores
from platform_assets.connectors.files.stores import ObjectStore
from platform_assets.declaration import Source
from platform_assets.testing.servers import S3

ANYWHERE = Path()
DAY = date(2024, 3, 1)
HEADER = "ride_id,started_at,price,remark\n"
BUCKETS = (f"bucket-{number}" for number in itertools.count())


@pytest.fixture
def bucket(s3_server: S3) -> str:
    """A fresh bucket."""
    name = next(BUCKETS)
    s3_server.bucket(name)
    return name


@pytest.fixture
def given(s3_server: S3) -> Access:
    return Access(object_store=s3_server.options)


def lines(*rides: int) -> str:
    return HEADER + "".join(f"{ride},2024-03-01T08:00:00,1.5,\n" for ride in rides)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("in/a.csv", ["a.csv:2"]),
        ("in", ["a.csv:2", "b.csv.gz:2", "deep/c.csv:2"]),
        ("in/*.csv", ["a.csv:2"]),
        ("in/**/*.csv*", ["a.csv:2", "b.csv.gz:2", "deep/c.csv:2"]),
        ("in/[ab].csv*", ["a.csv:2", "b.csv.gz:2"]),
        ("*/deep/?.csv", ["in/deep/c.csv:2"]),
    ],
)
def test_files_are_found_as_on_disk(
    make_source: Callable[..., Source], s3_server: S3, bucket: str, given: Access, path: str, expected: list[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    files: dict[str, bytes] = {
        "in/a.csv": lines(1).encode(),
        "in/b.csv.gz": gzip.compress(lines(2).encode()),
        "in/deep/c.csv": lines(3).encode(),
        "in/_temporary/d.csv": lines(4).encode(),
        "in/e.csv.tmp": lines(5).encode(),
        "other/f.txt": b"",
    }
    for name, data in files.items():
        s3_server.put(bucket, name, data)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = read_source(make_source(path=f"s3://{bucket}/{path}"), ANYWHERE, DAY, DAY, access=given)
    assert positions(found).to_list() == expected
    assert read_source(make_source(path=path), tmp_path, DAY, DAY).equals(found)


def test_a_file_for_each_day_and_parquet(
    make_source: Callable[..., Source], s3_server: S3, bucket: str, given: Access
) -> None:
    data = BytesIO()
    row = {"ride_id": 1, "started_at": datetime(2024, 3, 1, 8), "price": 1.5, "remark": "x"}
    pl.DataFrame([row]).write_parquet(data)
    s3_server.put(bucket, "rides/day=2024-03-01/part.parquet", data.getvalue())
    source = make_source(format="parquet", path=f"s3://{bucket}/rides/day={{event_day}}")
    found = read_source(source, ANYWHERE, DAY, date(2024, 3, 2), access=given)
    assert found.with_columns(positions(found)).select("ride_id", SOURCE_POSITION).rows() == [
        (1, "day=2024-03-01/part.parquet:1")
    ]
    s3_server.put(bucket, "rides/day=2024-03-02/part.parquet", data.getvalue()[:-20])
    with pytest.raises(SourceError, match=r"day=2024-03-02/part.parquet cannot be read as parquet"):
        read_source(source, ANYWHERE, DAY, date(2024, 3, 2), access=given)


def test_new_objects_are_deliveries(
    make_source: Callable[..., Source], s3_server: S3, bucket: str, given: Access
) -> None:
    connector = {"kind": "files", "format": "csv", "path": f"s3://{bucket}/in", "incremental": True}
    source = make_source(connector=connector)
    empty = read_changes(source, ANYWHERE, None, max_rows=10, access=given)
    assert (empty.frame.height, empty.more) == (0, False)
    s3_server.put(bucket, "in/a.csv", lines(1, 2))
    first = read_changes(source, ANYWHERE, empty.cursor, max_rows=10, access=given)
    assert conform(first.frame, source).frame["ride_id"].to_list() == [1, 2]
    s3_server.put(bucket, "in/b.csv", lines(3))
    s3_server.put(bucket, "in/a.csv", lines(1, 2, 4))
    second = read_changes(source, ANYWHERE, first.cursor, max_rows=10, access=given)
    assert second.frame["ride_id"].to_list() == ["1", "2", "4", "3"]
    assert read_changes(source, ANYWHERE, second.cursor, max_rows=10, access=given).cursor == second.cursor


def test_a_delta_table(make_source: Callable[..., Source], s3_server: S3, bucket: str, given: Access) -> None:
    row = {"ride_id": 1, "started_at": datetime(2024, 3, 1, 8), "price": 1.5, "remark": "x"}
    uri, options = f"s3://{bucket}/theirs", s3_server.options
    write_deltalake(
        uri, pl.DataFrame([row]), storage_options=options, configuration={"delta.enableChangeDataFeed": "true"}
    )
    by_day = make_source(connector={"kind": "delta", "uri": uri})
    assert read_source(by_day, ANYWHERE, DAY, DAY, access=given)["ride_id"].to_list() == [1]
    source = make_source(connector={"kind": "delta", "uri": uri, "incremental": True})
    first = read_changes(source, ANYWHERE, None, max_rows=10, access=given)
    write_deltalake(uri, pl.DataFrame([{**row, "ride_id": 2}]), mode="append", storage_options=options)
    assert read_changes(source, ANYWHERE, first.cursor, max_rows=10, access=given).frame["ride_id"].to_list() == [2]
    with pytest.raises(SourceError, match=r"no Delta table at|cannot be read"):
        read_source(make_source(connector={"kind": "delta", "uri": uri + "x"}), ANYWHERE, DAY, DAY, access=given)


def test_what_is_missing_is_named(
    make_source: Callable[..., Source], s3_server: S3, bucket: str, given: Access
) -> None:
    s3_server.put(bucket, "out/a.csv", lines(1))
    with pytest.raises(
        SourceError, match=rf"no csv file at 's3://{bucket}/in/\*\.csv'.*Below s3://{bucket}/in there is"
    ):
        read_source(make_source(path=f"s3://{bucket}/in/*.csv"), ANYWHERE, DAY, DAY, access=given)
    source = make_source(path="s3://no-such-bucket/in")
    with pytest.raises(SourceError, match="no-such-bucket"):
        read_source(source, ANYWHERE, DAY, DAY, access=given)
    connector = {"kind": "files", "format": "csv", "path": "s3://no-such-bucket/in", "incremental": True}
    source = make_source(connector=connector)
    with pytest.raises(SourceError, match="no-such-bucket"):
        read_changes(source, ANYWHERE, None, max_rows=10, access=given)


def test_a_store_that_cannot_be_reached(
    make_source: Callable[..., Source], s3_server: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    options = {**s3_server.options, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(SourceError, match=r"cannot be listed.*PLATFORM_ASSETS_OBJECT_STORE"):
        read_source(make_source(path="s3://bucket/in"), ANYWHERE, DAY, DAY, access=Access(object_store=options))


def test_keys_are_not_shown(s3_server: S3, bucket: str, given: Access) -> None:
    assert "test" not in repr(given)
    place = ObjectStore(f"s3://{bucket}/in", (".csv",), given.object_store, "here")
    assert place.find(f"s3://{bucket}/in") == []
