"""The order of a feed's changes: each connector's own position, snapshots, restarts, and feeds that tell the time alone."""

import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors import CHANGE_OPERATION, CHANGE_SEQUENCE, SOURCE_PROBLEM, Access, read_changes
from platform_assets.connectors.checking import check_source
from platform_assets.connectors.debezium.order import FeedOrder
from platform_assets.connectors.debezium.positions import PositionError, position_of
from platform_assets.declaration import Source

NOON = "2024-03-01T12:00:00Z"
SECOND = 1_709_294_400_000

Feed = Callable[..., Source]


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    def make(**connector: Any) -> Source:
        return make_source(connector={"kind": "change_feed", "path": "in", "settle_seconds": 0, **connector})

    return make


def message(op: str, key: int, price: float, **origin: Any) -> dict[str, Any]:
    row = {"ride_id": key, "started_at": NOON, "price": price, "remark": None}
    images = {"before": row, "after": None} if op == "d" else {"before": None, "after": row}
    return {"op": op, **images, "source": origin, "ts_ms": origin.get("ts_ms")}


def write(folder: Path, name: str, *messages: Any) -> None:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("".join(json.dumps(content) + "\n" for content in messages))


class Follower:
    """Follows a feed as the raw table does: of each key the change with the largest sequence holds."""

    def __init__(self, source: Source, folder: Path, cursor: str | None = None) -> None:
        self.source, self.folder, self.cursor = source, folder, cursor
        self.newest: dict[str, tuple[int, str, str]] = {}
        self.notices: list[str] = []

    def follow(self, max_rows: int = 1000) -> dict[int, float]:
        while True:
            batch = read_changes(self.source, self.folder, self.cursor, max_rows=max_rows)
            assert batch.frame[SOURCE_PROBLEM].is_null().all(), batch.frame[SOURCE_PROBLEM].to_list()
            for key, *change in batch.frame.select("ride_id", CHANGE_SEQUENCE, CHANGE_OPERATION, "price").rows():
                if key not in self.newest or change[0] > self.newest[key][0]:
                    self.newest[key] = tuple(change)
            self.cursor = batch.cursor
            self.notices += batch.notices
            if not batch.more:
                return {int(k): float(price) for k, (_, op, price) in self.newest.items() if op == "upsert"}


def test_the_lines_of_a_file_are_no_order_across_files(feed: Feed, tmp_path: Path) -> None:
    others = [message("c", 10 + n, 1, ts_ms=SECOND) for n in range(5)]
    write(tmp_path, "001.jsonl", *others, message("c", 1, 100, ts_ms=SECOND))
    write(tmp_path, "002.jsonl", message("u", 1, 200, ts_ms=SECOND), *others)
    write(tmp_path, "003.jsonl", message("u", 1, 300, ts_ms=SECOND))
    for max_rows in (1, 3, 1000):
        assert Follower(feed(), tmp_path).follow(max_rows)[1] == 300
    reader = Follower(feed(), tmp_path)
    reader.follow()
    write(tmp_path, "004.jsonl", message("u", 1, 400, ts_ms=SECOND))
    assert reader.follow()[1] == 400, "the order goes on in a later read"


def test_a_snapshot_without_a_position_is_older_than_the_stream(feed: Feed, tmp_path: Path) -> None:
    write(tmp_path, "001.jsonl", message("r", 1, 100, lsn=None, snapshot="true", ts_ms=SECOND))
    write(tmp_path, "002.jsonl", message("u", 1, 200, lsn=33445566, ts_ms=SECOND + 3_600_000))
    reader = Follower(feed(), tmp_path)
    assert reader.follow() == {1: 200}
    write(tmp_path, "003.jsonl", message("d", 1, 200, lsn=33445999, ts_ms=SECOND + 3_700_000))
    assert reader.follow() == {}
    write(tmp_path, "001.jsonl", message("r", 1, 100, lsn=None, snapshot="true", ts_ms=SECOND))
    assert reader.follow() == {}, "the file of the snapshot is delivered again"


def test_a_snapshot_is_older_than_changes_that_were_in_flight_meanwhile(feed: Feed, tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.jsonl",
        message("r", 1, 100, lsn=900, snapshot="last", ts_ms=SECOND),
        message("u", 1, 200, lsn=850, ts_ms=SECOND + 1),
    )
    assert Follower(feed(), tmp_path).follow() == {1: 200}
    with_field = feed(sequence="source.lsn")
    write(tmp_path, "a.jsonl", message("r", 1, 100, lsn=None), message("u", 1, 200, lsn=850))
    assert Follower(with_field, tmp_path).follow() == {1: 200}


LATER, LATEST = SECOND + 1000, SECOND + 2000

ANEW: dict[str, list[dict[str, Any]]] = {
    "PostgreSQL, with the commit": [
        {"lsn": 33445566, "sequence": '["33445500","33445566"]'},
        {"lsn": 2000, "sequence": '["1900","2000"]'},
        {"lsn": 2100, "sequence": '["2050","2100"]'},
    ],
    "PostgreSQL": [{"lsn": 33445566}, {"lsn": 2000}, {"lsn": 2100}],
    "MySQL": [
        {"file": "mysql-bin.000042", "pos": 900, "row": 3},
        {"file": "mysql-bin.000001", "pos": 157, "row": 0},
        {"file": "mysql-bin.000001", "pos": 400, "row": 0},
    ],
    "another server": [
        {"gtid": "3e11fa47-71ca-11e1-9e33-c80aa9429562:900"},
        {"gtid": "aaaaaaaa-71ca-11e1-9e33-c80aa9429562:5"},
        {"gtid": "aaaaaaaa-71ca-11e1-9e33-c80aa9429562:6"},
    ],
    "SQL Server": [
        {"change_lsn": "00000027:00000758:0003", "commit_lsn": "00000027:00000758:0005"},
        {"change_lsn": "00000002:00000010:0003", "commit_lsn": "00000002:00000010:0005"},
        {"change_lsn": "00000002:00000010:0007", "commit_lsn": "00000002:00000010:0009"},
    ],
    "another database": [{"lsn": 33445566}, {"file": "binlog.000001", "pos": 4}, {"file": "binlog.000001", "pos": 90}],
}


@pytest.mark.parametrize("positions", ANEW.values(), ids=ANEW.keys())
def test_a_numbering_that_begins_anew_is_newer_and_noticed(
    feed: Feed, tmp_path: Path, positions: list[dict[str, Any]]
) -> None:
    before, after, last = positions
    first = [message("c", 1, 100, **before, ts_ms=SECOND), message("c", 2, 5, **before, ts_ms=SECOND)]
    write(tmp_path, "1.jsonl", *first)
    reader = Follower(feed(), tmp_path)
    reader.follow()
    assert reader.notices == []
    write(tmp_path, "2.jsonl", message("u", 1, 200, **after, ts_ms=LATER))
    assert reader.follow()[1] == 200
    assert len(reader.notices) == 1
    assert reader.notices[0].startswith("2.jsonl:1: the numbering of changes begins anew")
    write(tmp_path, "3.jsonl", message("u", 1, 300, **last, ts_ms=LATEST), *first)
    assert reader.follow() == {1: 300, 2: 5}, "what is sent again from before has its old place"
    assert len(reader.notices) == 1


ORDERED: dict[str, list[dict[str, Any]]] = {
    "PostgreSQL": [{"lsn": 100}, {"lsn": 33445566}, {"lsn": "7/A25801C8"}],
    "interleaved transactions": [
        {"lsn": 5000, "sequence": '[null,"5000"]'},
        {"lsn": 5100, "sequence": '["5050","5100"]'},
        {"lsn": 5300, "sequence": '["5200","5300"]'},
    ],
    "MySQL, the next file": [
        {"file": "mysql-bin.000009", "pos": 99_000_000, "row": 2},
        {"file": "mysql-bin.000010", "pos": 157, "row": 0},
        {"file": "mysql-bin.000010", "pos": 157, "row": 1},
    ],
    "MySQL, GTID": [{"gtid": f"3e11fa47-71ca-11e1-9e33-c80aa9429562:{n}"} for n in (9, 10, 10)],
    "MariaDB, two servers of a domain": [{"gtid": gtid} for gtid in ("0-1-99", "0-2-100", "0-1-101")],
    "SQL Server": [
        {"change_lsn": "0000002A:0000FFFF:0003", "commit_lsn": "0000002A:0000FFFF:0005"},
        {"change_lsn": "0000002A:00010000:0001", "commit_lsn": "0000002A:00010000:0005", "event_serial_no": 1},
        {"change_lsn": "0000002A:00010000:0001", "commit_lsn": "0000002A:00010000:0005", "event_serial_no": 2},
    ],
    "MongoDB": [{"ts_ms": SECOND, "ord": 9}, {"ts_ms": SECOND, "ord": 10}, {"ts_ms": LATER, "ord": 1}],
    "MongoDB, one transaction": [{"ts_ms": SECOND, "ord": 9}] * 3,
    "MongoDB, resume token": [{"resume_token": f"82{SECOND // 1000:08X}{n:08X}2B022C01"} for n in (9, 10, 300)],
    "Oracle": [{"scn": "13013590"}, {"scn": "13013591"}, {"scn": "13013591"}],
    "time": [{"ts_ms": SECOND}, {"ts_ms": SECOND}, {"ts_ms": LATER}],
}


@pytest.mark.parametrize("positions", ORDERED.values(), ids=ORDERED.keys())
@pytest.mark.parametrize("again", [False, True])
def test_each_connector_has_a_position_of_its_own(
    feed: Feed, tmp_path: Path, positions: list[dict[str, Any]], again: bool
) -> None:
    steps = [
        message(op, 1, price, **{"ts_ms": SECOND, **position})
        for op, price, position in zip("cuu", (100, 200, 300), positions, strict=True)
    ]
    for number, step in enumerate(steps):
        write(tmp_path, f"{number}.jsonl", step)
    reader = Follower(feed(), tmp_path)
    assert reader.follow(1) == {1: 300}
    if again:  # the connector went back to the beginning of the three, and stopped after each of them
        write(tmp_path, "3.jsonl", *steps)
        assert reader.follow(2) == {1: 300}
    assert not [notice for notice in reader.notices if "anew" in notice]


def test_files_that_come_late_are_put_where_their_positions_say(feed: Feed, tmp_path: Path) -> None:
    write(tmp_path, "001.jsonl", message("c", 1, 100, lsn=10, ts_ms=SECOND))
    write(tmp_path, "003.jsonl", message("u", 1, 300, lsn=30, ts_ms=LATEST))
    reader = Follower(feed(), tmp_path)
    reader.follow()
    write(tmp_path, "002.jsonl", message("u", 1, 200, lsn=20, ts_ms=LATER), message("c", 2, 5, lsn=21, ts_ms=LATER))
    assert reader.follow() == {1: 300, 2: 5}


def test_transactions_that_commit_in_another_order_are_no_new_numbering(feed: Feed, tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.jsonl",
        message("c", 1, 1, lsn=50, ts_ms=SECOND),
        message("u", 1, 2, lsn=120, ts_ms=LATER),
        message("u", 2, 9, lsn=100, ts_ms=LATEST),
        message("u", 1, 3, lsn=130, ts_ms=LATEST),
    )
    reader = Follower(feed(), tmp_path)
    assert reader.follow() == {1: 3, 2: 9}
    assert reader.notices == []


def test_tables_that_are_read_again_are_newer_than_the_stream_before(feed: Feed, tmp_path: Path) -> None:
    write(
        tmp_path,
        "1.jsonl",
        message("r", 1, 100, lsn=None, ts_ms=SECOND),
        message("u", 1, 200, lsn=500, ts_ms=SECOND + 10),
        message("c", 2, 7, lsn=510, ts_ms=SECOND + 20),
    )
    reader = Follower(feed(), tmp_path)
    reader.follow()
    write(
        tmp_path, "2.jsonl", message("r", 1, 250, lsn=None, ts_ms=LATER), message("r", 2, 8, lsn=None, ts_ms=LATER + 5)
    )
    assert reader.follow() == {1: 250, 2: 8}
    assert len(reader.notices) == 1
    assert "read again" in reader.notices[0]
    write(tmp_path, "3.jsonl", message("u", 1, 260, lsn=505, ts_ms=LATEST), message("d", 2, 8, lsn=520, ts_ms=LATEST))
    assert reader.follow() == {1: 260}


def test_a_snapshot_beside_the_stream_stands_where_it_comes(feed: Feed, tmp_path: Path) -> None:
    write(
        tmp_path,
        "1.jsonl",
        message("u", 1, 200, lsn=500, ts_ms=SECOND),
        message("r", 1, 210, lsn=None, snapshot="incremental", ts_ms=LATER),
        message("r", 2, 5, lsn=None, snapshot="incremental", ts_ms=LATER),
        message("u", 2, 6, lsn=501, ts_ms=LATEST),
    )
    reader = Follower(feed(), tmp_path)
    assert reader.follow()[2] == 6
    assert reader.notices == []


def test_times_that_go_backwards_are_noticed(feed: Feed, tmp_path: Path) -> None:
    write(tmp_path, "1.jsonl", message("c", 1, 100, ts_ms=LATER), message("c", 2, 1, ts_ms=LATER))
    write(tmp_path, "2.jsonl", message("u", 1, 50, ts_ms=SECOND), message("u", 2, 2, ts_ms=LATER))
    reader = Follower(feed(), tmp_path)
    assert reader.follow() == {1: 100, 2: 2}
    assert reader.notices == [
        "2.jsonl:1: times go backwards in 1 changes from here on, and nothing else tells their order: each counts as of its own time"
    ]


def test_a_check_of_the_source_tells_it_before_anything_is_loaded(feed: Feed, tmp_path: Path) -> None:
    source = feed()
    write(tmp_path, "1.jsonl", message("c", 1, 100, lsn=33445566, ts_ms=SECOND))
    reader = Follower(source, tmp_path)
    reader.follow()
    write(tmp_path, "2.jsonl", message("u", 1, 200, lsn=1000, ts_ms=LATER))
    os.utime(tmp_path / "in" / "2.jsonl", (LATEST, LATEST))
    state = check_source(source, tmp_path, date(2024, 3, 1), reader.cursor, Access(), datetime.now(UTC))
    assert any("the numbering of changes begins anew" in note for note in state.notes)


@pytest.mark.parametrize(
    "origin",
    [
        {"change_lsn": "FFFFFFFF:FFFFFFFF:FFFF"},
        {"change_lsn": "0x27"},
        {"gtid": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-7"},
        {"file": "binlog.99999999999", "pos": 4},
        {"ts_ms": SECOND, "ord": 2**31},
    ],
)
def test_a_position_that_cannot_be_used_is_refused(origin: dict[str, Any]) -> None:
    with pytest.raises(PositionError, match=r"connector\.sequence|nor of the form"):
        position_of(origin)


def test_an_envelope_without_a_position(feed: Feed) -> None:
    assert position_of({"lsn": 2**63, "file": "binlog", "change_lsn": "NULL", "scn": None}) is None
    with pytest.raises(PositionError, match="no position in `source` and no ts_ms"):
        FeedOrder().number({"op": "c", "source": None})


@pytest.mark.parametrize("position", [{"lsn": 600}, {"file": "binlog.000001", "pos": 4}, {"ts_ms": LATER}])
def test_a_feed_of_an_older_release_goes_on(feed: Feed, tmp_path: Path, position: dict[str, Any]) -> None:
    old = 500 if "lsn" in position else (SECOND << 20) + 77
    write(tmp_path, "1.jsonl", message("u", 1, 200, ts_ms=SECOND))
    reader = Follower(feed(), tmp_path)
    reader.follow()
    assert reader.cursor is not None
    state = json.loads(reader.cursor)
    del state["order"]
    reader.cursor, reader.newest = json.dumps(state), {"1": (old, "upsert", "200"), "2": (old, "upsert", "1")}
    write(tmp_path, "2.jsonl", message("u", 1, 300, **{"ts_ms": LATER, **position}))
    assert reader.follow()[1] == 300
    write(tmp_path, "3.jsonl", message("r", 2, 2, ts_ms=LATEST))
    assert reader.follow()[2] == 2


def postgresql(step: int) -> dict[str, Any]:
    return {"lsn": 1000 + 8 * step, "sequence": json.dumps([str(1000 + 8 * step - 4), str(1000 + 8 * step)])}


def mysql(step: int) -> dict[str, Any]:
    return {"file": f"binlog.{step // 17:06}", "pos": 4 + 100 * (step % 17), "row": 0}


def sql_server(step: int) -> dict[str, Any]:
    return {
        "change_lsn": f"{step // 50:08x}:{step % 50:08x}:0003",
        "commit_lsn": f"{step // 50:08x}:{step % 50:08x}:0005",
    }


def mongodb(step: int) -> dict[str, Any]:
    return {"ord": step}


def history(chance: random.Random, position: Callable[[int], dict[str, Any]], table: dict[int, float]) -> Iterator[Any]:
    """A stream, numberings and snapshots that begin anew, and stretches that are sent again."""
    sent: list[Any] = []
    clock, numbered = SECOND, 0
    for step in range(1, 300):
        clock += chance.choice([0, 0, 250, 1000])
        if chance.random() < 0.015:
            clock, numbered, sent = clock + 1000, 0, []
            for key, price in table.items():
                yield message("r", key, price, snapshot="true", ts_ms=clock)
            clock += 1000
        numbered += 1
        key = chance.randrange(12)
        op = "c" if key not in table else "d" if chance.random() < 0.3 else "u"
        if op == "d":
            del table[key]
        else:
            table[key] = step
        sent.append(message(op, key, step, ts_ms=clock, **position(step if position is mongodb else numbered)))
        yield sent[-1]
        if chance.random() < 0.1:
            yield from sent[-chance.randrange(1, 9) :]


@pytest.mark.parametrize("position", [postgresql, mysql, sql_server, mongodb])
@pytest.mark.parametrize("seed", range(3))
def test_a_history_ends_at_the_state_of_its_table(
    feed: Feed, tmp_path: Path, position: Callable[[int], dict[str, Any]], seed: int
) -> None:
    chance, table = random.Random(seed), dict[int, float]()
    messages = list(history(chance, position, table))
    for start in range(0, len(messages), 37):
        write(tmp_path, f"{start:05}.jsonl", *messages[start : start + 37])
    assert Follower(feed(), tmp_path).follow(10 + 20 * seed) == table


def test_the_state_is_kept_in_the_cursor() -> None:
    order = FeedOrder()
    order.number(message("c", 1, 1, lsn=5, ts_ms=SECOND))
    again = FeedOrder.of(json.loads(json.dumps(order.kept())), begun=True)
    assert again == order
