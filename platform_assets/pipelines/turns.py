"""One `platform-assets run` at a time on a home.

Belongs here: the lock, who holds it, and whether somebody does. Does not belong here: what a run does (`cli/run/steps.py`).
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

LOCK = "run.lock"
LOOKS_SECONDS = 1.0
"""A look at the lock takes it for an instant, so a run tries for this long before it says that another one holds it."""


class RunUnderWay(RuntimeError):
    """Another run works on the same home; the message says which."""


@contextmanager
def one_run_at_a_time(home: Path) -> Iterator[None]:
    """Hold the home's lock, which the kernel frees when its holder dies, however that happens.

    Raises:
        RunUnderWay: another run holds it.
        OSError: the home cannot be written.
    """
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor):
            owner = os.read(descriptor, 500).decode(errors="replace").strip() or "it has not said which"
            raise RunUnderWay(
                f"another run works on {home}: {owner}. Wait until it is over, or end it; two at once would do the same work twice"
            )
        os.ftruncate(descriptor, 0)
        words = f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, `{' '.join(sys.argv[1:])}`"
        os.write(descriptor, words.encode())
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    """Whether the lock could be taken, for as long as this process lives."""
    for _ in range(20):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(LOOKS_SECONDS / 20)
        else:
            return True
    return False


def run_is_under_way(home: Path) -> bool:
    """Whether a `platform-assets run` works on a home now."""
    try:
        descriptor = os.open(home / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
