"""Delta tables of others: by event day, and commit by commit."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from platform_assets.connectors import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELIVERED_DAY,
    SOURCE_POSITION,
    SourceError,
    conform,
    read_changes,
    read_source,
)
from platform_assets.declaration import Source

DAY = date(2024, 3, 1)


def rides(*keys: int, day: int = 1, price: float = 1.5) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ride_id": keys,
            "started_at": [datetime(2024, 3, day, 12, tzinfo=UTC)] * len(keys),
            "price": [price] * len(keys),
            "remark": [None] * len(keys),
        },
        schema_overrides={"ride_id": pl.Int64, "remark": pl.String},
    )


def delta(make_source: Callable[..., Source], incremental: bool = False, **changes: Any) -> Source:
    return make_source(connector={"kind": "delta", "uri": "theirs", "incremental": incremental}, **changes)


def merge(folder: Path, rows: pl.DataFrame) -> None:
    merger = DeltaTable(folder).merge(rows, "s.ride_id = t.ride_id", source_alias="s", target_alias="t")
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


@pytest.mark.parametrize("zone", ["UTC", None])
def test_event_days(make_source: Callable[..., Source], tmp_path: Path, zone: str | None) -> None:
    rows = pl.concat([rides(1), rides(2, day=2), rides(3, day=3)])
    if zone is None:
        rows = rows.with_columns(pl.col("started_at").dt.replace_time_zone(None))
    write_deltalake(tmp_path / "theirs", rows)
    source = delta(make_source)
    found = read_source(source, tmp_path, DAY, date(2024, 3, 2))
    assert found.select("ride_id", SOURCE_POSITION, DELIVERED_DAY).rows() == [
        (1, "delta:rides@0:1", DAY),
        (2, "delta:rides@0:2", date(2024, 3, 2)),
    ]
    assert conform(found, source).frame["price"].to_list() == [1.5, 1.5]
    assert read_source(delta(make_source, event_time=None), tmp_path).height == 3


FEED = {"delta.enableChangeDataFeed": "true"}


@pytest.mark.parametrize("max_rows", [1, 2, 100])
def test_every_commit_is_followed(make_source: Callable[..., Source], tmp_path: Path, max_rows: int) -> None:
    folder, source = tmp_path / "theirs", delta(make_source, incremental=True)
    table: dict[int, tuple[int, float | None]] = {}

    def follow(cursor: str | None) -> str:
        for _ in range(50):
            batch = read_changes(source, tmp_path, cursor, max_rows=max_rows)
            assert batch.frame.height <= max_rows
            for key, price, operation, sequence in (
                conform(batch.frame, source).frame.select("ride_id", "price", CHANGE_OPERATION, CHANGE_SEQUENCE).rows()
            ):
                assert sequence > table.get(key, (-1, None))[0]
                table[key] = (sequence, price if operation == "upsert" else None)
            cursor = batch.cursor
            if not batch.more:
                return cursor
        raise AssertionError("never comes to an end")

    write_deltalake(folder, rides(1, 2, 3), configuration=FEED)
    cursor = follow(None)
    assert follow(cursor) == cursor
    merge(folder, rides(2, 4, price=9))
    DeltaTable(folder).delete("ride_id = 3")
    DeltaTable(folder).optimize.compact()
    write_deltalake(folder, rides(5).with_columns(tip=pl.lit(1.0)), mode="append", schema_mode="merge")
    cursor = follow(cursor)
    assert {key: price for key, (_, price) in table.items()} == {1: 1.5, 2: 9.0, 3: None, 4: 9.0, 5: 1.5}
    write_deltalake(folder, rides(2, price=7), mode="overwrite", schema_mode="overwrite")
    follow(cursor)
    assert {key: price for key, (_, price) in table.items()} == {1: None, 2: 7.0, 3: None, 4: None, 5: None}


def test_errors_say_what_to_do(make_source: Callable[..., Source], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no folder .*theirs.*connector\.uri"):
        read_source(delta(make_source), tmp_path, DAY, DAY)
    (tmp_path / "theirs").mkdir()
    with pytest.raises(SourceError, match="no Delta table at theirs"):
        read_source(delta(make_source), tmp_path, DAY, DAY)
    write_deltalake(tmp_path / "theirs", rides(1))
    source, later = delta(make_source, incremental=True), '{"version": 5, "rows": 0, "snapshot": false}'
    with pytest.raises(SourceError, match="made anew"):
        read_changes(source, tmp_path, later, max_rows=9)
    with pytest.raises(SourceError, match=r"keeps no change data feed.*delta\.enableChangeDataFeed"):
        read_changes(source, tmp_path, None, max_rows=9)
    for file in (tmp_path / "theirs").glob("*.parquet"):
        file.unlink()
    with pytest.raises(SourceError, match=r"cannot be read.*vacuum"):
        read_source(delta(make_source), tmp_path, DAY, DAY)
