"""What a table probably means: key, event time, label, entities, features, splits. Each guess carries its reason.

Belongs here: rules of thumb, and nothing that a team cannot overrule in the file that is written. Does not belong
here: facts (`facts.py`), or the text of that file (`proposal.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import cast

import polars as pl

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import MISFIT_RATIO, ColumnFacts, TableFacts
from platform_assets.onboarding.labels import Guess, label_of, no_label, rank, task_of_label, with_binary_label
from platform_assets.onboarding.leaks import is_score, knows_label, parts_of_label

CHANGE_ME = "change_me"
"""Stands where nothing could be guessed: the declaration does not load until it is replaced."""
ROW_ID = "row_id"
"""Key of rows that have none: their place in their file."""
TIME_WORDS = ("event_time", "timestamp", "created", "time", "date", "_at", "ts")
ID_ENDINGS = ("_id", "_key", "_number", "_code", "_uuid")
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
)
FEWEST_OF_AN_ENTITY = 20
"""A column with fewer values than this is a code or a category, whatever its name."""
FEWEST_DAYS = 8
"""A shorter history does not tell what a day usually has, and is too short for folds."""
ROWS_OF_A_DAY = 10
"""Days with fewer rows than this differ by chance."""
WHOLE_DAY_RATIO = 0.8
"""A last day with fewer rows than this share of the usual is taken for one that was not over."""
TEXT_LENGTH = 30
"""Texts longer than this on average are taken for free text."""


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


def guess_of(table: TableFacts, label: str | None) -> Guesses:
    """As `guess`, of a table whose label is a number where it has two values."""
    time, key, problems = _event_time(table), _key(table), []
    if time is None:
        time = Guess(CHANGE_ME, "no column is a time")
        problems.append(_no_time(table))
    if key is None:
        key = _pair(table, time.value)
    if key is None and table.connector.get("kind") == "files":
        why = "no column, nor any two, identify a row: its place in its file does, as long as files stay as they are"
        key = (ROW_ID,), why
    elif key is None:
        key = (CHANGE_ME,), "no column, nor any two, identify a row"
        problems.append(
            "no column, nor any two together, identify a row: add an identifier to the data, or remove rows that are there "
            "twice, and name it in `primary_key`"
        )
    label_guess = label_of(table, label, {time.value, *key[0]})
    if label_guess is None:
        problems.append(no_label(table, {time.value, *key[0]}))
    elif table.column(label_guess.value).distinct < 2:
        only = ", ".join(table.column(label_guess.value).examples) or "nothing"
        problems.append(
            f"the label {label_guess.value} has one value only ({only}): there is nothing to learn from these rows"
        )
    task = "binary" if label_guess is None else task_of_label(table.column(label_guess.value))
    left_out = _left_out(table, label_guess, task, {time.value, *key[0]})
    aside = {item.value for item in left_out} | {time.value, *key[0]} | ({label_guess.value} if label_guess else set())
    entities = _entities(table, aside - {item.value for item in left_out if "identifies" in item.why})
    names = [facts.name for facts in table.columns if facts.name not in aside]
    first, last = _days(table, time.value)
    length = 0 if first is None or last is None else (last - first).days + 1
    event_days = (
        0 if time.value not in table.frame.columns else table.frame[time.value].drop_nulls().dt.date().n_unique()
    )
    splits = _splits(length, event_days)
    if splits is None and length:
        problems.append(f"the history has {length} days; folds need at least 8: bring more days")
    return Guesses(
        key,
        time,
        label_guess,
        task,
        entities,
        tuple(names),
        left_out,
        first,
        last,
        splits,
        tuple(problems),
        event_days < length,
    )


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


def _key(table: TableFacts) -> tuple[tuple[str, ...], str] | None:
    first = table.columns[0].name
    candidates = [facts for facts in _identifying(table) if facts.name == first or not _is_measured(facts)]
    unique = [facts for facts in candidates if facts.distinct == facts.rows]
    # Some rows that were delivered twice do not make an identifier less of one.
    nearly = [
        facts for facts in candidates if _is_named_id(facts.name) and facts.distinct >= (1 - MISFIT_RATIO) * facts.rows
    ]
    for group in (unique, nearly):
        if group:
            # `max` keeps the first of equals: what identifies a row tends to stand in front of what was measured.
            best = max(group, key=lambda facts: (_is_named_id(facts.name), facts.mean_length <= TEXT_LENGTH))
            twice = best.rows - best.distinct
            text = f"{twice:,} of {best.rows:,} rows repeat a value and would go to quarantine"
            return (best.name,), text if twice else "no value occurs twice"
    return None


def _is_measured(facts: ColumnFacts) -> bool:
    """Whether whole numbers lie so far apart that they count or measure something, unless they are named like an identifier."""
    if facts.type != "int64" or _is_named_id(facts.name) or facts.minimum is None or facts.maximum is None:
        return False
    return facts.maximum - facts.minimum > 10 * facts.rows


def _pair(table: TableFacts, time: str) -> tuple[tuple[str, ...], str] | None:
    candidates = [facts for facts in _identifying(table) if not _is_measured(facts)]
    names = [facts.name for facts in sorted(candidates, key=lambda facts: -facts.distinct)][:6]
    if time in table.frame.columns:
        names.append(time)
    for pair in combinations(names, 2):
        if table.frame.select(pl.struct(pair).is_duplicated().any()).item() is False:
            return pair, "no combination occurs twice"
    return None


def _identifying(table: TableFacts) -> list[ColumnFacts]:
    return [facts for facts in table.columns if facts.type in ("int64", "string") and facts.nulls + facts.misfits == 0]


def _left_out(table: TableFacts, label: Guess | None, task: str, used: set[str]) -> tuple[Guess, ...]:
    result = []
    parts = _parts_of_label(table, label, task, used)
    for facts in table.columns:
        if facts.name in used or (label is not None and facts.name == label.value):
            continue
        why = _why_left_out(table, facts, label, task)
        if why is None and facts.name in parts:
            why = f"knows the label {label.value if label else ''} together with {', '.join(part for part in parts if part != facts.name)}"
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


def _why_left_out(table: TableFacts, facts: ColumnFacts, label: Guess | None, task: str) -> str | None:
    if facts.distinct <= 1:
        return "holds one value only"
    if label is not None and knows_label(table.frame, facts, label.value, task):
        return f"knows the label {label.value}: probably its consequence, not known at the time of the event"
    if is_score(facts):
        return "this column is another model's score: say which model's, and learn from it only if that model answers before yours"
    if facts.type in ("datetime", "date"):
        return "another time: use it in an expression"
    if facts.type == "string" and facts.mean_length > TEXT_LENGTH:
        return "free text"
    if _is_named_id(facts.name) or (facts.type == "string" and facts.values is None):
        return "identifies something"
    if facts.type in ("string", "bool"):
        return "no number: use it in an expression such as CASE WHEN ... THEN 1 ELSE 0 END"
    return None


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


def _splits(days: int, event_days: int) -> tuple[int, int, int, int] | None:
    """Train, delay, test days and folds that use at most half of the history, so that some days are left to go live.

    Where events lie far apart (a row for each year), lengths are multiples of the usual distance.
    """
    apart = max(1, round(days / event_days)) if event_days else 1
    for length in (28, 14, 7, 3, 2):
        for folds in (4, 3, 2, 1):
            if apart * (2 * length + (folds - 1) * length + 1) <= 0.6 * days:
                return apart * length, 0, apart * length, folds
    return (2 * apart, 0, apart, 1) if days >= 8 * apart else None


def _is_named_id(name: str) -> bool:
    return name in ("id", "key", "uuid") or name.endswith(ID_ENDINGS)


def live_days(splits: tuple[int, int, int, int], days: int) -> int:
    """Length of the monitoring window: a week, less when the history is short, a test period where events lie far apart."""
    train, _, test, folds = splits
    longest = 7 if test <= 28 else test
    return max(1, min(longest, days - train - test * folds - 2))
