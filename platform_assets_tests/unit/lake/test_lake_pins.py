"""Which versions a table's own history pins, and what a moment in time means."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from platform_assets.lake.commits import HistoryEntry
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.pins import Pin, data_version_pins, history_pins, lasting_versions, table_path
from platform_assets.lake.table import LakeTable

NOW = datetime(2024, 3, 31, 12, tzinfo=UTC)


def history(*days_ago: int) -> list[HistoryEntry]:
    """Versions committed so many days ago, the oldest first; returned newest first."""
    entries = [
        HistoryEntry(version, NOW - timedelta(days=days), "append", 1, None, {})
        for version, days in enumerate(days_ago)
    ]
    return entries[::-1]


@pytest.mark.parametrize(
    ("keep_days", "kept"), [(0, [3]), (1, [3]), (5, [2, 3]), (10, [2, 3]), (11, [1, 2, 3]), (100, [0, 1, 2, 3])]
)
def test_a_version_stays_for_so_many_days_after_it_was_replaced(keep_days: int, kept: list[int]) -> None:
    pins = history_pins("u/clean/t", history(40, 30, 10, 2), keep_days, NOW)
    assert sorted(pin.version for pin in pins) == kept
    assert lasting_versions(pins, "u/clean/t") == [3]
    assert lasting_versions(pins, "u/clean/other") == []


def test_a_table_without_commits_pins_nothing() -> None:
    assert history_pins("u/clean/t", [], 30, NOW) == []


def test_tables_are_named_alike_wherever_the_name_comes_from() -> None:
    assert {
        table_path(name) for name in ("/u/clean/t", "u/clean/t", "s3://lake/root/u/clean/t", "/data/u/clean/t/")
    } == {"u/clean/t"}
    pins = data_version_pins({"/u/clean/t": 4, "/u/features/v": None}, "model", "model version 1")
    assert pins == [Pin("u/clean/t", 4, "model", "model version 1")]


def test_reading_as_of_a_time(
    table: LakeTable, day: Callable[[int], date], payments: Callable[..., pl.DataFrame]
) -> None:
    for amount in (1.0, 2.0, 3.0):
        table.write_partitions(payments(0, [1], amount), day(0), day(0))
    for entry in table.history()[:3]:
        version = table.version_at(entry.committed_at)
        assert table.history()[table.version() - version].committed_at == entry.committed_at  # type: ignore[operator]
    assert table.version_at(datetime.now(UTC)) == 3
    assert table.read(version=table.version_at(datetime.now(UTC)))["amount"].item() == 3.0
    with pytest.raises(LakeVersionMissing, match=r"no version as of 2000-01-01 .*oldest commit is of"):
        table.version_at(datetime(2000, 1, 1, tzinfo=UTC))
