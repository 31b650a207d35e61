"""Delta tables as other engines write them: values in the log alone, mapped columns, deletion vectors, keys that change."""

import json
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from platform_assets.connectors import CHANGE_OPERATION, SourceError, read_changes, read_source
from platform_assets.declaration import Source

DAY = date(2024, 3, 1)
FEED = {"delta.enableChangeDataFeed": "true"}
Make = Callable[..., Source]


def theirs(make_source: Make, incremental: bool = False, **changes: Any) -> Source:
    return make_source(connector={"kind": "delta", "uri": "theirs", "incremental": incremental}, **changes)


def rides(*keys: int, **columns: Any) -> pl.DataFrame:
    plain = {
        "ride_id": keys,
        "started_at": [datetime(2024, 3, 1, 12, tzinfo=UTC)] * len(keys),
        "price": 1.5,
        "remark": "a",
    }
    return pl.DataFrame({**plain, **columns}, schema_overrides={"ride_id": pl.Int64})


def rewrite(table: Path, change: Callable[[dict[str, Any]], Any], version: int = 0) -> None:
    """Change the actions of a commit."""
    log = table / "_delta_log" / f"{version:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        change(action)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def into_one_folder(table: Path) -> None:
    """Move the files of the first commit out of the folders that tell their partition."""
    names = iter("zyxwvutsrqponm")

    def move(action: dict[str, Any]) -> None:
        if "add" in action:
            name = f"{next(names)}.parquet"
            (table / action["add"]["path"].replace("%25", "%")).rename(table / name)
            action["add"]["path"] = name

    rewrite(table, move)


def whole(source: Source, folder: Path, max_rows: int = 100, between: Callable[[], Any] = lambda: None) -> pl.DataFrame:
    """All that a source has, in pieces."""
    cursor, frames = None, []
    for _ in range(50):
        batch = read_changes(source, folder, cursor, max_rows=max_rows)
        frames.append(batch.frame)
        cursor = batch.cursor
        if not batch.more:
            return pl.concat(frames)
        between()
    raise AssertionError("never comes to an end")


@pytest.mark.parametrize("incremental", [False, True])
def test_values_of_partition_columns_come_from_the_log(make_source: Make, tmp_path: Path, incremental: bool) -> None:
    shops = ["north", "a=b/c %20", None]
    write_deltalake(tmp_path / "theirs", rides(1, 2, 3, remark=shops), partition_by=["remark"], configuration=FEED)
    into_one_folder(tmp_path / "theirs")
    source = theirs(make_source, incremental)
    found = whole(source, tmp_path, 2) if incremental else read_source(source, tmp_path, DAY, DAY)
    assert dict(found.select("ride_id", "remark").rows()) == {1: "north", 2: "a=b/c %20", 3: None}


@pytest.mark.parametrize("dtype", [pl.Date(), pl.Datetime("us", "UTC"), pl.Datetime("us")])
def test_the_event_time_may_be_a_partition_column(make_source: Make, tmp_path: Path, dtype: pl.DataType) -> None:
    rows = pl.concat([rides(1), rides(2, started_at=datetime(2024, 3, 2, 1, tzinfo=UTC))])
    if dtype != rows.schema["started_at"]:
        rows = rows.with_columns(pl.col("started_at").dt.replace_time_zone(None).cast(dtype))
    write_deltalake(tmp_path / "theirs", rows, partition_by=["started_at"], configuration=FEED)
    into_one_folder(tmp_path / "theirs")
    assert read_source(theirs(make_source), tmp_path, DAY, DAY)["ride_id"].to_list() == [1]
    assert sorted(whole(theirs(make_source, incremental=True), tmp_path)["ride_id"]) == [1, 2]


def test_a_key_that_changes_leaves_no_row_behind(make_source: Make, tmp_path: Path) -> None:
    source, folder = theirs(make_source, incremental=True), tmp_path / "theirs"
    write_deltalake(folder, rides(1, 2, 3, price=[1.0, 2.0, 3.0]), configuration=FEED)
    cursor = read_changes(source, tmp_path, None, max_rows=100).cursor
    DeltaTable(folder).update(updates={"ride_id": "5"}, predicate="ride_id = 1")
    batch = read_changes(source, tmp_path, cursor, max_rows=100)
    assert batch.frame.select("ride_id", CHANGE_OPERATION).rows() == [(1, "delete"), (5, "upsert")]
    DeltaTable(folder).update(updates={"ride_id": "ride_id + 1"}, predicate="ride_id in (2, 3)")
    batch = read_changes(source, tmp_path, batch.cursor, max_rows=100)
    assert batch.frame.select("ride_id", CHANGE_OPERATION).rows() == [(2, "delete"), (3, "upsert"), (4, "upsert")]
    DeltaTable(folder).update(updates={"price": "7.0"}, predicate="ride_id = 4")
    batch = read_changes(source, tmp_path, batch.cursor, max_rows=100)
    assert batch.frame.select("ride_id", "price", CHANGE_OPERATION).rows() == [(4, 7.0, "upsert")]


@pytest.mark.parametrize("max_rows", [1, 5, 7])
def test_the_pieces_of_a_snapshot_do_not_depend_on_the_order_of_files(
    make_source: Make, tmp_path: Path, max_rows: int
) -> None:
    folder = tmp_path / "theirs"
    shops = [f"shop-{number % 12}" for number in range(24)]
    write_deltalake(folder, rides(*range(24), remark=shops), partition_by=["remark"], configuration=FEED)
    shuffled = 0

    def checkpoint() -> None:
        nonlocal shuffled
        shuffled += 1
        DeltaTable(folder).create_checkpoint()
        [path] = (folder / "_delta_log").glob("*.checkpoint.parquet")
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=shuffled).write_parquet(path)

    found = whole(theirs(make_source, incremental=True), tmp_path, max_rows, checkpoint)
    assert sorted(found["ride_id"]) == list(range(24))


def test_a_snapshot_that_an_older_release_began_is_read_again(make_source: Make, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "theirs", rides(1, 2, 3), configuration=FEED)
    old = '{"version": 0, "rows": 2, "snapshot": true}'
    batch = read_changes(theirs(make_source, incremental=True), tmp_path, old, max_rows=100)
    assert sorted(batch.frame["ride_id"]) == [1, 2, 3]


def map_columns(table: Path) -> None:
    """Give the columns of a table of `c-1`, `c-2` ... their declared names in the log alone, as column mapping does."""
    names = dict(zip((f"c-{n}" for n in range(4)), ("ride_id", "started_at", "price", "remark"), strict=True))

    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            features = {"readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping", "changeDataFeed"]}
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        if "metaData" in action:
            action["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], start=1):
                field["metadata"] = {
                    "delta.columnMapping.id": number,
                    "delta.columnMapping.physicalName": field["name"],
                }
                field["name"] = names[field["name"]]
            action["metaData"]["schemaString"] = json.dumps(schema)
            action["metaData"]["partitionColumns"] = ["remark"]

    rewrite(table, change)


def test_mapped_columns_are_read_by_day_and_refused_where_changes_cannot_be(make_source: Make, tmp_path: Path) -> None:
    rows = rides(1, 2, remark=["north", "south"]).rename(
        dict(zip(rides().columns, ("c-0", "c-1", "c-2", "c-3"), strict=True))
    )
    write_deltalake(tmp_path / "theirs", rows, partition_by=["c-3"], configuration=FEED)
    map_columns(tmp_path / "theirs")
    found = read_source(theirs(make_source), tmp_path, DAY, DAY)
    assert sorted(found.select("ride_id", "price", "remark").rows()) == [(1, 1.5, "north"), (2, 1.5, "south")]
    with pytest.raises(SourceError, match=r"theirs maps its columns.*connector\.incremental: false"):
        read_changes(theirs(make_source, incremental=True), tmp_path, None, max_rows=9)


_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def deletion_vector(*rows: int) -> dict[str, Any]:
    """An inline deletion vector, as the Delta protocol has it: a 64-bit roaring bitmap in Z85."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    content = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    content += b"\0" * (-len(content) % 4)
    text = ""
    for (word,) in struct.iter_unpack(">I", content):
        text += "".join(_Z85[word // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": 34 + 2 * len(rows) - 2, "cardinality": len(rows)}


def with_vectors(table: Path, *rows: int) -> None:
    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors", "changeDataFeed"]}
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        if "add" in action:
            action["add"]["deletionVector"] = deletion_vector(*rows)

    rewrite(table, change)


def test_rows_in_deletion_vectors_are_gone(make_source: Make, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    write_deltalake(folder, rides(1, 2, 3, 4, 5), configuration=FEED)
    with_vectors(folder, 0, 2)
    assert sorted(read_source(theirs(make_source), tmp_path, DAY, DAY)["ride_id"]) == [2, 4, 5]
    source = theirs(make_source, incremental=True)
    assert whole(source, tmp_path, 2)["ride_id"].to_list() == [2, 4, 5]
    with pytest.raises(SourceError, match="version 0 of the Delta table at theirs sets deletion vectors without"):
        read_changes(source, tmp_path, '{"version": -1, "rows": 0, "snapshot": false}', max_rows=9)


def test_marked_rows_are_deletes(make_source: Make, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    write_deltalake(folder, rides(1, 2).with_columns(gone=pl.Series([None, datetime(2024, 3, 2)])), configuration=FEED)
    source = make_source(connector={"kind": "delta", "uri": "theirs", "incremental": True, "deleted": "gone"})
    found = read_changes(source, tmp_path, None, max_rows=9).frame
    assert dict(found.select("ride_id", CHANGE_OPERATION).rows()) == {1: "upsert", 2: "delete"}


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("damage", ["log", "file", "cut", "feature"])
def test_every_error_names_the_table_and_what_to_do(
    make_source: Make, tmp_path: Path, incremental: bool, damage: str
) -> None:
    folder = tmp_path / "theirs"
    write_deltalake(folder, rides(1, 2), configuration=FEED)
    [file] = folder.glob("*.parquet")
    if damage == "log":
        (folder / "_delta_log" / f"{0:020}.json").write_text('{"commitInfo": {')
    elif damage == "file":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    else:
        protocol = {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["catalogOwned"],
            "writerFeatures": ["catalogOwned"],
        }
        rewrite(folder, lambda action: action.update(protocol=protocol) if "protocol" in action else None)
    advice = {"file": "vacuum", "feature": "DROP FEATURE"}.get(damage, "restore a version|wait until")
    source = theirs(make_source, incremental)
    with pytest.raises(SourceError, match=f"(?s)source 'rides'.*theirs.*({advice})"):
        read_changes(source, tmp_path, None, max_rows=9) if incremental else read_source(source, tmp_path, DAY, DAY)
