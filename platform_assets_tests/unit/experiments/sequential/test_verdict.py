"""All guards together: one bad guard is enough, all must be fine, and what is missing is said in requests and hours."""

from dataclasses import replace
from math import exp, inf, log

import pytest

from platform_assets.experiments.sequential.evidence import EValue, Finding, Outcome, Weighing, both, either, finding
from platform_assets.experiments.sequential.verdict import judge, spend


def growing(log: float, rate: float = 0.0) -> EValue:
    return EValue(log, lambda needed: (needed - log) / rate if rate else inf)


def found(guard: str, worse: float = 0.0, fine: float = 0.0, rate: float = 0.0) -> Finding:
    weighing = Weighing(growing(worse), growing(fine, rate))
    return finding(
        guard, weighing, (0.001, -0.01, 0.01), margin=0.005, alpha=0.05, units=(9, 8), requests_per_unit=40.0
    )


def test_one_worse_guard_is_enough_and_all_must_be_fine() -> None:
    worse, fine, open_guard = found("a", worse=3), found("b", fine=3), found("c", fine=1, rate=0.2)
    assert judge([fine, open_guard, worse]).outcome is Outcome.WORSE
    assert judge([fine, replace(fine, guard="d")]).outcome is Outcome.BETTER_OR_EQUAL
    assert judge([fine, open_guard]).outcome is Outcome.CANNOT_TELL
    assert judge([]).outcome is Outcome.CANNOT_TELL
    assert "a: worse" in judge([fine, open_guard, worse]).sentence


def test_what_is_missing_is_said_in_requests_and_hours() -> None:
    verdict = judge([found("b", fine=3), found("c", fine=1, rate=0.2)])
    assert verdict.findings[1].more_units == 10, "(log 20 - 1) / 0.2"
    assert verdict.needs(100) == "about 400 more requests, 4 more hours"
    assert verdict.needs(1_000) == "about 400 more requests, 24 more minutes"
    assert verdict.needs(0) == "about 400 more requests; none come"
    assert judge([found("c")]).needs(100) == "more requests than can be said yet (c)"
    assert judge([found("c", fine=1, rate=0.2), found("d")]).needs(100).endswith("4 more hours; more for d")
    assert judge([found("b", fine=3)]).needs(100) == "nothing more"


def test_alpha_is_shared_by_all_guards() -> None:
    assert spend(0.05, ["a", "b"]) == {"a": 0.025, "b": 0.025}
    with pytest.raises(ValueError, match="named twice"):
        spend(0.05, ["a", "a"])
    with pytest.raises(ValueError, match=r"alpha 0\.7"):
        spend(0.7, ["a"])


def test_evidence_is_joined_as_what_it_is_against() -> None:
    first, second = growing(log(3), 1.0), growing(log(5), 0.5)
    assert exp(either([first, second]).log) == pytest.approx(4), "the mean of two e-values"
    assert either([first, second]).left(log(30)) == pytest.approx(log(60) - log(3)), (
        "the first gets there, twice as high"
    )
    assert both([first, second]).log == log(3)
    assert both([first, second]).left(log(30)) == pytest.approx((log(30) - log(5)) / 0.5)
    assert first.eased(1.0).log == log(3) + 1
    assert first.eased(1.0).left(2.0) == pytest.approx(1.0 - log(3)), "what is left is as much less"
