"""One `platform-assets run` at a time on a home.

Belongs here: the lock, and who holds it. Does not belong here: what a run does (`steps.py`).
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

LOCK = "run.lock"


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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 500).decode(errors="replace").strip() or "it has not said which"
            raise RunUnderWay(
                f"another run works on {home}: {owner}. Wait until it is over, or end it; two at once would do the same work twice"
            ) from error
        os.ftruncate(descriptor, 0)
        words = f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, `{' '.join(sys.argv[1:])}`"
        os.write(descriptor, words.encode())
        yield
    finally:
        os.close(descriptor)
