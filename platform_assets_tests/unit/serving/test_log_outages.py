"""A folder that takes no lines: what is answered stands in the log, nothing is left behind, and monitoring learns of it."""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from platform_assets.monitoring.prediction_log import read_outages, read_segments
from platform_assets_tests.serving.parking import EVENT, use_case
from platform_assets_tests.unit.serving.test_app import SCORE, Served
from serving.service import guarded

Fault = Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[None]]


@contextmanager
def full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every write fails after a few bytes, as on a disk whose last block is filled up."""
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return write(descriptor, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    opened = Path.open

    def no_room(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name.startswith(".room"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(Path, "open", no_room)
        yield


@contextmanager
def read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing can be opened for writing, and what is open takes nothing: a file system that was remounted read-only."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        for name in ("write", "open"):
            patch.setattr(os, name, refuse)
        patch.setattr(Path, "open", refuse)
        yield


@contextmanager
def file_in_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder was moved away, and a file has its name: the open segment would take lines that nobody reads."""
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.write_text("")
    yield
    folder.unlink()
    moved.rename(folder)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


@pytest.mark.parametrize("fault", [full_disk, read_only, file_in_its_place])
def test_no_request_is_answered_that_is_not_logged_and_monitoring_counts_the_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    acknowledged = [served.client.post(SCORE, json=EVENT | {"arrival": "before"}).json()["request_id"]]
    log = served.folder / "log"
    with fault(log, monkeypatch):
        answers = [served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number}"}) for number in range(40)]
        reason = served.runtime.unready()
        tested = served.client.post("/v1/parking/self_test")
    assert {answer.status_code for answer in answers} == {503}
    assert "prediction cannot be logged" in answers[0].json()["error"]
    assert answers[0].headers["retry-after"] == "1"
    assert reason is not None
    assert "takes no lines" in reason
    assert (tested.status_code, tested.json()["error"]) == (503, reason)
    assert served.metric("prediction_log_refused_total") == 40
    assert [event for lot in served.store.events.values() for event in lot] == ["before"], "and none is remembered"

    acknowledged.append(served.client.post(SCORE, json=EVENT | {"arrival": "after"}).json()["request_id"])
    assert served.runtime.unready() is None
    read = read_segments(log, use_case())
    assert sorted(read.frame["request_id"]) == sorted(acknowledged)
    assert (read.torn_lines, read.bad_lines) == (0, ())
    assert not [path for path in log.iterdir() if path.stat().st_size == 0], "no empty segment is left"
    (outage,) = read_outages(log)
    assert (outage.refused, outage.event_days) == (40, (date(2024, 3, 31),))
    assert outage.reason
    assert outage.since <= outage.until


def test_room_is_noticed_without_a_request(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with full_disk(served.folder / "log", monkeypatch):
        served.client.post(SCORE, json=EVENT)
    assert read_outages(served.folder / "log") == ()
    assert served.runtime.unready() is None
    assert [outage.refused for outage in read_outages(served.folder / "log")] == [1]


@pytest.mark.parametrize("removed", ["the folder", "its files"])
def test_a_log_that_was_removed_is_begun_anew(served: Served, removed: str) -> None:
    served.client.post(SCORE, json=EVENT)
    log = served.folder / "log"
    shutil.rmtree(log)
    if removed == "its files":
        log.mkdir()
    answer = served.client.post(SCORE, json=EVENT)
    assert answer.status_code == 200
    assert [line["request_id"] for line in served.logged()] == [answer.json()["request_id"]]


def test_segments_and_folder_are_their_owner_s(served: Served) -> None:
    served.client.post(SCORE, json=EVENT)
    log = served.folder / "log"
    assert [oct(path.stat().st_mode & 0o777) for path in (log, *log.iterdir())] == ["0o700", "0o600"]


def test_events_wait_for_a_store_that_takes_none_and_readiness_says_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving import runtime
    from serving.online import StoreUnavailable

    monkeypatch.setattr(runtime, "RECORD_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runtime, "BEHIND_SECONDS", 0.0)
    record, failing = served.store.record, [True]

    def read_only_store(event: dict[str, Any]) -> None:
        if failing:
            raise StoreUnavailable("attempt to write a readonly database")
        record(event)

    monkeypatch.setattr(served.store, "record", read_only_store)
    for number in range(3):
        assert served.client.post(SCORE, json=EVENT | {"arrival": f"T-{number}"}).status_code == 200
    deadline = time.monotonic() + 10
    while served.runtime.unready() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "takes no events: attempt to write" in str(served.runtime.unready())
    failing.clear()
    recorded = served.folder / "recorded.jsonl"
    while not (recorded.exists() and len(recorded.read_text().splitlines()) == 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [json.loads(line) for line in recorded.read_text().splitlines()] == ["T-0", "T-1", "T-2"]
    while served.runtime.unready() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served.runtime.unready() is None


def test_a_self_test_scores_like_a_request_and_is_not_remembered(served: Served) -> None:
    first = served.client.post("/v1/parking/self_test")
    assert first.status_code == 200, first.text
    assert {"probability", "decision", "release", "latency_ms"} <= set(first.json())
    known = served.client.post("/v1/parking/self_test", json=EVENT | {"arrived_at": "1999-01-01T00:00:00Z"})
    assert known.status_code == 200, "it happens now, however old the event"
    assert served.client.post("/v1/parking/self_test", json={"lot": 1}).status_code == 422
    (served.folder / "down").touch()
    assert served.client.post("/v1/parking/self_test").status_code == 503
    (served.folder / "down").unlink()
    assert served.logged() == []
    assert served.store.events == {}


def test_readiness_says_its_reason() -> None:
    import asyncio

    class App:
        routes = ()

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app = guarded(App(), lambda: "the folder is full", use_case(), "3")
    asyncio.run(app({"type": "http", "path": "/readyz"}, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 404, "a path that nobody has is no readiness"
    App.routes = (type("Route", (), {"path": "/readyz"})(),)  # type: ignore[assignment]
    sent.clear()
    app = guarded(App(), lambda: "the folder is full", use_case(), "3")
    for path in ("/readyz", "/v1/parking/readyz"):
        sent.clear()
        asyncio.run(app({"type": "http", "path": path}, None, send))  # type: ignore[arg-type]
        assert (sent[0]["status"], json.loads(sent[1]["body"])["error"]) == (503, "the folder is full")
