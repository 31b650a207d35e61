"""How much memory a process may take where nobody said so.

Belongs here: the machine's memory, or the container's. Does not belong here: what rows take (`plan.py`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from platform_assets.features.offline.sharding.plan import Capacity

MOST_BYTES = 3 * 2**30
SHARE = 0.25
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def capacity(memory_megabytes: int | None, scratch: Path, ray_address: str | None) -> Capacity:
    """What a backfill may take, by an installation's settings; without the first what `usable_memory_bytes` says."""
    memory_bytes = usable_memory_bytes() if memory_megabytes is None else memory_megabytes * 10**6
    return Capacity(memory_bytes, str(scratch), ray_address)


def usable_memory_bytes(container_limit: Path = _CONTAINER_LIMIT) -> int:
    """A quarter of what this machine or container has, at most `MOST_BYTES`: others work on it too."""
    import psutil

    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        total = min(total, int(container_limit.read_text()))
    return min(MOST_BYTES, int(SHARE * total))
