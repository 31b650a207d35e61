"""The exchange of all machines that serve from one Redis: a hash for each entity that has events on their way.

Belongs here: this exchange. Does not belong here: what every exchange does (`base.py`), Redis's client (`online/redis_client.py`).

A hash holds the waiting events of an entity by time and key, and under `#` how many were ever put, by which a put is refused after a
look-up that did not see the last. A look-up is queued into the pipeline that reads the states, and costs no round trip of its own; a put
is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.exchange.base import (
    KEPT_SECONDS,
    EntityName,
    Seen,
    identity,
    read_back,
    written,
)

WAITING_SECONDS = 2 * 86_400
"""When an event that nobody stored is given up: by then a batch state has brought it."""
_COUNT = b"#"
_PUT = """
local n = #KEYS
if ARGV[1] == 'if' then
  for i = 1, n do
    if (redis.call('HGET', KEYS[i], '#') or '') ~= ARGV[2 + i] then return 0 end
  end
end
for i = 1, n do
  redis.call('HSETNX', KEYS[i], ARGV[2 + n + i], ARGV[2 + 2 * n + i])
  redis.call('HINCRBY', KEYS[i], '#', 1)
  redis.call('EXPIRE', KEYS[i], ARGV[2])
end
return 1
"""
_STORED = """
local at = 2 + #KEYS
for i = 1, #KEYS do
  for _ = 1, tonumber(ARGV[1 + i]) do
    redis.call('HDEL', KEYS[i], ARGV[at])
    at = at + 1
  end
  if redis.call('HLEN', KEYS[i]) <= 1 then redis.call('EXPIRE', KEYS[i], ARGV[1]) end
end
"""


class RedisExchange:
    """An `EventExchange` in Redis."""

    def __init__(self, client: Any, project: str) -> None:
        """Take a client; nothing is asked.

        Args:
            client: redis client that answers in bytes.
            project: Feast's project.
        """
        self._client = client
        # In braces: on a cluster all hashes of a project lie together, so that an event is put for all its entities at once.
        self._prefix = f"{{platform_assets:{project}}}:waiting"
        self._put = client.register_script(_PUT)
        self._stored = client.register_script(_STORED)

    def seen(self, names: Sequence[EntityName]) -> Seen:
        """See `EventExchange`."""
        with self._client.pipeline(transaction=False) as pipe:
            self.queue(pipe, names)
            return self.answered(names, pipe.execute())

    def queue(self, pipe: Any, names: Sequence[EntityName]) -> int:
        """Ask in a pipeline of somebody else; how many replies belong to it."""
        asked = [name for name in names if name.entity is not None]
        for name in asked:
            pipe.hgetall(self._key(name))
        return len(asked)

    def answered(self, names: Sequence[EntityName], replies: Sequence[Any]) -> Seen:
        """What the replies to `queue` say. The mark is the count of each name that has an entity."""
        waiting, counts, answers = [], [], iter(replies)
        for name in names:
            fields: dict[bytes, bytes] = {} if name.entity is None else dict(next(answers))
            if name.entity is not None:
                counts.append(fields.pop(_COUNT, b""))
            waiting.append(tuple(read_back(text) for text in fields.values()))
        return Seen(tuple(waiting), tuple(counts))

    def put(self, events: Sequence[tuple[EntityName, StateEvent]], mark: Any) -> bool:
        """See `EventExchange`."""
        if not events:
            return True
        counts = [""] * len(events) if mark is None else list(mark)
        arguments = ["always" if mark is None else "if", WAITING_SECONDS, *counts]
        arguments += [identity(event) for _, event in events] + [written(event) for _, event in events]
        return bool(self._put(keys=[self._key(name) for name, _ in events], args=arguments))

    def stored(self, events: Sequence[tuple[EntityName, Sequence[StateEvent]]]) -> None:
        """See `EventExchange`; the count outlives the events for a while, and goes with the hash."""
        known = [(name, of_entity) for name, of_entity in events if of_entity]
        if known:
            counts = [len(of_entity) for _, of_entity in known]
            identities = [identity(event) for _, of_entity in known for event in of_entity]
            self._stored(keys=[self._key(name) for name, _ in known], args=[int(KEPT_SECONDS), *counts, *identities])

    def withdraw(self, name: EntityName, event: StateEvent) -> None:
        """See `EventExchange`."""
        self.stored([(name, [event])])

    def left_behind(self) -> list[EntityName]:
        """Nothing: a search of all keys is no question for Redis. What waits is seen, and stored with its entity's next event."""
        return []

    def _key(self, name: EntityName) -> str:
        return f"{self._prefix}:{name.view}:{name.entity}"
