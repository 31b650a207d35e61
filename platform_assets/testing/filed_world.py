"""A world of payments that came in files, were answered by a service and loaded afterwards, with an account of what each file touched.

Belongs here: that world, and the account, written down event by event without any code of the features. Does not belong here: following a
file (`pipelines/touched_by`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import SOURCE_LINE, SOURCE_POSITION
from platform_assets.declaration.sections.features import Window
from platform_assets.features.offline.feature_table import join_labels
from platform_assets.lake.catalog import RawTable
from platform_assets.pipelines.redeliveries import files_metadata
from platform_assets.testing.answered_world import AnsweredWorld

DAY = timedelta(days=1)
FileOf = Callable[[Mapping[str, Any]], str]
Conditions = dict[str, dict[tuple[Any, bool], bool | None]]
"""Whether a condition holds for a payment, by its key and whether its label is known."""


def half_of_day(row: Mapping[str, Any]) -> str:
    """Two files a day: by the parity of the key."""
    return f"payments/{row[EVENT_DAY]}-{'ab'[row['payment_id'] % 2]}.csv"


def label_file(row: Mapping[str, Any]) -> str:
    """Three files of labels a day."""
    return f"labels/{row[EVENT_DAY]}-{row['payment_id'] % 3}.csv"


@dataclass(frozen=True)
class HeldRow:
    """A row of the lake over a time, by the machine's clock: since when, and until when."""

    file: str
    row: Mapping[str, Any]
    since: datetime
    until: datetime | None = None


@dataclass
class FiledWorld(AnsweredWorld):
    """A world whose days come in files.

    Attributes:
        left_out: files that are not delivered any more: a day that is loaded again comes without them.
        held: every row that the lake ever held of events and of labels, by source.
    """

    left_out: set[str] = field(default_factory=set)
    held: dict[str, list[HeldRow]] = field(default_factory=lambda: {"events": [], "labels": []})

    @cached_property
    def conditions(self) -> Conditions:
        """Whether each condition of a window holds for each payment."""
        return _conditions(self)

    def load(self, first: date, last: date) -> None:
        """Deliver and publish the events of some days, and the labels that are known when they are over."""
        case, catalog = self.use_case, self.catalog
        for day in DayRange(first, last).days:
            self._deliver(
                "events", catalog.raw(case.events), self.events.filter(pl.col(EVENT_DAY) == day), day, half_of_day
            )
        known = last + timedelta(days=1 - case.label_delay_days)
        loaded = catalog.labels.stored.partitions() if catalog.labels.exists() else []
        start = loaded[-1] + DAY if loaded else case.history.first_day
        if start <= known:
            for day in DayRange(start, known).days:
                self.load_labels(day)

    def load_labels(self, day: date) -> None:
        """Deliver and publish the labels of a day."""
        source = self.use_case.label_source.name
        self._deliver("labels", self.catalog.raw(source), self.labels.filter(pl.col(EVENT_DAY) == day), day, label_file)

    def _deliver(self, kind: str, raw: RawTable, rows: pl.DataFrame, day: date, file_of: FileOf) -> None:
        named = [(row, file_of(row)) for row in rows.iter_rows(named=True)]
        named = [(row, file) for row, file in named if file not in self.left_out]
        delivered = rows.filter(
            pl.Series([file_of(row) not in self.left_out for row in rows.iter_rows(named=True)], dtype=pl.Boolean)
        )
        frame = delivered.with_columns(
            pl.Series(SOURCE_POSITION, [file for _, file in named], dtype=pl.String),
            pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias(SOURCE_LINE),
        )
        schema = raw.stored.schema
        lacking = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
        files = files_metadata({day: dict.fromkeys(sorted({file for _, file in named}), "0")})
        rows_of_raw = frame.with_columns(lacking).select(list(schema))
        raw.stored.write_partitions(rows_of_raw, day, day, allow_empty=True, metadata=files)
        clean = self.catalog.clean(raw.source.name).stored
        clean.write_partitions(delivered, day, day, allow_empty=True)
        moment = clean.history(1)[0].committed_at
        time.sleep(0.002)  # commits carry milliseconds
        before = self.held[kind]
        self.held[kind] = [
            HeldRow(one.file, one.row, one.since, moment) if one.row[EVENT_DAY] == day and one.until is None else one
            for one in before
        ] + [HeldRow(file, row, moment) for row, file in named]


def held_at(rows: list[HeldRow], moment: datetime) -> Iterator[HeldRow]:
    """Rows that the lake held at a moment."""
    return (one for one in rows if one.since <= moment and (one.until is None or moment < one.until))


def touched_by_account(world: FiledWorld, file: str) -> dict[str, set[str]]:
    """Request ids whose features hold a row of a file, with the features of windows that do: every window of every request gone through.

    Nothing of the features' code is used but what the declaration says of a window.
    """
    log = world.catalog.predictions.read().iter_rows(named=True)
    found = {row["request_id"]: _held_windows(world, file, row, row["scored_at"], stored=False) for row in log}
    return {request: names for request, names in found.items() if names}


def touched_rows_by_account(world: FiledWorld, file: str, rows: pl.DataFrame, moment: datetime) -> set[Any]:
    """Keys of rows of stored features, computed at a moment, that hold a row of a file or are one, with their label."""
    key, found = world.use_case.event_source.primary_key[0], set[Any]()
    own = {one.row[key] for kind in world.held.values() for one in held_at(kind, moment) if one.file == file}
    events = {one.row[key]: one.row for one in held_at(world.held["events"], moment)}
    for number in rows[key]:
        if number in own or _held_windows(world, file, events[number], moment, stored=True):
            found.add(number)
    return found


def _held_windows(
    world: FiledWorld, file: str, asked: Mapping[str, Any], moment: datetime, *, stored: bool
) -> set[str]:
    """Window features of a request, or of a stored row, that hold a row of a file which the lake held at a moment."""
    case, found = world.use_case, set[str]()
    key, label, conditions = case.event_source.primary_key[0], case.label.column, world.conditions
    events = list(held_at(world.held["events"], moment))
    labels = {one.row[key]: one for one in held_at(world.held["labels"], moment)}
    for view in case.features:
        for window in view.windows:
            entity = case.entity(str(view.entity)).key
            of_file = [
                one.row
                for one in events
                if one.row[entity] == asked[entity]
                and (one.row[key] != asked[key] or (stored and window.counts_own_event))
                and _file_of(one, labels, window, label, key, file)
                and _counts(one.row, labels.get(one.row[key]), window, conditions, label, key)
            ]
            for name, length in zip(window.feature_names, window.lengths_microseconds, strict=True):
                if any(_within(row, asked, window, length, case.event_time) for row in of_file):
                    found.add(name)
    return found


def _file_of(event: HeldRow, labels: Mapping[Any, HeldRow], window: Window, label: str, key: str, file: str) -> bool:
    if event.file == file:
        return True
    uses = label in (window.column or "", *(window.where or "").split(), *(window.condition or "").split())
    found = labels.get(event.row[key])
    return uses and found is not None and found.file == file


def _within(row: Mapping[str, Any], request: Mapping[str, Any], window: Window, length: int, time_column: str) -> bool:
    at, event = request[time_column], row[time_column]
    if event > at:
        return False
    newest = at
    if window.covers_whole_days:
        newest = datetime.combine(at.date() + DAY, datetime.min.time(), UTC) - timedelta(microseconds=1)
    newest -= timedelta(microseconds=window.delay_microseconds)
    return bool(newest - timedelta(microseconds=length) < event <= newest)


def _conditions(world: AnsweredWorld) -> Conditions:
    """Whether each condition holds for a payment, with its label and without, by polars' SQL; null is unknown."""
    case = world.use_case
    key, label = case.event_source.primary_key[0], case.label.column
    texts = {text for view in case.features for one in view.windows for text in (one.where, one.condition) if text}
    labelled = join_labels(world.events, world.labels, case)
    found: Conditions = {}
    for text in texts:
        for known in (True, False):
            rows = labelled if known else labelled.with_columns(pl.lit(None, pl.Int8).alias(label))
            holds = pl.SQLContext(rows=rows).execute(f"SELECT {key}, ({text}) AS holds FROM rows", eager=True)
            found.setdefault(text, {}).update({(number, known): value for number, value in holds.iter_rows()})
    return found


def _counts(
    row: Mapping[str, Any],
    label: HeldRow | None,
    window: Window,
    conditions: Conditions,
    label_column: str,
    key: str,
) -> bool:
    place = (row[key], label is not None)
    if window.where is not None and not conditions[window.where][place]:
        return False
    if window.condition is not None and conditions[window.condition][place] is None:
        return False
    if window.column == label_column:
        return label is not None
    return window.column is None or row[window.column] is not None
