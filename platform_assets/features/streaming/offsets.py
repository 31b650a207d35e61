"""Where the stream stands, kept in the online store beside the states that it wrote.

Belongs here: the next offset of each partition, and the newest event time written. Does not belong here: the states.

They are written after the states. A crash in between delivers events again, which changes nothing. They are kept for each
version of the states: a declaration that changes them begins at the topic's first message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.declaration.use_case import UseCase
from platform_assets.features.entity_state import state_layout
from platform_assets.features.errors import StateError
from platform_assets.features.online.feast_connection import connected_store
from platform_assets.features.online.feast_objects import STREAM_OFFSETS, STREAM_PARTITION, feast_view_name

_NEXT_OFFSET, _NEWEST = "next_offset", "newest_event_time"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Position:
    """Where a partition stands.

    Attributes:
        next_offset: of the first message that was not written.
        newest: the latest event time that was written by then.
    """

    next_offset: int
    newest: datetime


class StreamOffsets:
    """The positions of a use case's stream in its online store."""

    def __init__(self, use_case: UseCase, store: Any) -> None:
        """Open them.

        Raises:
            StateError: Feast's registry does not know them.
        """
        from feast.errors import FeatureViewNotFoundException

        try:
            self._view = store.registry.get_feature_view(STREAM_OFFSETS, store.project, allow_cache=False)
        except FeatureViewNotFoundException as error:
            raise StateError(
                f"Feast's registry of {use_case.name!r} has no view {STREAM_OFFSETS!r}: materialize the online store asset"
            ) from error
        self._store = connected_store(store.config)
        self._config = store.config
        views = [view for view in use_case.stored_views if view.windows]
        names = sorted({feast_view_name(state_layout(view, use_case)) for view in views})
        self._version = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]

    def read(self, partitions: Sequence[str]) -> dict[str, Position]:
        """Positions of those of these partitions that have one."""
        if not partitions:
            return {}
        rows = self._store.online_read(self._config, self._view, [self._key(name) for name in partitions])
        positions = {}
        for name, (_, fields) in zip(partitions, rows, strict=True):
            if fields and fields.get(_NEXT_OFFSET) is not None and fields[_NEXT_OFFSET].WhichOneof("val") is not None:
                newest = _EPOCH + timedelta(microseconds=fields[_NEWEST].int64_val)
                positions[name] = Position(fields[_NEXT_OFFSET].int64_val, newest)
        return positions

    def next_offsets(self, partitions: Sequence[str]) -> Mapping[str, int]:
        """Next offsets of those of these partitions that have one."""
        return {name: position.next_offset for name, position in self.read(partitions).items()}

    def write(self, positions: Iterable[tuple[str, Position]], now: datetime) -> None:
        """Write positions, over what was there."""
        from feast.protos.feast.types.Value_pb2 import Value

        rows = [
            (
                self._key(name),
                {
                    _NEXT_OFFSET: Value(int64_val=position.next_offset),
                    _NEWEST: Value(int64_val=(position.newest - _EPOCH) // timedelta(microseconds=1)),
                },
                now,
                None,
            )
            for name, position in positions
        ]
        if rows:
            self._store.online_write_batch(self._config, self._view, rows, None)

    def _key(self, partition: str) -> Any:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        value = Value(string_val=f"{partition}@{self._version}")
        return EntityKey(join_keys=[STREAM_PARTITION], entity_values=[value])
