"""Whatever a source calls its columns: every connector finds them and hands them over under their declared names."""

import json
import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.errors import SchemaMismatch, SourceError
from platform_assets.connectors.kafka.topic import Message, change_of
from platform_assets.connectors.reading import read_changes, read_source
from platform_assets.declaration import Source
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 2)
ROWS = [
    {"Order ID": "00001", "Order-Date": "01.03.2026", "hr": 5, "Net Amount (EUR)": 1.5, "extra": "gift", "Größe": "L", "amount": 7},
    {"Order ID": "00002", "Order-Date": "02.03.2026", "hr": 23, "Net Amount (EUR)": 2.5, "extra": None, "Größe": "S", "amount": 8},
]  # fmt: skip
COLUMNS: list[dict[str, Any]] = [
    {"name": "order", "type": "string", "from": "Order ID"},
    {"name": "ordered_at", "type": "datetime", "from": ["Order-Date", "hr"], "format": "%d.%m.%Y %H", "time_zone": "Europe/Berlin"},
    {"name": "hour", "type": "int8", "from": "hr"},
    {"name": "amount", "type": "float64", "from": "Net Amount (EUR)"},
    {"name": "remark", "type": "string", "from": "extra", "nullable": True},
    {"name": "size", "type": "string", "from": "Größe"},
    {"name": "currency", "type": "string", "value": "EUR"},
]  # fmt: skip
VALUES = [("00001", "2026-03-01T04", 5, 1.5, "gift", "L", "EUR"), ("00002", "2026-03-02T22", 23, 2.5, None, "S", "EUR")]


def orders(connector: dict[str, Any], columns: list[dict[str, Any]] | None = None) -> Source:
    described = [{"description": column["name"], **column} for column in columns or COLUMNS]
    fields = {"name": "orders", "description": "orders", "connector": connector, "columns": described}
    return Source.model_validate({**fields, "primary_key": ["order"], "event_time": "ordered_at"})


def values(rows: pl.DataFrame, source: Source) -> list[tuple[Any, ...]]:
    """Declared columns of conformed rows, times to the hour."""
    found = conform(rows, source)
    assert found.extra_columns == ("amount_delivered",)
    assert json.loads(found.frame.sort("order")["extra"][0]) in ({"amount_delivered": 7}, {"amount_delivered": "7"})
    hours = pl.col("ordered_at").dt.to_string("%Y-%m-%dT%H")
    return found.frame.sort("order").select(source.column_names).with_columns(hours).rows()


def csv(folder: Path) -> tuple[Source, Access]:
    pl.DataFrame(ROWS).write_csv(folder / "orders.csv", include_bom=True)
    return orders({"kind": "files", "format": "csv", "path": "orders.csv"}), NO_ACCESS


def parquet(folder: Path) -> tuple[Source, Access]:
    (folder / "landing").mkdir()
    rows = pl.DataFrame(ROWS).with_columns(pl.col("Order-Date"))
    rows.write_parquet(folder / "landing" / "orders.pq")
    return orders({"kind": "files", "format": "parquet", "path": "landing"}), NO_ACCESS


def json_lines(folder: Path) -> tuple[Source, Access]:
    (folder / "orders.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return orders({"kind": "files", "format": "jsonl", "path": "orders.jsonl"}), NO_ACCESS


def database(folder: Path, **more: Any) -> tuple[Source, Access]:
    names = list(ROWS[0])
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute(f"CREATE TABLE orders ({', '.join(f'[{name}]' for name in names)}, [Row Version] integer)")
        marks = ", ".join("?" * (len(names) + 1))
        connection.executemany(
            f"INSERT INTO orders VALUES ({marks})", [(*row.values(), i) for i, row in enumerate(ROWS)]
        )
    access = Access(variables={"SHOP": f"sqlite:///{folder / 'shop.db'}"})
    query = {"query": f"SELECT {', '.join(f'[{name}]' for name in names)} FROM orders"}
    return orders({"kind": "sql", "url": "SHOP", **(more or query)}), access


def delta(folder: Path, **more: Any) -> tuple[Source, Access]:
    write_deltalake(folder / "theirs", pl.DataFrame(ROWS), configuration={"delta.enableChangeDataFeed": "true"})
    return orders({"kind": "delta", "uri": "theirs", **more}), NO_ACCESS


@pytest.mark.parametrize("make", [csv, parquet, json_lines, database, delta])
def test_event_days_under_declared_names(make: Callable[[Path], tuple[Source, Access]], tmp_path: Path) -> None:
    source, access = make(tmp_path)
    assert values(read_source(source, tmp_path, FIRST, LAST, access=access), source) == VALUES
    assert values(read_source(source, tmp_path, FIRST, FIRST, access=access), source) == VALUES[:1]


def test_changes_of_new_files(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_csv(tmp_path / "orders.csv")
    connector = {"kind": "files", "format": "csv", "path": "*.csv", "incremental": True, "settle_seconds": 0}
    source = orders(connector, list(COLUMNS))
    assert values(read_changes(source, tmp_path, None, max_rows=10).frame, source) == VALUES


def test_changes_of_a_database_whose_cursor_has_a_delivered_name(tmp_path: Path) -> None:
    columns = [*COLUMNS, {"name": "row_version", "type": "int64", "from": "Row Version"}]
    source, access = database(tmp_path, table="orders", cursor="Row Version")
    source = orders(source.connector.model_dump(), columns)
    batch = read_changes(source, tmp_path, None, max_rows=1, access=access)
    batches = [batch.frame, read_changes(source, tmp_path, batch.cursor, max_rows=10, access=access).frame]
    found = values(pl.concat(batches), source)
    assert [row[:-1] for row in found] == VALUES
    assert batches[0]["source_position"].to_list() == ["sqlite:orders:00001"]


def test_changes_of_a_delta_table(tmp_path: Path) -> None:
    source, _ = delta(tmp_path, incremental=True)
    batch = read_changes(source, tmp_path, None, max_rows=10)
    assert values(batch.frame, source) == VALUES
    DeltaTable(tmp_path / "theirs").delete("\"Order ID\" = '00001'")
    gone = read_changes(source, tmp_path, batch.cursor, max_rows=10).frame
    assert gone.select("order", "change_operation").rows() == [("00001", "delete")]


def test_a_feed_of_changes(tmp_path: Path) -> None:
    envelopes = [
        {"op": "c", "before": None, "after": row, "source": {"lsn": i + 1}, "ts_ms": 1} for i, row in enumerate(ROWS)
    ]
    envelopes.append({"op": "d", "before": ROWS[0], "after": None, "source": {"lsn": 9}, "ts_ms": 2})
    (tmp_path / "1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in envelopes), encoding="utf-8")
    source = orders({"kind": "change_feed", "path": "*.jsonl", "settle_seconds": 0})
    frame = read_changes(source, tmp_path, None, max_rows=10).frame
    assert values(frame.filter(change_operation="upsert"), source) == VALUES
    assert frame.filter(change_operation="delete")["order"].to_list() == ["00001"]


def test_messages_and_their_keys() -> None:
    connector = KafkaConnector(kind="kafka", topic="orders", brokers="BROKERS")
    source = orders(connector.model_dump())
    change = change_of(Message(0, 1, None, json.dumps(ROWS[0]).encode()), source, connector)
    assert (change.cells["order"], change.cells["remark"]) == ("00001", "gift")
    gone = change_of(Message(0, 2, json.dumps({"Order ID": "00001"}).encode(), None), source, connector)
    assert dict(gone.cells) == {"order": "00001"}


def test_a_name_that_is_not_delivered_is_reported_with_what_is(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).rename({"Order ID": "order id"}).write_csv(tmp_path / "orders.csv")
    source = orders({"kind": "files", "format": "csv", "path": "orders.csv"})
    with pytest.raises(SchemaMismatch, match=r"column 'order': expected string, found no such column 'Order ID'"):
        conform(read_source(source, tmp_path, FIRST, LAST), source)


def test_a_database_without_a_part_of_the_event_time(tmp_path: Path) -> None:
    source, access = database(tmp_path)
    columns = [
        {**column, "from": ["Order-Date", "minute"]} if column["name"] == "ordered_at" else column for column in COLUMNS
    ]
    with pytest.raises(SourceError, match="has no column 'minute'"):
        read_source(orders(source.connector.model_dump(), columns), tmp_path, FIRST, LAST, access=access)


@pytest.mark.parametrize("header", ["Größe", "Gro\u0308ße", " Größe ", "Größe\u00a0"])
def test_accents_and_blanks_of_a_header_do_not_matter(tmp_path: Path, header: str) -> None:
    pl.DataFrame(ROWS).rename({"Größe": header}).write_parquet(tmp_path / "orders.parquet")
    source = orders({"kind": "files", "format": "parquet", "path": "orders.parquet"})
    assert values(read_source(source, tmp_path, FIRST, LAST), source) == VALUES


def test_names_that_differ_in_their_capitals_are_two_columns(tmp_path: Path) -> None:
    pl.DataFrame({"ID": ["a"], "id": ["b"], "Id": ["c"], "at": [datetime(2026, 3, 1)]}).write_parquet(
        tmp_path / "o.parquet"
    )
    columns = [
        {"name": "order", "type": "string", "from": "id"},
        {"name": "id", "type": "string", "from": "ID"},
        {"name": "ordered_at", "type": "datetime", "from": "at"},
    ]
    source = orders({"kind": "files", "format": "parquet", "path": "o.parquet"}, columns)
    found = conform(read_source(source, tmp_path, FIRST, LAST), source)
    assert found.frame.select("order", "id").rows() == [("b", "a")]
    assert found.extra_columns == ("Id",)


def test_two_columns_change_their_names_with_each_other(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("order,remark,ordered_at\nr,o,2026-03-01\n")
    columns = [
        {"name": "order", "type": "string", "from": "remark"},
        {"name": "remark", "type": "string", "from": "order"},
        {"name": "ordered_at", "type": "datetime"},
    ]
    source = orders({"kind": "files", "format": "csv", "path": "o.csv"}, columns)
    assert conform(read_source(source, tmp_path, FIRST, LAST), source).frame.select("order", "remark").rows() == [
        ("o", "r")
    ]
