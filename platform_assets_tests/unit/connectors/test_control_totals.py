"""Control totals: what each kind of source says, and its way through a commit's metadata."""

import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ControlTotals
from platform_assets.connectors.control_totals import control_totals, totals_from, totals_metadata
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration import Source

DAY = date(2024, 3, 1)


def source(connector: dict[str, Any], **reconciliation: Any) -> Source:
    column = {"description": "."}
    return Source.model_validate(
        {
            "name": "rides",
            "description": "One ride.",
            "connector": connector,
            "primary_key": ["ride"],
            "event_time": "started_at",
            "quality": {"reconciliation": reconciliation},
            "columns": [
                {"name": "ride", "type": "int64", **column},
                {"name": "started_at", "type": "datetime", **column},
                {"name": "price", "type": "float64", **column},
            ],
        }
    )


FILES = {"kind": "files", "format": "csv", "path": "rides-{event_day}.csv"}


def test_a_control_file_of_each_day(tmp_path: Path) -> None:
    (tmp_path / "2024-03-01.json").write_text(json.dumps({"rows": 3, "sums": {"price": 4.5}}))
    found = control_totals(source(FILES, control_file="{event_day}.json"), tmp_path, DAY, date(2024, 3, 2))
    assert found == {DAY: ControlTotals(3, {"price": 4.5})}


def test_one_control_file_for_many_days(tmp_path: Path) -> None:
    (tmp_path / "totals.csv").write_text("event_day,rows,price\n2024-02-29,9,1\n2024-03-01,3,4.5\n")
    found = control_totals(source(FILES, control_file="totals.csv"), tmp_path, DAY, DAY)
    assert found == {DAY: ControlTotals(3, {"price": 4.5})}


@pytest.mark.parametrize("content", ["{", "[1]", '{"rows": "many"}'])
def test_a_control_file_that_cannot_be_read_stops_the_load(tmp_path: Path, content: str) -> None:
    (tmp_path / "totals.json").write_text(content)
    with pytest.raises(SourceError, match="cannot be read"):
        control_totals(source(FILES, control_file="totals.json"), tmp_path, DAY, DAY)


def test_a_declared_control_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="control_file"):
        control_totals(source(FILES, control_file="{event_day}.json"), tmp_path, DAY, DAY)
    assert control_totals(source(FILES), tmp_path, DAY, DAY) == {}


def test_a_database_counts_and_adds_up(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db.sqlite") as connection:
        connection.execute("create table rides (ride integer, started_at timestamp, price real)")
    connector = {"kind": "sql", "url": "RIDES_URL", "table": "rides"}
    access = Access(variables={"RIDES_URL": f"sqlite:///{tmp_path / 'db.sqlite'}"})
    assert control_totals(source(connector), tmp_path, DAY, DAY, access=access) == {DAY: ControlTotals(0)}
    summed = source(connector, sums=["price"])
    assert control_totals(summed, tmp_path, DAY, DAY, access=access) == {DAY: ControlTotals(0, {"price": 0.0})}
    assert control_totals(source(connector, enabled=False), tmp_path, DAY, DAY, access=access) == {}


def test_totals_travel_in_commits_and_the_newest_count() -> None:
    old = totals_metadata({DAY: ControlTotals(1, {"price": 1.0}), date(2024, 3, 2): ControlTotals(2)})
    new = totals_metadata({DAY: ControlTotals(3, {"price": 4.5})})
    found = totals_from([new, {}, old], [DAY, date(2024, 3, 2), date(2024, 3, 3)])
    assert found == {DAY: ControlTotals(3, {"price": 4.5}), date(2024, 3, 2): ControlTotals(2)}
    assert totals_metadata({}) == {}
    assert totals_from([totals_metadata({None: ControlTotals(7)})], [None]) == {None: ControlTotals(7)}
