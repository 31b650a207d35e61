"""Requests that would wait too long are refused at once, and those that are answered have not waited longer."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from itertools import count
from typing import Any

import pytest

from platform_assets_tests.serving.parking import use_case
from serving.admission import PATIENCE_SECONDS, Admission, begun
from serving.service import guarded, max_wait_seconds

SERVICE_SECONDS, REFUSAL_SECONDS, OFFERED_EACH_SECOND = 0.002, 0.0002, 1000
"""Twice what can be done."""


class Line:
    """A process with a line of requests, as its event loop takes them: all that have come, then each in turn."""

    def __init__(self, max_wait_seconds: float) -> None:
        self.now = 0.0
        self.admission = Admission(max_wait_seconds, lambda: self.now)
        self.waits: list[float] = []
        self.refused_after: list[float] = []

    def serve(self, seconds: float) -> None:
        due = [number / OFFERED_EACH_SECOND for number in range(int(seconds * OFFERED_EACH_SECOND))]
        while due:
            self.now = max(self.now, due[0])
            count = sum(1 for moment in due[:10_000] if moment <= self.now)
            admitted = []
            for came in due[:count]:
                if self.admission.arrives():
                    admitted.append(came)
                else:
                    self.now += REFUSAL_SECONDS
                    self.refused_after.append(self.now - came)
            del due[:count]
            for came in admitted:
                began = self.admission.begins()
                self.waits.append(self.now - came)
                self.now += SERVICE_SECONDS
                self.admission.ends(began)


def test_offered_twice_what_it_can_do_it_answers_most_of_that_and_in_time() -> None:
    line = Line(0.025)
    line.serve(60.0)
    waits, late = sorted(line.waits), sorted(line.refused_after)
    assert waits[int(0.99 * len(waits))] < 0.045
    assert late[int(0.99 * len(late))] < 0.045
    assert len(line.waits) > 0.75 * 60.0 / SERVICE_SECONDS, "refusing costs something, and not much"
    assert line.refused_after


def test_without_a_bound_each_waits_longer_than_the_one_before() -> None:
    line = Line(float("inf"))
    line.serve(5.0)
    assert not line.refused_after
    assert line.waits[-1] > 4.0


def test_a_burst_is_answered_and_an_overload_is_not() -> None:
    now = 0.0
    admission = Admission(0.0255, lambda: now)

    def round_of(count: int) -> list[bool]:
        nonlocal now
        came = [admission.arrives() for _ in range(count)]
        for _ in range(sum(came)):
            began = admission.begins()
            now += 0.001  # as the first guess is
            admission.ends(began)
        return came

    for _ in range(round(PATIENCE_SECONDS / 0.04)):
        assert all(round_of(40))
    assert round_of(20) == [True] * 6 + [False] * 14, "half of the round before lies behind the first already"
    assert all(round_of(5))
    assert all(round_of(40)), "a round had nobody who would wait too long: this is a new burst"
    now += 3600.0
    assert all(round_of(40)), "and so is this, though the one before ended crowded"


def test_a_body_that_never_begins_is_not_waited_for() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    assert asyncio.run(begun(never, 0.01)) is None


def test_one_that_takes_long_says_little_of_the_next_and_a_slow_caller_nothing() -> None:
    now = 0.0
    admission = Admission(0.025, lambda: now)
    for took, idle in ((5.0, 0.0), (30.0, 29.999)):
        assert admission.arrives()
        began = admission.begins()
        now += took
        admission.ends(began, idle)
    now += 1.0
    assert sum(admission.arrives() for _ in range(40)) > 18


class Slow:
    """An application behind the guard that scores one event at a time."""

    def __init__(self) -> None:
        self.routes = (type("Route", (), {"path": "/v1/parking/score"})(),)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def test_the_guard_refuses_with_the_time_to_come_again_and_counts() -> None:
    shed: list[str] = []
    admission = Admission(0.005, partial(next, count(step=1.0)))
    app = guarded(Slow(), lambda: None, use_case(), "3", admission, lambda scope: shed.append(scope["path"]))
    sent: list[list[Any]] = []

    async def call() -> None:
        own: list[Any] = []
        sent.append(own)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            own.append(message)

        await app({"type": "http", "path": "/v1/parking/score", "headers": []}, receive, send)

    async def together() -> None:
        await asyncio.gather(*(call() for _ in range(20)))
        await call()

    asyncio.run(together())
    statuses = [own[0]["status"] for own in sent]
    assert statuses == [200] * 7 + [503] * 13 + [200], "all came before the first had its turn"
    assert shed == ["/v1/parking/score"] * 13
    refused = sent[10]
    assert (b"retry-after", b"1") in refused[0]["headers"]
    assert json.loads(refused[1]["body"])["error"].startswith("more events come than parking can score in time")


@pytest.mark.parametrize(
    ("serving", "monitoring", "seconds"), [({}, {}, 0.025), ({"overload": {"max_wait_ms": 8}}, {}, 0.008)]
)
def test_what_may_be_waited_is_declared_or_a_part_of_what_is_promised(
    serving: dict[str, Any], monitoring: dict[str, Any], seconds: float
) -> None:
    declared = use_case()
    changed = use_case(serving=declared.serving.model_dump(mode="json", exclude_unset=True) | serving)
    assert max_wait_seconds(changed) == seconds
