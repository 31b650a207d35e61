"""Commands on one target take turns, also across processes.

Belongs here: the lock below a target's root. Does not belong here: what is done while it is held.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from platform_assets.deployment.errors import TargetBusy, TargetUnavailable
from platform_assets.deployment.local.host import make_directory

logger = logging.getLogger(__name__)


@contextmanager
def locked(root: Path, timeout_seconds: float, *, to_stop: bool = False) -> Iterator[None]:
    """Hold a target's lock. The kernel frees it when its holder dies, however that happens.

    Args:
        root: of the target; made where it is missing.
        timeout_seconds: the longest to wait for another command.
        to_stop: go on without the lock where the root cannot be written: processes can be ended all the same.

    Raises:
        TargetBusy: another command did not end in time.
        TargetUnavailable: the root cannot be written.
    """
    if to_stop and not os.access(root, os.W_OK):
        logger.warning("%s cannot be written: its processes are ended without its lock", root)
        yield
        return
    make_directory(root)
    lock = FileLock(root / "lock", timeout=timeout_seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise TargetBusy(
            f"another command on {root} has not ended after {timeout_seconds:g} s; wait for it, or end it, and try again"
        ) from error
    except OSError as error:
        raise TargetUnavailable(f"cannot write below {root}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
