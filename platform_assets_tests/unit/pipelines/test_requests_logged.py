"""The check that reads how many requests were refused because the prediction log took no lines, and the newest line for people."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from platform_assets.monitoring.prediction_log import LogOutage, newest_line, read_outages
from platform_assets.orchestration.assets.monitoring import _lines_taken

MOMENT = datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_it_is_red_with_count_and_reason_and_green_without() -> None:
    outages = [
        LogOutage(MOMENT, MOMENT, 165, (date(2026, 3, 1),), "No space left on device"),
        LogOutage(MOMENT, MOMENT, 2, (date(2026, 3, 1),), "Read-only file system"),
    ]
    verdict = _lines_taken(outages)
    assert not verdict.passed
    assert verdict.metadata["refused_requests"].value == 167
    assert "No space left on device" in str(verdict.metadata["outages"].value)
    assert _lines_taken([]).passed


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "20260301T100000.000000Z-7.refused.json").write_text('{"since": ')
    with pytest.raises(ValueError, match=r"-7\.refused\.json is no report of refused requests"):
        read_outages(tmp_path)


def test_the_newest_line_is_found_across_segments_and_a_torn_end_is_left_out(tmp_path: Path) -> None:
    def line(name: str, second: int) -> str:
        return json.dumps({"request_id": name, "scored_at": f"2026-03-01T10:00:{second:02}.000000Z"})

    assert newest_line(tmp_path) is None
    (tmp_path / "a.jsonl").write_text(line("one", 1) + "\n" + line("five", 5) + "\n" + line("torn", 9)[:30])
    (tmp_path / "b.jsonl").write_text(line("three", 3) + "\n")
    (tmp_path / "c.jsonl").write_text("")
    (tmp_path / "d.jsonl").write_text("damaged\n")
    newest = newest_line(tmp_path)
    assert newest is not None
    assert newest["request_id"] == "five"
