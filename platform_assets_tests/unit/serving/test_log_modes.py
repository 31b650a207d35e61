"""`serving.log`: what stands in the log when a request is answered, and what a log that takes no lines does to either mode."""

import threading
from pathlib import Path

import pytest

from platform_assets.monitoring.prediction_log import read_outages
from platform_assets_tests.serving.parking import EVENT
from platform_assets_tests.unit.serving.test_app import SCORE, Served
from platform_assets_tests.unit.serving.test_log_outages import full_disk
from serving import runtime
from serving.background import Background


def lines(served: Served) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (served.folder / "log").glob("*.jsonl"))


def after_answer(folder: Path, capacity: int = 100) -> Served:
    served = Served(folder)
    served.runtime.log_queue = Background("log", capacity, on_drop=served.runtime.metrics.dropped["log"].inc)
    return served


def held_up(served: Served) -> threading.Event:
    """The log's thread does something else until the event is set."""
    go = threading.Event()
    assert served.runtime.log_queue is not None
    served.runtime.log_queue.submit(go.wait, 20)
    return go


def test_before_answer_no_request_is_answered_whose_line_does_not_stand_there(tmp_path: Path) -> None:
    served = Served(tmp_path)
    assert served.runtime.release.use_case.serving.log == "before_answer"
    for number in range(20):
        assert served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number}"}).status_code == 200
        assert lines(served) == number + 1


def test_after_answer_lines_wait_in_order_and_a_stop_writes_them(tmp_path: Path) -> None:
    served = after_answer(tmp_path)
    go = held_up(served)
    asked = [served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number}"}).json() for number in range(20)]
    assert lines(served) == 0, "this is what a kill would lose"
    go.set()
    assert [line["request_id"] for line in served.logged()] == [answer["request_id"] for answer in asked]
    assert served.metric("prediction_log_lines_total") == 20
    assert served.metric("background_dropped_total", queue="log") == 0


def test_after_answer_a_full_queue_refuses_and_counts(tmp_path: Path) -> None:
    served = after_answer(tmp_path, capacity=3)
    go = held_up(served)
    answers = [served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number}"}) for number in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 503, 503, 503]
    assert "lines wait for the prediction log" in answers[-1].json()["error"]
    assert served.metric("prediction_log_refused_total") == 3
    go.set()
    served.runtime.close()
    assert lines(served) == 2
    assert served.client.post(SCORE, json=EVENT).status_code == 503, "it stops"


def test_after_answer_a_full_disk_keeps_lines_waiting_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "RECORD_PAUSE_SECONDS", 0.01)
    served = after_answer(tmp_path)
    with full_disk(served.folder / "log", monkeypatch):
        for number in range(5):
            assert served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number}"}).status_code == 200
        assert "takes no lines" in (served.runtime.unready() or "")
        assert lines(served) == 0
    assert len(served.logged()) == 5
    assert read_outages(served.folder / "log") == (), "no request was refused"


def test_after_answer_what_a_stop_cannot_write_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "RECORD_PAUSE_SECONDS", 0.01)
    served = after_answer(tmp_path)
    assert served.runtime.log_queue is not None
    served.runtime.settings = served.runtime.settings.model_copy(update={"drain_seconds": 0.1})
    go = held_up(served)
    served.client.post(SCORE, json=EVENT)
    served.runtime.close()
    assert served.metric("background_dropped_total", queue="log") == 2, "the line, and what held it up"
    go.set()
