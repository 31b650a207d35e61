"""The result of a rule.

Belongs here: the names of all rules, and the result they share. Does not belong here: applying them (`row_rules`, `table_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

RowRule = Literal[
    "type",
    "not_null",
    "blank",
    "encoding",
    "minimum",
    "maximum",
    "allowed",
    "reference",
    "late",
    "early",
    "unique",
    "repeated_key",
    "superseded",
]
TableRule = Literal[
    "empty",
    "closed_day",
    "refused_ratio",
    "volume",
    "duplicate_ratio",
    "unknown_ratio",
    "reconciliation",
    "null_ratio",
    "freshness",
    "silent_hours",
    "repeated_day",
    "constant",
    "shift",
    "distinct",
]

ROW_RULES: tuple[RowRule, ...] = get_args(RowRule)
"""Rules for rows, in order: a row that breaks several goes to quarantine under the first."""

TABLE_RULES: tuple[TableRule, ...] = get_args(TableRule)
"""Rules for partitions."""


@dataclass(frozen=True)
class RuleResult:
    """What one rule found.

    A row rule speaks of one column (or key) over the whole load, and passes when no row breaks it; whether the rows
    that do are too many is for the table rule `refused_ratio` to say. A table rule speaks of one day.
    """

    rule: RowRule | TableRule
    column: str | None
    """The column, or the columns of a key; None for table rules."""
    day: date | None
    """The day judged; None for row rules, and for a reference table, which is judged whole."""
    passed: bool
    measured: float
    """Row rules and `refused_ratio`: share of the rows. `volume` and `empty`: rows. What
    others measure stands in their explanation."""
    bound: float | None
    """What `measured` was held to; None where nothing was, for lack of history."""
    rows: int
    """Rows that break a row rule or, for a table rule, rows judged."""
    explanation: str
    accepted: str = ""
    """Who accepted the day although this rule fails, and why; empty where nobody did."""

    @property
    def refuses(self) -> bool:
        """Whether it keeps the whole partition from being published."""
        return self.is_table_rule and not self.passed and not self.accepted

    @property
    def is_table_rule(self) -> bool:
        """Whether a failure refuses the whole partition."""
        return self.rule in TABLE_RULES
