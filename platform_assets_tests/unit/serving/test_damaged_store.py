"""A damaged part of the store: those whose state lies there are told, all others are answered and recorded."""

import random
import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError

import serving.online as online_module
from platform_assets.features.online.damage import is_damage
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply
from platform_assets_tests.unit.features.histories import MIDNIGHT, use_case
from platform_assets_tests.unit.serving.test_app import SCORE, Served
from platform_assets_tests.unit.serving.test_store_outages import Store
from serving.online import StoreDamaged, StoreUnavailable, _Guarded

CARDS = range(1, 301)


def sqlite_error(code: int, kind: type[sqlite3.Error] = sqlite3.DatabaseError) -> sqlite3.Error:
    error = kind("something")
    error.sqlite_errorcode = code  # type: ignore[attr-defined]
    return error


DAMAGE = [
    sqlite_error(sqlite3.SQLITE_CORRUPT),
    sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX),
    sqlite_error(sqlite3.SQLITE_NOTADB),
    sqlite_error(sqlite3.SQLITE_IOERR_READ, sqlite3.OperationalError),
    ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    DecodeError("Error parsing message"),
]
OUTAGES = [
    sqlite_error(sqlite3.SQLITE_BUSY, sqlite3.OperationalError),
    sqlite_error(sqlite3.SQLITE_CANTOPEN, sqlite3.OperationalError),
    sqlite_error(sqlite3.SQLITE_FULL, sqlite3.OperationalError),
    sqlite_error(sqlite3.SQLITE_IOERR_WRITE, sqlite3.OperationalError),
    sqlite3.OperationalError("no code"),
    ConnectionLost("refused"),
    ResponseError("READONLY You can't write against a read only replica."),
    OSError("gone"),
]


@pytest.mark.parametrize(("errors", "damage"), [(DAMAGE, True), (OUTAGES, False)])
def test_damage_is_told_from_outages(errors: list[Exception], damage: bool) -> None:
    assert [is_damage(error) for error in errors] == [damage] * len(errors)


@pytest.mark.parametrize("error", DAMAGE)
def test_damage_pauses_nobody(error: Exception) -> None:
    store = Store()
    guarded = _Guarded(store)
    for number in range(1, 4):
        store.error = error
        with pytest.raises(StoreDamaged):
            guarded.vector({})
        store.error = None
        assert guarded.vector({}) == "features"
        assert store.asked == 2 * number


def test_an_outage_still_pauses_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_module.time, "monotonic", lambda: 5.0)
    store = Store()
    guarded = _Guarded(store)
    for error in OUTAGES:
        store.error = error
        with pytest.raises(StoreUnavailable) as caught:
            guarded.vector({})
        assert not isinstance(caught.value, StoreDamaged)
    assert store.asked == 1


def request(card: int, key: int) -> dict[str, Any]:
    time = MIDNIGHT + timedelta(days=7, minutes=key % 1000)
    return {"payment_id": key, "paid_at": time, "card_id": card, "shop_id": 1_000_000 + card, "amount": 1.0}


def _break_a_page(path: Path) -> None:
    """Put noise in the place of a page that holds the states of some entities, and not of many."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    keys = {
        name: [key for (key,) in connection.execute(f'SELECT DISTINCT entity_key FROM "{name}"')] for name in tables
    }
    connection.close()
    whole, count = path.read_bytes(), sum(map(len, keys.values()))
    noise = random.Random(0).randbytes(size)
    leaves = [number for number in range(2, len(whole) // size) if whole[number * size] in (0x0A, 0x0D)]
    for page in reversed(leaves):
        path.write_bytes(whole[: page * size] + noise + whole[(page + 1) * size :])
        if 0 < _unreadable(path, keys) < count / 4 and _takes_rows(path, tables):
            return
    raise AssertionError("no page holds a few entities")


def _takes_rows(path: Path, tables: list[str]) -> bool:
    """Whether the page with each table's newest row can be read, which SQLite looks at for every row that it writes."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            for table in tables:
                connection.execute(f'SELECT value FROM "{table}" ORDER BY rowid DESC LIMIT 1').fetchall()
        except sqlite3.DatabaseError:
            return False
    return True


def _unreadable(path: Path, keys: dict[str, list[bytes]]) -> int:
    """How many states cannot be read."""
    failed = 0
    with closing(sqlite3.connect(path)) as connection:
        for table, those in keys.items():
            for key in those:
                try:
                    connection.execute(f'SELECT value FROM "{table}" WHERE entity_key IN (?)', (key,)).fetchall()
                except sqlite3.DatabaseError:
                    failed += 1
    return failed


@pytest.fixture
def damaged(tmp_path: Path) -> Any:
    """A store of cards and shops, one page of many of which is noise."""
    settings = FeastSettings(
        project="payments",
        registry=f"sqlite:///{tmp_path / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(tmp_path),
    )
    apply(use_case(), settings)
    writer = OnlineFeatures(use_case(), settings)
    assert writer.record_all([request(card, card) for card in CARDS]) == [None] * len(CARDS)
    _break_a_page(tmp_path / "online.db")
    return _Guarded(OnlineFeatures(use_case(), settings))


def test_one_broken_page_concerns_those_alone_whose_state_lies_there(damaged: Any) -> None:
    refused = []
    for card in CARDS:
        try:
            damaged.vector(request(card, 10_000 + card))
        except StoreDamaged:
            refused.append(card)
    assert 0 < len(refused) < len(CARDS) / 2
    # SQLite balances a page that grows with those beside it: the state farthest from the damage is one that can grow.
    good = max(CARDS, key=lambda card: min(abs(card - other) for other in refused))
    event = request(good, 20_000)
    damaged.announce(event)
    damaged.record(event)
    assert damaged.vector(request(good, 20_001)).unknown_entities == ()
    bad = request(refused[0], 20_002)
    damaged.announce(bad)
    with suppress(StoreDamaged):  # SQLite may write past the page
        damaged.record(bad)
    assert damaged._features.pending_count == 0
    assert damaged._features._recorder._exchange.left_behind() == [], (
        "nor does it wait in the exchange of the processes"
    )


def test_a_damaged_state_is_answered_503_counted_and_its_record_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path)
    event = {
        "arrival": "T-1",
        "arrived_at": "2024-03-31T10:00:00Z",
        "lot": 7,
        "speed": 12.5,
        "gate": "north",
        "electric": None,
    }

    recorded: list[int] = []

    def record(event: Any) -> None:
        if event["lot"] == 13:
            raise StoreDamaged("database disk image is malformed")
        recorded.append(event["lot"])

    monkeypatch.setattr(served.store, "record", record)
    assert served.client.post(SCORE, json=event | {"lot": 13}).status_code == 200
    assert served.client.post(SCORE, json=event).status_code == 200
    served.logged()
    assert recorded == [7], "the next event does not wait for the damaged one"
    assert served.metric("store_failures_total", operation="damaged") == 1
    assert served.runtime._behind is None

    def vector(event: Any) -> Any:
        raise StoreDamaged("database disk image is malformed")

    monkeypatch.setattr(served.store, "vector", vector)
    response = served.client.post(SCORE, json=event)
    assert response.status_code == 503
    assert "damaged" in response.json()["error"]
    assert "Materialize the online store asset again" in response.json()["error"]
    assert served.metric("store_failures_total", operation="damaged") == 2
