"""Quantities become rows: each piece of work once, and nothing of a process twice."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from platform_assets.lake.schemas import USAGE_SCHEMA
from platform_assets.monitoring.cost.usage import (
    OVERHEAD,
    SERVICE,
    PartUsage,
    ProcessReading,
    Quantities,
    RunUsage,
    kind_of_layer,
    parted,
    process_rows,
    run_rows,
    storage_rows,
    usage_frame,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def reading(cpu: float, seconds: float, requests: int | None = None, identity: str = "17@1.0") -> ProcessReading:
    return ProcessReading("3-0", identity, SERVICE, cpu, 500_000_000, seconds, requests=requests)


def test_steps_of_a_run_and_what_is_left_of_its_process_add_up() -> None:
    steps = {"clean/payments": Quantities(2.0, 1.5, 0.3), "features/activity": Quantities(4.0, 3.5, 1.2)}
    rows = run_rows(RunUsage("r1", "fraud", "load", "2026-11-30", NOW, steps, cpu_seconds=9.0))
    assert [row["kind"] for row in rows] == ["data", "features", OVERHEAD]
    assert sum(row["cpu_seconds"] for row in rows) == pytest.approx(9.0)


def test_a_run_whose_process_says_less_than_its_steps_has_no_negative_rest() -> None:
    rows = run_rows(RunUsage("r1", "fraud", "load", "", NOW, {"raw/payments": Quantities(1, 1)}, cpu_seconds=0.5))
    assert [row["cpu_seconds"] for row in rows] == [1]


def test_a_killed_run_counts_by_its_process_alone() -> None:
    (row,) = run_rows(RunUsage("r1", "fraud", "train", "", NOW, {}, cpu_seconds=40.0))
    assert (row["kind"], row["cpu_seconds"]) == (OVERHEAD, 40.0)


def test_parts_of_a_training_and_the_rest_are_the_training() -> None:
    step = Quantities(10.0, 8.0, 5.0, 2.0, 70, 30)
    parts = [PartUsage("boosted/trial 0/fold 0", 2.0, 3.0), PartUsage("boosted/fold 0", 4.0, 4.0)]
    rows = run_rows(RunUsage("r1", "fraud", "train", "", NOW, {"model/scores": step}, parts={"model/scores": parts}))
    assert [row["part"] for row in rows] == ["boosted/trial 0/fold 0", "boosted/fold 0", None]
    assert [row["cpu_seconds"] for row in rows] == pytest.approx([3.0, 4.0, 1.0])
    assert rows[0]["gigabyte_seconds"] == pytest.approx(1.0), (
        "memory is held by the process: by the seconds of the part"
    )
    for name, whole in asdict(step).items():
        assert sum(row[name] for row in rows) == pytest.approx(whole), name
    assert {row["kind"] for row in rows} == {"training"}


def test_parts_that_say_more_than_the_step_are_made_smaller_alike() -> None:
    parts = [PartUsage("a/fold 0", 6.0, 3.0), PartUsage("a/fold 1", 6.0, 9.0)]
    first, second, rest = [used for _, used in parted(Quantities(6.0, 6.0, 3.0), parts)]
    assert (first.cpu_seconds, second.cpu_seconds, rest.cpu_seconds) == pytest.approx((1.5, 4.5, 0.0))
    assert first.gigabyte_seconds + second.gigabyte_seconds == pytest.approx(3.0)


def test_a_process_is_charged_for_what_it_did_since_the_last_look() -> None:
    first = process_rows([reading(10.0, 100.0, 1000)], {}, NOW)
    kept = {row["process"]: row for row in first}
    later = process_rows([reading(16.0, 160.0, 1500)], kept, NOW + timedelta(seconds=60))
    assert first[0]["cpu_seconds"] == 10.0
    assert later[0] | {"at": None} == {
        "at": None,
        "kind": SERVICE,
        "name": "3-0",
        "process": "17@1.0",
        "seconds": 60.0,
        "cpu_seconds": 6.0,
        "gigabyte_seconds": 30.0,
        "requests": 500,
        "reading_cpu_seconds": 16.0,
        "reading_requests": 1500,
    }


def test_a_process_with_the_number_of_another_begins_anew() -> None:
    kept = {row["process"]: row for row in process_rows([reading(10.0, 100.0)], {}, NOW)}
    (row,) = process_rows([reading(2.0, 5.0, identity="17@900.0")], kept, NOW + timedelta(seconds=60))
    assert (row["cpu_seconds"], row["seconds"]) == (2.0, 5.0)


def test_bytes_are_charged_for_the_time_since_they_were_counted_and_at_most_a_week() -> None:
    (row,) = storage_rows({"clean/payments": 2_000_000_000}, NOW - timedelta(hours=3), NOW, 7 * 86_400)
    assert row["gigabyte_hours_stored"] == pytest.approx(6.0)
    (first,) = storage_rows({"clean/payments": 2_000_000_000}, None, NOW, 7 * 86_400)
    assert first["gigabyte_hours_stored"] == 0.0
    (long_ago,) = storage_rows({"clean/payments": 1_000_000_000}, NOW - timedelta(days=90), NOW, 7 * 86_400)
    assert long_ago["gigabyte_hours_stored"] == pytest.approx(168.0)


def test_rows_of_every_kind_fit_the_table() -> None:
    rows = [
        *run_rows(RunUsage("r1", "fraud", "load", "2026-11-30", NOW, {"raw/payments": Quantities(1, 1)})),
        *process_rows([reading(1.0, 2.0, 3)], {}, NOW),
        *storage_rows({"raw/payments": 5}, None, NOW, 1.0),
    ]
    frame = usage_frame(rows)
    assert frame.schema == pl.Schema(USAGE_SCHEMA)
    assert frame["event_day"].unique().to_list() == [NOW.date()]
    assert usage_frame([]).is_empty()


def test_every_layer_has_a_kind() -> None:
    assert kind_of_layer("clean") == "data"
    assert kind_of_layer("model") == "training"
    assert kind_of_layer("monitoring") == "monitoring"
