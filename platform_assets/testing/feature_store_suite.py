"""What every feature store promises, as tests that a team runs on its own.

Belongs here: the suite. Does not belong here: any store.

    from platform_assets.testing.feature_store_suite import FeatureStoreSuite

    class TestOurStore(FeatureStoreSuite):
        def opened(self, folder):
            return open_store({"folder": str(folder)}, {})

`pytest` finds the tests of the class. `opened` is called with an empty folder, and again with the same one to see what another process
would.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from platform_assets.features.feature_stores.base import (
    FeatureStoreError,
    FeatureTableDiffers,
    PublishedTable,
    PublishingStore,
)

FIRST_DAY, SECOND_DAY = date(2024, 3, 30), date(2024, 3, 31)
_COLUMNS: dict[str, pl.DataType] = {
    "visit": pl.Int64(),
    "at": pl.Datetime("us", "UTC"),
    "lot": pl.Int32(),
    "speed_7d": pl.Float64(),
    "event_day": pl.Date(),
}


def small_table(location: str = "") -> PublishedTable:
    """A table with every kind of column that feature tables have."""
    return PublishedTable("parking_activity", "What happens in a lot.", _COLUMNS, ("lot",), "at", location)


def small_rows(day: date, count: int = 3, shift: float = 0.0) -> pl.DataFrame:
    """Rows of a day, one of them without a value."""
    moments = [datetime(day.year, day.month, day.day, hour % 24, 59, 59, 999_999, UTC) for hour in range(count)]
    speeds = [None if place == 1 else 0.1 * place + shift for place in range(count)]
    values = {"visit": range(count), "at": moments, "lot": [7] * count, "speed_7d": speeds, "event_day": [day] * count}
    return pl.DataFrame(values, schema=dict(_COLUMNS))


def are_same(shown: pl.DataFrame, given: pl.DataFrame) -> bool:
    """Whether two frames have the same rows, to the bit, in any order."""
    return shown.columns == given.columns and shown.sort("visit").equals(given.sort("visit"))


class FeatureStoreSuite:
    """Tests of a feature store; a class below says how one is opened."""

    def opened(self, folder: Path) -> PublishingStore:
        """The store, with what it holds in a folder or beside it.

        Raises:
            NotImplementedError: the class below does not say.
        """
        raise NotImplementedError("say how your store is opened: `def opened(self, folder): return ...`")

    def table(self, folder: Path) -> PublishedTable:
        """The table that is published; a store that reads the lake overrides where it lies."""
        return small_table(f"s3://lake/{folder.name}")

    def publish(self, store: PublishingStore, table: PublishedTable, day: date, rows: pl.DataFrame) -> None:
        """Hand over a day; a store that reads the lake writes it there first."""
        store.take_day(table, day, rows)

    def test_a_table_that_is_applied_is_known_as_it_is(self, tmp_path: Path) -> None:
        """Name, columns with types, key and time column come back, in another process too; one that nobody applied is not known."""
        table = self.table(tmp_path)
        assert self.opened(tmp_path).described(table.name) is None
        self.opened(tmp_path).apply(table)
        found = self.opened(tmp_path).described(table.name)
        assert found is not None
        assert table.differences(found) == []
        assert list(found.columns) == list(table.columns)
        assert found.location == table.location

    def test_applying_again_changes_nothing(self, tmp_path: Path) -> None:
        """A day that was taken is still there."""
        store, table = self.opened(tmp_path), self.table(tmp_path)
        store.apply(table)
        self.publish(store, table, FIRST_DAY, small_rows(FIRST_DAY))
        store.apply(table)
        assert are_same(store.read_day(table, FIRST_DAY), small_rows(FIRST_DAY))

    def test_another_table_of_that_name_is_refused_with_what_differs(self, tmp_path: Path) -> None:
        """Another type, another key, a column more: each refused by name, and nothing changes."""
        store, table = self.opened(tmp_path), self.table(tmp_path)
        store.apply(table)
        others = {
            "speed_7d": replace(table, columns={**table.columns, "speed_7d": pl.Float32()}),
            "key": replace(table, key=("visit",)),
            "speed_30d": replace(table, columns={**table.columns, "speed_30d": pl.Float64()}),
        }
        for word, other in others.items():
            with pytest.raises(FeatureTableDiffers, match=word):
                store.apply(other)
        found = store.described(table.name)
        assert found is not None
        assert table.differences(found) == []

    def test_a_day_is_read_as_it_was_given(self, tmp_path: Path) -> None:
        """To the bit, with the value that lacks, to the microsecond; of a day that was never taken there are no rows."""
        store, table = self.opened(tmp_path), self.table(tmp_path)
        store.apply(table)
        self.publish(store, table, FIRST_DAY, small_rows(FIRST_DAY))
        assert are_same(self.opened(tmp_path).read_day(table, FIRST_DAY), small_rows(FIRST_DAY))
        assert store.read_day(table, SECOND_DAY).height == 0

    def test_a_day_that_is_given_again_takes_the_place_of_the_first(self, tmp_path: Path) -> None:
        """Fewer rows with other values: nothing of the first is left, and the other day stays."""
        store, table = self.opened(tmp_path), self.table(tmp_path)
        store.apply(table)
        self.publish(store, table, FIRST_DAY, small_rows(FIRST_DAY, 5))
        self.publish(store, table, SECOND_DAY, small_rows(SECOND_DAY))
        self.publish(store, table, FIRST_DAY, small_rows(FIRST_DAY, 2, shift=1.0))
        assert are_same(store.read_day(table, FIRST_DAY), small_rows(FIRST_DAY, 2, shift=1.0))
        assert are_same(store.read_day(table, SECOND_DAY), small_rows(SECOND_DAY))

    def test_rows_that_are_not_of_the_day_are_refused(self, tmp_path: Path) -> None:
        """Rows of another day, and rows without a column: an error of the store's kind, and the day stays as it was."""
        store, table = self.opened(tmp_path), self.table(tmp_path)
        store.apply(table)
        for rows in (small_rows(SECOND_DAY), small_rows(FIRST_DAY).drop("speed_7d")):
            with pytest.raises(FeatureStoreError):
                store.take_day(table, FIRST_DAY, rows)
        assert store.read_day(table, FIRST_DAY).height == 0
