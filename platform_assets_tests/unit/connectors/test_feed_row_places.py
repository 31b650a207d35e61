"""PostgreSQL feeds whose commits have no place: a numbering that begins anew is told by the first row that goes back."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors.debezium.row_places import MOST_ROWS, RowPlaces
from platform_assets.declaration import Source
from platform_assets_tests.unit.connectors.test_feed_order import SECOND, Follower, message, write


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    return make_source(connector={"kind": "change_feed", "path": "in", "settle_seconds": 0})


def changed(key: int, price: float, lsn: int, seconds: int) -> dict[str, Any]:
    return message("u", key, price, lsn=lsn, ts_ms=SECOND + 1000 * seconds)


def test_a_restored_database_without_commit_places_is_told_by_the_first_row_that_it_takes_back(
    source: Source, tmp_path: Path
) -> None:
    """Its numbers go on in the middle of those of before: nothing in one message tells that they begin anew."""
    write(tmp_path, "1.jsonl", *(changed(key, 100 + key, 1000 * key, key) for key in range(1, 10)))
    reader = Follower(source, tmp_path)
    reader.follow()
    write(tmp_path, "2.jsonl", changed(3, 3.5, 4100, 60), changed(7, 7.5, 4200, 61), changed(9, 9.5, 4300, 62))
    write(tmp_path, "3.jsonl", changed(3, 3.75, 4400, 63), changed(8, 8.5, 4500, 64))
    prices = reader.follow(max_rows=2)
    assert {key: prices[key] for key in (3, 7, 8, 9)} == {3: 3.75, 7: 7.5, 8: 8.5, 9: 9.5}
    assert {notice.partition(": ")[0] for notice in reader.notices} == {"2.jsonl:2"}
    write(tmp_path, "4.jsonl", changed(9, 109, 9000, 9), changed(7, 107, 7000, 7))
    assert reader.follow()[9] == 9.5, "what is sent again from before the restore has its old place"
    assert {notice.partition(": ")[0] for notice in reader.notices} == {"2.jsonl:2"}


@pytest.mark.parametrize("seed", range(8))
def test_transactions_that_overlap_are_no_numbering_that_begins_anew(source: Source, tmp_path: Path, seed: int) -> None:
    """Places go back and forth between rows; of one row they rise with its commits, in whatever pieces the feed is read or sent again."""
    chance = random.Random(seed)
    messages, newest, place = list[dict[str, Any]](), dict[int, float](), 0
    for commit in range(120):
        for key in chance.sample(range(12), 3):
            place += 10
            newest[key] = place
            messages.append(changed(key, place, place, commit))
    sent: list[dict[str, Any]] = []
    for at in range(0, len(messages), 30):
        piece = sorted(messages[at : at + 30], key=lambda one: (one["after"]["ride_id"] % 3, one["source"]["lsn"]))
        sent += piece + (piece if chance.random() < 0.3 else [])
    write(tmp_path, "1.jsonl", *sent)
    reader = Follower(source, tmp_path)
    assert reader.follow(max_rows=chance.choice([50, 1000])) == newest
    assert reader.notices == []


def test_as_many_rows_as_a_cursor_holds_are_remembered() -> None:
    rows = RowPlaces()
    for key in range(MOST_ROWS + 5):
        rows.keep({"id": key}, key, key)
    kept = RowPlaces.of(rows.text())
    assert kept == rows
    assert len(kept.last) == MOST_ROWS
    assert kept.contradict({"id": MOST_ROWS}, 1, MOST_ROWS + 1)
    assert not kept.contradict({"id": MOST_ROWS}, 1, MOST_ROWS), "sent again"
    assert not kept.contradict({"id": 3}, 1, MOST_ROWS), "forgotten"
    assert len(rows.text()) < 70_000
