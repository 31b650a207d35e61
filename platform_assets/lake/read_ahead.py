"""Reading the next part of a long load while the one before is being worked on.

Belongs here: doing one thing ahead, in one thread. Does not belong here: what is read and written. Reading and
writing of tables leave the interpreter's lock, so that two cores are used; two parts are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Part = TypeVar("Part")


def read_ahead(items: Iterable[Item], read: Callable[[Item], Part]) -> Iterator[tuple[Item, Part]]:
    """Each item with what was read for it; the next one is read meanwhile. An error is raised where its item's turn comes."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        waiting: tuple[Item, Future[Part]] | None = None
        for item in items:
            coming = (item, pool.submit(read, item))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()


class WriteBehind:
    """Work that is done in the background, one piece at a time and in order.

    `with` waits for the last piece. What a piece raised is raised by the call that comes after it, or at the end.
    """

    def __init__(self) -> None:
        """Without work."""
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write-behind")
        self._last: Future[Any] | None = None

    def __call__(self, work: Callable[[], Any]) -> None:
        """Wait for the piece before, then start this one."""
        self._wait()
        self._last = self._pool.submit(work)

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last piece; after an error its own does not matter any more."""
        try:
            if kind is None:
                self._wait()
        finally:
            self._pool.shutdown(wait=True)

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()
