"""An entity that is erased is gone from the online store too, on SQLite and on a real Redis, and the others answer as before."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.features.entity_state import state_layout, views_with_state
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.state_table import decode_events, online_table
from platform_assets.features.online.store import apply
from platform_assets.pipelines.erase.erase import ErasedAll, ErasureRequest, erase_entity
from platform_assets.pipelines.erase.online import erase_online
from platform_assets.pipelines.erase.person import named_entity
from platform_assets.pipelines.refresh_online_store import refresh_online_store
from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.payments import FIRST_DAY, use_case
from platform_assets.testing.servers import redis
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

CARD = 3


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeastSettings]:
    """An online store with nothing in it."""
    with ExitStack() as stack:
        of_sqlite = {"type": "sqlite", "path": "online.db"}
        online = stack.enter_context(redis()).online_store if request.param == "redis" else of_sqlite
        registry = f"sqlite:///{tmp_path / 'registry.db'}"
        made = FeastSettings(project="payments", registry=registry, online_store=dict(online), home=str(tmp_path))
        apply(use_case(), made)
        yield made


def states(case: UseCase, settings: FeastSettings) -> dict[tuple[str, Any], list[int]]:
    """Keys of the payments that each entity's state holds, by view and entity."""
    held: dict[tuple[str, Any], list[int]] = {}
    for view in views_with_state(case):
        layout = state_layout(view, case)
        entities = list(range(8))
        rows = online_table(layout, feast_store(settings)).read(entities)
        for entity, fields in zip(entities, rows, strict=True):
            if fields is not None:
                held[str(view.name), entity] = list(decode_events(fields, layout, entity).keys[0])
    return held


def erased(world: AnsweredWorld, settings: FeastSettings) -> ErasedAll:
    entity = named_entity(world.catalog, f"card_id={CARD}")
    request = ErasureRequest("officer", "asked for")
    return erase_entity(
        world.catalog, entity, world.serving, (), request, lambda: erase_online(world.catalog, entity, settings, str)
    )


def test_its_state_is_empty_and_no_other_state_holds_its_events(store: FeastSettings, tmp_path: Path) -> None:
    world = AnsweredWorld(tmp_path / "world", use_case(), *payments(each_day=24))
    world.load(FIRST_DAY, SERVED)
    refresh_online_store(world.catalog, store, SERVED, str)
    before = states(world.use_case, store)
    own = set(world.events.filter(pl.col("card_id") == CARD)["payment_id"])
    assert before["card_activity", CARD], "there is something to erase"
    assert any(own & set(keys) for (view, _), keys in before.items() if view == "shop_risk")

    done = erased(world, store)
    after = states(world.use_case, store)
    assert after.pop(("card_activity", CARD), []) == []
    assert not [place for place, keys in after.items() if own & set(keys)]
    others = {place: [key for key in keys if key not in own] for place, keys in before.items()}
    others.pop(("card_activity", CARD))
    assert after == others, "the others keep every event of their own"
    assert any("card_activity was emptied" in line for line in done.online)
    assert any(f"as of {SERVED + timedelta(days=1)}" in line for line in done.online), done.online
    assert erased(world, store).found_nothing, "the second time there is nothing left"
