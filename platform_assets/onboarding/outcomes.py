"""Labels that stand in a table of their own: which table it is, what a row of it means, and how late it comes.

Belongs here: recognising such a table by the key of the events. Does not belong here: labels in the table of the events (`labels.py`), and
how either is declared (`label_source.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import cast

import polars as pl

from platform_assets.onboarding.facts import ColumnFacts
from platform_assets.onboarding.keys import CHANGE_ME, ROW_ID
from platform_assets.onboarding.labels import is_binary
from platform_assets.onboarding.tables import FoundTable

KNOWN_KEYS_RATIO = 0.8
"""A table tells of events when at least this share of its rows has the key of one."""
LEAST_APART_RATIO = 0.5
"""A column under another name is taken for the key of the events where so many of its values, of the rows, are different ones."""
FAR_TAIL = 3
"""A longest delay of more than so many times that of 99 in 100 is an exception and not the rule."""
_OF_ALL = 0.99


@dataclass(frozen=True)
class OutcomeTable:
    """A table that carries the label.

    Attributes:
        table: with the key's columns under the names that the events have for them.
        key: of the events.
        label: name of the label; no column of the table where the row itself is the outcome.
        row_is_outcome: whether a row says that it happened, and no row that it did not.
        time: the column with the time at which the outcome was known.
        usual_days: days after its event by which 99 of 100 outcomes were known.
        complete_days: days after its event by which all were known, exceptions left aside.
        unknown_rows: rows of events that are not there.
        rows: of the table.
    """

    table: FoundTable
    key: tuple[str, ...]
    label: str
    row_is_outcome: bool
    time: str
    usual_days: int
    complete_days: int
    unknown_rows: int
    rows: int

    @property
    def choice(self) -> str:
        """What a person calls it."""
        return self.table.name if self.row_is_outcome else f"{self.table.name}.{self.label}"

    @property
    def why(self) -> str:
        """What it is, for people."""
        meaning = (
            "a row says that it happened" if self.row_is_outcome else f"its column {self.label} says what became of it"
        )
        unknown = f"; {self.unknown_rows:,} of {self.rows:,} rows are of no event here" if self.unknown_rows else ""
        return f"{self.table.name} has the events' {', '.join(self.key)}: {meaning}{unknown}"


def outcome_tables(
    events: FoundTable, key: Sequence[str], event_time: str, others: Sequence[FoundTable]
) -> tuple[OutcomeTable, ...]:
    """Tables that tell what became of events.

    Args:
        events: the table of the events.
        key: columns that identify an event.
        event_time: the column with its time.
        others: the other tables.
    """
    if set(key) & {CHANGE_ME, ROW_ID} or event_time not in events.facts.frame.columns:
        return ()
    found = (_outcome(events, tuple(key), event_time, table) for table in others)
    return tuple(item for item in found if item is not None)


def unusable_outcomes(
    events: FoundTable, key: Sequence[str], others: Sequence[FoundTable], usable: Sequence[OutcomeTable]
) -> dict[str, str]:
    """Tables with a time of their own that cannot say what became of an event, and what each lacks: a sentence by name.

    Args:
        events: the table of the events.
        key: columns that identify an event.
        others: the other tables.
        usable: those of them that can.
    """
    can = {one.table.name for one in usable}
    return {one.name: _lacks(events, tuple(key), one) for one in others if one.name not in can and _times(one)}


def _lacks(events: FoundTable, key: tuple[str, ...], other: FoundTable) -> str:
    to_do = f"or put what is to be predicted into a column of {events.name}"
    if set(key) & {CHANGE_ME, ROW_ID}:
        return (
            f"{other.name} cannot say what became of a row of {events.name}, for nothing identifies one: "
            f"add an identifier to both, {to_do}"
        )
    there = {facts.name: facts.type for facts in other.facts.columns}
    lacking = [part for part in key if part not in there]
    if lacking:
        return (
            f"{other.name} has no {', '.join(lacking)}, by which a row of {events.name} is found again: "
            f"add it to {other.name}, {to_do}"
        )
    for part in key:
        if there[part] != events.facts.column(part).type:
            kinds = f"{there[part]} in {other.name} and {events.facts.column(part).type} in {events.name}"
            return f"{part} is {kinds}: deliver it the same way in both, {to_do}"
    return (
        f"too few rows of {other.name} have the {', '.join(key)} of a row of {events.name}, at least "
        f"{KNOWN_KEYS_RATIO:.0%} are needed: deliver both for the same time, {to_do}"
    )


def _times(table: FoundTable) -> list[ColumnFacts]:
    return [facts for facts in table.facts.columns if facts.type == "datetime" and facts.nulls == 0]


def _outcome(events: FoundTable, key: tuple[str, ...], event_time: str, other: FoundTable) -> OutcomeTable | None:
    table = _with_key(events, key, other)
    if table is None:
        return None
    times = _times(table)
    if not times:
        return None
    own = events.facts.frame.select(*key, pl.col(event_time).alias("__event"))
    rows = table.facts.frame
    joined = rows.join(own, on=list(key), how="inner")
    if joined.height < KNOWN_KEYS_RATIO * rows.height:
        return None
    late = {facts.name: _days_late(joined, facts.name) for facts in times}
    time = max(late, key=lambda name: float(cast(float, late[name].mean() or 0.0)))
    days = late[time]
    usual = math.ceil(cast(float, days.quantile(_OF_ALL, "higher") or 1))
    longest = int(cast(int, days.max() or 1))
    label = _label_column(table.facts.columns, {*key, *late})
    return OutcomeTable(
        table=table,
        key=key,
        label=label.name if label is not None else f"has_{table.name}",
        row_is_outcome=label is None,
        time=time,
        usual_days=usual,
        complete_days=longest if longest <= FAR_TAIL * usual else usual,
        unknown_rows=rows.height - rows.join(own, on=list(key), how="semi").height,
        rows=rows.height,
    )


def _days_late(joined: pl.DataFrame, time: str) -> pl.Series:
    """Days from the event's to the midnight after the outcome's."""
    return (joined[time].dt.date() - joined["__event"].dt.date()).dt.total_days() + 1


def _label_column(columns: Sequence[ColumnFacts], used: Collection[str]) -> ColumnFacts | None:
    binary = [facts for facts in columns if facts.name not in used and is_binary(facts) and facts.distinct == 2]
    return binary[0] if len(binary) == 1 else None


def _with_key(events: FoundTable, key: tuple[str, ...], other: FoundTable) -> FoundTable | None:
    """The table with the events' names for the key; None where it has no such columns."""
    names = {facts.name: facts for facts in other.facts.columns}
    if set(key) <= set(names):
        same = all(names[part].type == events.facts.column(part).type for part in key)
        return other if same else None
    if len(key) > 1:
        return None
    (part,) = key
    known = events.facts.frame[part]
    for facts in other.facts.columns:
        if facts.type != events.facts.column(part).type or facts.nulls or facts.type not in ("int64", "string"):
            continue
        if facts.name in events.facts.frame.columns or facts.distinct < LEAST_APART_RATIO * other.facts.frame.height:
            continue  # it is another column of the events, or too few values for one event each: small numbers are among any keys
        values = other.facts.frame[facts.name]
        if facts.distinct > 1 and values.is_in(known.implode()).mean() >= KNOWN_KEYS_RATIO:  # type: ignore[operator]
            renamed = replace(facts, name=part, delivered=facts.delivered or (facts.name,))
            columns = tuple(renamed if each is facts else each for each in other.facts.columns)
            frame = other.facts.frame.rename({facts.name: part})
            return replace(other, facts=replace(other.facts, frame=frame, columns=columns))
    return None
