"""The check that reads how many requests were refused because the prediction log took no lines, and the newest line for people."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.written_days import absent_days
from platform_assets.monitoring.prediction_log import LogOutage, newest_line, read_outages
from platform_assets.orchestration.assets.monitoring import _lines_taken
from platform_assets.pipelines.watch import store_predictions
from platform_assets_tests.serving.parking import EVENT, use_case

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
    (tmp_path / "e.jsonl").write_text(line("copy", 7).replace("}", ', "role": "shadow"}') + "\n")
    (tmp_path / "d.jsonl").write_text("damaged\n")
    newest = newest_line(tmp_path)
    assert newest is not None
    assert newest["request_id"] == "five"


def log_lines(case: UseCase, folder: Path, roles: Mapping[str, str | None]) -> None:
    """Lines of the service's log: names of requests with their roles."""
    names = [name for name in prediction_log_schema(case) if name != EVENT_DAY]
    given = EVENT | {
        "scored_at": "2026-03-01T10:00:00Z",
        "score": 0.1,
        "model_version": "1",
        "release": "sha256:0",
        "feature_contract": feature_contract_hash(case),
        "latency_ms": 1.0,
    }
    lines = [dict.fromkeys(names) | given | {"request_id": name, "role": role} for name, role in roles.items()]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_day_without_requests_is_stored_as_such_and_takes_nothing_from_others(tmp_path: Path) -> None:
    case = use_case()
    catalog = Catalog(case, Lake(str(tmp_path / "lake")))
    day = datetime.fromisoformat(EVENT["arrived_at"]).date()
    assert store_predictions(catalog, tmp_path, DayRange(day - ONE_DAY, day - ONE_DAY)).commit.rows == 0
    log_lines(case, tmp_path, {"given": "live"})
    store_predictions(catalog, tmp_path, DayRange(day, day))
    assert store_predictions(catalog, tmp_path, DayRange(day + ONE_DAY, day + ONE_DAY)).commit.rows == 0
    (tmp_path / "a.jsonl").unlink()
    again = store_predictions(catalog, tmp_path, DayRange(day, day))
    assert (again.rows.height, again.commit.rows) == (0, 0)
    assert catalog.predictions.read()["request_id"].to_list() == ["given"]
    assert absent_days(catalog.predictions, day - ONE_DAY, day + 2 * ONE_DAY) == [day + 2 * ONE_DAY], (
        "a window reads them"
    )


def test_answers_in_shadow_are_stored_apart_from_those_that_callers_were_given(tmp_path: Path) -> None:
    case = use_case()
    log_lines(case, tmp_path, {"given": "live", "earlier": None, "copy": "shadow"})
    catalog = Catalog(case, Lake(str(tmp_path / "lake")))
    day = datetime.fromisoformat(EVENT["arrived_at"]).date()
    stored = store_predictions(catalog, tmp_path, DayRange(day, day))
    assert set(stored.rows["request_id"]) == set(catalog.predictions.read()["request_id"]) == {"given", "earlier"}
    assert catalog.shadow_predictions.read()["request_id"].to_list() == ["copy"]
    assert [figures.predictions for figures in stored.by_day] == [2]
