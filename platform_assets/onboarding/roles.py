"""What each column of an understood table is for, in a few words: for the page and the table on the screen.

Belongs here: one row of facts for each column. Does not belong here: drawing them (`data_page.py`, `cli/first_look.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.onboarding.facts import ColumnFacts, TableFacts
from platform_assets.onboarding.interview import Understanding, is_leak
from platform_assets.onboarding.tables import FoundTable

FEATURE, LABEL, KEY, TIME, LEAK, LEFT_OUT, UNUSED = (
    "feature",
    "label",
    "key",
    "event time",
    "not known then",
    "left out",
    "not used",
)
_LONGEST = 40


@dataclass(frozen=True)
class ColumnRole:
    """A column as somebody looks at it.

    Attributes:
        table: of which it is one.
        facts: what it holds.
        role: what it is for.
        why: the reason, or what its type does not say.
    """

    table: str
    facts: ColumnFacts
    role: str
    why: str

    @property
    def missing_ratio(self) -> float:
        """Share of the rows without a value that can be used."""
        return (self.facts.nulls + self.facts.misfits) / max(1, self.facts.rows)

    @property
    def values(self) -> str:
        """Its range, or some of its values."""
        if self.facts.minimum is not None and self.facts.maximum is not None:
            return f"{self.facts.minimum:g} to {self.facts.maximum:g}"
        if self.facts.values is not None and len(self.facts.values) <= 4:
            return ", ".join(_short(str(value)) for value in self.facts.values)
        return ", ".join(_short(example) for example in self.facts.examples[:2])


def roles_of(understanding: Understanding) -> Iterator[ColumnRole]:
    """Every column of every table, the events first."""
    for table in sorted(understanding.tables, key=lambda each: each.name != understanding.events.name):
        for facts in table.facts.columns:
            role, why = _role(understanding, table, facts)
            yield ColumnRole(table.name, facts, role, why or facts.hint)


def doubled_rows(table: TableFacts) -> int:
    """Rows that repeat another one as a whole."""
    return table.frame.height - table.frame.n_unique() if table.frame.width else 0


def _role(understanding: Understanding, table: FoundTable, facts: ColumnFacts) -> tuple[str, str]:
    guesses, outcome = understanding.guesses, understanding.outcome
    if table.name != understanding.events.name:
        if outcome is None or outcome.table.name != table.name:
            return UNUSED, "its table is not part of the proposal"
        delivered = (facts.name, *facts.delivered)
        if facts.name == outcome.time:
            return TIME, "when the outcome became known"
        if facts.name == outcome.label:
            return LABEL, ""
        is_key = any(
            set(delivered) & {key.name, *key.delivered}
            for key in outcome.table.facts.columns
            if key.name in outcome.key
        )
        return (KEY, "of the event") if is_key else (UNUSED, "only the key and the time of an outcome are read")
    if facts.name == understanding.label:
        return LABEL, guesses.label.why if guesses.label else ""
    if facts.name == guesses.event_time.value:
        return TIME, facts.hint or guesses.event_time.why
    left = next((item for item in guesses.left_out if item.value == facts.name), None)
    if facts.name in guesses.key[0]:
        return KEY, guesses.key[1]
    if left is not None:
        return (LEAK if is_leak(left) else LEFT_OUT), left.why
    return FEATURE, facts.hint


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
