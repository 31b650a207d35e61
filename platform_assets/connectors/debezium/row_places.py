"""The places of the rows that changed last: what tells a numbering that begins anew where nothing in a message does.

PostgreSQL numbers changes by their place in its log, and transactions that overlap come with places that go back and forth. Without the
commit's own place (`source.sequence`) a lower place is therefore no sign that the numbering began anew, as it does in a database that was
restored. But a row is locked while it is changed: of one row no later commit has a lower place. One that has is the proof. Until it comes,
every key has been changed once at most since, at a place above its own, or is new: the order of each is right.

Belongs here: remembering and comparing the newest rows. Does not belong here: what a numbering that begins anew leads to (`order.py`).
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

MOST_ROWS = 2_048
"""Rows that changed last: about 60 KB in a cursor."""

_RECORD = struct.Struct("<8sqq")


@dataclass
class RowPlaces:
    """Place and commit time, in milliseconds since 1970, of the last change of each remembered row."""

    last: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str | None) -> RowPlaces:
        """What `text` gave; nothing in a cursor of before."""
        packed = base64.b64decode(text or "")
        return cls({digest: (place, time) for digest, place, time in _RECORD.iter_unpack(packed)})

    def text(self) -> str:
        """The rows for a cursor, the one that changed last at the end."""
        return base64.b64encode(b"".join(_RECORD.pack(row, *last) for row, last in self.last.items())).decode()

    def copy(self) -> RowPlaces:
        """The same rows, to be changed on their own."""
        return RowPlaces(dict(self.last))

    def contradict(self, row: Mapping[str, Any], place: int, time: int) -> bool:
        """Whether a row was changed at a higher place by an earlier commit."""
        known = self.last.get(_digest(row))
        return known is not None and place < known[0] and time > known[1]

    def keep(self, row: Mapping[str, Any], place: int, time: int) -> None:
        """Remember a change; one that is sent again changes nothing."""
        digest = _digest(row)
        known = self.last.pop(digest, None)
        self.last[digest] = (place, time) if known is None else max(known, (place, time))
        while len(self.last) > MOST_ROWS:
            del self.last[next(iter(self.last))]


def _digest(row: Mapping[str, Any]) -> bytes:
    return blake2b(json.dumps(dict(row), sort_keys=True, default=str).encode(), digest_size=8).digest()
