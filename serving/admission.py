"""How many requests may wait: in an overload those that would wait too long are refused at once, before the queue grows.

Belongs here: estimating what a request would wait, and its turn. Does not belong here: what a refused one is told (`service.py`), or
scoring.

A process answers one request after the other, so what a request waits is what stands in front of it. Refusing costs a tenth of answering:
offered twice what it can do, a process goes on answering nearly as much as it can, and those it answers have waited no longer than is
declared. Without a bound all of them wait, and each longer than the one before.

A burst is no overload: that one begins when for `PATIENCE_SECONDS` each round had somebody who would wait too long, as in CoDel (Nichols
and Jacobson, Controlling Queue Delay, 2012), and ends with a round that had none. A round is who has come while others were answered.

Requests that have arrived together are counted before any of them is answered, because each gives way once. What lay in the socket
meanwhile is estimated: on average half of the time that the requests before took. A caller who is slow to send a body is in nobody's way,
and is neither counted nor timed: a request has arrived when its body has begun to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FIRST_GUESS_SECONDS = 0.001
"""What a request is taken to need before any was answered."""
WEIGHT_OF_NEWEST, MOST_RATIO = 0.05, 4.0
"""Of the newest request in the running mean of what one takes; and how many times the mean it counts at most, for one that loads something
says nothing about the next."""
PATIENCE_SECONDS = 0.2
"""So long a burst is answered: of a minute of overload less than a hundredth, so that its 99th percentile is kept."""
MOST_IN_A_BURST = 8.0
"""How many times the longest wait somebody waits in a burst."""
PAUSE_SECONDS = 0.0005
"""Whoever arrives so long after the last request was answered has not lain in the socket meanwhile."""


class Admission:
    """The queue of one process, of requests that each take about the same time."""

    def __init__(self, max_wait_seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """Nobody waits yet.

        Args:
            max_wait_seconds: whoever would wait longer is refused.
            clock: seconds that never go back.
        """
        self._max_wait_seconds, self._clock = max_wait_seconds, clock
        self._service_seconds = FIRST_GUESS_SECONDS
        self._waiting = 0
        self._round_began = self._ended = self._lain_seconds = 0.0
        self._crowded_since: float | None = None
        self._is_crowded = False

    def arrives(self) -> bool:
        """Count a request in; in an overload False for one that would wait too long. Whoever finds nobody waiting is counted in."""
        now = self._clock()
        if not self._waiting:
            busy_until_now = now - self._ended < PAUSE_SECONDS
            self._lain_seconds = max(0.0, self._ended - self._round_began) / 2 if busy_until_now else 0.0
            self._round_began = now
            if not self._is_crowded or now - self._ended > PATIENCE_SECONDS:  # a burst of an hour ago says nothing
                self._crowded_since = None
            self._is_crowded = False
        elif (wait := self._lain_seconds + self._waiting * self._service_seconds) > self._max_wait_seconds:
            self._is_crowded = True
            self._crowded_since = now if self._crowded_since is None else self._crowded_since
            if now - self._crowded_since >= PATIENCE_SECONDS or wait > MOST_IN_A_BURST * self._max_wait_seconds:
                return False
        self._waiting += 1
        return True

    def begins(self) -> float:
        """A request has its turn; the moment, for `ends`."""
        self._waiting -= 1
        return self._clock()

    def ends(self, began: float, idle_seconds: float = 0.0) -> None:
        """It is answered.

        Args:
            began: what `begins` returned.
            idle_seconds: of the time since then, what it waited for its caller.
        """
        self._ended = self._clock()
        took = min(max(0.0, self._ended - began - idle_seconds), MOST_RATIO * self._service_seconds)
        self._service_seconds += WEIGHT_OF_NEWEST * (took - self._service_seconds)


async def begun(receive: Receive, seconds: float) -> Message | None:
    """The first part of a request's body, which mostly is there with its head; None where it does not come in time."""
    try:
        async with asyncio.timeout(seconds):
            return await receive()
    except TimeoutError:
        return None


async def in_turn(
    admission: Admission,
    app: Callable[[Message, Receive, Send], Awaitable[None]],
    scope: Message,
    first: Message,
    receive: Receive,
    send: Send,
) -> bool:
    """Answer a request after those that arrived before it; False, and nothing done, where it would wait too long.

    `first` is what was received of it: a caller who sends an event and goes away is scored, for what is read is not lost by waiting.
    """
    if not admission.arrives():
        return False
    idle_seconds = 0.0
    kept: Message | None = first

    async def received() -> Message:
        nonlocal kept, idle_seconds
        if kept is not None:
            message, kept = kept, None
            return message
        asked = time.perf_counter()
        message = await receive()
        idle_seconds += time.perf_counter() - asked
        return message

    try:
        await asyncio.sleep(0)
    finally:
        began = admission.begins()
    try:
        await app(scope, received, send)
    finally:
        admission.ends(began, idle_seconds)
    return True
