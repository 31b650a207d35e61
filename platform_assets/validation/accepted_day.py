"""A day that a person accepted although rules refuse it: what of it counts, and for which delivery.

Belongs here: telling whether an acceptance speaks of a result, and of the rows that are there. Does not belong here: recording the
decision (`pipelines/acceptances.py`), and the rules (`table_rules`, `anomalies`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from platform_assets.declaration.sections.sources import Source
from platform_assets.validation.released_rows import row_content
from platform_assets.validation.results import RuleResult


@dataclass(frozen=True)
class DayAcceptance:
    """A decision to publish a day although rules refuse it.

    Attributes:
        day: the event day.
        rules: what was accepted: rules, with the column where they are about one.
        rows: rows that were delivered.
        content: digest of these rows; the decision does not hold for others.
        who: who decided.
        why: the reason.
        at: when.
        until: the last day (UTC) on which a load lets the day pass; None for always.
    """

    day: date
    rules: frozenset[tuple[str, str | None]]
    rows: int
    content: str
    who: str
    why: str
    at: datetime
    until: date | None = None

    @property
    def reason(self) -> str:
        """Who, why, when and until when."""
        end = f", until {self.until}" if self.until else ""
        return f"{self.who} on {self.at:%Y-%m-%d}{end}: {self.why}"

    def applied_to(self, result: RuleResult) -> RuleResult:
        """The result, marked as accepted where it fails and was accepted."""
        if result.passed or (result.rule, result.column) not in self.rules:
            return result
        return replace(result, accepted=self.reason, explanation=f"{result.explanation} (accepted by {self.reason})")


def content_digest(rows: pl.DataFrame, source: Source) -> str:
    """SHA-256 of what rows hold in the declared columns, whatever their order; the same for the same rows delivered again."""
    digest = hashlib.sha256()
    for text in row_content(rows, source).sort().to_list() if rows.height else ():
        digest.update(text.encode())
        digest.update(b"\n")
    return digest.hexdigest()
