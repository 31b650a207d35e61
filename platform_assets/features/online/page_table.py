"""The pages of busy entities in the online store: a Feast view of their own beside that of the states.

Belongs here: reading and writing an entity's pages in Feast's values. Does not belong here: what a page holds (`tiles/pages.py`), states
(`online/state_table.py`), when a state becomes a tree (`online/histories.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_assets.features.online.feast_connection import is_set
from platform_assets.features.online.feast_objects import PAGE, STATE_PAGE

PAGES_AT_ONCE = 500
"""Pages of one call to Feast."""


@dataclass(frozen=True, eq=False)
class PageTable:
    """The pages of all entities of a view.

    Attributes:
        store: Feast's online store object, with a connection of its own.
        config: Feast's configuration.
        view: Feast's view of the pages.
    """

    store: Any
    config: Any
    view: Any

    def of(self, entity: Any) -> EntityPages:
        """The pages of one entity."""
        return EntityPages(self, entity)


@dataclass(frozen=True, eq=False)
class EntityPages:
    """The pages of one entity."""

    table: PageTable
    entity: Any

    def read(self, numbers: Sequence[int]) -> list[bytes | None]:
        """The pages with these numbers; None where there is none."""
        found: list[bytes | None] = []
        for begin in range(0, len(numbers), PAGES_AT_ONCE):
            keys = [self._key(number) for number in numbers[begin : begin + PAGES_AT_ONCE]]
            for _, fields in self.table.store.online_read(self.table.config, self.table.view, keys):
                there = bool(fields) and is_set(fields.get(PAGE))
                found.append(bytes(fields[PAGE].bytes_val) if there else None)
        return found

    def write(self, pages: Mapping[int, bytes], moment: datetime) -> None:
        """Store pages under their numbers; readers find them once the root that names them is stored too."""
        from feast.protos.feast.types.Value_pb2 import Value

        numbers = list(pages)
        for begin in range(0, len(numbers), PAGES_AT_ONCE):
            chosen = numbers[begin : begin + PAGES_AT_ONCE]
            batch = [(self._key(number), {PAGE: Value(bytes_val=pages[number])}, moment, None) for number in chosen]
            self.table.store.online_write_batch(self.table.config, self.table.view, batch, None)

    def _key(self, number: int) -> Any:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        return EntityKey(join_keys=[STATE_PAGE], entity_values=[Value(string_val=f"{number}:{self.entity}")])
