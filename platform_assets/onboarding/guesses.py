"""What a table probably means: key, event time, label, entities, features, splits. Each guess carries its reason.

Belongs here: rules of thumb, and nothing that a team cannot overrule in the file that is written. Does not belong
here: facts (`facts.py`), or the text of that file (`proposal.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import cast

import polars as pl

from platform_assets.declaration.sections.categories import Category
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import ColumnFacts, TableFacts
from platform_assets.onboarding.keys import CHANGE_ME, TEXT_LENGTH, is_named_id, key_of
from platform_assets.onboarding.labels import (
    ROWS_OF_A_CLASS,
    Guess,
    label_of,
    no_label,
    rank,
    task_of_label,
    with_binary_label,
)
from platform_assets.onboarding.leaks import is_score, knows_label, parts_of_label

TIME_WORDS = ("event_time", "timestamp", "created", "time", "date", "_at", "ts")
ENTITY_ENDINGS = ("_id", "_key", "_uuid")
ENTITY_WORDS = frozenset(
    {
        "customer",
        "user",
        "client",
        "member",
        "patient",
        "driver",
        "machine",
        "device",
        "sensor",
        "meter",
        "card",
        "account",
        "shop",
    }
    | {
        "store",
        "merchant",
        "terminal",
        "vehicle",
        "station",
        "player",
        "employee",
        "subscriber",
        "household",
        "product",
        "sku",
    }
    | {"kunde", "kunden", "kundennummer", "kundennr", "konto", "maschine", "cliente", "cuenta"}
)
FEWEST_OF_AN_ENTITY = 20
"""A column with fewer values than this is a code or a category, whatever its name."""
FEWEST_DAYS = 8
"""A shorter history does not tell what a day usually has, and is too short for folds."""
ROWS_OF_A_DAY = 10
"""Days with fewer rows than this differ by chance."""
WHOLE_DAY_RATIO = 0.8
"""A last day with fewer rows than this share of the usual is taken for one that was not over."""
NOT_KNOWN_THEN = "not known at the time of the event, as was answered"
MOST_CATEGORIES = 12
"""A text of more values than this is not told apart by a feature for each."""


@dataclass(frozen=True)
class Guesses:
    """Everything that is proposed.

    Attributes:
        key: columns that identify a row, with the reason.
        event_time: the column, with the reason.
        label: the column, with the reason; None when nothing looks like one.
        task: binary, multiclass or regression.
        entities: key columns, each with the reason.
        features: columns that are known at the event and may be learned from.
        left_out: columns that are not proposed as features, each with the reason.
        first_day: of the data; None when no column is a time.
        last_day: of the data; None when no column is a time.
        splits: train_days, delay_days, test_days, folds; None when the history is too short for any.
        has_days_without_events: whether some days of the history have no row.
        days_apart: usual distance of days with events.
        categories: columns of names that are known at the event, of which each value is told apart.
        problems: what must be filled in or decided before a model can be trained.
    """

    key: tuple[tuple[str, ...], str]
    event_time: Guess
    label: Guess | None
    task: str
    entities: tuple[Guess, ...]
    features: tuple[str, ...]
    left_out: tuple[Guess, ...]
    first_day: date | None
    last_day: date | None
    splits: tuple[int, int, int, int] | None
    problems: tuple[str, ...] = field(default=())
    has_days_without_events: bool = False
    categories: tuple[str, ...] = ()
    days_apart: int = 1

    @property
    def days(self) -> int:
        """Length of the history, 0 when it is not known."""
        if self.first_day is None or self.last_day is None:
            return 0
        return (self.last_day - self.first_day).days + 1


def guess(table: TableFacts, label: str | None = None) -> Guesses:
    """Propose a meaning for every column.

    Args:
        table: what was found.
        label: the label's column, where the caller knows it.

    Raises:
        OnboardingError: the named label is not there.
    """
    return guess_of(*with_binary_label(table, label))


def guess_of(
    table: TableFacts,
    label: str | None,
    event_time: str | None = None,
    delay_days: int = 0,
    unknown_then: Collection[str] | None = None,
    outcome: str | None = None,
) -> Guesses:
    """As `guess`, of a table whose label is a number where it has two values, and with what somebody knows of it.

    Args:
        table: what was found.
        label: the label's column, where it is known.
        event_time: the column with the time of the event, where it is known.
        delay_days: days after its event until a label is known.
        unknown_then: columns that are not known at the event, and no others; None where nobody said.
        outcome: name of a binary label that another table carries; nothing of this table is the label then.
    """
    time, problems = _event_time(table) if event_time is None else Guess(event_time, "named"), list[str]()
    if time is None:
        time = Guess(CHANGE_ME, "no column is a time")
        problems.append(_no_time(table))
    key, problem = key_of(table, time.value)
    problems += [problem] if problem else []
    label_guess = label_of(table, label, {time.value, *key[0]}) if outcome is None else None
    problems += [] if outcome is not None else _label_problems(table, label_guess, {time.value, *key[0]})
    task = "binary" if label_guess is None else task_of_label(table.column(label_guess.value))
    left_out = _left_out(table, label_guess, task, {time.value, *key[0]}, unknown_then)
    aside = {item.value for item in left_out} | {time.value, *key[0]} | ({label_guess.value} if label_guess else set())
    parts = set(key[0]) if len(key[0]) > 1 else set[str]()
    entities = _entities(table, aside - parts - {item.value for item in left_out if "identifies" in item.why})
    names = [facts.name for facts in table.columns if facts.name not in aside]
    first, last = _days(table, time.value)
    length = 0 if first is None or last is None else (last - first).days + 1
    event_days = (
        0 if time.value not in table.frame.columns else table.frame[time.value].drop_nulls().dt.date().n_unique()
    )
    splits = _splits(length, event_days, delay_days)
    if splits is None and length:
        needed = f"at least 8{f' beside the {delay_days} until a label is known' if delay_days else ''}"
        problems.append(f"the history has {length} days; folds need {needed}: bring more days")
    categories = tuple(name for name in names if table.column(name).type in ("string", "bool"))
    return Guesses(
        key,
        time,
        label_guess,
        task,
        entities,
        tuple(name for name in names if name not in categories),
        left_out,
        first,
        last,
        splits,
        tuple(problems),
        event_days < length,
        categories,
        _apart(length, event_days),
    )


def _label_problems(table: TableFacts, label: Guess | None, used: set[str]) -> list[str]:
    if label is None:
        return [no_label(table, used)]
    if table.column(label.value).distinct >= 2:
        return []
    only = ", ".join(table.column(label.value).examples) or "nothing"
    return [f"the label {label.value} has one value only ({only}): there is nothing to learn from these rows"]


def _days(table: TableFacts, time: str) -> tuple[date | None, date | None]:
    if time not in table.frame.columns:
        return None, None
    if time in table.spans:
        return table.spans[time][0].date(), table.spans[time][1].date()
    days = table.frame[time].drop_nulls().dt.date()
    return cast(date, days.min()), _last_whole_day(days)


def _last_whole_day(days: pl.Series) -> date | None:
    """The last day; the one before where the data ends in the middle of it, which a rule on rows or hours would refuse."""
    if days.is_empty():
        return None
    rows = days.rename("day").value_counts(name="rows").sort("day")
    usual = cast(float, rows["rows"].head(-1).median() or 0.0)
    is_cut = rows.height >= FEWEST_DAYS and usual >= ROWS_OF_A_DAY and rows["rows"][-1] < WHOLE_DAY_RATIO * usual
    return cast(date, rows["day"][-2 if is_cut else -1])


def _event_time(table: TableFacts) -> Guess | None:
    times = [facts for facts in table.columns if facts.type == "datetime"]
    if not times:
        return None
    complete = [facts for facts in times if facts.nulls + facts.misfits == 0] or times
    best = max(complete, key=lambda facts: (rank(facts.name, TIME_WORDS), facts.distinct))
    others = [facts.name for facts in times if facts is not best]
    why = "the only column with times" if not others else f"a time in every row; others are {', '.join(others)}"
    lacking = best.nulls + best.misfits
    return Guess(best.name, f"{why}; {lacking:,} of {best.rows:,} rows have none" if lacking else why)


def _no_time(table: TableFacts) -> str:
    near = [f"{facts.name} {facts.hint}" for facts in table.columns if "looks like a time" in facts.hint]
    return (
        "no column is a time, and every row needs the time of its event, in ISO 8601 such as 2026-03-01T12:00:00Z: add it to "
        f"the data and name it in `event_time`{f' ({chr(59).join(near)})' if near else ''}"
    )


def _left_out(
    table: TableFacts, label: Guess | None, task: str, used: set[str], unknown_then: Collection[str] | None
) -> tuple[Guess, ...]:
    result = []
    parts = _parts_of_label(table, label, task, used)
    for facts in table.columns:
        if facts.name in used or (label is not None and facts.name == label.value):
            continue
        leak = _why_a_leak(table, facts, label, task, parts)
        if unknown_then is not None:
            leak = (leak or NOT_KNOWN_THEN) if facts.name in unknown_then else None
        why = "holds one value only" if facts.distinct <= 1 else leak or _why_left_out(facts)
        if why is not None:
            result.append(Guess(facts.name, why))
    return tuple(result)


def _parts_of_label(table: TableFacts, label: Guess | None, task: str, used: set[str]) -> tuple[str, ...]:
    """Columns that make the label together, of a label that is a number."""
    if label is None or DECLARED_TASKS[task].has_decision or DECLARED_TASKS[task].has_classes:
        return ()
    numbers = [
        facts.name for facts in table.columns if facts.is_numeric and facts.name not in used and facts.distinct > 1
    ]
    return parts_of_label(table.frame, [name for name in numbers if name != label.value], label.value)


def _why_a_leak(
    table: TableFacts, facts: ColumnFacts, label: Guess | None, task: str, parts: Collection[str]
) -> str | None:
    """Why nobody should learn from a column: it knows the label, or is what another model said."""
    if label is not None and knows_label(table.frame, facts, label.value, task):
        return f"knows the label {label.value}: probably its consequence, not known at the time of the event"
    if is_score(facts):
        return "this column is another model's score: say which model's, and learn from it only if that model answers before yours"
    if facts.name in parts:
        others = ", ".join(part for part in parts if part != facts.name)
        return f"knows the label {label.value if label else ''} together with {others}"
    return None


def _why_left_out(facts: ColumnFacts) -> str | None:
    if facts.type in ("datetime", "date"):
        return "another time: use it in an expression"
    if facts.type == "string" and facts.mean_length > TEXT_LENGTH:
        return "free text"
    if is_named_id(facts.name) or (facts.type == "string" and facts.values is None):
        return "identifies something"
    if facts.type == "string" and not _is_told_apart(facts):
        return "no number: use it in an expression such as CASE WHEN ... THEN 1 ELSE 0 END"
    return None


def values_told_apart(facts: ColumnFacts) -> tuple[bool | int | str, ...]:
    """Of a column of names those values that get a feature each."""
    return (True,) if facts.type == "bool" else tuple(facts.values or ())


def _is_told_apart(facts: ColumnFacts) -> bool:
    """Whether each value of a text can be a feature: few values, whose names stay apart."""
    values = values_told_apart(facts)
    if not 1 < len(values) <= MOST_CATEGORIES or facts.rows < ROWS_OF_A_CLASS * len(values):
        return False
    try:
        Category(column=facts.name, description="", values=values)
    except ValueError:
        return False
    return True


def _entities(table: TableFacts, used: set[str]) -> tuple[Guess, ...]:
    entities = []
    for facts in table.columns:
        repeats = facts.rows / max(1, facts.distinct)
        words = set(facts.name.split("_"))
        named = facts.name in ("id", "key", "uuid") or facts.name.endswith(ENTITY_ENDINGS)
        identifies = named or (facts.values is None and bool(ENTITY_WORDS & words) and "code" not in words)
        is_one = facts.type in ("int64", "string") and identifies and facts.distinct >= FEWEST_OF_AN_ENTITY
        if facts.name in used or not is_one or repeats < 2 or facts.mean_length > TEXT_LENGTH or is_score(facts):
            continue
        entities.append(Guess(facts.name, f"each of its {facts.distinct:,} values comes {repeats:.1f} times"))
    return tuple(entities)


def _splits(days: int, event_days: int, delay: int) -> tuple[int, int, int, int] | None:
    """Train, delay, test days and folds that use at most half of the history, so that some days are left to go live.

    Where events lie far apart (a row for each year), lengths are multiples of the usual distance.
    """
    apart = _apart(days, event_days)
    left = 0.6 * days - 2 * delay
    for length in (28, 14, 7, 3, 2):
        for folds in (4, 3, 2, 1):
            if apart * (2 * length + (folds - 1) * length + 1) <= left:
                return apart * length, delay, apart * length, folds
    return (2 * apart, delay, apart, 1) if days >= 8 * apart + 2 * delay else None


def _apart(days: int, event_days: int) -> int:
    return max(1, round((days - 1) / (event_days - 1))) if event_days > 1 else 1


def live_days(splits: tuple[int, int, int, int], days: int) -> int:
    """Length of the monitoring window: a week, less when the history is short, a test period where events lie far apart."""
    train, delay, test, folds = splits
    longest = 7 if test <= 28 else test
    return max(1, min(longest, days - train - test * folds - 2 * delay - 2))
