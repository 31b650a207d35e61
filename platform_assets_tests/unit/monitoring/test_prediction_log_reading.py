"""Reading the service's segments: no line is dropped silently."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.prediction_log import days_touched, read_segments
from serving.prediction_log import PredictionLog

MakeLog = Callable[..., pl.DataFrame]


def records(log: pl.DataFrame) -> list[dict[str, Any]]:
    return log.drop("event_day").to_dicts()


def line(record: dict[str, Any], **changes: Any) -> str:
    return json.dumps(record | changes, default=lambda value: value.isoformat()) + "\n"


def test_what_the_service_writes_is_read_back_exactly(tmp_path: Path, use_case: UseCase, make_log: MakeLog) -> None:
    log = make_log(
        [0.1, 0.2, 0.9], days=3, unknown_entities=["", "carrier", "carrier,route"], carrier=["van", None, "bike"]
    )
    for part in (log[:2], log[2:]):
        writer = PredictionLog(tmp_path, "sha256:ab", segment_bytes=10_000)
        for record in records(part):
            writer.append(record)
        writer.close()
    read = read_segments(tmp_path, use_case)
    assert read.frame.equals(log)
    assert read.frame.schema == prediction_log_schema(use_case)
    assert (read.lines_read, read.torn_lines, read.duplicate_lines, read.bad_lines) == (3, 0, 0, ())
    assert read.segments_read == 2
    assert days_touched(read.frame) == (date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 3))


def test_a_folder_without_segments_gives_an_empty_log_in_the_right_schema(tmp_path: Path, use_case: UseCase) -> None:
    read = read_segments(tmp_path / "not_yet", use_case)
    assert read.frame.is_empty()
    assert read.frame.schema == prediction_log_schema(use_case)
    assert days_touched(read.frame) == ()


def test_a_line_still_being_written_is_left_for_the_next_read(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    first, second = (line(record) for record in records(make_log([0.1, 0.2])))
    segment = tmp_path / "a.jsonl"
    segment.write_text(first + second[:40])
    read = read_segments(tmp_path, use_case)
    assert (read.frame.height, read.lines_read, read.torn_lines, read.bad_lines) == (1, 1, 1, ())
    segment.write_text(first + second)
    assert read_segments(tmp_path, use_case).frame.height == 2


def test_a_request_counts_once_however_often_it_is_logged(tmp_path: Path, use_case: UseCase, make_log: MakeLog) -> None:
    record = records(make_log([0.1]))[0]
    (tmp_path / "a.jsonl").write_text(line(record) * 2)
    (tmp_path / "b.jsonl").write_text(line(record, score=0.7))
    read = read_segments(tmp_path, use_case)
    assert read.frame["score"].to_list() == [0.1]
    assert (read.lines_read, read.duplicate_lines) == (3, 2)


def test_lines_and_tables_from_before_traces_have_none(tmp_path: Path, use_case: UseCase, make_log: MakeLog) -> None:
    log = make_log([0.1, 0.2], trace_id=[None, "f" * 32])
    old, new = records(log)
    (tmp_path / "a.jsonl").write_text(
        line({name: value for name, value in old.items() if name != "trace_id"}) + line(new)
    )
    read = read_segments(tmp_path, use_case)
    assert read.bad_lines == ()
    assert read.frame["trace_id"].to_list() == [None, "f" * 32]
    table = Catalog(use_case, Lake(str(tmp_path / "lake"))).predictions
    before = replace(table, schema={name: dtype for name, dtype in table.schema.items() if name != "trace_id"})
    day = log["event_day"][0]
    before.write_partitions(read.frame[:1].drop("trace_id"), day, day)
    table.merge_rows(read.frame, ["request_id"], when_matched="keep", partitions=(day, day))
    assert table.read(day, day).sort("request_id")["trace_id"].to_list() == [None, "f" * 32]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"{not json}\n", "not valid JSON"),
        (b"[1, 2]\n", "expected an object, found list"),
        (b'{"score": "\xff"}\n', "not valid JSON"),
        ({"score": None}, "score is null"),
        ({"score": "0.4"}, "score is '0.4': a number is expected"),
        ({"score": True}, "a number is expected"),
        ({"shipment_id": 1.5}, "shipment_id is '1.5': an integer is expected"),
        ({"shipment_id": 2**40}, "outside -2147483648 to 2147483647"),
        ({"shipped_at": "2024-03-01T10:00:00"}, "a time with an offset is expected"),
        ({"shipped_at": "yesterday"}, "shipped_at is 'yesterday'"),
        ({"shipped_at": 1709287200}, "a string is expected"),
        ({"request_id": 7}, "request_id is '7'"),
        ({"model_version": None}, "model_version is null"),
        ({"surprise": 1}, "has the unknown field surprise"),
        ({"feature__colour": 1.0}, "has the unknown field feature__colour"),
        ("feature__weight", "lacks feature__weight"),
        ("score", "lacks score"),
    ],
)
def test_a_bad_line_is_reported_with_file_line_and_reason(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog, broken: Any, reason: str
) -> None:
    good, other = records(make_log([0.1, 0.2]))
    if isinstance(broken, str):
        text = line({name: value for name, value in other.items() if name != broken}).encode()
    else:
        text = line(other, **broken).encode() if isinstance(broken, dict) else broken
    (tmp_path / "a.jsonl").write_bytes(line(good).encode() + b"\n" + text)
    read = read_segments(tmp_path, use_case)
    assert read.frame.height == 1
    (bad,) = read.bad_lines
    assert bad.place == f"{tmp_path / 'a.jsonl'}:3"
    assert reason in bad.reason
    assert str(bad).startswith(bad.place)


def test_years_that_earlier_services_wrote_without_zeros_are_read(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    """One such line kept the check of the log red for ever."""
    early = line(records(make_log([0.1]))[0], shipped_at="1-01-01T00:00:00.000000Z")
    (tmp_path / "a.jsonl").write_text(early)
    read = read_segments(tmp_path, use_case)
    assert read.bad_lines == ()
    assert read.frame["shipped_at"].to_list() == [datetime(1, 1, 1, tzinfo=UTC)]


def test_lines_of_services_that_knew_no_callers_id_are_read(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    record = records(make_log([0.1]))[0]
    del record["caller_request_id"], record["role"]
    (tmp_path / "a.jsonl").write_text(line(record))
    read = read_segments(tmp_path, use_case)
    assert (read.bad_lines, read.frame["caller_request_id"].to_list()) == ((), [None])


def test_predictions_of_another_feature_contract_keep_their_score(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    record = records(make_log([0.1]))[0] | {"feature_contract": "0123456789abcdef", "feature__colour": 3.0}
    del record["feature__weight"]
    (tmp_path / "a.jsonl").write_text(line(record))
    read = read_segments(tmp_path, use_case)
    assert read.frame.select("score", "feature__weight", "feature__is_heavy").row(0) == (0.1, None, 0.0)
    assert (read.other_contract_lines, read.bad_lines) == (1, ())


def test_times_with_another_offset_are_turned_to_utc_before_the_day_is_taken(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    moment = datetime(2024, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    (tmp_path / "a.jsonl").write_text(line(records(make_log([0.1]))[0], shipped_at=moment))
    frame = read_segments(tmp_path, use_case).frame
    assert frame["shipped_at"].to_list() == [datetime(2024, 3, 1, 23, 0, tzinfo=UTC)]
    assert frame["event_day"].to_list() == [date(2024, 3, 1)]


def test_segments_untouched_since_a_moment_can_be_left_out(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    for name, record in zip("ab", records(make_log([0.1, 0.2])), strict=True):
        (tmp_path / f"{name}.jsonl").write_text(line(record))
    cut = datetime(2024, 5, 1, tzinfo=UTC)
    os.utime(tmp_path / "a.jsonl", (cut.timestamp() - 1, cut.timestamp() - 1))
    os.utime(tmp_path / "b.jsonl", (cut.timestamp(), cut.timestamp()))
    read = read_segments(tmp_path, use_case, modified_since=cut)
    assert read.frame["request_id"].to_list() == ["r000001"]
    assert (read.segments_read, read.segments_skipped) == (1, 1)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["good", "bad", "again", "blank"]), max_size=12), st.integers(1, 4), st.booleans())
def test_every_line_is_a_row_a_duplicate_or_a_bad_line(
    tmp_path_factory: pytest.TempPathFactory, use_case: UseCase, kinds: list[str], segments: int, torn: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    prediction = {"score": 0.5, "decision": "ship", "model_version": "1", "release": "r", "latency_ms": 1.0}
    good = prediction | {"feature_contract": "another", "unknown_entities": "", "scored_at": "2024-03-01T00:00:00Z"}
    good |= {"shipment_id": 1, "shipped_at": "2024-03-01T00:00:00Z", "carrier": None, "weight": 1}
    texts = {"bad": "{}\n", "blank": " \n", "again": line(good, request_id="again")}
    for segment in range(segments):
        lines = [
            texts.get(kind, line(good, request_id=f"{segment}-{i}"))
            for i, kind in enumerate(kinds)
            if i % segments == segment
        ]
        (folder / f"{segment}.jsonl").write_text("".join(lines) + ("{" if torn else ""))
    read = read_segments(folder, use_case)
    assert read.lines_read == sum(kind != "blank" for kind in kinds)
    assert read.frame.height == kinds.count("good") + min(kinds.count("again"), 1)
    assert read.lines_read == read.frame.height + read.duplicate_lines + len(read.bad_lines)
    assert read.torn_lines == (segments if torn else 0)
    assert read_segments(folder, use_case).frame.equals(read.frame)


def test_lines_of_services_that_know_no_fallback_yet_are_read(
    tmp_path: Path, use_case: UseCase, make_log: MakeLog
) -> None:
    (record,) = records(make_log([0.5]))
    del record["fallback"]
    (tmp_path / "old.jsonl").write_text(line(record))
    read = read_segments(tmp_path, use_case)
    assert (read.bad_lines, read.frame["fallback"].to_list()) == ((), [None])
