"""New files of a folder are deliveries: each once, a changed one again, in pieces when it is long."""

import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    SOURCE_POSITION,
    ChangeBatch,
    SchemaMismatch,
    SourceError,
    conform,
    positions,
    read_changes,
    read_source,
)
from platform_assets.connectors.files.stores import Folder, SourceFile
from platform_assets.declaration import Source

HEADER = "ride_id,started_at,price,remark\n"


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Callable[..., Source]:
    """`feed(format="csv", path="in", settle_seconds=0)`: rides in a folder that fills."""

    def make(**changes: Any) -> Source:
        connector = {"kind": "files", "format": "csv", "path": "in", "incremental": True, "settle_seconds": 0}
        return make_source(connector=connector | changes)

    return make


def put(folder: Path, name: str, *rides: int, age_seconds: float = 60) -> Path:
    path = folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(f"{ride},2024-03-01T08:00:00,1.5,\n" for ride in rides))
    changed = time.time() - age_seconds
    os.utime(path, (changed, changed))
    return path


def rides(batch: ChangeBatch) -> list[int]:
    return [] if batch.frame.is_empty() else [int(ride) for ride in batch.frame["ride_id"]]


def everything(source: Source, folder: Path, max_rows: int) -> tuple[list[int], list[int], str]:
    cursor, found, sequences = None, [], []
    for _ in range(100):
        batch = read_changes(source, folder, cursor, max_rows=max_rows)
        found += rides(batch)
        sequences += batch.frame[CHANGE_SEQUENCE].to_list()
        cursor = batch.cursor
        if not batch.more:
            return found, sequences, cursor
    raise AssertionError("never comes to an end")


def test_each_new_file_is_delivered_once(feed: Callable[..., Source], tmp_path: Path) -> None:
    put(tmp_path, "b.csv", 3)
    put(tmp_path, "a.csv", 1, 2)
    first = read_changes(feed(), tmp_path, None, max_rows=100)
    assert first.frame.with_columns(positions(first.frame)).select(
        "ride_id", SOURCE_POSITION, CHANGE_OPERATION
    ).rows() == [
        ("1", "a.csv:2", "upsert"),
        ("2", "a.csv:3", "upsert"),
        ("3", "b.csv:2", "upsert"),
    ]
    assert not first.more
    again = read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    assert (rides(again), again.cursor, again.more) == ([], first.cursor, False)
    put(tmp_path, "c.csv", 4)
    later = read_changes(feed(), tmp_path, again.cursor, max_rows=100)
    assert rides(later) == [4]
    assert later.frame[CHANGE_SEQUENCE].min() > first.frame[CHANGE_SEQUENCE].max()  # type: ignore[operator]
    assert json.loads(later.cursor) | {"delivered": ""} == {
        "files": 3, "deliveries": 3, "last": "c.csv", "row": 0, "begun": "", "delivered": "",
    }  # fmt: skip


def test_the_same_cursor_gives_the_same_rows_again(feed: Callable[..., Source], tmp_path: Path) -> None:
    put(tmp_path, "a.csv", 1, 2)
    first, again = (read_changes(feed(), tmp_path, None, max_rows=100) for _ in range(2))
    assert first.frame.equals(again.frame)
    assert first.cursor == again.cursor


@pytest.mark.parametrize("max_rows", [1, 2, 3, 4, 100])
def test_long_files_come_in_pieces(feed: Callable[..., Source], tmp_path: Path, max_rows: int) -> None:
    put(tmp_path, "a.csv", 1, 2, 3)
    put(tmp_path, "b.csv")
    put(tmp_path, "c.csv", 4)
    put(tmp_path, "d.csv", 5, 6, 7)
    found, sequences, cursor = everything(feed(), tmp_path, max_rows)
    assert found == [1, 2, 3, 4, 5, 6, 7]
    assert sequences == sorted(set(sequences))
    assert everything(feed(), tmp_path, 100) == (found, sequences, cursor), "the pieces do not change what is read"


def test_a_changed_file_is_delivered_again_and_its_rows_are_newer(feed: Callable[..., Source], tmp_path: Path) -> None:
    put(tmp_path, "a.csv", 1)
    put(tmp_path, "b.csv", 2)
    first = read_changes(feed(), tmp_path, None, max_rows=100)
    put(tmp_path, "a.csv", 1, 9, age_seconds=30)
    second = read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    assert rides(second) == [1, 9]
    assert second.frame[CHANGE_SEQUENCE].min() > first.frame[CHANGE_SEQUENCE].max()  # type: ignore[operator]
    assert json.loads(second.cursor)["files"] == 2


def test_a_file_that_changes_half_way_begins_again(feed: Callable[..., Source], tmp_path: Path) -> None:
    put(tmp_path, "a.csv", 1, 2, 3)
    first = read_changes(feed(), tmp_path, None, max_rows=2)
    assert (rides(first), first.more) == ([1, 2], True)
    put(tmp_path, "a.csv", 1, 2, 3, 4, age_seconds=30)
    second = read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    assert rides(second) == [1, 2, 3, 4]
    assert second.frame[CHANGE_SEQUENCE].min() > first.frame[CHANGE_SEQUENCE].max()  # type: ignore[operator]
    (tmp_path / "in" / "a.csv").unlink()
    gone = read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    assert (rides(gone), gone.more) == ([], False)


def test_a_file_removed_and_put_back_is_known(feed: Callable[..., Source], tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", 1)
    content, state = path.read_bytes(), path.stat()
    first = read_changes(feed(), tmp_path, None, max_rows=100)
    path.unlink()
    between = read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    path.write_bytes(content)
    os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))
    assert rides(read_changes(feed(), tmp_path, between.cursor, max_rows=100)) == []


def test_half_written_files_wait(feed: Callable[..., Source], tmp_path: Path) -> None:
    put(tmp_path, "a.csv", 1)
    put(tmp_path, "b.csv", 2, age_seconds=0)
    for name in ("c.csv.tmp", "_c.csv", ".c.csv", "_temporary/c.csv", "c.csv.part"):
        put(tmp_path, name, 3)
    for path in ("in", "in/**/*"):
        source = feed(settle_seconds=20, path=path)
        batch = read_changes(source, tmp_path, None, max_rows=100)
        assert (rides(batch), batch.more) == ([1], False)
    assert rides(read_changes(feed(), tmp_path, batch.cursor, max_rows=100)) == [2]


@pytest.mark.parametrize("incremental", [True, False])
def test_a_file_that_grows_while_it_is_read_is_not_used(
    feed: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, incremental: bool
) -> None:
    path = put(tmp_path, "a.csv", 1)
    honest = Folder.data

    def read_while_it_is_written(store: Folder, file: SourceFile) -> bytes:
        data = honest(store, file)
        with path.open("a") as writer:
            writer.write("2,2024-03-01T08:00:00,1.5,\n")
        return data

    monkeypatch.setattr(Folder, "data", read_while_it_is_written)
    day, by_day = date(2024, 3, 1), feed(incremental=False)
    read = {
        True: lambda: read_changes(feed(), tmp_path, None, max_rows=100),
        False: lambda: read_source(by_day, tmp_path, day, day),
    }
    with pytest.raises(SourceError, match=r"a\.csv changed while it was read: it is still being written"):
        read[incremental]()
    monkeypatch.undo()
    assert rides(read_changes(feed(), tmp_path, None, max_rows=100))[:2] == [1, 2]


def test_the_same_file_under_another_name_brings_the_same_rows_again(
    feed: Callable[..., Source], tmp_path: Path
) -> None:
    put(tmp_path, "a.csv", 1, 2)
    put(tmp_path, "copy-of-a.csv", 1, 2)
    batch = read_changes(feed(), tmp_path, None, max_rows=100)
    assert rides(batch) == [1, 2, 1, 2]
    assert set(batch.frame[CHANGE_OPERATION]) == {"upsert"}
    assert batch.frame[CHANGE_SEQUENCE].n_unique() == 4


def test_a_clock_ahead_does_not_hold_a_file_back(feed: Callable[..., Source], tmp_path: Path) -> None:
    put(tmp_path, "a.csv", 1, age_seconds=-3600)
    assert rides(read_changes(feed(settle_seconds=20), tmp_path, None, max_rows=100)) == [1]


def test_a_changed_header_stops_the_load_and_an_added_column_does_not(
    feed: Callable[..., Source], tmp_path: Path
) -> None:
    put(tmp_path, "a.csv", 1)
    path = put(tmp_path, "b.csv", 2)
    path.write_text(path.read_text().replace("price", "cost"))
    first = read_changes(feed(), tmp_path, None, max_rows=100)
    assert (rides(first), first.more) == ([1], True), "the files before it are delivered"
    with pytest.raises(SchemaMismatch, match=r"'price': expected float64, found no such column in b\.csv"):
        read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    path.write_text(HEADER.replace("\n", ",tip\n") + "2,2024-03-01T08:00:00,1.5,,3\n")
    conformed = conform(read_changes(feed(), tmp_path, None, max_rows=100).frame, feed())
    assert conformed.frame["extra"].to_list() == [None, '{"tip":"3"}']


@pytest.mark.parametrize("content", [b"", HEADER.encode("utf-16")], ids=["empty", "another encoding"])
def test_a_file_that_cannot_be_read_stops_the_feed_before_it(
    feed: Callable[..., Source], tmp_path: Path, content: bytes
) -> None:
    put(tmp_path, "a.csv", 1)
    (tmp_path / "in" / "b.csv").write_bytes(content)
    put(tmp_path, "c.csv", 3)
    first = read_changes(feed(), tmp_path, None, max_rows=100)
    assert (rides(first), first.more) == ([1], True)
    with pytest.raises(SourceError, match=r"b\.csv"):
        read_changes(feed(), tmp_path, first.cursor, max_rows=100)
    put(tmp_path, "b.csv", 2)
    assert rides(read_changes(feed(), tmp_path, first.cursor, max_rows=100)) == [2, 3]


def test_json_lines_and_parquet(feed: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    row = {"ride_id": 1, "started_at": "2024-03-01T08:00:00", "price": 2.5, "remark": None}
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps(row) + "\nnonsense\n")
    pl.DataFrame([row]).with_columns(pl.col("started_at").str.to_datetime()).write_parquet(
        tmp_path / "in" / "a.parquet"
    )
    for file_format, expected in (("jsonl", [1, None]), ("parquet", [1])):
        source = feed(format=file_format)
        assert conform(read_changes(source, tmp_path, None, max_rows=9).frame, source).frame["ride_id"].to_list() == (
            expected
        )


def test_json_lines_without_a_row_do_not_stop_the_feed(feed: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in (("a.jsonl", ""), ("b.jsonl", "nonsense\n")):
        (tmp_path / "in" / name).write_text(text)
    source = feed(format="jsonl")
    conformed = conform(read_changes(source, tmp_path, None, max_rows=9).frame, source)
    assert conformed.frame["uncast"].to_list() == ["*='not a JSON object: nonsense'"]


def test_an_empty_folder_has_nothing_new_and_a_missing_one_is_named(
    feed: Callable[..., Source], tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"'in'.*defs\.yaml"):
        read_changes(feed(), tmp_path, None, max_rows=9)
    (tmp_path / "in").mkdir()
    batch = read_changes(feed(), tmp_path, None, max_rows=9)
    assert (batch.frame.height, batch.more) == (0, False)
    assert conform(batch.frame, feed()).frame.height == 0
    assert read_changes(feed(), tmp_path, batch.cursor, max_rows=9).cursor == batch.cursor


def test_the_wrong_way_of_reading_is_named(
    feed: Callable[..., Source], make_source: Callable[..., Source], tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="is incremental"):
        read_source(feed(), tmp_path)
    with pytest.raises(SourceError, match="not incremental"):
        read_changes(make_source(), tmp_path, None, max_rows=9)
    put(tmp_path, "a.csv", 1)
    with pytest.raises(SourceError, match="cursor kept with its table is not one of files"):
        read_changes(feed(), tmp_path, '{"offsets": {}}', max_rows=9)
