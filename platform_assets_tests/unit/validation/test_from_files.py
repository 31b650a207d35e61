"""From a file to a verdict: a bad cell costs its row and nothing else."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors import conform, read_source
from platform_assets.declaration import Source
from platform_assets.validation.audit import Audit, audit

DAY = date(2024, 3, 1)


def judge(folder: Path, content: str, format_: str = "csv") -> Audit:
    (folder / f"rentals.{format_}").write_text(content)
    declared: dict[str, Any] = {
        "name": "rentals",
        "description": "One hour.",
        "connector": {"kind": "files", "format": format_, "path": f"rentals.{format_}"},
        "primary_key": ["hour"],
        "event_time": "hour",
        "quality": {"max_refused_ratio": 0.5},
        "columns": [
            {"name": "hour", "type": "datetime", "description": "Hour"},
            {"name": "rentals", "type": "int32", "description": "Rentals", "minimum": 0},
            {"name": "weather", "type": "string", "description": "Weather", "allowed": ["dry", "wet"]},
        ],
    }
    source = Source.model_validate(declared)
    return audit(conform(read_source(source, folder, DAY, DAY), source).frame, source, [DAY], {}, {})


def test_bad_cells_of_a_csv_file_send_their_rows_to_quarantine(tmp_path: Path) -> None:
    content = """hour,rentals,weather
2024-03-01T00:00,5,dry
2024-03-01T01:00,five,dry
2024-03-01T02:00,-1,dry
2024-03-01T03:00,7,damp
2024-03-01T04:00,7,wet,extra
2024-03-01T05:00,8,wet
2024-03-01T05:00,8,wet
last night,8,wet
2024-03-01T06:00,,wet
2024-03-01T07:00,9.0,wet
2024-03-01T08:00,9,wet
2024-03-01T09:00,9,wet
2024-03-01T10:00,9,wet
2024-03-01T11:00,9,wet
"""
    result = judge(tmp_path, content)
    found = result.quarantine.select("source_position", "rule", "column", "value").rows()
    assert found == [
        ("rentals.csv:3", "type", "rentals", "five"),
        ("rentals.csv:4", "minimum", "rentals", "-1"),
        ("rentals.csv:5", "allowed", "weather", "damp"),
        ("rentals.csv:6", "type", "*", "4 cells instead of 3: 2024-03-01T04:00,7,wet,extra"),
        ("rentals.csv:8", "unique", "hour", "2024-03-01 05:00:00.000000+00:00"),
        ("rentals.csv:9", "type", "hour", "last night"),
        ("rentals.csv:10", "not_null", "rentals", None),
    ]
    assert result.accepted.height == 7
    assert result.delivered_rows == {DAY: 14}
    assert result.passed


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_numbers_that_are_none_in_json(tmp_path: Path, number: str) -> None:
    good = '{"hour": "2024-03-01T0%d:00:00Z", "rentals": 5, "weather": "dry"}\n'
    result = judge(tmp_path, good % 0 + good % 1 + (good % 2).replace("5", number), "jsonl")
    assert result.quarantine.select("rule", "column", "value").rows() == [("type", "rentals", number)]
    assert result.accepted.height == 2
