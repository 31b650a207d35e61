"""What goes has a last day, was told in time, and is gone after it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from platform_assets.cli.deprecation_reference import render_deprecations
from platform_assets.deprecations import DEPRECATIONS, Deprecation, deprecation_problems

ROOT = Path(__file__).parents[3]
ONE = Deprecation("the option `--old`", "1.2.0", date(2026, 1, 1), date(2026, 6, 30), "`--new`")


def test_nothing_of_ours_is_past_its_day_or_told_too_late() -> None:
    """Red on the day after something ended: remove it then."""
    today = datetime.now(UTC).date()
    assert deprecation_problems(today, (ROOT / "CHANGELOG.md").read_text(), DEPRECATIONS) == []


@pytest.mark.parametrize(
    ("one", "today", "changelog", "told"),
    [
        (ONE, date(2026, 7, 1), "`old`", "old ended on 2026-06-30: remove it"),
        (replace(ONE, ends=date(2026, 3, 1)), date(2026, 2, 1), "`old`", "59 days from 2026-01-01 to 2026-03-01"),
        (ONE, date(2026, 2, 1), "nothing", "CHANGELOG.md has no entry that names `old`"),
    ],
)
def test_a_mistake_is_named(one: Deprecation, today: date, changelog: str, told: str) -> None:
    (problem,) = deprecation_problems(today, changelog, {"old": one})
    assert told in problem


def test_the_last_day_still_counts_and_others_may_give_short_notice() -> None:
    short = replace(ONE, ends=ONE.announced + timedelta(days=5), decided_by="somebody")
    assert deprecation_problems(short.ends, "`old`", {"old": short}) == []


def test_the_page_says_what_ends_first_and_what_to_use_instead() -> None:
    page = render_deprecations({"later": replace(ONE, what="`later`", ends=date(2027, 1, 1)), "old": ONE})
    rows = [line for line in page.splitlines() if line.startswith("| ") and "Last day" not in line]
    assert "| the option `--old` | 1.2.0 | 2026-01-01 | 2026-06-30 | `--new` | we |" in rows[0]
    assert "`later`" in rows[1]
