"""Which column is to be predicted: the label of a table that nobody has described.

Belongs here: recognising a label, and reading one of two texts as 0 and 1. Does not belong here: what knows the label (`leaks.py`), and
everything else that is guessed (`guesses.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from platform_assets.onboarding.facts import ColumnFacts, OnboardingError, TableFacts
from platform_assets.onboarding.leaks import is_score

LABEL_WORDS = (
    "label",
    "target",
    "outcome",
    "is_",
    "has_",
    "fraud",
    "churn",
    "default",
    "failed",
    "clicked",
    "survived",
    "income",
    "betrug",
    "fraude",
    "ausfall",
    "impago",
    "class",
    "y",
)
WHOLE_WORDS = frozenset({"income", "class", "y"})
"""Words that tell something only when a name has them whole: `workclass` and `city` are no outcomes."""

CALENDAR_WORDS = frozenset(
    {
        "yr",
        "year",
        "years",
        "month",
        "mnth",
        "quarter",
        "season",
        "week",
        "weekday",
        "weekend",
        "holiday",
        "holidays",
        "workingday",
    }
    | {
        "day",
        "hour",
        "dst",
        "leap",
        "am",
        "pm",
        "night",
        "weekno",
        "semester",
        "summer",
        "winter",
        "vacation",
        "working",
        "business",
    }
)
"""Words of columns that the calendar gives, which nobody has to predict."""

ROWS_OF_A_CLASS = 20
"""Texts of which each occurs less often than this on average are no classes."""


@dataclass(frozen=True)
class Guess:
    """A value and why it was chosen."""

    value: str
    why: str


def with_binary_label(table: TableFacts, named: str | None) -> tuple[TableFacts, str | None]:
    """The table with a label of two texts read as 1 (the rarer one) and 0, and the label's declared name.

    Raises:
        OnboardingError: the named label is not there.
    """
    by_delivered = {
        name: facts.name for facts in table.columns for name in facts.delivered if len(facts.delivered) == 1
    }
    label = named if named is None or named in table.frame.columns else by_delivered.get(named)
    if named is not None and label is None:
        names = [(facts.delivered or (facts.name,))[0] for facts in table.columns]
        raise OnboardingError(f"there is no column {named!r}; there are {', '.join(names)}")
    hinted = [facts.name for facts in table.columns if _is_pair(facts) and rank(facts.name, LABEL_WORDS)]
    chosen = label if label is not None else hinted[0] if len(hinted) == 1 and not _numeric_label(table) else None
    if chosen is None or not _is_pair(table.column(chosen)):
        return table, label
    counts = table.frame[chosen].drop_nulls().value_counts(sort=True)[chosen].to_list()
    false, true = str(counts[0]), str(counts[-1])
    facts = table.column(chosen)
    values = table.frame[chosen].replace_strict({true: 1, false: 0}, return_dtype=pl.Int64)
    read = replace(
        facts,
        type="int64",
        minimum=0.0,
        maximum=1.0,
        values=(0, 1),
        mean_length=0.0,
        written={**facts.written, "true_values": [true], "false_values": [false]},
    )
    columns = tuple(read if each is facts else each for each in table.columns)
    return replace(table, frame=table.frame.with_columns(values.alias(chosen)), columns=columns), chosen


def label_of(table: TableFacts, named: str | None, used: set[str]) -> Guess | None:
    """The label's column, with the reason; None where nothing is certain to be it."""
    if named is not None:
        read = table.column(named).written.get("true_values")
        return Guess(named, f"1 is {read[0]}, the rarer of the two texts" if read else "named on the command line")
    numbers = ("int64", "float64", "bool")
    free = [
        facts
        for facts in table.columns
        if facts.name not in used and facts.type in numbers and not _is_of_calendar(facts.name)
    ]
    free = [facts for facts in free if not is_score(facts)]
    hinted = [facts for facts in free if rank(facts.name, LABEL_WORDS)]
    binary = [facts for facts in free if is_binary(facts)]
    for group, why in (
        ([facts for facts in binary if facts in hinted], "0 or 1, and named like an outcome"),
        (hinted, "named like an outcome"),
        (_classes(table, used), "a few texts, and named like an outcome"),
    ):
        if group:
            return Guess(max(group, key=lambda facts: rank(facts.name, LABEL_WORDS)).name, why)
    return None


def no_label(table: TableFacts, used: set[str]) -> str:
    """What to do about a table of which no column is certain to be the label."""
    text = "no column is certain to be the label: name it with --label, or add the table that carries it and point `label` to it"
    near = [
        facts
        for facts in table.columns
        if facts.name not in used and facts.distinct == 2 and not _is_of_calendar(facts.name)
    ]
    if near:
        pairs = ", ".join(f"{facts.name} ({' or '.join(map(str, facts.values or facts.examples))})" for facts in near)
        text += f". Columns with two values are {pairs}"
    return text


def task_of_label(facts: ColumnFacts) -> str:
    """The kind of task that a label makes."""
    if is_binary(facts):
        return "binary"
    return "multiclass" if _has_classes(facts) else "regression"


def _is_pair(facts: ColumnFacts) -> bool:
    """Whether a column holds two texts."""
    return facts.type == "string" and facts.distinct == 2


def _numeric_label(table: TableFacts) -> bool:
    """Whether a column of numbers is named like an outcome."""
    return any(
        rank(facts.name, LABEL_WORDS) and is_binary(facts) and not _is_of_calendar(facts.name)
        for facts in table.columns
    )


def _is_of_calendar(name: str) -> bool:
    return bool(CALENDAR_WORDS & set(name.split("_")))


def _has_classes(facts: ColumnFacts) -> bool:
    """Whether a column holds a few texts, each of them often enough to be learned."""
    return facts.type == "string" and facts.values is not None and 3 <= facts.distinct <= facts.rows // ROWS_OF_A_CLASS


def _classes(table: TableFacts, used: set[str]) -> list[ColumnFacts]:
    """Text columns that may be a label of several classes."""
    return [
        facts
        for facts in table.columns
        if facts.name not in used and _has_classes(facts) and rank(facts.name, LABEL_WORDS)
    ]


def is_binary(facts: ColumnFacts) -> bool:
    """Whether a column holds 0 and 1, or Booleans."""
    return facts.type == "bool" or (facts.type == "int64" and facts.values is not None and set(facts.values) <= {0, 1})


def rank(name: str, words: Sequence[str]) -> int:
    """How early the first word that the name has stands in the list; 0 when it has none."""
    parts = name.split("_")
    positions = [position for position, word in enumerate(words) if _has_word(name, parts, word)]
    return len(words) - min(positions) if positions else 0


def _has_word(name: str, parts: Sequence[str], word: str) -> bool:
    if word.endswith("_"):
        return name.startswith(word)  # `tage_bis_meldung` says nothing of what is
    return word in parts if word in WHOLE_WORDS else word in name
