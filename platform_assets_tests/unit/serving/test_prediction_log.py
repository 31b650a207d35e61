"""Every prediction is one whole line, whatever happens in between."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.hash_chain import CHAIN
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.tasks.base import Answer
from platform_assets_tests.serving.parking import EVENT, make_model, release_info, use_case
from serving.online import without_store
from serving.prediction_log import LogUnavailable, PredictionLog
from serving.scoring import Prediction, Scorer

DIGEST = "sha256:" + "ab" * 32


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.fixture
def record(tmp_path: Path) -> dict[str, Any]:
    predictor = make_model(tmp_path / "model", kind="constant")
    scorer = Scorer(use_case(), release_info(predictor), DIGEST, predictor, without_store(use_case(), {}))
    event = EVENT | {"arrived_at": datetime(2024, 3, 31, 10, tzinfo=UTC)}
    moment = datetime(2024, 3, 31, 10, 0, 1, 250_000, tzinfo=UTC)
    return scorer.log_record(
        Prediction("r-1", event, np.array([12.5, 1.0, np.nan]), ("lot",), Answer(0.25, "open", {}), moment, 1.5)
    )


def test_a_line_has_the_columns_of_the_log_and_monitoring_reads_it(tmp_path: Path, record: dict[str, Any]) -> None:
    log = PredictionLog(tmp_path / "log", DIGEST, 2**20)
    log.append(record)
    assert [*lines(tmp_path / "log")[0], EVENT_DAY] == [*list(prediction_log_schema(use_case()))[:-1], CHAIN, EVENT_DAY]
    read = read_segments(tmp_path / "log", use_case())
    assert read.frame.height == 1
    row = read.frame.row(0, named=True)
    assert row["arrived_at"] == datetime(2024, 3, 31, 10, tzinfo=UTC)
    assert row["feature__lot_speed_7d"] is None
    assert row["unknown_entities"] == "lot"
    assert row["release"] == DIGEST


@pytest.mark.parametrize("year", [1, 999, 1970, 9999])
def test_every_year_is_written_as_it_is_read(tmp_path: Path, record: dict[str, Any], year: int) -> None:
    moment = datetime(year, 1, 1, 12, 30, tzinfo=UTC)
    PredictionLog(tmp_path, DIGEST, 2**20).append(record | {"arrived_at": moment})
    read = read_segments(tmp_path, use_case())
    assert read.bad_lines == ()
    assert read.frame["arrived_at"].to_list() == [moment]


def test_a_line_is_there_as_soon_as_append_returns(tmp_path: Path, record: dict[str, Any]) -> None:
    log = PredictionLog(tmp_path, DIGEST, 2**20)
    for expected in (1, 2, 3):
        log.append(record)
        assert len(lines(tmp_path)) == expected


def test_a_full_segment_is_followed_by_another(tmp_path: Path, record: dict[str, Any]) -> None:
    log = PredictionLog(tmp_path, DIGEST, segment_bytes=4096)
    for number in range(40):
        log.append(record | {"request_id": f"r-{number}"})
    segments = sorted(tmp_path.glob("*.jsonl"))
    assert len(segments) > 2
    assert all(path.stat().st_size <= 4096 for path in segments)
    assert all("abababababab" in path.name for path in segments)
    assert [line["request_id"] for line in lines(tmp_path)] == [f"r-{number}" for number in range(40)]


def test_a_torn_write_is_cut_off_and_repeated_in_a_new_segment(
    tmp_path: Path, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PredictionLog(tmp_path / "log", DIGEST, 2**20)
    log.append(record)
    write, failures = os.write, [True]

    def disk_full_once(descriptor: int, data: bytes) -> int:
        if failures:
            failures.clear()
            write(descriptor, data[:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", disk_full_once)
    log.append(record | {"request_id": "r-2"})
    read = read_segments(tmp_path / "log", use_case())
    assert sorted(read.frame["request_id"]) == ["r-1", "r-2"]
    assert read.torn_lines == 0
    assert read.segments_read == 2


def test_a_number_that_is_not_finite_is_an_error_not_a_broken_line(tmp_path: Path, record: dict[str, Any]) -> None:
    log = PredictionLog(tmp_path, DIGEST, 2**20)
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.append(record | {"score": float("nan")})
    assert lines(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_error_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        PredictionLog(tmp_path / "file" / "log", DIGEST, 2**20)


def test_every_line_is_in_the_copy_before_append_returns(tmp_path: Path, record: dict[str, Any]) -> None:
    log = PredictionLog(tmp_path / "log", DIGEST, 4096, tmp_path / "copy")
    for number in range(20):
        log.append(record | {"request_id": f"r-{number}"})
        assert lines(tmp_path / "copy") == lines(tmp_path / "log")
    first, second = (sorted(path.name for path in (tmp_path / name).glob("*.jsonl")) for name in ("log", "copy"))
    assert first == second
    log.close()


def test_a_prediction_that_the_copy_does_not_take_is_refused(
    tmp_path: Path, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PredictionLog(tmp_path / "log", DIGEST, 2**20, tmp_path / "copy")
    log.append(record)
    write = os.write

    def full_copy(descriptor: int, data: bytes) -> int:
        if "/copy/" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_copy)
        with pytest.raises(LogUnavailable, match="No space left"):
            log.append(record | {"request_id": "r-2"})
    log.append(record | {"request_id": "r-3"})
    for folder in ("log", "copy"):
        assert [line["request_id"] for line in lines(tmp_path / folder)] == ["r-1", "r-3"]
