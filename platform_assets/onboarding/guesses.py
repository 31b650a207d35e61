"""What a table probably means: key, event time, label, entities, features, splits. Each guess says why.

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

from platform_assets.onboarding.facts import ColumnFacts, OnboardingError, TableFacts

LABEL_WORDS = ("label", "target", "outcome", "is_", "has_", "fraud", "churn", "default", "failed", "clicked", "y")
TIME_WORDS = ("event_time", "timestamp", "created", "time", "date", "_at", "ts")
ID_ENDINGS = ("_id", "_key", "_number", "_code", "_uuid")
TEXT_LENGTH = 30
"""Texts longer than this on average are taken for free text."""
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
        task: binary or regression.
        entities: key columns, each with the reason.
        features: columns that are known at the event and may be learned from.
        left_out: columns that are not proposed as features, each with the reason.
        first_day: of the data.
        last_day: of the data.
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
    first_day: date
    last_day: date
    splits: tuple[int, int, int, int] | None
    problems: tuple[str, ...] = field(default=())


def guess(table: TableFacts, label: str | None = None) -> Guesses:
    """Propose a meaning for every column.

    Args:
        table: what was found.
        label: the label's column, where the caller knows it.

    Raises:
        OnboardingError: no column is a time, nothing identifies a row, or the named label is not there.
    """
    time = _event_time(table)
    key = _key(table, time.value)
    found = _label(table, label, {time.value, *key[0]})
    problems = []
    if found is None:
        problems.append(
            "no column looks like a label: name it with --label, or add the table that carries it and point `label` to it"
        )
    elif table.column(found.value).distinct < 2:
        only = ", ".join(table.column(found.value).examples) or "nothing"
        problems.append(
            f"the label {found.value} has one value only ({only}): there is nothing to learn from these rows"
        )
    task = "binary" if found is None or _is_binary(table.column(found.value)) else "regression"
    left_out = _left_out(table, found, task, {time.value, *key[0]})
    aside = {item.value for item in left_out} | {time.value, *key[0]} | ({found.value} if found else set())
    entities = _entities(table, aside - {item.value for item in left_out if "identifies" in item.why})
    names = [facts.name for facts in table.columns if facts.name not in aside]
    days = table.frame[time.value].drop_nulls().dt.date()
    first, last = cast(date, days.min()), cast(date, days.max())
    splits = _splits((last - first).days + 1)
    if splits is None:
        problems.append(f"the history has {(last - first).days + 1} days; folds need at least 8: bring more days")
    return Guesses(key, time, found, task, entities, tuple(names), left_out, first, last, splits, tuple(problems))


def _event_time(table: TableFacts) -> Guess:
    times = [facts for facts in table.columns if facts.type == "datetime"]
    if not times:
        raise OnboardingError(
            f"{table.place} has no column with times (its columns: {', '.join(f'{c.name} {c.type}' for c in table.columns)}). "
            "Every row needs the time of its event, in ISO 8601 such as 2026-03-01T12:00:00Z."
        )
    complete = [facts for facts in times if facts.nulls + facts.misfits == 0] or times
    best = max(complete, key=lambda facts: (_rank(facts.name, TIME_WORDS), facts.distinct))
    others = [facts.name for facts in times if facts is not best]
    why = "the only column with times" if not others else f"a time in every row; others are {', '.join(others)}"
    return Guess(best.name, why)


def _key(table: TableFacts, time: str) -> tuple[tuple[str, ...], str]:
    candidates = [c for c in table.columns if c.type in ("int64", "string") and c.nulls + c.misfits == 0]
    unique = [facts for facts in candidates if facts.distinct == facts.rows]
    if unique:
        best = max(unique, key=lambda facts: (facts.name.endswith(ID_ENDINGS), -facts.mean_length))
        return (best.name,), "no value occurs twice"
    names = [facts.name for facts in sorted(candidates, key=lambda facts: -facts.distinct)][:6]
    for pair in combinations([*names, time], 2):
        if table.frame.select(pl.struct(pair).is_duplicated().any()).item() is False:
            return pair, "no combination occurs twice"
    raise OnboardingError(
        f"{table.place}: no column, nor any two of {', '.join([*names, time])}, identify a row. Add a column with an identifier "
        "to the data, or remove rows that were delivered twice."
    )


def _label(table: TableFacts, named: str | None, taken: set[str]) -> Guess | None:
    if named is not None:
        if named not in table.frame.columns:
            raise OnboardingError(f"there is no column {named!r}; there are {', '.join(table.frame.columns)}")
        return Guess(named, "named on the command line")
    free = [facts for facts in table.columns if facts.name not in taken and facts.type in ("int64", "float64", "bool")]
    hinted = [facts for facts in free if _rank(facts.name, LABEL_WORDS)]
    binary = [facts for facts in free if _is_binary(facts)]
    for group, why in (
        ([facts for facts in binary if facts in hinted], "0 or 1, and named like an outcome"),
        (hinted, "named like an outcome"),
        (binary, "the only kind of column with 0 and 1"),
    ):
        if group:
            return Guess(max(group, key=lambda facts: _rank(facts.name, LABEL_WORDS)).name, why)
    return None


def _left_out(table: TableFacts, label: Guess | None, task: str, taken: set[str]) -> tuple[Guess, ...]:
    result = []
    for facts in table.columns:
        if facts.name in taken or (label is not None and facts.name == label.value):
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
    if facts.name.endswith(ID_ENDINGS) or (facts.type == "string" and facts.values is None):
        return "identifies something"
    if facts.type in ("string", "bool"):
        return "no number: use it in an expression such as CASE WHEN ... THEN 1 ELSE 0 END"
    return None


def _knows_label(frame: pl.DataFrame, facts: ColumnFacts, label: str, task: str) -> bool:
    """Whether the column alone gives the label away."""
    rows = frame.select(pl.col(facts.name).alias("x"), pl.col(label).cast(pl.Float64).alias("y")).drop_nulls()
    if rows.height < 50 or rows["y"].n_unique() < 2:
        return False
    if not facts.is_numeric:
        few = facts.values is not None and facts.distinct <= 10
        return few and bool((rows.group_by("x").agg(pl.col("y").n_unique())["y"] == 1).all())
    if task == "binary":
        ranks = rows["x"].cast(pl.Float64).rank()
        positive = rows["y"] == rows["y"].max()
        p, n = int(positive.sum()), rows.height - int(positive.sum())
        auc = (float(ranks.filter(positive).sum()) - p * (p + 1) / 2) / (p * n)
        return max(auc, 1 - auc) > LEAK_AUC
    return abs(float(cast(float, rows.select(pl.corr("x", "y")).item() or 0.0))) > LEAK_AUC


def _entities(table: TableFacts, taken: set[str]) -> tuple[Guess, ...]:
    found = []
    for facts in table.columns:
        repeats = facts.rows / max(1, facts.distinct)
        named = facts.name.endswith(ID_ENDINGS)
        identifies = facts.type in ("int64", "string") and (named or (facts.type == "string" and facts.values is None))
        if (
            facts.name in taken
            or not identifies
            or facts.distinct < 2
            or repeats < 2
            or facts.mean_length > TEXT_LENGTH
        ):
            continue
        found.append(Guess(facts.name, f"each of its {facts.distinct:,} values comes {repeats:.1f} times"))
    return tuple(found)


def _splits(days: int) -> tuple[int, int, int, int] | None:
    """Train, delay, test days and folds that use at most half of the history, so that some days are left to go live."""
    for length in (28, 14, 7, 3, 2):
        for folds in (4, 3, 2, 1):
            if 2 * length + (folds - 1) * length + 1 <= 0.6 * days:
                return length, 0, length, folds
    return (2, 0, 1, 1) if days >= 8 else None


def _is_binary(facts: ColumnFacts) -> bool:
    return facts.type == "bool" or (facts.type == "int64" and facts.values is not None and set(facts.values) <= {0, 1})


def _rank(name: str, words: Sequence[str]) -> int:
    """How early the first word that the name has stands in the list; 0 when it has none."""
    places = [place for place, word in enumerate(words) if (name == word if len(word) < 2 else word in name)]
    return len(words) - min(places) if places else 0


def live_days(splits: tuple[int, int, int, int], days: int) -> int:
    """Length of the monitoring window: a week, or less when the history is short."""
    train, _, test, folds = splits
    return max(1, min(7, days - train - test * folds - 2))
