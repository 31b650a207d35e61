"""All guards together: one bad guard is enough, all must be fine, and what is missing is said in requests and hours."""

from dataclasses import replace

import pytest

from platform_assets.experiments.sequential.evidence import Finding, Outcome, Weighing, finding
from platform_assets.experiments.sequential.verdict import judge, spend


def found(guard: str, worse: float = 0.0, fine: float = 0.0, rate: float = 0.0) -> Finding:
    weighing = Weighing(worse, fine, 0.0, rate)
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
