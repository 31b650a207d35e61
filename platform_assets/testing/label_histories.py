"""Generated histories of labels that are decided late, reversed, withdrawn or never come, and the slow oracle of what was known when.

Belongs here: such histories, what each label was by definition, and the comparison with every place that reads labels. Does not belong
here: anything of the product (`features/offline/known_labels.py`), histories of events (`benchmarks/point_in_time`), look-ups
(`lookup_histories.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import compute_days, join_labels
from platform_assets.features.offline.training_set import training_set_of_events
from platform_assets.monitoring.quality import join_labels as join_quality_labels
from platform_assets.testing.declare import row, window
from platform_assets.testing.feature_oracle import expected_features
from platform_assets.testing.payments import DECLARATION, EVENT_SCHEMA, use_case, view_of
from platform_assets.training.dataset import read_dataset

FIRST_DAY, DAYS = date(2024, 2, 26), 12
KEYS_OF_HISTORY = 100
VIEW = "shop_verdicts"
_SCHEMA: dict[str, Any] = {
    "payment_id": pl.Int64,
    "decided_at": pl.Datetime("us", "UTC"),
    "is_bad": pl.Int8,
    EVENT_DAY: pl.Date,
}


@dataclass
class KnowledgeTally:
    """What was compared, and what differed."""

    histories: int = 0
    values: int = 0
    reversals: int = 0
    mismatches: int = 0
    poisoned_values: int = 0
    poison_read: int = 0

    def add(self, other: KnowledgeTally) -> None:
        """Count another tally in."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


def dated_case(arrival_days: int = 0, complete_after_days: int | None = None, absent: int | None = None) -> UseCase:
    """Payments whose labels are dated by their decision, in windows of shops."""
    events, labels = DECLARATION["sources"]
    columns = {"payment_id": "int64", "decided_at": "datetime", "is_bad": "int8"}
    declared = [{"name": name, "description": name, "type": kind, "nullable": True} for name, kind in columns.items()]
    dated = {
        **labels,
        "columns": declared,
        "primary_key": ["payment_id", "decided_at"],
        "event_time": "decided_at",
        "arrival_delay_days": arrival_days,
    }
    delay = max(1, arrival_days)
    windows = [
        window("bad", "count", None, [1, 3], where="is_bad = 1", delay_days=delay),
        window("bad_share", "ratio", None, [3], condition="is_bad = 1", delay_days=delay),
        window("bad_mean", "mean", "is_bad", [1, 4], delay_days=delay, when_empty=-1),
        window("bad_sum", "sum", "amount", [3], where="is_bad = 1 AND amount > 0.15", delay=f"{24 * delay + 1}h"),
        window("latest", "last", "is_bad", [3], delay_days=delay),
        window("days_bad", "mean", "is_bad", [2], delay_days=delay, resolution="day"),
        window("n", "count", None, [2]),
    ]
    label = {"source": "labels", "column": "is_bad", "decided_at": "decided_at", "absent": absent}
    training = {**DECLARATION["training"], "splits": {"train_days": 3, "delay_days": 4, "test_days": 2, "folds": 1}}
    return use_case(
        history={"first_day": FIRST_DAY, "last_day": FIRST_DAY + timedelta(days=DAYS - 1)},
        sources=[events, dated],
        label={**label, "complete_after_days": complete_after_days},
        features=[
            {"name": "context", "description": "itself", "rows": [row("amount", "amount")]},
            {
                "name": "card_n",
                "description": "card",
                "entity": "card",
                "windows": [window("cards", "count", None, [1])],
            },
            {"name": VIEW, "description": "shop", "entity": "shop", "windows": windows},
        ],
        training={**training, "group": "card_id"},
    )


CASES: tuple[dict[str, Any], ...] = (
    {},
    {"arrival_days": 1},
    {"complete_after_days": 3, "absent": 0},
    {"arrival_days": 2, "complete_after_days": 4},
)
"""Labels that arrive at once or later, and where a missing one means 0."""


def history_of(number: int, chance: random.Random) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Events and rows of labels of one history, each in the columns of its table."""
    base, midnight = number * KEYS_OF_HISTORY, datetime.combine(FIRST_DAY, time(), UTC)
    events: list[tuple[Any, ...]] = []
    labels: list[tuple[Any, ...]] = []
    for key in range(base, base + chance.choice((0, 1, 3, 6, 10))):
        moment = midnight + timedelta(minutes=30 * chance.randrange(DAYS * 48))
        shop, amount = base + chance.choice((0, 0, 1)), chance.choice((None, 0.1, 0.2, 5.0, -1.5))
        events.append((key, moment, base, shop, amount, moment.date()))
        lags = chance.sample(range(7 * 24), chance.choice((0, 1, 1, 1, 2, 3)))
        for lag in lags:
            decided = moment + timedelta(hours=lag)
            decided = datetime.combine(decided.date(), time(), UTC) if chance.random() < 0.1 else decided
            decided = max(decided, moment)
            if all((key, decided) != row[:2] for row in labels):
                labels.append((key, decided, chance.choice((0, 1, 1, None)), decided.date()))
    return events, labels


def label_known(rows: Iterable[dict[str, Any]], event: dict[str, Any], day: date, case: UseCase) -> int | None:
    """The label of an event as it was known at 00:00 UTC of a day, by definition."""
    arrives = timedelta(days=max(1, case.label_source.arrival_delay_days))
    known = [row for row in rows if row["decided_at"].date() + arrives <= day]
    if known:
        value: int | None = max(known, key=lambda row: row["decided_at"])["is_bad"]
        return value
    complete = event[EVENT_DAY] + timedelta(days=case.label_delay_days) <= day
    return int(case.label.absent) if case.label.absent is not None and complete else None


@dataclass(frozen=True)
class _World:
    """Histories in one table each, and their rows by event."""

    case: UseCase
    events: pl.DataFrame
    labels: pl.DataFrame

    def rows(self) -> tuple[list[dict[str, Any]], dict[int, list[dict[str, Any]]]]:
        by_key: dict[int, list[dict[str, Any]]] = {}
        for label in self.labels.to_dicts():
            by_key.setdefault(label["payment_id"], []).append(label)
        return self.events.to_dicts(), by_key


def check_labels(histories: int, seed: int = 0) -> KnowledgeTally:
    """Compare so many generated histories with the oracle: features, training set, folds, states and monitoring; then poison them."""
    tally = KnowledgeTally()
    batch = -(-histories // len(CASES))
    for index, options in enumerate(CASES):
        count = min(batch, histories - tally.histories)
        if count > 0:
            _check_batch(dated_case(**options), count, random.Random(f"{seed}/{index}"), tally)
    return tally


def _check_batch(case: UseCase, histories: int, chance: random.Random, tally: KnowledgeTally) -> None:
    made = [history_of(number, chance) for number in range(histories)]
    world = _World(
        case,
        pl.DataFrame([row for events, _ in made for row in events], schema=EVENT_SCHEMA, orient="row"),
        pl.DataFrame([row for _, labels in made for row in labels], schema=_SCHEMA, orient="row"),
    )
    tally.histories += histories
    events, labels = world.rows()
    tally.reversals += sum(len({row["is_bad"] for row in rows}) > 1 for rows in labels.values())
    table = _features(world)
    _compare_features(case, table, events, labels, tally)
    _compare_training_set(world, table, chance, tally)
    _compare_midnight(world, chance, tally)
    _poison(world, table, chance, tally)


def _features(world: _World) -> pl.DataFrame:
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    return compute_days(view_of(world.case, VIEW), world.case, world.events, world.labels, FIRST_DAY, last)


def _compare_features(
    case: UseCase,
    table: pl.DataFrame,
    events: Sequence[dict[str, Any]],
    labels: dict[int, list[dict[str, Any]]],
    tally: KnowledgeTally,
) -> None:
    view, computed = view_of(case, VIEW), {row["payment_id"]: row for row in table.to_dicts()}
    by_history: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        by_history.setdefault(event["payment_id"] // KEYS_OF_HISTORY, []).append(event)
    for rows in by_history.values():
        for event in rows:
            day = event[EVENT_DAY]
            seen = [other | {"is_bad": _known(labels, other, day, case)} for other in rows]
            expected = expected_features(view, case, seen, event | {"is_bad": _known(labels, event, day, case)})
            got = computed[event["payment_id"]]
            tally.values += len(expected)
            tally.mismatches += sum(got[name] != value for name, value in expected.items())


def _known(labels: dict[int, list[dict[str, Any]]], event: dict[str, Any], day: date, case: UseCase) -> int | None:
    return label_known(labels.get(event["payment_id"], ()), event, day, case)


def _compare_training_set(world: _World, table: pl.DataFrame, chance: random.Random, tally: KnowledgeTally) -> None:
    """The training set as of a day, and its rows as they were known on an earlier one."""
    case, (events, labels) = world.case, world.rows()
    as_of = FIRST_DAY + timedelta(days=chance.randrange(4, DAYS + 6))
    last = FIRST_DAY + timedelta(days=DAYS)
    views = {VIEW: table}
    for name in ("context", "card_n"):
        views[name] = compute_days(view_of(case, name), case, world.events, world.labels, FIRST_DAY, last)
    rows = training_set_of_events(world.events, world.labels, views, case, as_of, FIRST_DAY, last)
    complete = timedelta(days=max(1, case.label_delay_days))
    delay = timedelta(days=case.label_delay_days)
    expected = {
        event["payment_id"]: label
        for event in events
        if event[EVENT_DAY] + delay <= as_of and (label := _known(labels, event, as_of, case)) is not None
    }
    got = dict(rows.select("payment_id", "is_bad").iter_rows())
    tally.values += len(expected)
    tally.mismatches += len(expected.items() ^ got.items())
    earlier = as_of - timedelta(days=chance.randrange(1, 4)) - (complete - delay)
    by_key = {event["payment_id"]: event for event in events}
    then = {key: _known(labels, by_key[key], earlier, case) for key in expected}
    dataset = read_dataset(case, rows).as_known(earlier) if rows.height else None
    found = {} if dataset is None else dict(zip(dataset.key.tolist(), dataset.y.tolist(), strict=True))
    tally.mismatches += len(
        {key: float(label) for key, label in then.items() if label is not None}.items() ^ found.items()
    )


def _compare_midnight(world: _World, chance: random.Random, tally: KnowledgeTally) -> None:
    """What monitoring joins to predictions, and what the online store takes, as of a midnight."""
    case, (events, labels) = world.case, world.rows()
    day = FIRST_DAY + timedelta(days=chance.randrange(3, DAYS + 3))
    log = world.events.with_columns(
        pl.col("paid_at").alias("scored_at"), pl.col("payment_id").cast(pl.String).alias("request_id")
    ).with_columns(pl.lit(0.5).alias("score"), pl.lit("1").alias("model_version"))
    joined = join_quality_labels(log, world.labels, case, day)
    expected = {event["payment_id"]: _known(labels, event, day, case) for event in events}
    tally.values += joined.height
    tally.mismatches += sum(expected[key] != value for key, value in joined.select("payment_id", "is_bad").iter_rows())
    labelled = join_labels(world.events, world.labels, case, day)
    state = entity_state(view_of(case, VIEW), case, labelled, day)
    values = state.select("shop_id", "key_payment_id", pl.col("value_is_bad")).explode("key_payment_id", "value_is_bad")
    for _, key, value in values.iter_rows():
        tally.values += 1
        tally.mismatches += (None if value is None or value != value else int(value)) != expected[key]


def _poison(world: _World, table: pl.DataFrame, chance: random.Random, tally: KnowledgeTally) -> None:
    """The rows of a day computed again with every label row that was not known then turned into something else, and more of them."""
    case = world.case
    day = FIRST_DAY + timedelta(days=chance.randrange(2, DAYS))
    arrives = pl.duration(days=max(1, case.label_source.arrival_delay_days))
    later = pl.col("decided_at").dt.date() + arrives > day
    other = pl.when(pl.col("is_bad") == 1).then(0).otherwise(1).cast(pl.Int8)
    poisoned = world.labels.with_columns(pl.when(later).then(other).otherwise("is_bad").alias("is_bad"))
    midnight = datetime.combine(day, time(), UTC)
    more = world.events.select(
        "payment_id",
        pl.lit(midnight).cast(_SCHEMA["decided_at"]).alias("decided_at"),
        pl.lit(1, pl.Int8).alias("is_bad"),
    ).with_columns(pl.lit(day).alias(EVENT_DAY))
    tally.poisoned_values += int(world.labels.select(later.sum()).item()) + more.height
    again = compute_days(view_of(case, VIEW), case, world.events, pl.concat([poisoned, more]), day, day)
    kept = table.filter(pl.col(EVENT_DAY) == day).sort("payment_id")
    again = again.sort("payment_id")
    for name in view_of(case, VIEW).feature_names:
        tally.poison_read += int(kept.select(pl.lit(again[name]).ne_missing(pl.col(name)).sum()).item() or 0)
