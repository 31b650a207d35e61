"""Waiting for something that several kinds of objects say together.

Belongs here: watches of some kinds at a time, and one place where what they see meets. Does not belong here: one watch
(`client.py`), and what is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from platform_assets.deployment.kubernetes.api_errors import ClusterRefused
from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.kinds import ApiKind

Found = TypeVar("Found")
Objects = Mapping[ApiKind, Mapping[str, Body]]
LOOK_SECONDS = 1.0
"""What only time changes is looked at so often."""


class Watched:
    """What is known of the objects so far."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._objects: dict[ApiKind, dict[str, Body]] = {}
        self._error: ClusterRefused | None = None

    def see(self, kind: ApiKind, objects: Mapping[str, Body]) -> None:
        """Take in all objects of a kind."""
        with self._changed:
            self._objects[kind] = dict(objects)
            self._changed.notify_all()

    def fail(self, error: ClusterRefused) -> None:
        """Let whoever waits know that the API refuses."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def wait(self, look: Callable[[Objects], Found | None], kinds: int, seconds: float) -> Found | None:
        """Call `look` with all objects whenever one changed, and now and then, until it finds something or the time is over.

        Raises:
            ClusterRefused: the API refuses.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                complete = len(self._objects) == kinds
                objects = {kind: dict(found) for kind, found in self._objects.items()}
                self._changed.release()
                try:
                    found = look(objects) if complete else None
                finally:
                    self._changed.acquire()
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                if objects == self._objects:
                    self._changed.wait(min(left, LOOK_SECONDS))


@contextmanager
def watched(client: ClusterClient, selectors: Mapping[ApiKind, str], seconds: float) -> Iterator[Watched]:
    """Watch kinds of objects while the block runs.

    Args:
        client: of the namespace.
        selectors: labels of the objects of each kind; empty for all.
        seconds: the longest that the block takes.
    """
    seen, over = Watched(), threading.Event()

    def follow(kind: ApiKind, labels: str) -> None:
        try:
            client.watch(kind, lambda objects: seen.see(kind, objects), seconds, labels, stopped=over)
        except ClusterRefused as error:
            seen.fail(error)

    threads = [threading.Thread(target=follow, args=item, daemon=True) for item in selectors.items()]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
