"""A store that lost what was written to it is noticed, whatever way it lost it, and refused until it is filled again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import serving.online as online_module
from platform_assets.features.entity_state import entity_state
from platform_assets.features.errors import StoreLost
from platform_assets.features.online import generation as generation_module
from platform_assets.features.online.feast_connection import FeastSettings, feast_store, repo_config
from platform_assets.features.online.generation import note_filled, open_mark, why_lost
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state
from platform_assets.testing.servers import Redis, redis
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, FIRST_DAY, MIDNIGHT, use_case, view_of
from serving.online import StoreEmptied

CASE = use_case()
VIEW = view_of(CASE, "card_activity")
COUNT = CASE.feature_names.index("card_count_3d")
PROJECTS = count(1)
DAY = FIRST_DAY + timedelta(days=6)
EMPTIED = "lost its data: it was filled as of 2024-03-03.*platform-assets run"


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with redis() as running:
        yield running


@pytest.fixture(params=["sqlite", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> FeastSettings:
    store: dict[str, Any] = {"type": "sqlite", "path": str(tmp_path / "online.db")}
    if request.param == "redis":
        running: Redis = request.getfixturevalue("server")
        store = running.online_store
    project = f"payments_{next(PROJECTS)}"
    return FeastSettings(
        project=project, registry=f"sqlite:///{tmp_path}/registry.db", online_store=store, home=str(tmp_path)
    )


def fill(settings: FeastSettings, *, anew: bool = False, day: Any = DAY) -> None:
    """What the online store asset does: a card with two payments, then the mark."""
    apply(CASE, settings)
    rows = [(key, MIDNIGHT + timedelta(days=5, hours=key), 1, 1, 2.0, FIRST_DAY + timedelta(days=5)) for key in (1, 2)]
    events = pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")
    write_state(VIEW, entity_state(VIEW, CASE, events, MIDNIGHT + timedelta(days=6)), settings, CASE, anew=anew)
    store = feast_store(settings)
    note_filled(store, open_mark(settings, store.config), day, anew=anew)


def empty(settings: FeastSettings, tmp_path: Path) -> None:
    """Take the data away behind everybody's back; the tables stay."""
    path = settings.sqlite_path
    if path is None:
        client_of(settings).flushall()
        return
    path.rename(tmp_path / "before.db")
    for log in tmp_path.glob("online.db-*"):
        log.unlink()
    apply(CASE, settings)


def client_of(settings: FeastSettings) -> Any:
    from platform_assets.features.online.feast_connection import redis_client_of

    return redis_client_of(repo_config(settings))


def payment(key: int) -> dict[str, Any]:
    at = MIDNIGHT + timedelta(days=6, hours=key)
    return {"payment_id": key, "paid_at": at, "card_id": 1, "shop_id": 1, "amount": 1.0}


def test_a_store_that_was_emptied_is_refused_until_it_is_filled_again(settings: FeastSettings, tmp_path: Path) -> None:
    fill(settings)
    running = OnlineFeatures(CASE, settings)
    assert running.vector(payment(3)).values[COUNT] == 3.0
    assert why_lost(settings) is None
    empty(settings, tmp_path)
    for online in (running, OnlineFeatures(CASE, settings)):  # a process that runs, and one that starts
        with pytest.raises(StoreLost, match=EMPTIED):
            online.vector(payment(3))
        with pytest.raises(StoreLost, match=EMPTIED):
            online.record(payment(3))
        assert online.without_history(payment(3)).values[COUNT] == 1.0
    assert why_lost(settings) is not None
    fill(settings, anew=True)
    assert why_lost(settings) is None
    assert running.vector(payment(3)).values[COUNT] == 3.0


def test_a_service_tells_an_empty_store_from_one_that_does_not_answer(settings: FeastSettings, tmp_path: Path) -> None:
    fill(settings)
    guarded = online_module._Guarded(OnlineFeatures(CASE, settings))
    empty(settings, tmp_path)
    for _ in range(2):
        with pytest.raises(StoreEmptied, match=EMPTIED):
            guarded.vector(payment(3))


def test_an_older_copy_of_the_store_is_refused(settings: FeastSettings) -> None:
    fill(settings, day=DAY - timedelta(days=1))
    mark = open_mark(settings, repo_config(settings))
    copy = mark.read()
    fill(settings)
    running = OnlineFeatures(CASE, settings)
    running.vector(payment(3))
    assert copy is not None
    mark.write(copy)  # as a snapshot that was restored brings it
    for online in (running, OnlineFeatures(CASE, settings)):
        with pytest.raises(StoreLost, match=r"older copy.*as of 2024-03-02.*filled as of 2024-03-03"):
            online.vector(payment(3))


def test_a_store_of_a_home_from_before_there_were_marks_answers(settings: FeastSettings) -> None:
    apply(CASE, settings)
    online = OnlineFeatures(CASE, settings)
    online.record(payment(3))
    assert online.vector(payment(4)).values[COUNT] == 2.0
    assert why_lost(settings) is None
    fill(settings)
    online.vector(payment(4))
    open_mark(settings, repo_config(settings)).remove()
    with pytest.raises(StoreLost):
        online.vector(payment(4))


def test_a_file_that_is_gone_is_refused_and_one_that_took_its_place_is_read(tmp_path: Path) -> None:
    store = {"type": "sqlite", "path": str(tmp_path / "online.db")}
    settings = FeastSettings(project="p", registry=f"sqlite:///{tmp_path}/r.db", online_store=store, home=str(tmp_path))
    fill(settings)
    running = OnlineFeatures(CASE, settings)
    running.announce(payment(3))
    with (
        closing(sqlite3.connect(tmp_path / "kept.db")) as kept,
        closing(sqlite3.connect(tmp_path / "online.db")) as whole,
    ):
        whole.backup(kept)
    for file in tmp_path.glob("online.db*"):
        if "exchange" not in file.name:
            file.unlink()
    with pytest.raises(StoreLost, match=r"online\.db is gone"):
        running.vector(payment(4))
    assert "is gone" in str(why_lost(settings))
    (tmp_path / "kept.db").rename(tmp_path / "online.db")
    assert running.vector(payment(4)).values[COUNT] == 4.0
    running.record(payment(3))
    assert OnlineFeatures(CASE, settings).vector(payment(4)).values[COUNT] == 4.0


def test_keys_that_redis_threw_away_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_module, "EVICTIONS_EVERY_SECONDS", 0.0)
    with redis() as own:
        settings = FeastSettings(
            project="p", registry=f"sqlite:///{tmp_path}/r.db", online_store=own.online_store, home=str(tmp_path)
        )
        fill(settings)
        client, running = client_of(settings), OnlineFeatures(CASE, settings)
        running.vector(payment(3))
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 200_000)
        for number in range(2_000):
            client.set(f"somebody else's {number}", "x" * 400)
        with pytest.raises(StoreLost, match=r"threw \d+ keys away|lost its data"):
            running.vector(payment(3))
        client.config_set("maxmemory", 0)
        fill(settings, anew=True)
        assert running.vector(payment(3)).values[COUNT] == 3.0


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_only_policies_that_may_take_our_keys_count(policy: str) -> None:
    class Client:
        def info(self) -> dict[str, Any]:
            return {"maxmemory_policy": policy, "evicted_keys": 5, "run_id": "a"}

    assert generation_module.RedisMark(Client(), "p").evictions().evicted == 0


def test_a_redis_that_forbids_the_question_is_not_blamed() -> None:
    from redis.exceptions import ResponseError

    class Client:
        def info(self) -> dict[str, Any]:
            raise ResponseError("NOPERM")

    assert generation_module.RedisMark(Client(), "p").evictions() == generation_module.Evictions()
