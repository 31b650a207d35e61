"""What wakes another thread comes after the answer is sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from platform_assets_tests.serving.parking import EVENT
from platform_assets_tests.unit.serving.test_app import SCORE, Served


def test_an_event_is_queued_for_the_store_once_its_answer_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, order = Served(tmp_path), list[str]()
    monkeypatch.setattr(served.runtime.record_queue, "submit_to", lambda *_: order.append("queued") or True)
    body = json.dumps(EVENT).encode()
    scope = {"type": "http", "method": "POST", "path": SCORE, "query_string": b"", "headers": [], "root_path": ""}

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        order.append(str(message["type"]))

    async def ask() -> None:
        await served.app(scope, receive, send)
        await asyncio.sleep(0)

    asyncio.run(ask())
    served.runtime.close()
    assert order == ["http.response.start", "http.response.body", "queued"]
    assert served.metric("prediction_seconds_count") == 1


def test_without_a_loop_it_is_queued_at_once(tmp_path: Path) -> None:
    from serving.runtime import _once_answered

    done: list[int] = []
    _once_answered(done.append, 1)
    assert done == [1]
