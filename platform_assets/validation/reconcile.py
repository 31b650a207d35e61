"""Reconciliation: what was delivered against the source's own totals.

Belongs here: comparing counts and sums. Does not belong here: asking the source for them (`connectors/control_totals.py`).
"""

from __future__ import annotations

from datetime import date

from platform_assets.connectors.base import ControlTotals
from platform_assets.declaration.sections.quality import ReconciliationRule
from platform_assets.validation.results import RuleResult


def reconcile(
    day: date | None,
    delivered: ControlTotals,
    expected: ControlTotals | None,
    rule: ReconciliationRule,
    repeated: int = 0,
) -> list[RuleResult]:
    """One result for the day: passing when there is nothing to compare with.

    Args:
        day: The day, or None for a reference table.
        delivered: Counts and sums of the rows that arrived, refused ones included.
        expected: What the source says, or None when it says nothing.
        rule: The declared tolerance.
        repeated: Delivered rows that repeat a key and are set aside: a delivery that came twice in part is complete.
    """
    name = "" if day is None else f"{day}: "
    rows = delivered.rows or 0
    if expected is None or not rule.enabled:
        text = f"{name}the source gives no totals to compare {rows} rows with"
        return [RuleResult("reconciliation", None, day, True, float(rows), None, rows, text)]
    results = []
    if expected.rows is not None and expected.rows not in (rows, rows - repeated):
        text = f"{name}{rows} rows were delivered, the source counts {expected.rows}"
        results.append(RuleResult("reconciliation", None, day, False, float(rows), float(expected.rows), rows, text))
    for column, total in expected.sums.items() if not repeated else ():
        actual = delivered.sums.get(column, 0.0 if not rows else None)
        if actual is None or abs(actual - total) <= rule.tolerance_ratio * max(abs(total), abs(actual)) + 1e-9:
            continue
        text = f"{name}{column} adds up to {actual:.10g}, the source says {total:.10g}"
        results.append(RuleResult("reconciliation", column, day, False, actual, total, rows, text))
    if not results:
        text = f"{name}{rows} rows and {len(expected.sums)} sums are those of the source"
        results.append(RuleResult("reconciliation", None, day, True, float(rows), expected.rows, rows, text))
    return results
