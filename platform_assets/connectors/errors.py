"""Errors of a source as a whole.

Belongs here: the errors that stop a load, with all that a person needs to repair it. Does not belong here: single bad
rows, which are kept and end in quarantine (`validation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SourceError(ValueError):
    """A source cannot be read. The message names what was expected, where, what is there, and the remedy."""


class NothingDelivered(SourceError):
    """A source has nothing for the days it was asked for: no file has their name. Right where the days have no events."""


@dataclass(frozen=True)
class ColumnProblem:
    """One declared column that the source does not deliver as declared."""

    column: str
    expected: str
    delivered: str
    rows: int
    """Rows that cannot be used because of it."""
    examples: tuple[str, ...] = ()
    """Up to three of the delivered values that do not fit."""
    where: str = ""
    """The files in question, where it is not all of them."""

    def __str__(self) -> str:
        values = f", for example {', '.join(map(repr, self.examples))}" if self.examples else ""
        files = f" in {self.where}" if self.where else ""
        return f"column '{self.column}': expected {self.expected}, found {self.delivered}{files} ({self.rows} rows{values})"


class SchemaMismatch(SourceError):
    """A declared column is missing, or has another type. Nothing of the load is used.

    Attributes:
        source: Name of the source.
        problems: One for each column, in declared order.
    """

    def __init__(self, source: str, problems: Sequence[ColumnProblem], delivered_columns: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        listed = "; ".join(str(problem) for problem in self.problems)
        super().__init__(
            f"source '{source}' does not deliver what is declared: {listed}. Columns found: "
            f"{', '.join(map(repr, delivered_columns)) or 'none'}. Nothing was loaded: have the source corrected, or "
            f"change the columns of '{source}' in defs.yaml to what it now delivers."
        )
