"""Loads that are killed, in small: the counting finds what is wrong, and nothing is."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.lake import crashes, loaders


def test_six_kills_and_three_writers(tmp_path: Path) -> None:
    killed = crashes.crash_loads(tmp_path / "killed", 6, seed=1)
    assert killed.problems == ()
    assert sum(killed.kills.values()) == 6
    assert killed.days_acknowledged > 0
    together = crashes.write_at_once(tmp_path / "together", writers=3, rounds=2)
    assert together.problems == ()
    assert together.commits == 3 * 2 * 3


def test_what_is_lost_or_doubled_is_found(tmp_path: Path) -> None:
    days = loaders.day_table(tmp_path)
    journal = loaders.VICTIMS[0].journal(tmp_path)
    for number in range(3):
        day = loaders.FIRST + timedelta(days=number)
        days.write_partitions(loaders.day_rows(number), day, day)
        journal.add(day=number, rows=loaders.ROWS_A_DAY, again=False)
    feed = loaders.feed_table(tmp_path)
    loaders.take_some(tmp_path, batches=2)
    assert crashes.count(tmp_path, {}, []).problems == ()
    journal.add(day=7, rows=loaders.ROWS_A_DAY, again=False)
    days.append(loaders.day_rows(2).head(1))
    feed.append(feed.read().head(1))
    loaders.VICTIMS[1].journal(tmp_path).add(at=10_000)
    problems = "; ".join(crashes.count(tmp_path, {}, []).problems)
    assert "rows of 2 days differ" in problems
    assert "1 rows by day have the key of another one" in problems
    assert "1 batches that 'first feed' acknowledged are not there" in problems
    assert "1 changes are there twice" in problems


def test_a_line_that_a_kill_cut_off_is_no_acknowledgement(tmp_path: Path) -> None:
    journal = loaders.Journal(tmp_path / "journal")
    journal.add(day=1)
    with journal.path.open("a") as file:
        file.write('{"day": 2')
    assert journal.entries() == [{"day": 1}]


def test_changes_are_always_the_same_and_some_delete() -> None:
    changes = loaders.changes_between(0, 1000)
    assert changes.slice(400, 100).equals(loaders.changes_between(400, 500))
    assert 100 < changes.filter(pl.col("change_operation") == "delete").height < 300
