"""Point-in-time correctness over many generated histories, against an oracle that looks at every pair of events.

Belongs here: histories as logs of changes (late rows, ties, duplicates, backfills, corrections that move an event, deletes, local
times across a change to or from daylight saving time, entities that lose all their events) and the comparison. Does not belong
here: the oracle (`platform_assets/testing/feature_oracle.py`, where the unit tests use it too).

    python -m benchmarks.point_in_time.topic [HISTORIES]

Each history has entities of its own, so that many are computed in one table; what one sees of another would show as a mismatch.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from benchmarks.common.report import Bar, Topic
from platform_assets.declaration import FeatureView, UseCase
from platform_assets.features.offline.carried_state import carried_state, next_days, with_labels
from platform_assets.features.offline.feature_table import compute_view, history_needed, join_labels
from platform_assets.testing.carried_days import days_touched
from platform_assets.testing.feature_oracle import expected_features
from platform_assets.testing.label_histories import KnowledgeTally, check_labels
from platform_assets.testing.lookup_histories import check_lookups
from platform_assets.testing.payments import EVENT_SCHEMA, LABEL_DELAY_DAYS, LABEL_SCHEMA, rich_case

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
PERIODS = ((date(2024, 3, 25), date(2024, 4, 7)), (date(2024, 10, 24), date(2024, 11, 6)))
"""Each holds changes of the clock in several zones."""
BATCH = 200
_KNOWN_BATCH = 1_000
POISON = 1e15
KEYS_OF_HISTORY = 100
_HISTORY = (pl.col("payment_id") // KEYS_OF_HISTORY).alias("history")


@dataclass(frozen=True)
class Change:
    """One change as it arrives: a row of a key, or its end."""

    key: int
    sequence: int
    arrived: datetime
    row: tuple[Any, ...] | None


@dataclass
class Tally:
    """What was compared, and what differed."""

    histories: int = 0
    rows: int = 0
    values: int = 0
    mismatches: int = 0
    poisoned_values: int = 0
    poison_read: int = 0
    days_recomputed: int = 0
    days_whole: int = 0


def changes_of(number: int, chance: random.Random, first: date, days: int) -> list[Change]:
    """The log of one history, in order of arrival."""
    zone = ZoneInfo(chance.choice(ZONES))
    base, result = number * KEYS_OF_HISTORY, []
    backfill = datetime.combine(first + timedelta(days=days + 2), datetime.min.time(), UTC)
    for key in range(base, base + chance.choice((0, 1, 4, 8, 14))):
        for sequence in range(chance.choice((1, 1, 1, 2, 3))):
            moment = _moment(chance, first, days, zone)
            card, shop = (base + chance.choice((0, 0, 1, 2)) for _ in range(2))
            amount = chance.choice((None, 0.1, 0.2, 0.3, 5.0, -1.5, chance.uniform(-1e6, 1e6)))
            row = None if chance.random() < 0.12 else (key, moment, card, shop, amount, moment.date())
            late = chance.choice((timedelta(0), timedelta(minutes=1), timedelta(hours=chance.randint(1, 120))))
            arrived = backfill if chance.random() < 0.1 else moment + late
            result += [Change(key, sequence, arrived, row)] * chance.choice((1, 1, 1, 2))
    return sorted(result, key=lambda change: change.arrived)


def _moment(chance: random.Random, first: date, days: int, zone: ZoneInfo) -> datetime:
    """A wall-clock time of the zone, on a coarse grid: ties, window edges and both passes of a repeated hour are common."""
    minutes = chance.randrange(days * 48) * 30 if chance.random() < 0.9 else chance.uniform(0, days * 1440)
    wall = datetime.combine(first, datetime.min.time()) + timedelta(minutes=minutes)
    moment = wall.replace(tzinfo=zone, fold=chance.randrange(2)).astimezone(UTC)
    return max(moment, datetime.combine(first, datetime.min.time(), UTC))


def known_rows(changes: Sequence[Change], moment: datetime) -> pl.DataFrame:
    """Clean rows as of a moment, as a table keeps them: of each key the newest change that has arrived, deletes taken out."""
    logged = pl.DataFrame(
        [
            (change.sequence, change.row is None, change.arrived, *(change.row or (change.key, *[None] * 5)))
            for change in changes
        ],
        schema={"sequence": pl.Int64, "deleted": pl.Boolean, "arrived": pl.Datetime("us", "UTC"), **EVENT_SCHEMA},
        orient="row",
    )
    newest = logged.filter(pl.col("arrived") <= moment).sort("sequence").unique("payment_id", keep="last")
    return newest.filter(~pl.col("deleted")).select(list(EVENT_SCHEMA))


def _known_by_oracle(changes: Sequence[Change], moment: datetime) -> list[dict[str, Any]]:
    newest: dict[int, Change] = {}
    for change in changes:
        if change.arrived <= moment and change.sequence >= newest.get(change.key, change).sequence:
            newest[change.key] = change
    return [dict(zip(EVENT_SCHEMA, change.row, strict=True)) for change in newest.values() if change.row is not None]


def check(histories: int, seed: int = 0, progress: Callable[[str], None] = lambda text: None) -> Tally:
    """Compute and compare so many histories; batches of a few hundred, one table each."""
    tally = Tally()
    for batch in range(0, histories, BATCH):
        first, last = PERIODS[(batch // BATCH) % len(PERIODS)]
        case = rich_case(history={"first_day": first, "last_day": last})
        _check_batch(case, min(BATCH, histories - batch), random.Random(f"{seed}/{batch}"), tally)
        progress(f"{tally.histories} histories, {tally.values} values, {tally.mismatches + tally.poison_read} wrong")
    return tally


def _check_batch(case: UseCase, histories: int, chance: random.Random, tally: Tally) -> None:
    first, last = case.history.first_day, case.history.last_day
    assert last is not None, "the period ends"
    logs = [changes_of(number, chance, first, (last - first).days) for number in range(histories)]
    changes = [change for log in logs for change in log]
    earlier, later = (datetime.combine(last + timedelta(days=n), datetime.min.time(), UTC) for n in (-5, 4))
    labels = {
        key: chance.choice((0, 1, None))
        for number in range(histories)
        for key in range(number * 100, number * 100 + 14)
    }
    before, after = (_labelled(known_rows(changes, moment), labels, case, moment) for moment in (earlier, later))
    tally.histories += histories
    truth = [row | {"is_bad": _label(labels, row, later)} for row in _known_by_oracle(changes, later)]
    by_history: dict[int, list[dict[str, Any]]] = {}
    for row in truth:
        by_history.setdefault(row["payment_id"] // KEYS_OF_HISTORY, []).append(row)
    for view in case.features:
        table = _brought_up_to_date(view, case, before, after, tally)
        tally.mismatches += (
            _carried_days(view, case, after).equals(table.sort("event_day", "paid_at", "payment_id")) is False
        )
        _compare(view, case, table, by_history, tally)
        _poison(view, case, after, table, chance, tally)


def _labelled(events: pl.DataFrame, labels: dict[int, int | None], case: UseCase, moment: datetime) -> pl.DataFrame:
    rows = [
        (row["payment_id"], row["paid_at"], label, row["event_day"])
        for row in events.to_dicts()
        if (label := _label(labels, row, moment)) is not None
    ]
    return join_labels(events, pl.DataFrame(rows, schema=LABEL_SCHEMA, orient="row"), case)


def _label(labels: dict[int, int | None], row: dict[str, Any], moment: datetime) -> int | None:
    return labels[row["payment_id"]] if row["event_day"] + timedelta(days=LABEL_DELAY_DAYS) <= moment.date() else None


def _brought_up_to_date(
    view: FeatureView, case: UseCase, before: pl.DataFrame, after: pl.DataFrame, tally: Tally
) -> pl.DataFrame:
    """The table as of the earlier moment, with the days computed anew that what arrived since then touches, and no others."""
    first, last = case.history.first_day, case.history.last_day
    assert last is not None, "the period ends"
    table = compute_view(view, case, before, first, last).with_columns(_HISTORY)
    changed = (
        pl.concat([before, after]).filter(pl.struct(pl.all()).is_duplicated().not_()).select(_HISTORY, "event_day")
    )
    touched: set[tuple[int, date]] = set()
    for history, day in changed.unique().rows():
        begin, end = days_touched(view, day)
        touched.update((history, begin + timedelta(days=n)) for n in range((min(end, last) - begin).days + 1))
    parts = []
    for day in sorted({day for _, day in touched}):
        needed = after.filter(pl.col("event_day").is_between(history_needed(view, day), day))
        parts.append(compute_view(view, case, needed, day, day).with_columns(_HISTORY))
    places = pl.DataFrame(sorted(touched), schema={"history": pl.Int64, "event_day": pl.Date}, orient="row")
    tally.days_recomputed += len(places)
    tally.days_whole += len(pl.concat([before, after]).select(_HISTORY).unique()) * ((last - first).days + 1)
    untouched = table.join(places, on=["history", "event_day"], how="anti")
    renewed = [part.join(places, on=["history", "event_day"], how="semi") for part in parts]
    return pl.concat([untouched, *renewed]).drop("history")


def _carried_days(view: FeatureView, case: UseCase, events: pl.DataFrame) -> pl.DataFrame:
    """The table by days in a row, each from the state that the one before left behind; a few days at once in between."""
    day, last = case.history.first_day, case.history.last_day
    assert last is not None, "the period ends"
    state, parts = carried_state(view, case, events.clear(), day), []
    for days in itertools.cycle((1, 1, 3)):
        end = min(day + timedelta(days=days - 1), last)
        state = with_labels(state, events.filter(pl.col("event_day") < day), end)
        features, state = next_days(state, events.filter(pl.col("event_day").is_between(day, end)), end)
        parts.append(features)
        day = end + timedelta(days=1)
        if day > last:
            break
    return pl.concat(parts)


def _compare(
    view: FeatureView, case: UseCase, table: pl.DataFrame, by_history: dict[int, list[dict[str, Any]]], tally: Tally
) -> None:
    result = {row["payment_id"]: row for row in table.to_dicts()}
    tally.mismatches += abs(len(result) - sum(map(len, by_history.values()))) + len(table) - len(result)
    for rows in by_history.values():
        for event in rows:
            row = result.get(event["payment_id"])
            expected = expected_features(view, case, rows, event)
            tally.rows += 1
            tally.values += len(expected)
            tally.mismatches += sum(row is None or row[name] != value for name, value in expected.items())


def _poison(
    view: FeatureView, case: UseCase, events: pl.DataFrame, table: pl.DataFrame, chance: random.Random, tally: Tally
) -> None:
    """Each history is cut at one of its events; all that is not known at that row is replaced, and the row computed again.

    Not known are all columns of later events (in order of time and key), and labels that arrive after the row's day began.
    """
    first, last = case.history.first_day, case.history.last_day
    assert last is not None, "the period ends"
    if events.is_empty():
        return
    cuts = (
        events.select(_HISTORY, pl.col("payment_id").alias("cut_key"), pl.col("paid_at").alias("cut_time"))
        .sort("history", "cut_key")
        .group_by("history", maintain_order=True)
        .agg(pl.all().sample(1, seed=chance.randrange(2**31)))
        .explode("cut_key", "cut_time")
    )
    marked = events.with_columns(_HISTORY).join(cuts, on="history", maintain_order="left")
    later = (pl.col("paid_at") > pl.col("cut_time")) | (
        (pl.col("paid_at") == pl.col("cut_time")) & (pl.col("payment_id") > pl.col("cut_key"))
    )
    unknown = pl.col("event_day") + pl.duration(days=LABEL_DELAY_DAYS) > pl.col("cut_time").dt.date()
    poisoned = marked.with_columns(
        pl.when(later).then(POISON).otherwise(pl.col("amount")).alias("amount"),
        pl.when(later | unknown).then(1 - pl.col("is_bad").fill_null(0)).otherwise(pl.col("is_bad")).alias("is_bad"),
    )
    tally.poisoned_values += marked.select((later | unknown).sum()).item()
    again = compute_view(view, case, poisoned.select(events.columns), first, last)
    keys = cuts["cut_key"].implode()
    left = table.filter(pl.col("payment_id").is_in(keys)).sort("payment_id")
    right = again.filter(pl.col("payment_id").is_in(keys)).sort("payment_id")
    for name in view.feature_names:
        tally.poison_read += left.select((pl.lit(right[name]).ne_missing(pl.col(name))).sum()).item()


def measure_point_in_time(histories: int, progress: Callable[[str], None]) -> Topic:
    """All comparisons as a topic of the report."""
    started = time.perf_counter()
    tally = check(histories, progress=progress)
    progress(f"{tally.histories} histories in {time.perf_counter() - started:.0f} s")
    known = what_was_known(histories, progress)
    counted = [[name.replace("_", " "), f"{value:,}"] for name, value in vars(tally).items()]
    counted += [
        [f"{what}: {name.replace('_', ' ')}", f"{value:,}"]
        for what, one in known.items()
        for name, value in vars(one).items()
    ]
    mismatches = sum(one.mismatches for one in known.values())
    values = sum(one.values for one in known.values())
    poison = sum(one.poison_read for one in known.values())
    return Topic(
        "Point in time",
        "Generated logs of changes (late rows, ties, duplicates, backfills, corrections that move an event, deletes, local times "
        "across changes of the clock, empty histories): feature tables brought up to date day by day against an oracle that "
        "looks at every pair of events, and days in a row from carried state, equal to the bit; then each history cut at one "
        "row, and everything not known there "
        "replaced. Then histories whose labels are decided late, reversed or absent, and tables that are looked up while they change "
        "(in place, by rows with an end, deleted, keys that change): features, training sets, folds, online values and production "
        "labels against an oracle of what was known when, and poisoned the same way.",
        ["", "count"],
        counted,
        [
            Bar("0 values differ from the oracle", f"{tally.mismatches} of {tally.values:,}", tally.mismatches == 0),
            Bar("no poison is read", f"{tally.poison_read} values changed", tally.poison_read == 0),
            Bar("0 values differ from what was known", f"{mismatches} of {values:,}", mismatches == 0),
            Bar("no poison in labels and look-ups is read", f"{poison} values changed", poison == 0),
        ],
    )


def what_was_known(histories: int, progress: Callable[[str], None]) -> dict[str, KnowledgeTally]:
    """The same number of histories with label times and reversals, and of tables that change while they are looked up."""
    found: dict[str, KnowledgeTally] = {}
    for what, compare in (("labels", check_labels), ("look-ups", check_lookups)):
        started, total = time.perf_counter(), KnowledgeTally()
        for begin in range(0, histories, _KNOWN_BATCH):
            total.add(compare(min(_KNOWN_BATCH, histories - begin), seed=begin))
            progress(
                f"{what}: {total.histories} histories, {total.values} values, {total.mismatches + total.poison_read} wrong"
            )
        progress(f"{what}: {total.histories} histories in {time.perf_counter() - started:.0f} s")
        found[what] = total
    return found


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main(arguments: list[str]) -> int:
    """Check and tell."""
    topic = measure_point_in_time(int(arguments[0]) if arguments else 10_000, _say)
    for name, value in topic.rows:
        sys.stdout.write(f"{name}: {value}\n")
    return 0 if all(bar.kept for bar in topic.bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
