"""An entity whose events outgrow its state, on SQLite and on Redis: the same answers to the bit, and nobody notices the change of form."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.features.entity_state import entity_state, state_layout
from platform_assets.features.errors import StateError
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.features.online.histories import all_events, is_tree
from platform_assets.features.online.packed_state import kind_of
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.request_windows import HistoryWindows, window_values
from platform_assets.features.online.state_table import OnlineTable, online_table, packed
from platform_assets.features.online.store import WriteLock, apply, write_state
from platform_assets.features.state_events import state_event
from platform_assets.features.streaming.writer import ADDED, CHANGED, SEEN, _write_view
from platform_assets.settings import Settings
from platform_assets.testing.servers import Redis, redis
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, MIDNIGHT, use_case, view_of

CASE = use_case()
VIEW = view_of(CASE, "card_activity")
LAYOUT = state_layout(VIEW, CASE)
AT = MIDNIGHT + timedelta(days=6)
CARDS = count(500)
MANY = 700
COLUMNS = [CASE.feature_names.index(name) for name in LAYOUT.plan.names]


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with redis() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    home = tmp_path_factory.mktemp("home")
    environment = {"PLATFORM_ASSETS_HOME": str(home)}
    if request.param == "redis":
        environment["PLATFORM_ASSETS_FEAST_ONLINE_STORE"] = json.dumps(request.getfixturevalue("server").online_store)
    found = Settings.from_environment(environment)
    (home / "feast").mkdir()
    store = FeatureStore(registry=found.feast_registry, online_store=found.feast_online_store, home=str(home / "feast"))
    apply(CASE, store.settings(CASE))
    return store.settings(CASE)


def payments(card: int, number: int, first_key: int = 0) -> pl.DataFrame:
    """Events of the six days before AT, a few at the same moment."""
    rng = np.random.default_rng(card)
    offsets = np.sort(rng.integers(0, 6 * 24 * 60, number))
    amounts = np.round(rng.lognormal(3, 1, number), 2)
    rows = [
        (first_key + n, at := MIDNIGHT + timedelta(minutes=int(offsets[n])), card, 0, float(amounts[n]), at.date())
        for n in range(number)
    ]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


def request_of(card: int, key: int, minutes: float, amount: float = 1.5) -> dict[str, Any]:
    at = AT + timedelta(minutes=minutes)
    return {"payment_id": key, "paid_at": at, "card_id": card, "shop_id": card, "amount": amount}


def write(settings: FeastSettings, events: pl.DataFrame) -> None:
    write_state(VIEW, entity_state(VIEW, CASE, events, AT), settings, CASE)


def table_of(settings: FeastSettings) -> OnlineTable:
    return online_table(LAYOUT, feast_store(settings))


def state_of(table: OnlineTable, card: int) -> bytes:
    fields = table.read([card])[0]
    assert fields is not None
    return packed(fields)


def expected(table: OnlineTable, card: int, event: dict[str, Any]) -> list[float]:
    """The kernel over all events that are stored."""
    return list(window_values(LAYOUT, all_events(table, card, state_of(table, card)), state_event(LAYOUT, event)))


def answer(features: OnlineFeatures, event: dict[str, Any]) -> list[float]:
    return list(features.vector(event).values[COLUMNS])


def test_a_busy_entity_s_answers_are_the_kernel_s_before_and_after_more_events(both: FeastSettings) -> None:
    card, features, table = next(CARDS), OnlineFeatures(CASE, both), table_of(both)
    write(both, payments(card, MANY))
    assert is_tree(state_of(table, card), LAYOUT, card)
    for key in range(MANY, MANY + 5):
        event = request_of(card, key, minutes=key - MANY, amount=float(key))
        assert answer(features, event) == expected(table, card, event)
        features.announce(event)
        assert answer(features, event) == expected(table, card, event), "its own event counts once"
        features.record(event)
        assert answer(features, event) == expected(table, card, event)
    assert len(all_events(table, card, state_of(table, card))) > MANY // 2


def test_an_event_on_its_way_counts(both: FeastSettings) -> None:
    card, features, other = next(CARDS), OnlineFeatures(CASE, both), OnlineFeatures(CASE, both)
    write(both, payments(card, MANY))
    first, second = request_of(card, MANY, 1, 77.0), request_of(card, MANY + 1, 2)
    features.announce(first)
    waiting = [answer(features, second), answer(other, second)]
    features.record(first)
    assert waiting == [answer(features, second)] * 2


def test_an_entity_becomes_busy_and_nobody_notices(both: FeastSettings) -> None:
    card, features, table = next(CARDS), OnlineFeatures(CASE, both), table_of(both)
    kinds = set()
    write(both, payments(card, 440).tail(250))
    for key in range(1000, 1012):
        event = request_of(card, key, minutes=key / 10)
        features.record(event)
        kinds.add(kind_of(state_of(table, card), LAYOUT, card)[0])
        later = request_of(card, 2000, minutes=key / 10 + 0.05)
        assert answer(features, later) == expected(table, card, later)
    assert kinds == {0, 1}


def test_an_event_that_is_recorded_twice_counts_once(both: FeastSettings) -> None:
    card, features, table = next(CARDS), OnlineFeatures(CASE, both), table_of(both)
    write(both, payments(card, MANY))
    event = request_of(card, MANY, 1)
    features.record(event)
    state = state_of(table, card)
    features.record(event)
    assert state_of(table, card) == state


def test_what_a_service_recorded_stays_when_the_lake_s_state_is_written(both: FeastSettings) -> None:
    card, features, table = next(CARDS), OnlineFeatures(CASE, both), table_of(both)
    write(both, payments(card, MANY))
    features.record(request_of(card, MANY, 1))
    write(both, payments(card, MANY))
    assert all_events(table, card, state_of(table, card)).keys[0][-1] == MANY


def test_a_reader_that_is_overtaken_by_writers_begins_again(both: FeastSettings) -> None:
    card, features, table = next(CARDS), OnlineFeatures(CASE, both), table_of(both)
    write(both, payments(card, MANY))
    seen_before = state_of(table, card)
    for key in range(MANY, MANY + 60):
        features.record(request_of(card, key, minutes=(key - MANY) / 10))
    event, newest = request_of(card, 10_000, 60), state_event(LAYOUT, request_of(card, MANY + 59, minutes=5.9))
    found = HistoryWindows(WriteLock(both)).windows(table, card, seen_before, state_event(LAYOUT, event), [newest])
    assert found.values is not None
    assert found.values.tolist() == expected(table, card, event)


def test_a_stream_adds_corrects_and_repeats(both: FeastSettings) -> None:
    card, table = next(CARDS), table_of(both)
    rows = payments(card, MANY)
    write(both, rows)
    changed = rows.tail(2).with_columns(pl.Series("amount", [5.0, rows["amount"][-1]]))
    added = payments(card, 1, MANY).with_columns(paid_at=pl.lit(AT))
    outcomes = [SEEN] * 3
    with_label = pl.concat([changed, added]).with_columns(is_bad=pl.lit(None, pl.Int8))
    _write_view(table, with_label, outcomes)
    assert outcomes == [CHANGED, SEEN, ADDED]
    held = all_events(table, card, state_of(table, card))
    assert (held.keys[0][-1], held.values[0, -3]) == (MANY, 5.0)


def test_a_lost_page_names_the_entity_and_the_next_state_from_the_lake_mends_it(settings: FeastSettings) -> None:
    apply(CASE, settings)
    card, table = next(CARDS), table_of(settings)
    write(settings, payments(card, MANY))
    event = request_of(card, MANY, 1)
    with closing(sqlite3.connect(str(settings.sqlite_path))) as connection:
        (name,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%card_activity%\\_\\_pages' ESCAPE '\\'"
        ).fetchone()
        connection.execute(f'DELETE FROM "{name}"')
        connection.commit()
    with pytest.raises(StateError, match=rf"card_id={card} .*page \d+ of its events is not there"):
        OnlineFeatures(CASE, settings).vector(event)
    write(settings, payments(card, MANY))
    assert answer(OnlineFeatures(CASE, settings), event) == expected(table, card, event)


def test_a_store_that_loses_pages_while_they_are_written_is_noticed(
    settings: FeastSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(CASE, settings)
    monkeypatch.setattr("platform_assets.features.online.page_table.EntityPages.write", lambda *_: None)
    with pytest.raises(StateError, match=r"of \d+ pages of card_id=\d+ read back differently"):
        write(settings, payments(next(CARDS), MANY))
