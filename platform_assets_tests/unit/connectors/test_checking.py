"""A first look at sources of every kind: what is said about good ones, and about each way of being bad."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from platform_assets.connectors import Access, read_changes
from platform_assets.connectors.checking import SourceState, check_source
from platform_assets.declaration import Source
from platform_assets.testing.servers import Kafka
from platform_assets_tests.unit.connectors.databases import Database, access

DAY = date(2024, 3, 1)
NOW = datetime(2024, 3, 2, 12, tzinfo=UTC)
HEADER = "ride_id,started_at,price,remark\n"
NOTHING = Access()


def look(source: Source, folder: Path, cursor: str | None = None, given: Access = NOTHING) -> SourceState:
    return check_source(source, folder, DAY, cursor, given, NOW)


def rides(*hours: int, header: str = HEADER, end: str = "") -> str:
    return header + "".join(f"{hour},2024-03-01T{hour:02}:00:00,1.5,{end}\n" for hour in hours)


def test_files(make_source: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "rides.csv").write_text(rides(8, 12))
    state = look(make_source(), tmp_path)
    assert (state.is_reachable, state.is_usable, state.columns_found, state.declared_columns) == (True, True, 4, 4)
    assert (state.rows, state.newest_event, state.lag) == ("2", datetime(2024, 3, 1, 12, tzinfo=UTC), timedelta(days=1))
    assert (state.problems, state.notes) == ((), ())


def test_a_file_for_each_day(make_source: Callable[..., Source], tmp_path: Path) -> None:
    for day in ("2024-02-29", "2024-03-01"):
        (tmp_path / f"{day}.csv").write_text(rides(8))
    state = look(make_source(path="{event_day}.csv"), tmp_path)
    assert (state.rows, state.notes) == ("1 in the newest file", ("2 files, the newest is 2024-03-01.csv",))


def test_new_files_since_the_cursor(make_source: Callable[..., Source], tmp_path: Path) -> None:
    connector = {"kind": "files", "format": "csv", "path": "in", "incremental": True, "settle_seconds": 0}
    source = make_source(connector=connector)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(rides(8))
    cursor = read_changes(source, tmp_path, None, max_rows=9).cursor
    (tmp_path / "in" / "b.csv").write_text(rides(9))
    state = look(source, tmp_path, cursor)
    assert state.is_usable
    assert "1 files are new" in state.notes


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no csv file at"),
        (b"", "is empty"),
        (rides(8).encode("utf-16"), "not UTF-8"),
        (rides(8, header=HEADER.replace("price", "cost")).encode(), "'price': expected float64, found no such column"),
        (rides(8).encode() + b'9,"', "A quote is probably not closed"),
    ],
    ids=["missing", "empty", "another encoding", "changed header", "cut off"],
)
def test_files_that_cannot_be_used(
    make_source: Callable[..., Source], tmp_path: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "rides.csv").write_bytes(content)
    state = look(make_source(), tmp_path)
    assert not state.is_usable
    [problem] = state.problems
    assert says in problem


def test_what_is_worth_knowing_and_no_problem(make_source: Callable[..., Source], tmp_path: Path) -> None:
    ahead = "3,2024-03-02T13:00:00,dear,,7\n"
    (tmp_path / "rides.csv").write_text(rides(8, 9, header=HEADER.replace("\n", ",tip\n"), end=",1") + ahead)
    state = look(make_source(), tmp_path)
    assert state.is_usable
    text = " ".join(state.notes)
    for part in ("`extra`: tip", "1 of 3 rows looked at have a cell", "ahead of this clock"):
        assert part in text
    assert state.lag == timedelta(hours=-1)


def test_a_database(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(
        "CREATE TABLE orders (order_id BIGINT, ordered_at TIMESTAMP, amount FLOAT, version BIGINT);"
        "INSERT INTO orders VALUES (1, '2024-03-01 12:00:00', 1.5, 1), (2, '2024-02-01 12:00:00', 1.5, 2);"
    )
    for connector in ({}, {"cursor": "version"}):
        state = look(make_orders(**connector), Path(), given=access(database))
        assert (state.problems, state.rows, state.lag) == ((), "2", timedelta(days=1))
    database.execute("INSERT INTO orders VALUES (3, NULL, 1.5, NULL);")
    [problem] = look(make_orders(), Path(), given=access(database)).problems
    assert "1 rows have no ordered_at" in problem
    [problem] = look(make_orders(cursor="version"), Path(), given=access(database)).problems
    assert "without a value in 'version'" in problem
    database.execute("DELETE FROM orders;")
    state = look(make_orders(), Path(), given=access(database))
    assert (state.is_usable, state.columns_found, state.notes) == (
        True,
        None,
        ("no row yet: columns could not be compared",),
    )


def test_a_database_without_its_variable(make_orders: Callable[..., Source]) -> None:
    state = look(make_orders(), Path())
    assert (state.is_reachable, state.is_usable) == (False, False)
    assert "SHOP_DATABASE" in state.problems[0]


@pytest.mark.parametrize("incremental", [False, True])
def test_a_delta_table(make_source: Callable[..., Source], tmp_path: Path, incremental: bool) -> None:
    rows = pl.DataFrame(
        {
            "ride_id": [1, 2],
            "started_at": [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (12, 8)],
            "price": [1.5] * 2,
        },
    ).with_columns(pl.lit(None, dtype=pl.String).alias("remark"))
    write_deltalake(tmp_path / "theirs", rows, configuration={"delta.enableChangeDataFeed": "true"})
    source = make_source(connector={"kind": "delta", "uri": "theirs", "incremental": incremental})
    state = look(source, tmp_path)
    assert (state.problems, state.rows, state.lag, state.notes) == ((), "2", timedelta(days=1), ("version 0",))
    assert not look(make_source(connector={"kind": "delta", "uri": "mine"}), tmp_path).is_usable
    write_deltalake(
        tmp_path / "theirs",
        rows.head(1).with_columns(started_at=pl.lit(None, dtype=pl.Datetime("us", "UTC"))),
        mode="append",
    )
    assert "1 rows have no started_at" in look(source, tmp_path).problems[0]


def envelope(key: int) -> dict[str, Any]:
    row = {"ride_id": key, "started_at": "2024-03-01T12:00:00Z", "price": 1.5, "remark": None}
    return {"op": "c", "after": row, "source": {"lsn": key}}


def test_a_change_feed(make_source: Callable[..., Source], tmp_path: Path) -> None:
    source = make_source(connector={"kind": "change_feed", "path": "in"})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps(envelope(1)))
    state = look(source, tmp_path)
    assert (state.problems, state.rows, state.lag) == ((), "1 changes in the newest file", timedelta(days=1))


def test_topics(make_source: Callable[..., Source], kafka_cluster: Kafka) -> None:
    given = Access(variables={"BROKERS": kafka_cluster.brokers})
    for key in range(5):
        kafka_cluster.produce("checked-feed", json.dumps(envelope(key)), partition=key % 2)
        kafka_cluster.produce("checked-rows", json.dumps(envelope(key)["after"]), partition=key % 2)
    for kind, topic in (("change_feed", "checked-feed"), ("kafka", "checked-rows")):
        source = make_source(connector={"kind": kind, "topic": topic, "brokers": "BROKERS"})
        state = look(source, Path(), given=given)
        assert (state.problems, state.rows, state.lag) == ((), "5 messages", timedelta(days=1))
        assert state.notes == ("5 messages are new",)
        cursor = read_changes(source, Path(), None, max_rows=3, access=given).cursor
        assert "2 messages are new" in look(source, Path(), cursor, given).notes


def test_simulated_sources(make_simulated: Callable[..., Source]) -> None:
    state = check_source(make_simulated(), Path(), date(2018, 4, 2), None, NOTHING, NOW)
    assert state.is_usable
    assert state.rows.endswith("on 2018-04-02")
    assert check_source(make_simulated("customers"), Path(), DAY, None, NOTHING, NOW).rows == "30"
