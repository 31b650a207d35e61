"""Burn rates: exact against scipy, the same in PromQL as in Python, silent on quiet nights, and quick where it matters."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from platform_assets.monitoring.alerting.alerts import PAGE, Alert, RuleGroup
from platform_assets.monitoring.alerting.burn_rates import EXACT_FAILURES, WINDOWS, BurnRule, BurnWindow, largest_count

from . import promtool
from .worlds import groups, healthy, rules, scenario, scenarios, shop

BUDGET = 0.001
RULES = [BurnRule(BUDGET, window) for window in WINDOWS]
HOUR, SIX_HOURS = RULES[1], RULES[2]
NIGHTS = 30
NIGHT_HOURS = 12


@pytest.mark.parametrize("failures", [1, 2, 3, 10, 30])
def test_thresholds_are_the_largest_counts_that_are_more_than_chance(failures: int) -> None:
    count = largest_count(failures, BUDGET, 1e-6)
    assert count == 0 or binom.sf(failures - 1, count, BUDGET) <= 1e-6
    assert binom.sf(failures - 1, max(count + 1, failures), BUDGET) > 1e-6


def test_at_few_requests_it_takes_failures_that_cannot_be_chance() -> None:
    assert not any(rule.fires(1, 5) for rule in RULES if rule.window.severity == PAGE)
    assert not HOUR.fires(2, 5)
    assert HOUR.fires(3, 5)
    assert HOUR.fires(3, 3)
    assert not HOUR.fires(0, 0)


@pytest.mark.parametrize("rule", RULES[:3])
def test_what_fires_is_never_chance(rule: BurnRule) -> None:
    for requests in (1, 5, 30, 1_000, 36_000, 1_000_000):
        for failures in {1, 2, 5, 30, 31, 60, requests // 100, requests}:
            if 0 < failures <= requests and rule.fires(failures, requests):
                assert binom.sf(failures - 1, requests, BUDGET) <= rule.window.alpha


def test_what_suffices_for_other_stacks_fires_here_at_any_traffic() -> None:
    for rule in RULES[:3]:
        failures = rule.sufficient_failures
        share = rule.window.factor * BUDGET
        for more in (0, 1, 10, 100):
            requests = int((failures + more) / share)
            assert binom.sf(failures + more - 1, requests, BUDGET) <= rule.window.alpha


def test_no_page_in_thirty_quiet_nights_at_five_requests_an_hour() -> None:
    """Each night's requests fail exactly as often as the objective allows; every request is looked at when it was made."""
    chance = np.random.default_rng(20240401)
    pages = 0
    for _ in range(NIGHTS):
        times = np.sort(chance.uniform(0, NIGHT_HOURS * 3600, chance.poisson(5 * NIGHT_HOURS)))
        failed = chance.random(len(times)) < BUDGET
        pages += _pages(times, failed)
    assert pages == 0


def test_a_night_on_which_everything_fails_is_a_page_within_three_requests() -> None:
    times = np.arange(10) * 720.0
    assert _pages(times[:3], np.ones(3, dtype=bool)) > 0


def test_an_hour_that_is_over_ends_with_the_first_answer_and_not_with_silence() -> None:
    assert not HOUR.recovered(5, 5, 0, 0)
    assert HOUR.recovered(5, 6, 0, 1)
    assert not HOUR.recovered(30, 3_000, 0, 10)
    assert HOUR.recovered(30, 3_400, 0, 400)
    assert HOUR.recovered(300, 34_000, 4, 4_000), "as many fail as may"
    assert not HOUR.recovered(300, 4_600, 50, 4_000), "fewer fail, and more than may"


def test_after_recovery_silence_is_no_trouble_and_another_failure_is(tmp_path: Path) -> None:
    """Three of three requests fail, one a five minutes; then one is answered, and for a while nobody asks; then one fails."""
    use_case = shop()
    series = healthy(use_case)
    of = 'use_case="shop"'
    series[f'platform_assets_requests_total{{{of},outcome="failed",process="1"}}'] = "0x5 1x4 2x4 3x29 4x20"
    series[f'platform_assets_requests_total{{{of},outcome="answered",process="1"}}'] = "0x22 1x60"
    page = 'count(ALERTS{alertstate="firing",alertname="ErrorBudgetBurning",window="1h"}) or vector(0)'
    looks = {8: 0, 18: 1, 22: 1, 30: 0, 40: 0, 47: 1}
    test = scenario("few requests", series, 60, set())
    test["promql_expr_test"] = [
        {"expr": page, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": fires}]}
        for minute, fires in looks.items()
    ]
    judged = [group for group in groups(use_case, objectives=True) if "days" not in group.name]
    assert promtool.complaints(tmp_path, rules(judged), scenarios([test])) == ""


def _pages(times: np.ndarray, failed: np.ndarray) -> int:
    """So many times, looked at with each request, a window that pages fires."""
    lengths = {"1m": 60, "1h": 3600, "6h": 21_600}
    pages = 0
    for now in times:
        for rule in RULES:
            if rule.window.severity == PAGE:
                inside = (times > now - lengths[rule.window.length]) & (times <= now)
                pages += rule.fires(int(failed[inside].sum()), int(inside.sum()))
    return pages


def test_prometheus_says_what_python_says(tmp_path: Path) -> None:
    """The expression on pairs of counts around every step, each as a use case of its own."""
    window = BurnWindow("1h", 1.0, 1e-6, PAGE)
    rule = BurnRule(BUDGET, window)
    pairs = {(failures, count + more) for failures, count in enumerate(rule.largest_counts, 1) for more in (0, 1)}
    pairs |= {
        (failures, requests) for failures in (0, 1, 3, 29, 30, 31, 60, 500) for requests in (1, 500, 5_000, 50_000)
    }
    found = sorted((failures, requests) for failures, requests in pairs if failures <= requests and requests)
    expected = {f"{failures}-{requests}" for failures, requests in found if rule.fires(failures, requests)}
    assert EXACT_FAILURES < len(expected) < len(found)
    alert = Alert("Burning", "serving", PAGE, "", "", "", expression=rule.expression("failed", "counted"))
    series = {f'failed{{pair="{failures}-{requests}"}}': f"{failures}" for failures, requests in found}
    series |= {f'counted{{pair="{failures}-{requests}"}}': f"{requests}" for failures, requests in found}
    test = scenario("pairs", series, 0, set())
    test["promql_expr_test"] = [
        {
            "expr": 'count by (pair) (ALERTS{alertstate="firing"})',
            "eval_time": "0m",
            "exp_samples": [{"labels": f'{{pair="{pair}"}}', "value": 1} for pair in sorted(expected)],
        }
    ]
    text = rules([RuleGroup("pairs", "1m", (), (alert,))])
    assert promtool.complaints(tmp_path, text, scenarios([test])) == ""


def test_ten_times_the_budget_at_fifty_a_second_is_a_page_within_a_minute(tmp_path: Path) -> None:
    """Scraped each 15 seconds: after ten quiet minutes one request of a hundred fails; before there is no page, a minute later one."""
    use_case = shop()
    series = healthy(use_case)
    of = 'use_case="shop"'
    answered, failed = "0+750x40 30742.5+742.5x20", "0x40 7.5+7.5x20"
    series[f'platform_assets_requests_total{{{of},outcome="answered",process="1"}}'] = answered
    series[f'platform_assets_requests_total{{{of},outcome="failed",process="1"}}'] = failed
    page = 'ALERTS{alertstate="firing",alertname="ErrorBudgetBurning",window="1m"}'
    test = scenario("ten times", series, 11, set(), interval="15s")
    test["promql_expr_test"] = [
        {"expr": f"count({page}) or vector(0)", "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 0}]},
        {"expr": f"count({page}) or vector(0)", "eval_time": "11m", "exp_samples": [{"labels": "{}", "value": 1}]},
    ]
    judged = [group for group in groups(use_case, objectives=True) if "days" not in group.name]
    assert promtool.complaints(tmp_path, rules(judged), scenarios([test], "15s")) == ""


def test_a_restart_and_an_ended_process_make_no_failures(tmp_path: Path) -> None:
    use_case = shop()
    series = healthy(use_case)
    of = 'use_case="shop"'
    series[f'platform_assets_requests_total{{{of},outcome="failed",process="1"}}'] = "500x10 0x20"  # began anew
    series[f'platform_assets_requests_total{{{of},outcome="failed",process="2"}}'] = "300x10 _x20"  # ended
    series[f'platform_assets_requests_total{{{of},outcome="failed",process="3"}}'] = (
        "_x10 400x20"  # seen for the first time
    )
    test = scenario("restarts", series, 20, set())
    judged = [group for group in groups(use_case, objectives=True) if "days" not in group.name]
    assert promtool.complaints(tmp_path, rules(judged), scenarios([test])) == ""
