"""What a table probably means: key, event time, label, entities, features, splits. Each guess carries its reason.

Belongs here: rules of thumb, and nothing that a team cannot overrule in the file that is written. Does not belong
here: facts (`facts.py`), or the text of that file (`proposal.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import cast

import polars as pl

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import MISFIT_RATIO, ColumnFacts, OnboardingError, TableFacts

CHANGE_ME = "change_me"
"""Stands where nothing could be guessed: the declaration does not load until it is replaced."""
LABEL_WORDS = ("label", "target", "outcome", "is_", "has_", "fraud", "churn", "default", "failed", "clicked", "y")
TIME_WORDS = ("event_time", "timestamp", "created", "time", "date", "_at", "ts")
ID_ENDINGS = ("_id", "_key", "_number", "_code", "_uuid")
TEXT_LENGTH = 30
"""Texts longer than this on average are taken for free text."""
ROWS_OF_A_CLASS = 20
"""Texts of which each occurs less often than this on average are no classes."""
LEAK_AUC = 0.99
"""A single column that separates the classes better than this is taken for a consequence of the label."""


@dataclass(frozen=True)
class Guess:
    """A value and why it was chosen."""

    value: str
    why: str


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
    time, key, problems = _event_time(table), _key(table), []
    if time is None:
        time = Guess(CHANGE_ME, "no column is a time")
        problems.append(_no_time(table))
    if key is None:
        key = _pair(table, time.value)
    if key is None:
        key = (CHANGE_ME,), "no column, nor any two, identify a row"
        problems.append(
            "no column, nor any two together, identify a row: add an identifier to the data, or remove rows that are there "
            "twice, and name it in `primary_key`"
        )
    label_guess = _label(table, label, {time.value, *key[0]})
    if label_guess is None:
        problems.append(_no_label(table, {time.value, *key[0]}))
    elif table.column(label_guess.value).distinct < 2:
        only = ", ".join(table.column(label_guess.value).examples) or "nothing"
        problems.append(
            f"the label {label_guess.value} has one value only ({only}): there is nothing to learn from these rows"
        )
    task = "binary" if label_guess is None else _task(table.column(label_guess.value))
    left_out = _left_out(table, label_guess, task, {time.value, *key[0]})
    aside = {item.value for item in left_out} | {time.value, *key[0]} | ({label_guess.value} if label_guess else set())
    entities = _entities(table, aside - {item.value for item in left_out if "identifies" in item.why})
    names = [facts.name for facts in table.columns if facts.name not in aside]
    first, last = _days(table, time.value)
    length = 0 if first is None or last is None else (last - first).days + 1
    splits = _splits(length)
    if splits is None and length:
        problems.append(f"the history has {length} days; folds need at least 8: bring more days")
    return Guesses(key, time, label_guess, task, entities, tuple(names), left_out, first, last, splits, tuple(problems))


def _days(table: TableFacts, time: str) -> tuple[date | None, date | None]:
    if time not in table.frame.columns:
        return None, None
    days = table.frame[time].drop_nulls().dt.date()
    return cast(date, days.min()), cast(date, days.max())


def _event_time(table: TableFacts) -> Guess | None:
    times = [facts for facts in table.columns if facts.type == "datetime"]
    if not times:
        return None
    complete = [facts for facts in times if facts.nulls + facts.misfits == 0] or times
    best = max(complete, key=lambda facts: (_rank(facts.name, TIME_WORDS), facts.distinct))
    others = [facts.name for facts in times if facts is not best]
    why = "the only column with times" if not others else f"a time in every row; others are {', '.join(others)}"
    lacking = best.nulls + best.misfits
    return Guess(best.name, f"{why}; {lacking:,} of {best.rows:,} rows have none" if lacking else why)


def _no_time(table: TableFacts) -> str:
    near = [f"{facts.name} {facts.hint}" for facts in table.columns if "1970" in facts.hint or "a time" in facts.hint]
    return (
        "no column is a time, and every row needs the time of its event, in ISO 8601 such as 2026-03-01T12:00:00Z: add it to "
        f"the data and name it in `event_time`{f' ({chr(59).join(near)})' if near else ''}"
    )


def _key(table: TableFacts) -> tuple[tuple[str, ...], str] | None:
    candidates = _identifying(table)
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


def _pair(table: TableFacts, time: str) -> tuple[tuple[str, ...], str] | None:
    names = [facts.name for facts in sorted(_identifying(table), key=lambda facts: -facts.distinct)][:6]
    if time in table.frame.columns:
        names.append(time)
    for pair in combinations(names, 2):
        if table.frame.select(pl.struct(pair).is_duplicated().any()).item() is False:
            return pair, "no combination occurs twice"
    return None


def _identifying(table: TableFacts) -> list[ColumnFacts]:
    return [facts for facts in table.columns if facts.type in ("int64", "string") and facts.nulls + facts.misfits == 0]


def _no_label(table: TableFacts, used: set[str]) -> str:
    text = (
        "no column looks like a label: name it with --label, or add the table that carries it and point `label` to it"
    )
    words = [facts for facts in table.columns if facts.name not in used and facts.type == "string"]
    near = [facts for facts in words if facts.distinct == 2 and facts.values is not None]
    if near:
        pairs = ", ".join(f"{facts.name} ({' or '.join(map(str, facts.values or ()))})" for facts in near)
        text += f". Two values as text have to be delivered as 0 and 1: {pairs}"
    return text


def _label(table: TableFacts, named: str | None, used: set[str]) -> Guess | None:
    if named is not None:
        if named not in table.frame.columns:
            raise OnboardingError(f"there is no column {named!r}; there are {', '.join(table.frame.columns)}")
        return Guess(named, "named on the command line")
    free = [facts for facts in table.columns if facts.name not in used and facts.type in ("int64", "float64", "bool")]
    hinted = [facts for facts in free if _rank(facts.name, LABEL_WORDS)]
    binary = [facts for facts in free if _is_binary(facts)]
    for group, why in (
        ([facts for facts in binary if facts in hinted], "0 or 1, and named like an outcome"),
        (hinted, "named like an outcome"),
        (binary, "the only kind of column with 0 and 1"),
        (_classes(table, used), "a few texts, and named like an outcome"),
    ):
        if group:
            return Guess(max(group, key=lambda facts: _rank(facts.name, LABEL_WORDS)).name, why)
    return None


def _left_out(table: TableFacts, label: Guess | None, task: str, used: set[str]) -> tuple[Guess, ...]:
    result = []
    for facts in table.columns:
        if facts.name in used or (label is not None and facts.name == label.value):
            continue
        why = _why_left_out(table, facts, label, task)
        if why is not None:
            result.append(Guess(facts.name, why))
    return tuple(result)


def _why_left_out(table: TableFacts, facts: ColumnFacts, label: Guess | None, task: str) -> str | None:
    if facts.distinct <= 1:
        return "holds one value only"
    if label is not None and _knows_label(table.frame, facts, label.value, task):
        return f"knows the label {label.value}: probably its consequence, not known at the time of the event"
    if facts.type in ("datetime", "date"):
        return "another time: use it in an expression"
    if facts.type == "string" and facts.mean_length > TEXT_LENGTH:
        return "free text"
    if _is_named_id(facts.name) or (facts.type == "string" and facts.values is None):
        return "identifies something"
    if facts.type in ("string", "bool"):
        return "no number: use it in an expression such as CASE WHEN ... THEN 1 ELSE 0 END"
    return None


def _knows_label(frame: pl.DataFrame, facts: ColumnFacts, label: str, task: str) -> bool:
    """Whether the column alone gives the label away."""
    declared = DECLARED_TASKS[task]
    kind = pl.String if declared.has_classes else pl.Float64
    rows = frame.select(pl.col(facts.name).alias("x"), pl.col(label).cast(kind).alias("y")).drop_nulls()
    if rows.height < 50 or rows["y"].n_unique() < 2:
        return False
    if declared.has_classes or not facts.is_numeric:
        few = facts.values is not None and facts.distinct <= 10
        return few and bool((rows.group_by("x").agg(pl.col("y").n_unique())["y"] == 1).all())
    if declared.has_decision:
        ranks = rows["x"].cast(pl.Float64).rank()
        positive = rows["y"] == rows["y"].max()
        p, n = int(positive.sum()), rows.height - int(positive.sum())
        auc = (float(ranks.filter(positive).sum()) - p * (p + 1) / 2) / (p * n)
        return max(auc, 1 - auc) > LEAK_AUC
    return abs(float(cast(float, rows.select(pl.corr("x", "y")).item() or 0.0))) > LEAK_AUC


def _entities(table: TableFacts, used: set[str]) -> tuple[Guess, ...]:
    entities = []
    for facts in table.columns:
        repeats = facts.rows / max(1, facts.distinct)
        named = _is_named_id(facts.name)
        identifies = facts.type in ("int64", "string") and (named or (facts.type == "string" and facts.values is None))
        if facts.name in used or not identifies or facts.distinct < 2 or repeats < 2 or facts.mean_length > TEXT_LENGTH:
            continue
        entities.append(Guess(facts.name, f"each of its {facts.distinct:,} values comes {repeats:.1f} times"))
    return tuple(entities)


def _splits(days: int) -> tuple[int, int, int, int] | None:
    """Train, delay, test days and folds that use at most half of the history, so that some days are left to go live."""
    for length in (28, 14, 7, 3, 2):
        for folds in (4, 3, 2, 1):
            if 2 * length + (folds - 1) * length + 1 <= 0.6 * days:
                return length, 0, length, folds
    return (2, 0, 1, 1) if days >= 8 else None


def _task(facts: ColumnFacts) -> str:
    if _is_binary(facts):
        return "binary"
    return "multiclass" if _has_classes(facts) else "regression"


def _has_classes(facts: ColumnFacts) -> bool:
    """Whether a column holds a few texts, each of them often enough to be learned."""
    return facts.type == "string" and facts.values is not None and 3 <= facts.distinct <= facts.rows // ROWS_OF_A_CLASS


def _classes(table: TableFacts, used: set[str]) -> list[ColumnFacts]:
    """Text columns that may be a label of several classes."""
    return [
        facts
        for facts in table.columns
        if facts.name not in used and _has_classes(facts) and _rank(facts.name, LABEL_WORDS)
    ]


def _is_binary(facts: ColumnFacts) -> bool:
    return facts.type == "bool" or (facts.type == "int64" and facts.values is not None and set(facts.values) <= {0, 1})


def _is_named_id(name: str) -> bool:
    return name in ("id", "key", "uuid") or name.endswith(ID_ENDINGS)


def _rank(name: str, words: Sequence[str]) -> int:
    """How early the first word that the name has stands in the list; 0 when it has none."""
    positions = [position for position, word in enumerate(words) if (name == word if len(word) < 2 else word in name)]
    return len(words) - min(positions) if positions else 0


def live_days(splits: tuple[int, int, int, int], days: int) -> int:
    """Length of the monitoring window: a week, or less when the history is short."""
    train, _, test, folds = splits
    return max(1, min(7, days - train - test * folds - 2))
