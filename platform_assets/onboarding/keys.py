"""Which columns identify a row of a table that nobody has described.

Belongs here: recognising identifiers, and keys of one or two columns. Does not belong here: every other guess (`guesses.py`).

Rows that are there twice as a whole were delivered twice: they make no identifier less of one, and go to quarantine.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import polars as pl

from platform_assets.onboarding.facts import MISFIT_RATIO, ColumnFacts, TableFacts

CHANGE_ME = "change_me"
"""Stands where nothing could be guessed: the declaration does not load until it is replaced."""
ROW_ID = "row_id"
"""Key of rows that have none: their place in their file."""
ID_ENDINGS = ("_id", "_key", "_number", "_code", "_uuid", "nummer", "_nr", "_no")
TEXT_LENGTH = 30
"""Texts longer than this on average are taken for free text."""
TWICE_RATIO = 0.02
"""At most this share of the rows may be there twice as a whole: more is no mistake of a delivery."""

Key = tuple[tuple[str, ...], str]
"""The columns, and the reason."""


def key_of(table: TableFacts, time: str) -> tuple[Key, str]:
    """The columns that identify a row with the reason, and what is to do where there are none.

    Args:
        table: what was found.
        time: the column with the time of the event.
    """
    once, twice = _without_doubles(table)
    key = _single(once) or _pair(once, time)
    if key is not None:
        says = f"{twice:,} of {table.frame.height:,} rows are there twice as a whole, and go to quarantine"
        return ((key[0], says) if twice else key), ""
    if table.connector.get("kind") == "files":
        why = "no column, nor any two, identify a row: its place in its file does, as long as files stay as they are"
        return ((ROW_ID,), why), ""
    problem = (
        "no column, nor any two together, identify a row: add an identifier to the data, or remove rows that are there "
        "twice, and name it in `primary_key`"
    )
    return ((CHANGE_ME,), "no column, nor any two, identify a row"), problem


def is_named_id(name: str) -> bool:
    """Whether a column is named like an identifier."""
    return name in ("id", "key", "uuid") or name.endswith(ID_ENDINGS)


def _without_doubles(table: TableFacts) -> tuple[TableFacts, int]:
    """The table with each row once, and how many rows repeat one; as it is where too many do."""
    once = table.frame.unique(maintain_order=True)
    twice = table.frame.height - once.height
    if not twice or twice > TWICE_RATIO * table.frame.height:
        return table, 0
    columns = tuple(
        replace(facts, rows=once.height, nulls=once[facts.name].null_count() - facts.misfits) for facts in table.columns
    )
    return replace(table, frame=once, columns=columns), twice


def _single(table: TableFacts) -> Key | None:
    first = table.columns[0].name
    candidates = [facts for facts in _identifying(table) if facts.name == first or not _is_measured(facts)]
    unique = [facts for facts in candidates if facts.distinct == facts.rows]
    # Some rows that were delivered twice, and corrected in between, do not make an identifier less of one.
    nearly = [
        facts for facts in candidates if is_named_id(facts.name) and facts.distinct >= (1 - MISFIT_RATIO) * facts.rows
    ]
    for group in (unique, nearly):
        if group:
            # `max` keeps the first of equals: what identifies a row tends to stand in front of what was measured.
            best = max(group, key=lambda facts: (is_named_id(facts.name), facts.mean_length <= TEXT_LENGTH))
            twice = best.rows - best.distinct
            text = f"{twice:,} of {best.rows:,} rows repeat a value and would go to quarantine"
            return (best.name,), text if twice else "no value occurs twice"
    return None


def _is_measured(facts: ColumnFacts) -> bool:
    """Whether whole numbers lie so far apart that they count or measure something, unless they are named like an identifier."""
    if facts.type != "int64" or is_named_id(facts.name) or facts.minimum is None or facts.maximum is None:
        return False
    return facts.maximum - facts.minimum > 10 * facts.rows


def _pair(table: TableFacts, time: str) -> Key | None:
    candidates = [facts for facts in _identifying(table) if not _is_measured(facts)]
    names = [facts.name for facts in sorted(candidates, key=lambda facts: -facts.distinct)][:6]
    if time in table.frame.columns:
        names.append(time)
    pairs = sorted(combinations(names, 2), key=lambda pair: not (pair[1] == time and is_named_id(pair[0])))
    for pair in pairs:
        if table.frame.select(pl.struct(pair).is_duplicated().any()).item() is False:
            return pair, "no combination occurs twice"
    return None


def _identifying(table: TableFacts) -> list[ColumnFacts]:
    return [facts for facts in table.columns if facts.type in ("int64", "string") and facts.nulls + facts.misfits == 0]
