"""What is declared for answers that cannot be trusted: only what lasts, only of the champion, only what a service can do."""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration.sections.degradation import DegradeRule
from platform_assets.monitoring.degradation import degradation
from platform_assets.monitoring.retrain_verdict import WindowVerdict
from platform_assets.testing.declare import declare, window

AS_OF = date(2024, 3, 12)
LOST = DegradeRule(when="quality_lost", days=3, then="previous_champion", tell="team:payments-risk")
STALE = DegradeRule(when="stale_features", days=2, then="refuse", tell="#payments")
FAULT = DegradeRule(when="data_fault", days=2, then="review", tell="#payments")


def windows(pattern: str, version: str = "2", defect: str = "") -> list[WindowVerdict]:
    """Windows of consecutive days, the last as of the day: `x` is violated, `.` is not."""
    return [
        WindowVerdict(
            AS_OF - timedelta(days=len(pattern) - 1 - place),
            letter == "x",
            ("quality:auc_roc",) if letter == "x" else (),
            version,
            (defect,) if letter == "x" and defect else (),
        )
        for place, letter in enumerate(pattern)
    ]


@pytest.mark.parametrize(
    ("pattern", "version", "is_degraded"),
    [("xxx", "2", True), (".xxx", "2", True), ("xx", "2", False), ("xx.x", "2", False), ("xxx", "1", False)],
)
def test_what_lasts_of_the_champion_counts(pattern: str, version: str, is_degraded: bool) -> None:
    found = degradation({"quality": windows(pattern, version)}, [LOST], AS_OF, "2")
    assert (found is not None) is is_degraded
    if found is not None:
        assert (found.then, found.cause) == ("previous_champion", "quality_lost@2")
        assert "quality lost for 3 days, the latest as of 2024-03-12: quality:auc_roc" in found.why


def test_windows_of_days_ago_count_for_nothing() -> None:
    assert degradation({"quality": windows("xxxx")}, [LOST], AS_OF + timedelta(days=1), "2") is None


def test_the_first_rule_that_applies_counts_and_a_fault_is_said() -> None:
    both = {"quality": windows("xxx"), "drift": windows("xxx", defect="amount is broken")}
    found = degradation(both, [FAULT, LOST], AS_OF, "2")
    assert found is not None
    assert (found.then, found.tell) == ("review", "#payments")
    assert "amount is broken" in found.why
    assert degradation({"drift": windows("xxx")}, [FAULT], AS_OF, "2") is None, "a drift is no fault"


@pytest.mark.parametrize(("behind", "is_degraded"), [(0, False), (1, False), (2, True), (5, True)])
def test_a_store_that_stands_still_degrades_once_it_is_so_many_days_behind(behind: int, is_degraded: bool) -> None:
    store_day = AS_OF - timedelta(days=behind + 1)  # as of a day the newest whole one is the day before
    found = degradation({}, [STALE], AS_OF, "2", store_day)
    assert (found is not None) is is_degraded
    if found is not None:
        assert (found.then, found.cause) == ("refuse", f"stale_features@{store_day}")
        assert f"stands at the end of {store_day}, {behind} days behind" in found.why
    assert degradation({}, [STALE], AS_OF, "2", None) is None, "there is no store"


def test_nothing_is_degraded_that_nobody_declared() -> None:
    assert degradation({"quality": windows("xxxx")}, [], AS_OF, "2") is None


def rule(then: str) -> dict[str, Any]:
    return {"degrade": [{"when": "drift", "then": then, "tell": "somebody"}]}


def test_only_what_the_service_can_do_may_be_declared() -> None:
    case: dict[str, Any] = {"events": {"payment": "int64", "at": "datetime", "amount": "float64"}, "label": "is_bad"}
    assert declare(**case, monitoring={"quality_metric": "auc_roc", **rule("review")}).may_review
    with pytest.raises(ValidationError, match="in batch mode nobody waits"):
        declare(
            **case,
            monitoring={"quality_metric": "auc_roc", **rule("refuse")},
            serving={"mode": "batch", "request": ["payment", "at", "amount"]},
        )


@pytest.mark.parametrize(
    ("rule", "serving", "why"),
    [
        ({"then": "previous_champion"}, {}, "answers from the same stale features"),
        ({"then": "refuse", "days": 1}, {}, "may still be under way"),
        ({"then": "refuse"}, {"mode": "batch", "request": ["payment", "at", "amount"]}, "has no online store"),
    ],
)
def test_staleness_is_declared_where_a_store_answers_and_only_what_does_not_ask_it(
    rule: dict[str, Any], serving: dict[str, Any], why: str
) -> None:
    stale = {"when": "stale_features", "tell": "somebody", **rule}
    with pytest.raises(ValidationError, match=why):
        declare(
            events={"payment": "int64", "at": "datetime", "card": "int64", "amount": "float64"},
            label="is_bad",
            features=[{"name": "habit", "entity": "card", "windows": [window("spent", "sum", "amount", [1])]}],
            monitoring={"quality_metric": "auc_roc", "degrade": [stale]},
            **({"serving": serving} if serving else {}),
        )


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"then": "rule"}, "is nothing without it"),
        ({"then": "refuse", "rule": "amount > 100"}, "belongs to `then: rule`"),
        ({"then": "rule", "rule": "amount >"}, "cannot be computed"),
        ({"then": "rule", "rule": "amount > 'much'"}, "cannot be computed"),
        ({"then": "rule", "rule": "price > 100"}, "names price, which is no feature"),
        ({"then": "rule", "rule": "amount + 1"}, "must be a condition, such as amount > 0"),
    ],
)
def test_a_rule_is_a_condition_over_features(rule: dict[str, Any], why: str) -> None:
    case: dict[str, Any] = {"events": {"payment": "int64", "at": "datetime", "amount": "float64"}, "label": "is_bad"}
    lasting = {"when": "drift", "tell": "somebody", **rule}
    with pytest.raises(ValidationError, match=why):
        declare(**case, features=["amount"], monitoring={"quality_metric": "auc_roc", "degrade": [lasting]})


def test_a_rule_goes_with_what_is_to_be_done() -> None:
    rule = DegradeRule(when="quality_lost", then="rule", rule="amount > 100", tell="#payments")
    found = degradation({"quality": windows("xxx")}, [rule], AS_OF, "2")
    assert found is not None
    assert (found.then, found.rule) == ("rule", "amount > 100")
