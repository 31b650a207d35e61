"""Events on their way into the states are seen by every process that serves: none is scored without one that was scored before it."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from platform_assets.features.entity_state import StateEvent, state_layout
from platform_assets.features.online.exchange.base import EntityName, EventExchange
from platform_assets.features.online.exchange.file_exchange import FileExchange
from platform_assets.features.online.exchange.opened import open_exchange
from platform_assets.features.online.feast_connection import FeastSettings, feast_store, repo_config
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.state_table import decode_events, online_table
from platform_assets.features.online.store import apply
from platform_assets.testing.servers import Redis, redis
from platform_assets_tests.unit.features.histories import MIDNIGHT, use_case, view_of

CASE = use_case()
LAYOUT = state_layout(view_of(CASE, "card_activity"), CASE)
COUNT = CASE.feature_names.index("card_count_1d")
CARDS = count(9000)
BASE = datetime(2024, 3, 5, 12, tzinfo=UTC)
VIEW = "card_activity_1"

Opened = Callable[[], OnlineFeatures]


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with redis() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    home = tmp_path_factory.mktemp("home")
    store: dict[str, Any] = {"type": "sqlite", "path": str(home / "online.db")}
    if request.param == "redis":
        running: Redis = request.getfixturevalue("server")
        store = running.online_store
    made = FeastSettings(
        project="payments", registry=f"sqlite:///{home}/registry.db", online_store=store, home=str(home)
    )
    apply(CASE, made)
    return made


@pytest.fixture
def exchange(settings: FeastSettings) -> EventExchange:
    return open_exchange(settings, repo_config(settings))


@pytest.fixture
def another(settings: FeastSettings) -> EventExchange:
    """The same, as another process has it."""
    return open_exchange(settings, repo_config(settings))


def event(key: int, value: float = 1.0) -> StateEvent:
    return StateEvent(1_000_000 + key, (key,), (value,))


def waiting(exchange: EventExchange, *names: EntityName) -> list[list[int]]:
    return [[int(one.key[0]) for one in events] for events in exchange.seen(names).waiting]


def test_what_one_process_puts_another_sees_until_it_is_stored(exchange: EventExchange, another: EventExchange) -> None:
    card, shop = EntityName(VIEW, next(CARDS)), EntityName("shop_risk_1", next(CARDS))
    assert exchange.put([(card, event(1)), (shop, event(1))], None)
    assert exchange.put([(card, event(2))], None)
    assert waiting(another, card, shop, EntityName(VIEW, None)) == [[1, 2], [1], []]
    another.stored([(card, [event(1)])])
    assert waiting(exchange, card, shop) == [[2], [1]]
    exchange.withdraw(card, event(2))
    assert waiting(another, card) == [[]]


def test_an_event_is_put_only_where_nobody_put_one_since(exchange: EventExchange, another: EventExchange) -> None:
    card, shop, aside = (EntityName(VIEW, next(CARDS)) for _ in range(3))
    mark = exchange.seen([card, shop]).mark
    assert another.put([(aside, event(1))], None)
    assert exchange.put([(card, event(1)), (shop, event(1))], mark), "another entity's events do not matter"
    assert not another.put([(card, event(2)), (shop, event(2))], mark)
    assert waiting(exchange, card, shop) == [[1], [1]], "all of it, or nothing"
    exchange.stored([(card, [event(1)])])
    assert not another.put([(card, event(2))], mark if isinstance(mark, int) else mark[:1]), "stored since: look again"
    assert another.put([(card, event(2))], another.seen([card]).mark)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.1 + 0.2, -0.0, 1e-320, 2.0**60 + 1.0])
def test_an_event_comes_back_to_the_bit(exchange: EventExchange, value: float) -> None:
    card = EntityName(VIEW, f"a:b/{next(CARDS)} ü'")
    exchange.put([(card, StateEvent(2**53 + 1, ("text ü", 2**62, 0.1), (value, 3.0)))], None)
    ((seen,),) = exchange.seen([card]).waiting
    assert (seen.time, seen.key) == (2**53 + 1, ("text ü", 2**62, 0.1))
    assert np.array(seen.values).tobytes() == np.array([value, 3.0]).tobytes()


def test_a_delivery_that_comes_again_waits_once_and_the_first_stays(exchange: EventExchange) -> None:
    card = EntityName(VIEW, next(CARDS))
    exchange.put([(card, event(1, 5.0))], None)
    exchange.put([(card, event(1, 6.0))], None)
    assert [one.values for one in exchange.seen([card]).waiting[0]] == [(5.0,)]


def test_a_file_that_a_power_cut_broke_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "exchange.db").write_bytes(b"not a database at all" * 400)
    assert FileExchange(tmp_path / "exchange.db", "payments").put([(EntityName(VIEW, 1), event(1))], None)


SERVING = """
import sys
from pathlib import Path
from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.exchange.base import EntityName
from platform_assets.features.online.exchange.file_exchange import FileExchange

exchange, first, name = FileExchange(Path(sys.argv[1]), "payments"), int(sys.argv[2]), EntityName("card_activity_1", 1)
exchange.put([(name, StateEvent(first, (first,), (1.0,)))], None)
print("ready", flush=True)
sys.stdin.readline()
for key in range(first + 1, first + 51):
    assert exchange.put([(name, StateEvent(key, (key,), (1.0,)))], None)
    assert key in [event.key[0] for event in exchange.seen([name]).waiting[0]]
print("done", flush=True)
sys.stdin.readline()
"""


def damage_in_place(path: Path) -> None:
    """Everything is in the file, as it is long after the last event, and then its pages hold something else."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)


def test_processes_that_meet_a_damaged_file_go_on_with_one_new_file(tmp_path: Path) -> None:
    """Whoever meets it first begins it anew; what is put from then on is seen by all, and nothing twice."""
    path = tmp_path / "exchange.db"
    ours = FileExchange(path, "payments")
    command = [sys.executable, "-c", SERVING, str(path)]
    firsts = [1000, 2000, 3000]
    serving = [
        subprocess.Popen([*command, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for first in firsts
    ]
    try:
        assert [process.stdout.readline() for process in serving if process.stdout] == ["ready\n"] * 3
        damage_in_place(path)
        for process in serving:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.stdout.readline() for process in serving if process.stdout] == ["done\n"] * 3
        expected = sorted(key for first in firsts for key in range(first + 1, first + 51))
        for exchange in (ours, FileExchange(path, "payments")):
            [keys] = waiting(exchange, EntityName(VIEW, 1))
            assert sorted(keys) == expected
    finally:
        for process in serving:
            process.communicate()
    assert [process.returncode for process in serving] == [0, 0, 0]


@pytest.mark.parametrize("call", ["seen", "put", "stored", "withdraw", "left_behind"])
def test_every_call_goes_on_where_the_file_is_damaged_while_it_is_open(tmp_path: Path, call: str) -> None:
    path, card = tmp_path / "exchange.db", EntityName(VIEW, 1)
    one, other = FileExchange(path, "payments"), FileExchange(path, "payments")
    for key in range(40):
        one.put([(card, event(key))], None)
    mark = one.seen([card]).mark
    damage_in_place(path)
    calls: dict[str, Callable[[], Any]] = {
        "seen": lambda: one.seen([card]),
        "put": lambda: one.put([(card, event(41))], None),
        "stored": lambda: one.stored([(card, [event(1)])]),
        "withdraw": lambda: one.withdraw(card, event(1)),
        "left_behind": one.left_behind,
    }
    calls[call]()
    other.put([(card, event(42))], None)
    assert waiting(one, card)[0][-1] == 42
    assert not one.put([(card, event(43))], mark), "scored from the file before, and without the event of the new one"


def test_a_file_that_was_deleted_is_missed_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    one, other = FileExchange(path, "payments"), FileExchange(path, "payments")
    one.put([(EntityName(VIEW, 1), event(1))], None)
    for file in tmp_path.iterdir():
        file.unlink()
    one.put([(EntityName(VIEW, 1), event(2))], None)
    assert waiting(other, EntityName(VIEW, 1)) == [[2]]


def request_of(card: int, key: int, hours: float) -> dict[str, Any]:
    at = MIDNIGHT + timedelta(days=6, hours=hours)
    return {"payment_id": key, "paid_at": at, "card_id": card, "shop_id": card, "amount": 1.0}


def stored_keys(settings: FeastSettings, card: int) -> list[int]:
    table = online_table(LAYOUT, feast_store(settings))
    fields = table.read([card])[0]
    return [] if fields is None else list(decode_events(fields, LAYOUT, card).keys[0])


def test_an_announced_event_counts_in_every_process_before_and_after_it_is_stored(settings: FeastSettings) -> None:
    card = next(CARDS)
    one, other = OnlineFeatures(CASE, settings), OnlineFeatures(CASE, settings)
    first, second = request_of(card, 1, 1.0), request_of(card, 2, 2.0)
    before = other.vector(second)
    assert one.announce(first, one.vector(first).mark)
    assert stored_keys(settings, card) == []
    assert other.vector(second).values[COUNT] == 2.0
    assert other.vector(second).unknown_entities == ()
    assert not other.announce(second, before.mark), "scored without the first"
    one.record(first)
    assert other.vector(second).values[COUNT] == 2.0
    assert other.announce(second, other.vector(second).mark)
    other.forget(second)
    assert one.vector(request_of(card, 3, 3.0)).values[COUNT] == 2.0


def test_events_of_a_process_that_died_are_stored_with_the_next_one_of_their_entity(settings: FeastSettings) -> None:
    card = next(CARDS)
    killed = OnlineFeatures(CASE, settings)
    killed.announce(request_of(card, 1, 1.0))
    killed.announce(request_of(card, 2, 2.0))
    del killed
    OnlineFeatures(CASE, settings).record(request_of(card, 3, 3.0))
    assert stored_keys(settings, card) == [1, 2, 3]


def test_a_process_that_starts_stores_what_a_dead_one_left_behind(tmp_path: Path) -> None:
    store = {"type": "sqlite", "path": str(tmp_path / "online.db")}
    settings = FeastSettings(project="p", registry=f"sqlite:///{tmp_path}/r.db", online_store=store, home=str(tmp_path))
    apply(CASE, settings)
    OnlineFeatures(CASE, settings).announce(request_of(7, 1, 1.0))
    assert stored_keys(settings, 7) == []
    OnlineFeatures(CASE, settings)
    assert stored_keys(settings, 7) == [1]


PROCESSES, REQUESTS = 4, 30


def test_processes_that_serve_one_hot_entity_at_once_see_everything_scored_before(settings: FeastSettings) -> None:
    """Each counts itself and what was scored before it and lies before it, in the order of time and key."""
    card, keys, failures = next(CARDS), count(), list[BaseException]()
    scored: list[tuple[datetime, int, float]] = []
    features = [OnlineFeatures(CASE, settings) for _ in range(PROCESSES)]

    def serve(online: OnlineFeatures, random: Random) -> None:
        try:
            for _ in range(REQUESTS):
                event = request_of(card, next(keys), 1.0)
                while True:
                    vector = online.vector(event)
                    time.sleep(random.random() / 2000)
                    at = datetime.now(UTC)
                    if online.announce(event, vector.mark):
                        break
                scored.append((at, event["payment_id"], float(vector.values[COUNT])))
                if random.random() < 0.5:
                    online.record(event)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=serve, args=(one, Random(seed))) for seed, one in enumerate(features)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(scored) == PROCESSES * REQUESTS
    before = list[int]()
    for _, key, value in sorted(scored):
        assert value == 1 + sum(earlier < key for earlier in before), "an event that was scored before is missing"
        before.append(key)
