"""Old segments of the prediction log become small, and no line of theirs is lost or read twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.log_segments import PLAIN_DAYS, compress_segments, segment_paths
from platform_assets.monitoring.prediction_log import newest_line, read_segments
from platform_assets.pipelines.parsed_segments import ParsedSegments
from serving.prediction_log import PredictionLog

MakeLog = Callable[..., pl.DataFrame]
NOW = time.time()


@pytest.fixture
def log(make_log: MakeLog) -> pl.DataFrame:
    return make_log([number / 300 for number in range(300)], days=2)


def records(log: pl.DataFrame) -> list[dict[str, Any]]:
    return log.drop("event_day").to_dicts()


def written(folder: Path, log: pl.DataFrame) -> PredictionLog:
    writer = PredictionLog(folder, "sha256:ab", segment_bytes=2**20)
    for record in records(log):
        writer.append(record)
    return writer


def age(folder: Path, days: float) -> None:
    for path in segment_paths(folder):
        os.utime(path, (NOW - days * 86400, NOW - days * 86400))


def test_an_old_segment_is_a_fraction_of_its_size_and_reads_the_same(
    tmp_path: Path, use_case: UseCase, log: pl.DataFrame
) -> None:
    written(tmp_path, log).close()
    before, newest, [plain] = read_segments(tmp_path, use_case).frame, newest_line(tmp_path), segment_paths(tmp_path)
    size, schema = plain.stat().st_size, {"request_id": pl.String(), "score": pl.Float64()}
    rows = pl.concat(ParsedSegments(schema).rows(plain))
    assert compress_segments(tmp_path, NOW) == 0, "it was written to today"
    age(tmp_path, PLAIN_DAYS + 1)
    stamp = plain.stat().st_mtime
    assert compress_segments(tmp_path, NOW) == 1
    [packed] = segment_paths(tmp_path)
    assert packed.stat().st_size < size / 5
    assert packed.stat().st_mtime == stamp
    assert read_segments(tmp_path, use_case).frame.equals(before)
    assert newest_line(tmp_path) == newest
    for _ in range(2):
        assert pl.concat(ParsedSegments(schema, tmp_path / "pieces").rows(packed)).equals(rows)
    assert read_segments(tmp_path, use_case, datetime.fromtimestamp(NOW, UTC)).segments_skipped == 1
    assert compress_segments(tmp_path, NOW) == 0
    assert not list(tmp_path.glob("*.sealed"))


def test_a_service_that_still_has_it_open_goes_on_in_another_one(
    tmp_path: Path, use_case: UseCase, log: pl.DataFrame
) -> None:
    writer = written(tmp_path, log[:200])
    age(tmp_path, PLAIN_DAYS + 1)
    compress_segments(tmp_path, NOW)
    for record in records(log[200:]):
        writer.append(record)
    writer.close()
    assert len(segment_paths(tmp_path)) == 2
    read = read_segments(tmp_path, use_case)
    assert (read.frame.height, read.duplicate_lines, read.bad_lines) == (300, 0, ())


def test_a_line_that_came_while_it_gave_way_is_found_the_next_time(
    tmp_path: Path, use_case: UseCase, log: pl.DataFrame
) -> None:
    written(tmp_path, log).close()
    [plain] = segment_paths(tmp_path)
    *text, last = plain.read_bytes().splitlines(keepends=True)
    plain.write_bytes(b"".join(text))
    age(tmp_path, PLAIN_DAYS + 1)
    with plain.open("ab", buffering=0) as still_open:
        compress_segments(tmp_path, NOW)
        still_open.write(last)
    assert read_segments(tmp_path, use_case).frame.height == 299
    compress_segments(tmp_path, NOW)
    assert read_segments(tmp_path, use_case).frame.height == 300
    assert [path.name for path in tmp_path.iterdir()] == [f"{plain.name}.gz"]


def test_what_was_broken_off_is_done_again_and_counts_once(
    tmp_path: Path, use_case: UseCase, log: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, log).close()
    age(tmp_path, PLAIN_DAYS + 1)

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            compress_segments(tmp_path, NOW)
    assert len(list(tmp_path.iterdir())) == 2
    read = read_segments(tmp_path, use_case)
    assert (read.frame.height, read.duplicate_lines) == (300, 0)
    assert compress_segments(tmp_path, NOW) == 1
    assert read_segments(tmp_path, use_case).frame.height == 300
