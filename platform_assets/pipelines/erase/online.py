"""An entity taken out of the online store.

Belongs here: its own states, and those of others that hold its events. Does not belong here: how states are kept (`features/online`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from platform_assets.features.entities import entity_of
from platform_assets.features.entity_state import no_events, state_layout, views_with_state
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.histories import is_tree
from platform_assets.features.online.state_table import encode_events, online_table, packed
from platform_assets.features.online.store import WriteLock, watermark
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.erase.person import ErasedEntity
from platform_assets.pipelines.refresh_online_store import refresh_online_store


def erase_online(
    catalog: Catalog, entity: ErasedEntity, settings: FeastSettings, log: Callable[[str], None]
) -> list[str]:
    """Empty the entity's states, and make the others again from the lake, which does not have it any more.

    Args:
        catalog: the tables, without the entity.
        entity: whose states go.
        settings: where Feast keeps its registry and values.
        log: progress.

    Returns:
        What was done, and what is left, a line each.

    Raises:
        StateError: a view is not in Feast's registry, or a state reads back differently.
        DaysMissing: days that a state reaches back to were never published.
    """
    use_case, said = catalog.use_case, []
    store, key = feast_store(settings), entity_of(entity.entity, entity.values)
    newest: list[datetime] = []
    for view in views_with_state(use_case):
        at = watermark(view, settings, use_case)
        newest += [] if at is None else [at]
        if view.entity != entity.entity.name:
            continue
        layout = state_layout(view, use_case)
        table = online_table(layout, store)
        with WriteLock(settings).held():
            fields = table.read([key])[0]
            if fields is None:
                continue
            busy = is_tree(packed(fields), layout, key)
            table.write([(key, encode_events(no_events(layout), layout), at or datetime.now(UTC))])
        said.append(f"the state of {view.name} was emptied")
        if busy:
            said.append(
                f"left: pages of {view.name} that the state named; nothing finds them any more, the store's files still hold them"
            )
    if newest:
        day = (max(newest) - timedelta(days=1)).date()
        refreshed = refresh_online_store(catalog, settings, day, log)
        written = ", ".join(f"{table}: {count}" for table, count in refreshed.entities_written.items())
        said.append(f"states as of {refreshed.state_as_of} were made again from the lake ({written or 'none'} changed)")
        said.append(
            "left until the next refresh: events of today that other entities' states were given by the service"
        )
    return said
