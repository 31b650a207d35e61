"""How a controller works: keys of changed objects in a queue, each reconciled alone, again when it asks or fails.

Belongs here: the queue. Does not belong here: what is reconciled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from platform_assets_tests.kubernetes.cluster.objects import Key
from platform_assets_tests.kubernetes.cluster.store import ApiError

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 0.2
BROKEN_SECONDS = 2.0


class WorkQueue:
    """Keys that wait for one function, each of them once."""

    def __init__(self, reconcile: Callable[[Key], float | None]) -> None:
        """Args:
        reconcile: brings one object about; answers after how many seconds it wants to be called again, or None.
        """
        self._reconcile = reconcile
        self._waiting: dict[Key, None] = {}
        self._later: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key, after_seconds: float = 0.0) -> None:
        """Reconcile a key, now or after some seconds; the earlier of two wishes counts."""
        loop = asyncio.get_running_loop()
        if after_seconds <= 0:
            self._waiting[key] = None
            self._wake.set()
            return
        old = self._later.get(key)
        if old is not None and old.when() <= loop.time() + after_seconds:
            return
        if old is not None:
            old.cancel()
        self._later[key] = loop.call_later(after_seconds, self._due, key)

    def _due(self, key: Key) -> None:
        self._later.pop(key, None)
        self.add(key)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                self._one(key)
                await asyncio.sleep(0)

    def _one(self, key: Key) -> None:
        try:
            again = self._reconcile(key)
        except ApiError as error:
            if error.status not in (404, 409):
                logger.warning("%s of %s: %s", self._reconcile.__qualname__, key, error)
            again = AGAIN_SECONDS
        except Exception:
            logger.exception("%s of %s", self._reconcile.__qualname__, key)
            again = BROKEN_SECONDS
        if again is not None:
            self.add(key, max(again, 0.001))
