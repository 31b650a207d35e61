"""Gates: each is green on what keeps it, red on what does not, and red when there is nothing to judge."""

import json
import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration.sections.gates import Bypass, Floor, Gates
from platform_assets.evaluation.gates.bounds import is_calibrated, is_plausible, keeps_floor
from platform_assets.evaluation.gates.comparisons import beats_baselines, no_worse_than_champion
from platform_assets.evaluation.gates.training_period import covers_its_days
from platform_assets.evaluation.gates.verdict import Verdict, with_bypasses
from platform_assets.evaluation.metrics.bootstrap import BootstrapDifference
from platform_assets.tasks.binary.gates import is_calibrated_for_the_base_rate, predicts_the_base_rate
from platform_assets.tasks.enough_rows import has_enough_data
from platform_assets.tasks.gate_result import GateResult

NAN = math.nan


@pytest.mark.parametrize(
    ("metric", "model", "baselines", "margin", "passed"),
    [
        ("average_precision", 0.70, {"constant": 0.01, "logistic_regression": 0.60}, 0.0, True),
        ("average_precision", 0.60, {"constant": 0.01, "logistic_regression": 0.60}, 0.0, False),
        ("average_precision", 0.62, {"logistic_regression": 0.60}, 0.05, False),
        ("rmse", 2.0, {"constant": 3.0}, 0.0, True),
        ("rmse", 2.8, {"constant": 3.0}, 0.5, False),
        ("rmse", 3.1, {"constant": 3.0}, 0.0, False),
        ("average_precision", NAN, {"constant": 0.01}, 0.0, False),
        ("average_precision", None, {"constant": 0.01}, 0.0, False),
        ("average_precision", 0.70, {"constant": 0.01, "logistic_regression": NAN}, 0.0, False),
        ("average_precision", 0.70, {"constant": None}, 0.0, False),
        ("average_precision", 0.70, {}, 0.0, False),
    ],
)
def test_the_model_has_to_beat_every_baseline(
    metric: str, model: float | None, baselines: dict[str, float | None], margin: float, passed: bool
) -> None:
    assert beats_baselines(metric, model, baselines, margin).passed is passed


def test_the_best_baseline_is_named() -> None:
    result = beats_baselines("average_precision", 0.5, {"constant": 0.01, "logistic_regression": 0.6}, 0.0)
    assert "does not beat the best baseline, logistic_regression with 0.6000" in result.explanation
    assert (
        "lacks average_precision of rule" in beats_baselines("average_precision", 0.5, {"rule": NAN}, 0.0).explanation
    )


def paired(difference: float, lower: float, metric: str = "average_precision") -> BootstrapDifference:
    return BootstrapDifference(metric, 0.6, 0.6 - difference, difference, lower, 1.0, 0.95, 100, 40, "group", 400)


@pytest.mark.parametrize(("lower", "passed"), [(0.01, True), (-0.02, True), (-0.021, False), (NAN, False)])
def test_the_lower_bound_of_the_difference_keeps_the_tolerance(lower: float, passed: bool) -> None:
    result = no_worse_than_champion("average_precision", paired(0.02, lower), 0.02, has_champion=True)
    assert result.passed is passed


def test_the_comparison_with_the_champion_shows_difference_interval_rows_and_how() -> None:
    result = no_worse_than_champion("auc_roc", paired(0.02, 0.01), 0.02, has_champion=True, how="Fitted again.")
    assert result.details["difference"] == paired(0.02, 0.01).to_dict()
    assert result.details["how"] == "Fitted again."
    assert (
        "same 100 rows: better by 0.0200, at least 0.0100 with 95% confidence (40 groups drawn)" in result.explanation
    )
    assert (result.measured, result.bound) == (0.01, -0.02)


def test_without_a_champion_the_gate_passes_and_says_so() -> None:
    result = no_worse_than_champion("average_precision", None, 0.02, has_champion=False)
    assert (result.passed, result.explanation) == (True, "There is no champion yet.")


def test_a_margin_over_the_baselines_needs_the_lower_bound_too() -> None:
    compared = {"model": 0.7, "baselines": {"constant": 0.1}, "margin": 0.05}
    assert not beats_baselines("auc_roc", **compared).passed, "nothing was measured"
    assert "one class" in beats_baselines("auc_roc", **compared, problem="one class").explanation
    assert not beats_baselines("auc_roc", **compared, difference=paired(0.2, 0.04)).passed
    kept = beats_baselines("auc_roc", **compared, difference=paired(0.2, 0.06))
    assert kept.passed
    assert kept.details["baseline"] == "constant"


@pytest.mark.parametrize(
    ("means", "passed"),
    [
        ({"auc_roc": 0.98, "rmse": 3.0}, [True, True]),
        ({"auc_roc": 0.99, "rmse": 2.0}, [False, False]),
        ({}, [False] * 2),
    ],
)
def test_a_metric_too_good_to_be_true_is_red(means: dict[str, float], passed: list[bool]) -> None:
    results = [is_plausible(means, metric, bound) for metric, bound in (("auc_roc", 0.99), ("rmse", 2.0))]
    assert [gate.passed for gate in results] == passed
    assert [gate.name for gate in results] == ["plausible_auc_roc", "plausible_rmse"]


@pytest.mark.parametrize(("mean", "passed"), [(0.01, True), (0.0051, True), (0.0, False), (0.021, False), (NAN, False)])
def test_the_mean_prediction_is_near_the_base_rate(mean: float, passed: bool) -> None:
    assert [gate.passed for gate in predicts_the_base_rate(mean, 0.01, 1000, 2.0)] == [passed]
    assert not predicts_the_base_rate(mean, 0.0, 1000, 2.0)[0].passed
    assert predicts_the_base_rate(mean, 0.01, 1000, None) == []


@pytest.mark.parametrize(("error", "passed"), [(0.002, True), (0.008, False), (None, False), (NAN, False)])
def test_the_calibration_error_is_seen_against_the_base_rate(error: float | None, passed: bool) -> None:
    assert [gate.passed for gate in is_calibrated_for_the_base_rate(error, 0.008, 0.5)] == [passed]
    assert not is_calibrated_for_the_base_rate(0.0, 0.0, 0.5)[0].passed
    assert is_calibrated_for_the_base_rate(error, 0.008, None) == []


def test_a_training_day_that_is_missing_or_thin_is_red_and_named() -> None:
    days = {date(2024, 6, day): rows for day, rows in [(1, 100), (2, 0), (3, 90), (4, 20), (5, 110)]}
    result = covers_its_days(days, 0.5)
    assert not result.passed
    assert "2024-06-02 (0 rows), 2024-06-04 (20 rows)" in result.explanation
    assert covers_its_days({day: rows for day, rows in days.items() if rows > 20}, 0.5).passed
    assert not covers_its_days({date(2024, 6, 1): 0}, 0.5).passed


@pytest.mark.parametrize(
    ("means", "passed"),
    [
        ({"auc_roc": 0.9, "brier": 0.01}, [True, True]),
        ({"auc_roc": 0.8, "brier": 0.03}, [False, False]),
        ({"auc_roc": NAN, "brier": NAN}, [False, False]),
        ({}, [False, False]),
    ],
)
def test_floors_and_ceilings_hold_each_on_its_own(means: dict[str, float], passed: list[bool]) -> None:
    floors = [Floor(metric="auc_roc", bound=0.85), Floor(metric="brier", bound=0.02)]
    assert [keeps_floor(means, floor).passed for floor in floors] == passed


@pytest.mark.parametrize(("error", "passed"), [(0.01, True), (0.06, False), (NAN, False), (None, False)])
def test_calibration_keeps_its_bound(error: float | None, passed: bool) -> None:
    assert is_calibrated(error, 0.05).passed is passed


@pytest.mark.parametrize(
    ("rows", "positives", "passed"),
    [(1000, 20, True), (999, 20, False), (1000, 19, False), (1000, None, True), (999, None, False)],
)
def test_the_training_period_needs_rows_and_positives(rows: int, positives: int | None, passed: bool) -> None:
    assert has_enough_data(rows, positives, Gates(min_training_rows=1000, min_positives=20)).passed is passed


RED = GateResult("calibration", False, 0.2, 0.05, "The calibration error is 0.2.")
GREEN = GateResult("training_data", True, 5000.0, 1000.0, "The training period has 5,000 rows.")
TODAY = date(2024, 6, 1)


def bypass(**changes: Any) -> Bypass:
    told = {"gate": "calibration", "who": "head of risk", "why": "scores are only ranked", "until": "2024-06-30"}
    return Bypass.model_validate({**told, **changes})


def test_one_red_gate_makes_the_verdict_red_and_gives_the_reason() -> None:
    verdict = with_bypasses([GREEN, RED], [], TODAY)
    assert not verdict.passed
    assert verdict.reason == RED.explanation
    assert verdict.to_dict()["gates"][1]["measured"] == 0.2


def test_a_green_verdict_says_what_the_model_was_better_than_and_what_was_let_pass() -> None:
    better = beats_baselines("auc_roc", 0.9, {"constant": 0.5}, 0.0)
    first = no_worse_than_champion("auc_roc", None, 0.0, has_champion=False)
    reason = with_bypasses([GREEN, better, first, RED], [bypass()], TODAY).reason
    assert reason.startswith(f"{better.explanation} {first.explanation} ")
    assert "Let pass by head of risk" in reason
    assert GREEN.explanation not in reason
    assert with_bypasses([GREEN], [], TODAY).reason == GREEN.explanation


def test_no_gates_prove_nothing() -> None:
    assert not Verdict(()).passed


def test_a_bypass_lets_one_gate_pass_and_stays_on_record() -> None:
    verdict = with_bypasses([GREEN, RED], [bypass()], TODAY)
    assert verdict.passed
    assert verdict.gates[1].bypass == "head of risk, until 2024-06-30: scores are only ranked"
    assert "Let pass by head of risk" in verdict.gates[1].explanation
    assert verdict.gates[0].bypass is None
    recorded = {"gate": "calibration", "who": "head of risk", "why": "scores are only ranked", "until": "2024-06-30"}
    assert verdict.to_dict()["bypasses"] == [{**recorded, "used": True, "expired": False}]


def test_a_bypass_that_expired_or_was_not_needed_stays_on_record_too() -> None:
    expired = with_bypasses([GREEN, RED], [bypass(until="2024-05-31")], TODAY).bypasses[0]
    assert (expired["used"], expired["expired"]) == (False, True)
    unneeded = with_bypasses([GREEN, replace(RED, passed=True)], [bypass()], TODAY).bypasses[0]
    assert (unneeded["used"], unneeded["expired"]) == (False, False)


@pytest.mark.parametrize("changes", [{"until": "2024-05-31"}, {"gate": "training_data"}])
def test_a_bypass_that_has_expired_or_is_for_another_gate_changes_nothing(changes: dict[str, Any]) -> None:
    assert not with_bypasses([GREEN, RED], [bypass(**changes)], TODAY).passed


def test_what_could_not_be_measured_is_none_and_stays_readable_json() -> None:
    """NaN is no JSON: the evidence is read by others than Python."""
    gates = [
        beats_baselines("auc_roc", NAN, {"constant": 0.5}, 0.0),
        no_worse_than_champion("auc_roc", paired(NAN, NAN), 0.0, has_champion=True),
        no_worse_than_champion("auc_roc", None, 0.0, has_champion=False),
        keeps_floor({"auc_roc": NAN}, Floor(metric="auc_roc", bound=0.5)),
        is_calibrated(NAN, 0.05),
    ]
    assert [gate.measured for gate in gates] == [None] * 5
    assert gates[1].bound is None
    json.dumps(Verdict(tuple(gates)).to_dict(), allow_nan=False)


def test_the_caller_s_reason_why_the_champion_was_not_measured_is_told() -> None:
    told = {"has_champion": True, "problem": "it needs another feature"}
    result = no_worse_than_champion("auc_roc", None, 0.02, **told)
    assert not result.passed
    assert result.explanation == "The comparison with the champion failed: it needs another feature."


@pytest.mark.parametrize(("metric", "margin"), [("auc_roc", 0.0), ("rmse", 0.0), ("auc_roc", 0.1), ("rmse", 0.1)])
def test_a_tie_with_any_baseline_is_red(metric: str, margin: float) -> None:
    assert not beats_baselines(metric, 0.5, {"one": 0.5, "other": 0.5}, margin).passed


def test_a_lower_error_is_better() -> None:
    assert beats_baselines("rmse", 0.8, {"constant": 1.0}, 0.1, paired(0.2, 0.15, "rmse")).passed
    assert not beats_baselines("rmse", 0.95, {"constant": 1.0}, 0.1).passed


def test_several_failures_are_all_told() -> None:
    verdict = with_bypasses([RED, GREEN, replace(RED, name="floor_auc_roc", explanation="Too low.")], [], TODAY)
    assert verdict.reason == f"{RED.explanation} Too low."


def test_a_promotion_on_somebody_s_word_says_so_in_its_reason() -> None:
    """The reason is what people see next to the champion, wherever the gate stands in the list."""
    verdict = with_bypasses(
        [GREEN, replace(GREEN, name="second"), replace(GREEN, name="third"), RED], [bypass()], TODAY
    )
    assert verdict.passed
    assert "Let pass by head of risk, until 2024-06-30" in verdict.reason


def test_a_bypass_of_a_gate_that_passes_leaves_no_trace() -> None:
    verdict = with_bypasses([replace(RED, passed=True)], [bypass()], TODAY)
    assert verdict.gates[0].bypass is None


def test_a_bypass_holds_on_its_last_day() -> None:
    assert with_bypasses([RED], [bypass(until=TODAY.isoformat())], TODAY).passed


@pytest.mark.parametrize("missing", [{"why": "because"}, {"who": ""}, {"until": "soon"}, {"gate": ""}])
def test_a_bypass_without_who_why_and_until_cannot_be_declared(missing: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        bypass(**missing)
