"""Generated histories of tables that are looked up while they change, and the slow oracle of what counted when.

Belongs here: a feed of changes in place, a table that keeps its history in rows, a table of appended rows; what each look-up finds by
definition; the comparison offline and online. Does not belong here: anything of the product, labels (`label_histories.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    DELETE,
    ROW_DAY,
    ROW_SEQUENCE,
    UPSERT,
)
from platform_assets.features.offline.lookups import arrival_days, join_lookups
from platform_assets.features.online.lookup_state import LookupTable, kept_versions, lookup_layouts
from platform_assets.lake.changes import place_changes
from platform_assets.lake.row_versions import row_versions
from platform_assets.testing.label_histories import KEYS_OF_HISTORY, KnowledgeTally
from platform_assets.testing.payments import DECLARATION, EVENT_SCHEMA, use_case, view_of

FIRST_DAY, DAYS, MAX_AGE_DAYS = date(2024, 2, 26), 14, 6
VIEW = "holder"
_TIME = pl.Datetime("us", "UTC")
_LIMITS: dict[str, Any] = {"limit_id": pl.Int64, "card": pl.Int64, "changed": _TIME, "amount": pl.Float64}
_CHANGES: dict[str, Any] = {
    CHANGE_OPERATION: pl.String,
    CHANGE_SEQUENCE: pl.Int64,
    CHANGE_TIME: _TIME,
    EVENT_DAY: pl.Date,
}
_ADDRESSES: dict[str, Any] = {
    "row_id": pl.Int64,
    "card": pl.Int64,
    "valid_from": _TIME,
    "valid_to": _TIME,
    "zone": pl.Float64,
}
Row = dict[str, Any]


def changing_case() -> UseCase:
    """Payments that look into limits that change in place, and into addresses that keep their history in rows."""

    def source(name: str, key: str, event_time: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
        kinds = {pl.Int64: "int64", pl.Float64: "float64"}
        columns = [
            {"name": column, "description": column, "type": kinds.get(kind, "datetime"), "nullable": column != key}
            for column, kind in schema.items()
        ]
        described = {
            "name": name,
            "description": name,
            "columns": columns,
            "primary_key": [key],
            "event_time": event_time,
        }
        return {"connector": {"kind": "files", "format": "csv", "path": "x.csv"}, **described, **more}

    feed = {"kind": "change_feed", "path": "in"}
    looked_up = {"description": "of the card", "on": {"card_id": "card"}, "max_age_days": MAX_AGE_DAYS}
    lookups = [
        {"name": "limit", "source": "limits", "columns": ["amount"], **looked_up},
        {"name": "address", "source": "addresses", "columns": ["zone"], "until": "valid_to", **looked_up},
        {"name": "last_address", "source": "addresses", "columns": ["zone"], **looked_up},
    ]
    return use_case(
        history={"first_day": FIRST_DAY, "last_day": FIRST_DAY + timedelta(days=DAYS - 1)},
        sources=[
            *DECLARATION["sources"],
            source("limits", "limit_id", "changed", _LIMITS, connector=feed),
            source("addresses", "row_id", "valid_from", _ADDRESSES),
        ],
        features=[
            *(view for view in DECLARATION["features"] if view["name"] == "card_activity"),
            {"name": VIEW, "description": "holder", "lookups": lookups},
        ],
    )


def _moment(chance: random.Random) -> datetime:
    start = datetime.combine(FIRST_DAY, time(), UTC)
    return start + timedelta(hours=6 * chance.randrange(DAYS * 4), minutes=chance.choice((0, 0, 1)))


def changes_of(number: int, chance: random.Random) -> list[Row]:
    """Changes of one history's limits, in order: updates that keep or move the row's own time, deletes, cards that change."""
    base, changes, sequence = number * KEYS_OF_HISTORY, [], 0
    for key in range(base, base + chance.choice((0, 1, 2, 3))):
        own = made = _moment(chance)
        keeps_time = chance.random() < 0.5
        for _ in range(chance.choice((1, 2, 3, 5))):
            sequence += 1
            made = made if chance.random() < 0.2 else max(made, _moment(chance))
            own = own if keeps_time else chance.choice((made, made, _moment(chance)))
            kind = DELETE if chance.random() < 0.2 else UPSERT
            says_when = chance.random() < 0.85
            row = {"limit_id": key, "card": base + chance.choice((0, 0, 0, 1)), "changed": own}
            row |= {"amount": chance.choice((None, 1.0, 2.0, float(sequence)))}
            if kind == DELETE and chance.random() < 0.5:
                row = {"limit_id": key, "card": None, "changed": None, "amount": None}
            row |= {CHANGE_OPERATION: kind, CHANGE_SEQUENCE: sequence, CHANGE_TIME: made if says_when else None}
            changes.append(row | {EVENT_DAY: own.date()})
    return changes


def addresses_of(number: int, chance: random.Random) -> list[Row]:
    """Rows of one history's addresses, each with its begin and, for most, its end."""
    base, rows = number * KEYS_OF_HISTORY, []
    for key in range(base, base + chance.choice((0, 1, 3, 5))):
        begin = _moment(chance)
        end = chance.choice((None, begin, begin + timedelta(hours=chance.randrange(200))))
        row = {"row_id": key, "card": base + chance.choice((0, 0, 1)), "valid_from": begin, "valid_to": end}
        rows.append(row | {"zone": chance.choice((None, 1.0, 2.0, float(key))), EVENT_DAY: begin.date()})
    return rows


def limit_at(changes: Sequence[Row], card: int, day: date, arrival: int, kept_days: int) -> float | None:
    """The limit of a card that an event of a day finds, by looking at every change; None where there is none."""
    found: list[tuple[Any, ...]] = []
    for key in {change["limit_id"] for change in changes}:
        newest, before = None, None
        for change in (change for change in changes if change["limit_id"] == key):
            times = [change["changed"] if change[CHANGE_OPERATION] == UPSERT else None, change[CHANGE_TIME]]
            if change[CHANGE_OPERATION] == DELETE and change[CHANGE_TIME] is None:
                times = [change["changed"]]
            own = max((moment for moment in times if moment is not None), default=None)
            since = own
            if change[CHANGE_TIME] is None:
                since = max((moment for moment in (own, before) if moment is not None), default=None)
            before = max((moment for moment in (own, before) if moment is not None), default=None)
            known = None if since is None else since.date() + timedelta(days=arrival)
            if known is not None and known <= day:
                newest = (change, known)
        if newest is None or newest[0][CHANGE_OPERATION] == DELETE or newest[0]["card"] != card:
            continue
        if (day - newest[1]).days <= kept_days:
            found.append((newest[0]["changed"], key, newest[0]["amount"]))
    return max(found, key=lambda item: item[:2])[2] if found else None


def address_at(rows: Sequence[Row], card: int, day: date, arrival: int, kept_days: int, ends: bool) -> float | None:
    """The zone of a card that an event of a day finds, by looking at every row."""
    found = []
    for row in rows:
        known = row[EVENT_DAY] + timedelta(days=arrival)
        ended = ends and row["valid_to"] is not None and row["valid_to"].date() + timedelta(days=arrival) <= day
        if row["card"] == card and known <= day and (day - known).days <= kept_days and not ended:
            found.append((row["valid_from"], row["row_id"], row["zone"]))
    return max(found, key=lambda item: item[:2])[2] if found else None


@dataclass(frozen=True)
class _World:
    """Histories in one table each."""

    case: UseCase
    events: pl.DataFrame
    changes: list[Row]
    addresses: list[Row]

    def raw(self, chance: random.Random) -> pl.DataFrame:
        """The raw table of the limits, to which changes came in several batches, in another order."""
        known = pl.DataFrame(schema={"limit_id": pl.Int64, **_CHANGES, ROW_DAY: pl.Date, ROW_SEQUENCE: pl.Int64})
        batches: list[list[Row]] = [[], [], []]
        for change in self.changes:
            chance.choice(batches).append(change)
        parts = []
        for batch in batches:
            frame = pl.DataFrame(batch, schema={**_LIMITS, **_CHANGES}, orient="row")
            placed = place_changes(
                frame, known.select(["limit_id", *_CHANGES, ROW_DAY, ROW_SEQUENCE]), ["limit_id"]
            ).rows
            parts.append(placed)
            known = pl.concat([known, placed.select(known.columns)])
        return pl.concat(parts)

    def tables(self, raw: pl.DataFrame, last: date = date.max) -> dict[str, pl.DataFrame]:
        """What look-ups read of the days up to the last."""
        until = pl.col(EVENT_DAY) <= last
        addresses = pl.DataFrame(self.addresses, schema={**_ADDRESSES, EVENT_DAY: pl.Date}, orient="row")
        limits = row_versions(raw, ["limit_id"], "changed").filter(pl.col("version_since").dt.date() <= last)
        return {"limits": limits, "addresses": addresses.filter(until)}


def check_lookups(histories: int, seed: int = 0, batch: int = 100) -> KnowledgeTally:
    """Compare so many generated histories with the oracle, offline and online; then poison them."""
    tally, case = KnowledgeTally(), changing_case()
    for begin in range(0, histories, batch):
        chance = random.Random(f"{seed}/{begin}")
        numbers = range(min(batch, histories - begin))
        tally.histories += len(numbers)
        events = [
            (
                number * KEYS_OF_HISTORY + n,
                moment,
                number * KEYS_OF_HISTORY + chance.choice((0, 0, 1)),
                1,
                1.0,
                moment.date(),
            )
            for number in numbers
            for n, moment in enumerate(_moment(chance) for _ in range(chance.choice((1, 4, 8))))
        ]
        world = _World(
            case,
            pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row"),
            [change for number in numbers for change in changes_of(number, chance)],
            [row for number in numbers for row in addresses_of(number, chance)],
        )
        tally.reversals += len(world.changes) - len({change["limit_id"] for change in world.changes})
        _check_batch(world, chance, tally)
    return tally


def _check_batch(world: _World, chance: random.Random, tally: KnowledgeTally) -> None:
    case, raw = world.case, world.raw(chance)
    offline = join_lookups(world.events, world.tables(raw), view_of(case, VIEW), case)
    changes: dict[int, list[Row]] = {}
    rows: dict[int, list[Row]] = {}
    for change in world.changes:
        changes.setdefault(change["limit_id"] // KEYS_OF_HISTORY, []).append(change)
    for row in world.addresses:
        rows.setdefault(row["row_id"] // KEYS_OF_HISTORY, []).append(row)
    arrival = arrival_days(case.source("limits"))
    kept = MAX_AGE_DAYS - arrival
    for event in offline.to_dicts():
        number, card, day = event["payment_id"] // KEYS_OF_HISTORY, event["card_id"], event[EVENT_DAY]
        expected = {
            "limit_amount": limit_at(changes.get(number, ()), card, day, arrival, kept),
            "address_zone": address_at(rows.get(number, ()), card, day, arrival, kept, ends=True),
            "last_address_zone": address_at(rows.get(number, ()), card, day, arrival, kept, ends=False),
        }
        tally.values += len(expected)
        tally.mismatches += sum(event[name] != value for name, value in expected.items())
    day = FIRST_DAY + timedelta(days=chance.randrange(2, DAYS))
    _compare_online(world, raw, offline, day, tally)
    _poison(world, offline, day, chance, tally)


def _compare_online(world: _World, raw: pl.DataFrame, offline: pl.DataFrame, day: date, tally: KnowledgeTally) -> None:
    """What a request of the day, or a late one of the day before, finds in what was written at the day's midnight."""
    asked = offline.filter(pl.col(EVENT_DAY).is_between(day - timedelta(days=1), day)).to_dicts()
    for layout in lookup_layouts(world.case, [view_of(world.case, VIEW)]):
        source = world.case.source(layout.lookup.source)
        last = day - timedelta(days=arrival_days(source))
        table = LookupTable(layout, None, None, None)
        stored = dict(kept_versions(layout, world.tables(raw, last)[source.name], day))
        for event in asked:
            key = layout.key_of(event)
            found = table.value(str(key), stored.get(str(key)), event["paid_at"]) or {}
            for name in layout.lookup.feature_names:
                tally.values += 1
                tally.mismatches += found.get(name) != event[name]


def _poison(world: _World, offline: pl.DataFrame, day: date, chance: random.Random, tally: KnowledgeTally) -> None:
    """Rows of a day looked up again after everything that was made on it or later became something else, and more came."""
    midnight = datetime.combine(day, time(), UTC)

    def late(change: Row) -> bool:
        return change[CHANGE_TIME] is not None and change[CHANGE_TIME] >= midnight

    poisoned = [change | ({"amount": 1e15, "card": change["card"]} if late(change) else {}) for change in world.changes]
    newest = max((change[CHANGE_SEQUENCE] for change in world.changes), default=0)
    more = [
        {"limit_id": key, "card": key // KEYS_OF_HISTORY * KEYS_OF_HISTORY, "changed": FIRST_DAY_MOMENT, "amount": 1e15}
        | {CHANGE_OPERATION: kind, CHANGE_SEQUENCE: newest + 1, CHANGE_TIME: midnight, EVENT_DAY: FIRST_DAY}
        for key in {change["limit_id"] for change in world.changes}
        for kind in [chance.choice((UPSERT, DELETE))]
    ]
    rows = [row | ({"zone": 1e15} if row["valid_from"] >= midnight else {}) for row in world.addresses]
    ended = [row | ({"valid_to": midnight} if row["valid_to"] is None else {}) for row in rows]
    other = _World(world.case, world.events, [*poisoned, *more], ended)
    again = other.tables(other.raw(chance))
    of_day = pl.col(EVENT_DAY) == day
    found = join_lookups(world.events.filter(of_day), again, view_of(world.case, VIEW), world.case)
    kept = offline.filter(of_day)
    tally.poisoned_values += sum(map(late, world.changes)) + len(more) + sum(row["zone"] == 1e15 for row in rows)
    for name in view_of(world.case, VIEW).feature_names:
        tally.poison_read += int(kept.select(pl.lit(found[name]).ne_missing(pl.col(name)).sum()).item() or 0)


FIRST_DAY_MOMENT = datetime.combine(FIRST_DAY, time(), UTC)
