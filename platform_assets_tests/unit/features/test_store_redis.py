"""The online store on a real Redis server, by settings alone; and what must hold on SQLite and Redis alike."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from redis import Redis as Client
from redis.exceptions import AuthenticationError, LockError, RedisError

from platform_assets.features.entity_state import entity_state, state_layout
from platform_assets.features.errors import StateError
from platform_assets.features.online.credentials import ONLINE_STORE, REGISTRY, with_credentials
from platform_assets.features.online.feast_connection import FeastSettings, feast_store, repo_config
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.request_reads import RequestReads
from platform_assets.features.online.state_table import OnlineTable, decode_events, online_table
from platform_assets.features.online.store import WriteLock, apply, watermark, write_state
from platform_assets.secret_sources.delivered import deliver
from platform_assets.settings import Settings
from platform_assets.testing.servers import Redis, redis
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, MIDNIGHT, use_case, view_of

CASE = use_case()
VIEW = view_of(CASE, "card_activity")
LAYOUT = state_layout(VIEW, CASE)
AT = MIDNIGHT + timedelta(days=6)
CARDS = count(500)


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with redis() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    """Settings as an installation makes them of its environment."""
    home = tmp_path_factory.mktemp("home")
    environment = {"PLATFORM_ASSETS_HOME": str(home)}
    if request.param == "redis":
        running: Redis = request.getfixturevalue("server")
        environment["PLATFORM_ASSETS_FEAST_ONLINE_STORE"] = json.dumps(running.online_store)
    found = Settings.from_environment(environment)
    (home / "feast").mkdir()
    resource = FeatureStore(
        registry=found.feast_registry, online_store=found.feast_online_store, home=str(home / "feast")
    )
    made = resource.settings(CASE)
    apply(CASE, made)
    return made


def payments(card: int, *rows: tuple[int, float, float]) -> pl.DataFrame:
    found = [(key, at := MIDNIGHT + timedelta(days=days), card, 0, amount, at.date()) for key, days, amount in rows]
    return pl.DataFrame(found, schema=EVENT_SCHEMA, orient="row")


def request_of(card: int, key: int, days: float) -> dict[str, Any]:
    at = MIDNIGHT + timedelta(days=days)
    return {"payment_id": key, "paid_at": at, "card_id": card, "shop_id": card, "amount": 1.0}


def write(settings: FeastSettings, events: pl.DataFrame, at: Any = AT) -> int:
    return write_state(VIEW, entity_state(VIEW, CASE, events, at), settings, CASE)


def stored_keys(settings: FeastSettings, card: int) -> list[int] | None:
    found = online_table(LAYOUT, feast_store(settings)).read([card])[0]
    return None if found is None else list(decode_events(found, LAYOUT, card).keys[0])


def test_states_are_written_read_back_and_dated(both: FeastSettings) -> None:
    card, other = next(CARDS), next(CARDS)
    assert stored_keys(both, card) is None
    assert write(both, pl.concat([payments(card, (2, 5.5, 2.0), (1, 5.0, 1.0)), payments(other, (3, 5.0, 9.0))])) == 2
    assert (stored_keys(both, card), stored_keys(both, other)) == ([1, 2], [3])
    assert watermark(VIEW, both, CASE) == AT


def test_an_older_state_never_takes_the_place_of_a_newer_one(both: FeastSettings) -> None:
    card = next(CARDS)
    write(both, payments(card, (1, 4.0, 1.0), (2, 5.0, 1.0)))
    with pytest.raises(StateError, match="is older than the one in the online store"):
        write(both, payments(card, (1, 4.0, 1.0)), AT - timedelta(days=1))
    assert stored_keys(both, card) == [1, 2]


def test_a_state_written_late_keeps_newer_events(both: FeastSettings) -> None:
    """What a service or a stream wrote since is not overwritten, whatever the store does with times."""
    card = next(CARDS)
    OnlineFeatures(CASE, both).record(request_of(card, 7, 6.5))
    write(both, payments(card, (1, 5.0, 1.0)))
    assert stored_keys(both, card) == [1, 7]


def test_two_events_at_one_time_both_count(both: FeastSettings) -> None:
    """Feast's own check of times on Redis drops the second."""
    card, online = next(CARDS), OnlineFeatures(CASE, both)
    online.record(request_of(card, 1, 6.5))
    online.record(request_of(card, 2, 6.5))
    assert stored_keys(both, card) == [1, 2]


def test_a_store_that_swallows_writes_is_noticed_and_the_watermark_stays(
    both: FeastSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = watermark(VIEW, both, CASE)
    monkeypatch.setattr(OnlineTable, "write", lambda self, rows: None)
    with pytest.raises(StateError, match="1 of 1 entities were not in the online store after writing"):
        write(both, payments(next(CARDS), (1, 5.0, 1.0)), AT + timedelta(hours=1))
    assert watermark(VIEW, both, CASE) == before


def test_an_unknown_entity_is_told_from_one_whose_events_have_left(both: FeastSettings) -> None:
    card, online = next(CARDS), OnlineFeatures(CASE, both)
    unknown = online.vector(request_of(card, 1, 6.5))
    assert unknown.unknown_entities == ("card", "shop")
    online.record(request_of(card, 1, 6.5))
    long_after = online.vector(request_of(card, 2, 60.0))
    assert long_after.unknown_entities == ()
    np.testing.assert_array_equal(long_after.values, online.vector(request_of(next(CARDS), 2, 60.0)).values)


def test_writers_in_processes_of_their_own_wait_for_each_other(server: Redis, tmp_path: Path) -> None:
    settings = FeastSettings(project="p", registry="", online_store=server.online_store, home=str(tmp_path))
    one, other = WriteLock(settings), WriteLock(settings, wait_seconds=0.05)
    with one.held(), pytest.raises(LockError), other.held():
        pass
    with other.held() as go_on:
        go_on()


def test_threads_that_record_for_one_entity_lose_nothing(both: FeastSettings) -> None:
    card, failures = next(CARDS), list[BaseException]()
    features = [OnlineFeatures(CASE, both) for _ in range(3)]

    def record(place: int) -> None:
        try:
            for key in range(place, 24, 3):
                features[place].record(request_of(card, key, 6.5 + key / 1000))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=record, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored_keys(both, card) == list(range(24))


def test_a_server_that_does_not_answer_is_given_up_after_a_moment(tmp_path: Path) -> None:
    with redis() as own:
        settings = FeastSettings(
            project="payments",
            registry=f"sqlite:///{tmp_path / 'registry.db'}",
            online_store=own.online_store,
            home=str(tmp_path),
        )
        apply(CASE, settings)
        online = OnlineFeatures(CASE, settings)
        online.record(request_of(1, 1, 6.5))
        own.pause()
        started = time.monotonic()
        with pytest.raises(RedisError):
            online.vector(request_of(1, 2, 6.6))
        assert time.monotonic() - started < 10, "one wait of a second, not several with pauses"
        own.go_on()
        assert online.vector(request_of(1, 2, 6.6)).unknown_entities == ()
    with pytest.raises(RedisError):
        online.vector(request_of(1, 2, 6.6))


def test_a_password_that_changes_is_taken_over_by_the_next_connection(server: Redis, tmp_path: Path) -> None:
    administer, folder = Client(port=server.port), tmp_path / "credentials"

    def login(password: str) -> str:
        return json.dumps(
            {"type": "redis", "connection_string": f"127.0.0.1:{server.port},username=service,password={password}"}
        )

    administer.execute_command("ACL", "SETUSER", "service", "on", ">first", "~*", "+@all")
    deliver({REGISTRY: f"sqlite:///{tmp_path / 'registry.db'}", ONLINE_STORE: login("first")}, folder)
    left_out = {
        "project": "followed",
        "home": str(tmp_path),
        "registry": "",
        "online_store": {},
        "credentials": str(folder),
    }
    settings = FeastSettings.model_validate(with_credentials(left_out))
    apply(CASE, settings)
    online = OnlineFeatures(CASE, settings)
    online.record(request_of(1, 1, 6.5))
    for number, (old, new) in enumerate([("first", "second"), ("second", "third")]):
        administer.execute_command("ACL", "SETUSER", "service", f">{new}")
        deliver({REGISTRY: f"sqlite:///{tmp_path / 'registry.db'}", ONLINE_STORE: login(new)}, folder)
        administer.execute_command("ACL", "SETUSER", "service", f"<{old}")
        for one in administer.client_list():
            if one["user"] == "service":
                administer.client_kill_filter(_id=one["id"])
        assert online.vector(request_of(1, 2 + number, 6.6)).unknown_entities == ()
        online.record(request_of(1, 10 + number, 6.7))
    with pytest.raises(AuthenticationError):
        Client(port=server.port, username="service", password="first").ping()


def test_limits_that_the_settings_name_are_kept(tmp_path: Path) -> None:
    store = {"type": "redis", "connection_string": "somewhere:6379,socket_timeout=5,db=2"}
    settings = FeastSettings(project="p", registry="sqlite://", online_store=store, home=str(tmp_path))
    address = repo_config(settings).online_store.connection_string
    assert address == "somewhere:6379,socket_timeout=5,db=2,socket_connect_timeout=0.5"


def test_what_one_request_asks_of_all_views_is_what_each_view_is_asked_for(both: FeastSettings) -> None:
    card, absent, store = next(CARDS), next(CARDS), feast_store(both)
    write(both, payments(card, (1, 5.0, 7.5), (2, 5.5, 2.0)), AT + timedelta(hours=2))
    tables = [online_table(LAYOUT, store), online_table(LAYOUT, store)]
    reads = RequestReads(tables)
    found = reads.read([card, absent]).fields
    assert found == [*tables[0].read([card]), *tables[1].read([absent])]
    assert [fields is None for fields in found] == [False, True]
    assert reads.read([None, card]).fields == [None, *tables[0].read([card])]
    assert reads.read([None, None]).fields == [None, None]
