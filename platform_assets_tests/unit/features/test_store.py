"""Writing states to a real Feast store: verified, dated, and never at the expense of what a service recorded."""

import warnings
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest

from platform_assets.features.entity_state import EntityEvents, entity_state, state_layout
from platform_assets.features.errors import StateError
from platform_assets.features.online import store as store_module
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.state_table import OnlineTable, decode_events, online_table
from platform_assets.features.online.store import apply, watermark, write_state
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, MIDNIGHT, use_case, view_of, window

CASE = use_case()
VIEW = view_of(CASE, "card_activity")
LAYOUT = state_layout(VIEW, CASE)
AT = MIDNIGHT + timedelta(days=6)
CARDS = count(1000)


def payments(card: int, *rows: tuple[int, float, float]) -> pl.DataFrame:
    """Events of a card from (key, days since the first midnight, amount)."""
    return pl.DataFrame(
        [(key, time := MIDNIGHT + timedelta(days=days), card, 0, amount, time.date()) for key, days, amount in rows],
        schema=EVENT_SCHEMA,
        orient="row",
    )


def stored(settings: FeastSettings, card: int) -> EntityEvents | None:
    fields = online_table(LAYOUT, feast_store(settings)).read([card])[0]
    return None if fields is None else decode_events(fields, LAYOUT, card)


def stored_keys(settings: FeastSettings, card: int) -> list[int]:
    events = stored(settings, card)
    assert events is not None
    return list(events.keys[0])


def write(settings: FeastSettings, events: pl.DataFrame, at: datetime = AT) -> int:
    return write_state(VIEW, entity_state(VIEW, CASE, events, at), settings, CASE)


def request(card: int, key: int, days: float, amount: float = 1.0) -> dict[str, Any]:
    time = MIDNIGHT + timedelta(days=days)
    return {"payment_id": key, "paid_at": time, "card_id": card, "shop_id": card, "amount": amount}


def test_what_is_written_is_there_and_the_watermark_follows(settings: FeastSettings) -> None:
    first, second = next(CARDS), next(CARDS)
    events = pl.concat([payments(first, (2, 5.5, 2.0), (1, 5.0, 1.0)), payments(second, (3, 5.0, 9.0))])
    assert write(settings, events) == 2
    found = stored(settings, first)
    assert found is not None
    assert found.keys == ([1, 2],)
    assert found.values.tolist() == [[1.0, 2.0]]
    assert stored_keys(settings, second) == [3]
    assert watermark(VIEW, settings, CASE) == AT


def test_an_older_state_is_refused_and_one_of_the_same_time_is_written_again(settings: FeastSettings) -> None:
    card = next(CARDS)
    events = payments(card, (1, 5.0, 1.0))
    write(settings, events)
    assert write(settings, pl.concat([events, payments(card, (2, 5.1, 1.0))])) == 1
    assert stored_keys(settings, card) == [1, 2]
    with pytest.raises(StateError, match=r"'card_activity' as of .* is older than the one in the online store"):
        write(settings, events, AT - timedelta(hours=1))
    assert stored_keys(settings, card) == [1, 2]


def test_what_a_service_recorded_since_is_kept_and_what_it_recorded_before_is_replaced(
    settings: FeastSettings,
) -> None:
    card = next(CARDS)
    online = OnlineFeatures(CASE, settings)
    online.record(request(card, 5, 5.5))
    online.record(request(card, 6, 6.5))
    write(settings, payments(card, (4, 5.0, 1.0)))
    assert stored_keys(settings, card) == [4, 6]


def test_a_store_that_swallows_writes_is_noticed_and_the_watermark_stays(
    settings: FeastSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = payments(next(CARDS), (1, 5.0, 1.0))
    before = watermark(VIEW, settings, CASE)
    monkeypatch.setattr(OnlineTable, "write", lambda self, rows: None)
    with pytest.raises(StateError, match=r"1 of 1 entities were not in the online store after writing"):
        write(settings, events, AT + timedelta(hours=1))
    assert watermark(VIEW, settings, CASE) == before


def test_a_store_that_gives_back_something_else_is_noticed(
    settings: FeastSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = next(CARDS)
    write(settings, payments(card, (1, 5.0, 1.0)))
    monkeypatch.setattr(OnlineTable, "write", lambda self, rows: None)
    with pytest.raises(StateError, match=rf"card_id={card} reads back differently"):
        write(settings, payments(card, (1, 5.0, 1.5)))


def test_states_of_two_times_are_refused(settings: FeastSettings) -> None:
    parts = [
        entity_state(VIEW, CASE, payments(next(CARDS), (1, 5.0, 1.0)), AT + timedelta(hours=hour)) for hour in (0, 1)
    ]
    with pytest.raises(StateError, match="mixes 2 times"):
        write_state(VIEW, pl.concat(parts), settings, CASE)


def test_an_empty_state_writes_nothing(settings: FeastSettings) -> None:
    assert write(settings, payments(1).clear()) == 0


def test_many_entities_are_written_in_chunks(settings: FeastSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "ENTITIES_PER_CHUNK", 2)
    cards = [next(CARDS) for _ in range(5)]
    assert write(settings, pl.concat([payments(card, (card, 5.0, 1.0)) for card in cards])) == 5
    assert [stored_keys(settings, card) for card in cards] == [[card] for card in cards]


def test_applying_again_keeps_the_watermark_and_warns_of_nothing(settings: FeastSettings) -> None:
    write(settings, payments(next(CARDS), (1, 5.0, 1.0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = apply(CASE, settings)
    assert names[-1].startswith("payments_")
    assert watermark(VIEW, settings, CASE) == AT


def test_two_versions_of_a_declaration_keep_their_states_apart(settings: FeastSettings) -> None:
    longer = use_case(
        features=[
            {
                "name": "card_activity",
                "description": "the card",
                "entity": "card",
                "windows": [window("card_count", "count", None, [9])],
            }
        ]
    )
    card = next(CARDS)
    apply(longer, settings)
    write(settings, payments(card, (1, 5.0, 1.0)))
    state = entity_state(longer.features[0], longer, payments(card, (1, 5.0, 1.0), (2, 5.5, 1.0)), AT)
    write_state(longer.features[0], state, settings, longer)
    assert stored_keys(settings, card) == [1]


def test_a_use_case_without_windows_needs_no_store(tmp_path: Any) -> None:
    case = use_case(features=[CASE.features[0].model_dump()])
    nowhere = FeastSettings(project="payments", registry="", online_store={"type": "sqlite"}, home=str(tmp_path))
    assert apply(case, nowhere) == ()
    vector = OnlineFeatures(case, nowhere).vector(request(1, 1, 0.5, 3.5))
    assert vector.values.tolist() == [3.5, 0.0]


def test_a_view_that_was_never_applied_is_named(tmp_path: Any) -> None:
    fresh = FeastSettings(
        project="payments",
        registry=f"sqlite:///{tmp_path / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(tmp_path),
    )
    with pytest.raises(StateError, match=r"'card_activity' of 'payments' is not in Feast's registry"):
        watermark(VIEW, fresh, CASE)
