"""What Redis needs beyond Feast's settings: an end to waiting, and a lock that all writers share.

Belongs here: the redis client's own settings and its lock. Does not belong here: reading or writing states
(`online/state_table.py`, `online/store.py`). The client is imported inside functions only: most installations run on SQLite.

Left alone the client waits for ever for a server that does not answer, and tries a refused connection three times with growing
pauses: a request would hang with it. Here it gives up after a second, and a broken connection is opened anew once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

REDIS = "redis"
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 1.0
_LIMITS = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS}
_POLL_SECONDS = 0.002


def redis_settings(online_store: Mapping[str, Any]) -> dict[str, Any]:
    """Feast's configuration of a Redis store, with limits on waiting where the connection string names none.

    States are read, changed and written back under a lock, with a watermark of their own. Left on, Feast's check of times
    silently drops the second of two events that carry the same time.
    """
    address = str(online_store.get("connection_string", "localhost:6379"))
    named = {part.partition("=")[0] for part in address.split(",") if "=" in part}
    limits = [f"{name}={seconds}" for name, seconds in _LIMITS.items() if name not in named]
    return {**online_store, "connection_string": ",".join([address, *limits]), "skip_dedup": True}


def limited_client(store: Any, config: Any) -> Any:
    """The redis client of Feast's online store, told to open a broken connection anew once and not to wait in between."""
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as ConnectionLost
    from redis.retry import Retry

    client = store._get_client(config.online_store)
    client.set_retry(Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)))
    return client


@contextmanager
def redis_lock(client: Any, name: str, hold_seconds: float, wait_seconds: float) -> Iterator[Callable[[], object]]:
    """Hold a lock that every process sees; a holder that died frees it by not asking for more time.

    Yields:
        Call it to hold the lock for another `hold_seconds`.

    Raises:
        redis.exceptions.RedisError: the lock was not had in time, the server does not answer, or the lock ran out
            while it was held: somebody else may have written in between.
    """
    lock = client.lock(name, timeout=hold_seconds, blocking_timeout=wait_seconds, sleep=_POLL_SECONDS)
    with lock:
        yield lock.reacquire
