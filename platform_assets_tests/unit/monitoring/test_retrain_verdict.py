"""When a new model is asked for: persistence, cooldown, once for each cause."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.declaration.sections.serving import RetrainRule
from platform_assets.monitoring.drift import ColumnStatus, ColumnVerdict, DriftResult
from platform_assets.monitoring.quality import QualityResult, Violation
from platform_assets.monitoring.retrain_verdict import (
    RequestedRetrain,
    VerdictError,
    WindowVerdict,
    retrain_verdict,
    window_verdict,
)

DAY = date(2024, 3, 1)
RULE = RetrainRule(violations=2, of_last=3, cooldown_days=7)
AMOUNT, PRICE = "drift:amount", "drift:price"


def history(*windows: str) -> list[WindowVerdict]:
    """One window a day: `.` is fine, `a` has drifted amounts, `p` prices, `ap` both."""
    names = {"a": AMOUNT, "p": PRICE}
    return [
        WindowVerdict(
            DAY + timedelta(days=i), window != ".", tuple(names[letter] for letter in window if letter != ".")
        )
        for i, window in enumerate(windows)
    ]


def request(cause: str, offset_days: int) -> RequestedRetrain:
    return RequestedRetrain(cause, DAY + timedelta(days=offset_days))


@pytest.mark.parametrize(
    ("windows", "requests", "retrain", "cause", "words"),
    [
        ([], [], False, "", "No window"),
        ([".", ".", "."], [], False, "", "not violated"),
        (["a"], [], False, "drift:amount@2024-03-01", "2 of 3 are needed"),
        ([".", ".", "a"], [], False, "drift:amount@2024-03-03", "1 of the last 3"),
        ([".", "a", "a"], [], True, "drift:amount@2024-03-02", "2 of the last 3 windows"),
        (["a", ".", "a"], [], True, "drift:amount@2024-03-01", "2 of the last 3 windows"),
        (["a", "a", "."], [], False, "", "2024-03-03 is not violated"),
        (["a", ".", ".", "a"], [], False, "drift:amount@2024-03-04", "1 of the last 3"),
        (["a", ".", ".", "a", "a"], [], True, "drift:amount@2024-03-04", "2 of the last 3"),
        (["p", "a"], [], True, "drift:amount@2024-03-02", "latest by drift:amount"),
        (["a", "ap"], [], True, "drift:amount@2024-03-01", "drift:price"),
        # once per cause: the episode goes on, and drags another column along before the request
        (
            ["a", "a", "a"],
            [request("drift:amount@2024-03-01", 1)],
            False,
            "drift:amount@2024-03-01",
            "already requested",
        ),
        (
            ["a", "ap", "ap"],
            [request("drift:amount@2024-03-01", 1)],
            False,
            "drift:amount@2024-03-01",
            "already requested",
        ),
        (["a"] * 20, [request("drift:amount@2024-03-01", 1)], False, "drift:amount@2024-03-01", "already requested"),
        # a new cause waits for the cooldown and is then asked for
        (
            ["a", "a", "ap"],
            [request("drift:amount@2024-03-01", 1)],
            False,
            "drift:price@2024-03-03",
            "less than 7 days",
        ),
        (["a", "a", *["ap"] * 7], [request("drift:amount@2024-03-01", 1)], True, "drift:price@2024-03-03", "latest by"),
        # a new episode of the same cause is a new cause
        (
            ["a", "a", *["."] * 7, "a", "a"],
            [request("drift:amount@2024-03-01", 1)],
            True,
            "drift:amount@2024-03-10",
            "2 of the last 3",
        ),
        # a re-run over old days does not ask again
        (
            [".", "a", "a"],
            [request("drift:price@2024-05-01", 60)],
            False,
            "drift:amount@2024-03-02",
            "already requested",
        ),
    ],
)
def test_the_rule_table(
    windows: list[str], requests: list[RequestedRetrain], retrain: bool, cause: str, words: str
) -> None:
    verdict = retrain_verdict(history(*windows), RULE, requests)
    assert (verdict.retrain, verdict.cause) == (retrain, cause)
    assert words in verdict.reason


@given(st.lists(st.sampled_from([".", "a", "p", "ap"]), max_size=30))
def test_day_by_day_no_episode_is_asked_for_twice_and_the_cooldown_holds(windows: list[str]) -> None:
    requests: list[RequestedRetrain] = []
    for count in range(1, len(windows) + 1):
        seen = history(*windows[:count])
        verdict = retrain_verdict(seen, RULE, requests)
        if not verdict.retrain:
            continue
        recent = [window.violated for window in seen[-3:]]
        assert recent[-1]
        assert sum(recent) >= 2
        assert verdict.cause not in [request.cause for request in requests]
        assert all((seen[-1].day - request.day).days >= RULE.cooldown_days for request in requests)
        requests.append(RequestedRetrain(verdict.cause, seen[-1].day))
        assert not retrain_verdict(seen, RULE, requests).retrain


@given(st.permutations(history(".", "a", "p", "a", "ap")))
def test_the_order_of_the_history_does_not_matter(windows: list[WindowVerdict]) -> None:
    assert retrain_verdict(windows, RULE) == retrain_verdict(history(".", "a", "p", "a", "ap"), RULE)


def test_a_single_violation_is_enough_when_declared_so_and_no_cooldown_means_none() -> None:
    rule = RetrainRule(violations=1, of_last=1, cooldown_days=0)
    assert retrain_verdict(history("p", "a"), rule, [request("drift:price@2024-03-01", 0)]).retrain


def test_a_history_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(VerdictError, match="more than one window for 2024-03-01"):
        retrain_verdict([*history("a"), *history(".")], RULE)
    with pytest.raises(VerdictError, match="names no cause"):
        retrain_verdict([WindowVerdict(DAY, True)], RULE)


def drift(**columns: ColumnStatus) -> DriftResult:
    verdicts = tuple(ColumnVerdict(name, status, "because") for name, status in columns.items())
    return DriftResult(verdicts, "drift", 0.0, 1000, 1000)


def quality(*violations: Violation) -> QualityResult:
    return QualityResult(
        DAY, DAY, 10, 10, 1.0, {}, {}, {}, {}, 0.1, "violated" if violations else "no_verdict", violations, "because"
    )


def test_a_window_names_what_a_new_model_could_answer() -> None:
    lost = (Violation("quality", "auc_roc", "lost"), Violation("label_rate", "damaged", "rose"))
    verdict = window_verdict(DAY, drift(feature__amount="drift", score="drift", feature__count="ok"), quality(*lost))
    assert verdict.violated
    assert verdict.causes == ("quality:auc_roc", "label_rate:damaged", "drift:amount", "drift:score")


def test_what_training_cannot_repair_is_no_reason_to_train() -> None:
    broken = drift(
        feature__amount="missing", feature__count="degenerate", feature__x="type_changed", score="too_few_rows"
    )
    assert not window_verdict(DAY, broken, quality(Violation("scores", "score", "NaN"))).violated
    assert not window_verdict(DAY, None, quality()).violated
    assert not window_verdict(DAY, None, None).violated
