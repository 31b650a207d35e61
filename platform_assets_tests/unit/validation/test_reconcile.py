"""Counts and sums against the source's own."""

from datetime import date

import pytest

from platform_assets.connectors.base import ControlTotals
from platform_assets.declaration.sections.quality import ReconciliationRule
from platform_assets.validation.reconcile import reconcile

DAY = date(2024, 3, 1)
RULE = ReconciliationRule()


def passed(delivered: ControlTotals, expected: ControlTotals | None, repeated: int = 0) -> bool:
    return all(result.passed for result in reconcile(DAY, delivered, expected, RULE, repeated))


def test_a_source_without_totals_is_not_held_to_any() -> None:
    [result] = reconcile(DAY, ControlTotals(3), None, RULE)
    assert result.passed
    assert "no totals" in result.explanation


@pytest.mark.parametrize(
    ("rows", "total", "expected"), [(3, 4.5, True), (2, 4.5, False), (3, 4.6, False), (3, 4.5 + 1e-12, True)]
)
def test_counts_are_exact_and_sums_within_the_tolerance(rows: int, total: float, expected: bool) -> None:
    assert passed(ControlTotals(rows, {"price": total}), ControlTotals(3, {"price": 4.5})) is expected


def test_a_delivery_that_came_twice_in_part_is_complete() -> None:
    assert passed(ControlTotals(5), ControlTotals(3), repeated=2)
    assert not passed(ControlTotals(5), ControlTotals(3), repeated=1)


def test_nothing_delivered_is_told() -> None:
    [rows, price] = reconcile(DAY, ControlTotals(0), ControlTotals(3, {"price": 4.5}), RULE)
    assert not rows.passed
    assert "0 rows were delivered, the source counts 3" in rows.explanation
    assert not price.passed
