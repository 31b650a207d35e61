"""How far a Kinesis data stream was read: the cursor, and which shards come next.

Belongs here: the cursor's text, the order of shards, and what may be forgotten. Does not belong here: asking Kinesis (`stream.py`).

A shard is cut or joined by ending it and beginning others: its children. A key's records are in one shard at a time, so that a child is
read once all of its parents were read to their end; the order of a key's records is then that of the stream. Numbers of Kinesis have up
to 56 digits, too many for an order, so that records are counted: along a shard, a child going on where the longer of its parents ended.
The same cursor gives the same numbers again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from platform_assets.connectors.errors import SourceError


@dataclass(frozen=True)
class Shard:
    """A shard, as Kinesis lists it.

    Attributes:
        name: its identifier.
        parents: those that it came from; such as are not listed any more have expired.
    """

    name: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """How far a shard was read.

    Attributes:
        after: sequence number of the last record that was read; empty before the first.
        count: order of that record; where a child goes on.
        over: whether it ended and everything of it was read.
        seen: everything that came before this moment was read, ISO 8601.
    """

    after: str = ""
    count: int = 0
    over: bool = False
    seen: str = ""

    def behind(self, at: datetime) -> timedelta:
        """How long ago everything had been read; nothing for a shard that nobody began."""
        return at - datetime.fromisoformat(self.seen) if self.seen else timedelta(0)


@dataclass(frozen=True)
class Progress:
    """How far a stream was read."""

    stream: str
    places: Mapping[str, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: str | None, stream: str, where: str) -> Progress:
        """What a cursor says.

        Raises:
            SourceError: it is that of another stream or another kind of source.
        """
        if cursor is None:
            return cls(stream)
        try:
            content = json.loads(cursor)
            if content["stream"] == stream:
                return cls(stream, {name: Place(**place) for name, place in content["shards"].items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            pass
        raise SourceError(
            f"{where}: the cursor kept with its table is not one of stream '{stream}': {cursor[:80]!r}. The connector was another one "
            f"when it was written: load into a new table, or declare the former connector."
        )

    @property
    def text(self) -> str:
        """The cursor."""
        return json.dumps(
            {"stream": self.stream, "shards": {name: asdict(self.places[name]) for name in sorted(self.places)}}
        )

    def due(self, shards: Iterable[Shard]) -> dict[str, Place]:
        """The shards that may be read now, with where to begin: those whose parents are read to their end."""
        listed = {shard.name: shard for shard in shards}
        found = {}
        for name, shard in listed.items():
            place = self.places.get(name)
            if place is not None:
                if not place.over:
                    found[name] = place
                continue
            before = [self.places.get(parent) for parent in shard.parents]
            waits = any(
                parent in listed and (known is None or not known.over)
                for parent, known in zip(shard.parents, before, strict=True)
            )
            if not waits:
                found[name] = Place(count=max((known.count for known in before if known is not None), default=0))
        return found

    def without_expired(self, shards: Iterable[Shard]) -> Progress:
        """Shards that were read to their end and are listed no more need not be remembered, unless a child of theirs has yet to begin."""
        listed = list(shards)
        needed = {parent for shard in listed if shard.name not in self.places for parent in shard.parents}
        names = {shard.name for shard in listed}
        kept = {name: place for name, place in self.places.items() if name in names or name in needed or not place.over}
        return Progress(self.stream, kept)

    def lost(self, shards: Iterable[Shard], kept_for: timedelta, at: datetime) -> list[str]:
        """Shards of which records may be gone: they were not read for longer than the stream keeps records, or are listed no more."""
        names = {shard.name for shard in shards}
        unread = {name: place for name, place in self.places.items() if not place.over}
        return [name for name, place in unread.items() if name not in names or place.behind(at) > kept_for]

    def is_as(self, other: Progress, fresh_for: timedelta, at: datetime) -> bool:
        """Whether nothing was read since, and the other says so recently enough: a cursor that is written at each look costs versions."""
        fresh = all(place.over or place.behind(at) <= fresh_for for place in other.places.values())
        return fresh and self._read() == other._read()

    def _read(self) -> dict[str, tuple[str, int, bool]]:
        return {name: (place.after, place.count, place.over) for name, place in self.places.items()}


def stamp(at: datetime) -> str:
    """A time as places keep it: the full hour before, so that the same read makes the same cursor."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0).isoformat(timespec="seconds")
