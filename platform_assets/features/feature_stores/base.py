"""What a feature store is to us: a place where a feature table is known by name, and where each of its days can be read again.

Belongs here: the Protocol, the table as it is published, and the errors. Does not belong here: any store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.features.errors import FeatureError


class FeatureStoreError(FeatureError):
    """A feature store did not take what it was given; the message names store and table, and what to do."""


class FeatureTableDiffers(FeatureStoreError):
    """The store has a table of that name with other columns or another key; nothing was changed."""


class FeatureStoreAway(FeatureStoreError):
    """The store does not answer, or not this time; the same call is right later."""


@dataclass(frozen=True)
class PublishedTable:
    """A feature table as others see it.

    Attributes:
        name: in lower case, letters, digits and _; of one use case and view.
        description: for people.
        columns: types by name, in their order.
        key: columns that a value is looked up by.
        time_column: the moment from which on a row is true.
        location: address of the Delta table in the lake.
    """

    name: str
    description: str
    columns: Mapping[str, pl.DataType]
    key: tuple[str, ...]
    time_column: str
    location: str

    @classmethod
    def of_view(cls, use_case: UseCase, view: FeatureView, location: str) -> PublishedTable:
        """The table of a view: looked up by the entity, or where the view has none by the event."""
        key = use_case.event_source.primary_key if view.entity is None else use_case.entity(view.entity).key_columns
        return cls(
            f"{use_case.name}_{view.table}",
            view.description,
            dict(use_case.feature_schema(view)),
            tuple(key),
            use_case.event_time,
            location,
        )

    def differences(self, other: PublishedTable) -> list[str]:
        """What another table of that name has otherwise, in words."""
        found = [f"it lacks {name}" for name in self.columns if name not in other.columns]
        found += [f"it has {name} too" for name in other.columns if name not in self.columns]
        found += [
            f"{name} is {other.columns[name]}, not {dtype}"
            for name, dtype in self.columns.items()
            if name in other.columns and other.columns[name] != dtype
        ]
        if set(self.key) != set(other.key):
            found.append(f"its key is {', '.join(other.key) or 'none'}, not {', '.join(self.key)}")
        if self.time_column != other.time_column:
            found.append(f"its time column is {other.time_column or 'none'}, not {self.time_column}")
        return found

    def require_same(self, other: PublishedTable, store: str, way_out: str) -> None:
        """Refuse a table that is another one.

        Raises:
            FeatureTableDiffers: it has other columns, or another key.
        """
        if found := self.differences(other):
            raise FeatureTableDiffers(f"{store} has a table {self.name} already, and {'; '.join(found)}. {way_out}")


class PublishingStore(Protocol):
    """A feature store that tables are published in. Every call may be made again, with the same result."""

    def apply(self, table: PublishedTable) -> None:
        """Make the table known; one that is there stays.

        Raises:
            FeatureTableDiffers: there is another one of that name.
            FeatureStoreError: the store refuses it, or is away.
        """
        ...

    def described(self, name: str) -> PublishedTable | None:
        """A table as the store knows it; None where it knows none.

        Raises:
            FeatureStoreError: the store refuses to say, or is away.
        """
        ...

    def take_day(self, table: PublishedTable, day: date, rows: pl.DataFrame) -> None:
        """Let everybody see the rows of a day, in place of those that were there; other days stay.

        Raises:
            FeatureStoreError: the store refuses them, or is away.
        """
        ...

    def read_day(self, table: PublishedTable, day: date) -> pl.DataFrame:
        """The rows of a day as others see them, with the table's columns, in any order; none for a day that was never taken.

        Raises:
            FeatureStoreError: the store refuses them, or is away.
        """
        ...


StoreOpener = Callable[[UseCase, Mapping[str, str], Mapping[str, str]], PublishingStore | None]
"""From a use case, the variables with credentials, and the options of the object store."""


def rows_of_day(rows: pl.DataFrame, table: PublishedTable, day: date) -> pl.DataFrame:
    """The rows with the table's columns; all of one day.

    Raises:
        FeatureStoreError: a column lacks, or a row is of another day.
    """
    lacking = [name for name in table.columns if name not in rows.columns]
    if lacking:
        raise FeatureStoreError(f"table {table.name}: rows of {day} lack {', '.join(lacking)}")
    others = rows.filter(pl.col(EVENT_DAY) != day).height
    if others:
        raise FeatureStoreError(f"table {table.name}: {others} of {rows.height} rows are of another day than {day}")
    return rows.select(list(table.columns))


def _nothing(use_case: UseCase, variables: Mapping[str, str], object_store: Mapping[str, str]) -> None:
    """Feast's registry is brought up with the online state (`features/online/store.py`)."""


NOTHING_TO_PUBLISH: StoreOpener = _nothing
