"""Work that is done after a request was answered, in one thread and in order.

Belongs here: the bounded queue with its counts. Does not belong here: what the work is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MOST_TOGETHER = 64
"""As many items one call takes: what waits longer is seen by others in the exchange meanwhile."""

logger = logging.getLogger(__name__)


class Background:
    """One thread with a bounded queue. A full queue drops and counts; a failure is counted, logged, and does not stop the thread."""

    def __init__(
        self,
        name: str,
        capacity: int,
        on_drop: Callable[[], object] = lambda: None,
        on_failure: Callable[[], object] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            name: name of the thread, and of the queue in log messages.
            capacity: how many tasks may wait.
            on_drop: called for every task that found the queue full.
            on_failure: called for every task that raised.
        """
        self._name = name
        self._free = threading.BoundedSemaphore(capacity)
        self._on_drop = on_drop
        self._on_failure = on_failure
        self._items: deque[tuple[Future[object], Callable[[list[Any]], list[Exception | None]], Any]] = deque()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting: set[Future[object]] = set()
        self.dropped = 0
        self.failed = 0
        self.most_together = MOST_TOGETHER

    @property
    def waiting(self) -> int:
        """How many tasks are queued or being done."""
        return len(self._waiting)

    def submit(self, task: Callable[..., object], *arguments: object) -> bool:
        """Queue a task; False when the queue is full or closed, and the task is lost."""
        if not self._free.acquire(blocking=False):
            return self._drop()
        try:
            future = self._executor.submit(task, *arguments)
        except RuntimeError:  # a request that came while the process stops
            self._free.release()
            return self._drop()
        self._waiting.add(future)
        future.add_done_callback(self._done)
        return True

    def submit_to(self, tasks: Callable[[list[Any]], list[Exception | None]], item: Any) -> bool:
        """Queue something for a task that takes all that waits for it, at most `most_together` at once.

        Args:
            tasks: called with items in their order; what was wrong with each, or raises what was wrong with all.
            item: what is queued.

        Returns:
            False when the queue is full or closed, and the item is lost.
        """
        if not self._free.acquire(blocking=False):
            return self._drop()
        future: Future[object] = Future()
        entry = (future, tasks, item)
        self._items.append(entry)
        try:
            self._executor.submit(self._take)
        except RuntimeError:
            if entry in self._items:  # else the last call before the stop has taken it
                self._items.remove(entry)
                self._free.release()
                return self._drop()
        self._waiting.add(future)
        future.add_done_callback(self._done)
        return True

    def _take(self) -> None:
        """Do what waits for one task; nothing where an earlier call has done it."""
        entries: list[tuple[Future[object], Any, Any]] = []
        while self._items and len(entries) < self.most_together and (not entries or self._items[0][1] == entries[0][1]):
            entries.append(self._items.popleft())
        if not entries:
            return
        try:
            outcomes = entries[0][1]([item for _, _, item in entries])
        except Exception as error:
            for future, _, _ in entries:
                future.set_exception(error)
            raise
        for (future, _, _), outcome in zip(entries, outcomes, strict=True):
            if outcome is None:
                future.set_result(None)
            else:
                future.set_exception(outcome)

    def close(self, timeout_seconds: float) -> int:
        """Finish what is queued, for at most `timeout_seconds`; how many tasks were given up."""
        deadline = time.monotonic() + timeout_seconds
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.005)
        given_up = len(self._waiting)
        self._executor.shutdown(wait=given_up == 0, cancel_futures=True)
        if given_up:
            logger.error("%s: %d tasks were given up after %.1f seconds", self._name, given_up, timeout_seconds)
        return given_up

    def _drop(self) -> bool:
        self.dropped += 1
        self._on_drop()
        return False

    def _done(self, future: Future[object]) -> None:
        self._waiting.discard(future)
        self._free.release()
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self.failed += 1
            self._on_failure()
            logger.error("%s: a task failed (%d so far): %s", self._name, self.failed, error, exc_info=error)
