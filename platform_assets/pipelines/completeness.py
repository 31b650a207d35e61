"""Whether a stored table is whole: its days are there, its rows are those of what it was made from, its keys are complete and unique.

Belongs here: comparing the keys of a feature table with the published events, and those of a training set with the labels that count.
Does not belong here: what the values should be (`features/consistency/`), or what Dagster is told (`orchestration/assets/`).

What was written is read back, keys only, so that a row that was lost, doubled or added after it was computed shows as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView
from platform_assets.declaration.days import DayRange
from platform_assets.features.event_frames import example_keys
from platform_assets.features.offline.carried_state import day_chunks
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.table import LakeTable
from platform_assets.lake.written_days import absent_days

_MOST_ROWS = 10_000_000
"""Keys that are compared at once; days are compared one by one in any case."""


@dataclass(frozen=True)
class Completeness:
    """Rows of one day, or of one training set, held against what they were made from.

    Attributes:
        rows: rows stored.
        expected: rows of what it was made from.
        lacking: expected keys that are not there.
        surplus: rows whose key is not expected.
        doubled: rows that repeat a key.
        without_key: rows with a null in their key.
        absent_days: days that were never written.
        example: a key that lacks, is not expected or is repeated; empty where there is none.
    """

    rows: int
    expected: int
    lacking: int = 0
    surplus: int = 0
    doubled: int = 0
    without_key: int = 0
    absent_days: Sequence[date] = ()
    example: str = ""

    @property
    def passed(self) -> bool:
        """Whether the table is whole."""
        faults = self.lacking + self.surplus + self.doubled + self.without_key + len(self.absent_days)
        return faults == 0 and self.rows == self.expected

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        if self.passed:
            return f"{self.rows:,} rows, one for each of the {self.expected:,} expected"
        counts = {
            "lacking": self.lacking,
            "with a key that is not expected": self.surplus,
            "that repeat a key": self.doubled,
            "without a key": self.without_key,
            "days never written": len(self.absent_days),
        }
        found = ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)
        example = f", for example {self.example}" if self.example else ""
        return f"{self.rows:,} rows where {self.expected:,} are expected: {found or 'another number of rows'}{example}"


def feature_completeness(
    catalog: Catalog, view: FeatureView, days: DayRange, *, events_version: int | None = None
) -> dict[date, Completeness]:
    """Each day of a feature table against the published events of the day: a row for each, and no other.

    Args:
        catalog: the tables.
        view: the view.
        days: the days.
        events_version: Delta version of the events that the table was made from; None for the latest.

    Raises:
        LakeTableMissing: events or features were never written.
    """
    keys = list(catalog.use_case.event_source.primary_key)
    table, compared = catalog.features(view), dict[date, Completeness]()
    counts = {} if days.first == days.last else catalog.events.stored.count_by_partition(version=events_version)
    for first, last in day_chunks(counts, days.first, days.last, _MOST_ROWS):
        events = catalog.events.read(first, last, [*keys, EVENT_DAY], version=events_version)
        compared |= by_day(table.read(first, last, columns=[*keys, EVENT_DAY]), events, keys)
    absent = set(absent_days(table, days.first, days.last))
    verdicts = {day: compared.get(day, Completeness(0, 0)) for day in days.days}
    return {day: replace(one, absent_days=(day,)) if day in absent else one for day, one in verdicts.items()}


def training_set_completeness(
    table: LakeTable, as_of: date, expected: pl.DataFrame, keys: Sequence[str]
) -> Completeness:
    """The training set as of a day against the labels that count: a row for each, and no other.

    Args:
        table: the table of training sets.
        as_of: the day.
        expected: keys and `event_day` of the labels that count.
        keys: the columns that tell an event.
    """
    stored = table.read(as_of, as_of, columns=[*keys, EVENT_DAY])
    faults = _compared(stored.drop(EVENT_DAY), expected.drop(EVENT_DAY), keys)
    lost = sorted(set(expected[EVENT_DAY].unique()) - set(stored[EVENT_DAY].unique()))
    return replace(faults, absent_days=tuple(lost))


def by_day(stored: pl.DataFrame, expected: pl.DataFrame, keys: Sequence[str]) -> Mapping[date, Completeness]:
    """Completeness of each day that either frame has.

    Args:
        stored: keys and `event_day` of the table.
        expected: the same of what it was made from.
        keys: the columns that tell a row.
    """
    whole = _compared(stored, expected, [*keys, EVENT_DAY])
    counts = [frame.group_by(EVENT_DAY).len(name) for name, frame in (("rows", stored), ("expected", expected))]
    days = counts[0].join(counts[1], on=EVENT_DAY, how="full", coalesce=True).fill_null(0)
    if whole.passed and (days["rows"] == days["expected"]).all():  # the usual case needs no look at single days
        return {day: Completeness(rows, wanted) for day, rows, wanted in days.iter_rows()}
    return {
        day: _compared(
            stored.filter(pl.col(EVENT_DAY) == day).drop(EVENT_DAY),
            expected.filter(pl.col(EVENT_DAY) == day).drop(EVENT_DAY),
            keys,
        )
        for day in days[EVENT_DAY]
    }


def _compared(stored: pl.DataFrame, expected: pl.DataFrame, keys: Sequence[str]) -> Completeness:
    columns = list(keys)
    without = stored.filter(pl.any_horizontal(pl.col(columns).is_null()))
    doubled = stored.clear() if _unique(stored, columns) else stored.filter(pl.struct(columns).is_duplicated())
    lacking = expected.join(stored, on=columns, how="anti")
    surplus = stored.join(expected, on=columns, how="anti").drop_nulls(columns)
    odd = next((frame for frame in (lacking, surplus, doubled) if frame.height), None)
    return Completeness(
        rows=stored.height,
        expected=expected.height,
        lacking=lacking.height,
        surplus=surplus.height,
        doubled=doubled.height,
        without_key=without.height,
        example="" if odd is None else str(example_keys(odd, columns)),
    )


def _unique(rows: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether no key repeats; the first column alone tells it in most tables, at a tenth of the cost."""
    return rows[columns[0]].n_unique() == rows.height or rows.select(columns).n_unique() == rows.height
