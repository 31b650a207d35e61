"""Verdicts on columns: what counts as drift, what as broken, and that nothing raises."""

import json
import math
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.declaration.sections.serving import Monitoring
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.schemas import watched_columns
from platform_assets.monitoring.drift import ColumnVerdict, DriftLimits, column_verdict, drift_report
from platform_assets.monitoring.watched_window import reference_frame, same_weekdays

LIMITS = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=500)
NORMAL = pl.Series(np.random.default_rng(0).normal(10, 2, 2000))
SAME = pl.Series(np.random.default_rng(1).normal(10, 2, 2000))


def judge(reference: Any, current: Any, columns: int = 1) -> ColumnVerdict:
    sides = [None if side is None else pl.Series(side) for side in (reference, current)]
    return column_verdict("value", sides[0], sides[1], LIMITS, columns)


def with_first(series: pl.Series, values: list[float | None]) -> pl.Series:
    return pl.Series([*values, *series.to_list()[len(values) :]], dtype=pl.Float64)


@pytest.mark.parametrize(
    ("reference", "current", "status", "words"),
    [
        (NORMAL, SAME, "ok", "within"),
        (NORMAL, None, "missing", "current window has no such column"),
        (None, NORMAL, "missing", "reference has no such column"),
        (NORMAL, NORMAL.clear(), "too_few_rows", "current window has no rows"),
        (NORMAL.clear(), NORMAL, "too_few_rows", "reference has no rows"),
        (NORMAL, NORMAL.head(1), "too_few_rows", "1 rows; 500 are needed"),
        (NORMAL.head(499), NORMAL, "too_few_rows", "reference has 499 rows"),
        (NORMAL, pl.Series([None] * 2000, dtype=pl.Float64), "degenerate", "all 2000 values"),
        (NORMAL, pl.Series([None] * 2000), "degenerate", "all 2000 values"),
        (NORMAL, pl.Series([math.nan] * 2000), "degenerate", "all 2000 values"),
        (
            pl.Series([None] * 2000, dtype=pl.String),
            pl.Series(["a"] * 2000),
            "degenerate",
            "of the reference are missing",
        ),
        (
            NORMAL,
            with_first(SAME, [math.inf, -math.inf]),
            "degenerate",
            "2 of 2000 values of the current window are infinite",
        ),
        (with_first(NORMAL, [math.inf]), SAME, "degenerate", "values of the reference are infinite"),
        (NORMAL, SAME.cast(pl.String), "type_changed", "Float64 in the reference, String now"),
        (pl.Series(["a", "b"] * 1000), SAME, "type_changed", "String in the reference, Float64 now"),
        (NORMAL, pl.Series([True, False] * 1000), "type_changed", "Boolean now"),
        (NORMAL.cast(pl.Int64), SAME.cast(pl.Int64).cast(pl.Float64), "ok", "within"),
        (pl.Series([0.0] * 2000), pl.Series([0.0] * 900), "constant", "0 in every row on both sides"),
        (pl.Series(["a"] * 2000), pl.Series(["a"] * 900), "constant", "'a' in every row"),
        (NORMAL, pl.Series([10.0] * 2000), "degenerate", "stuck at 10"),
        (pl.Series(["a", "b"] * 1000), pl.Series(["b"] * 2000), "degenerate", "stuck at 'b'"),
        (pl.Series([0.0] * 2000), pl.Series([1.0] * 2000), "degenerate", "stuck at 1"),
        (pl.Series([0.0] * 2000), pl.Series([0.0, 1.0] * 1000), "drift", "over"),
        (NORMAL, with_first(SAME, [None] * 300), "drift", "missing 0.0% in the reference, 15.0% now"),
        (NORMAL, with_first(SAME, [math.nan] * 300), "drift", "missing 0.0% in the reference, 15.0% now"),
        (pl.Series(["a", "b"] * 1000), pl.Series(["a", "c"] * 1000), "drift", "1 new categories, such as 'c'"),
        (pl.Series(["a", "b"] * 1000), pl.Series(["b", "a"] * 900), "ok", "within"),
        (pl.Series([[1.0]] * 2000), pl.Series([[1.0]] * 2000), "degenerate", "neither a number nor a category"),
        (
            pl.Series([date(2024, 3, 1)] * 2000),
            pl.Series([date(2024, 3, 2)] * 2000),
            "degenerate",
            "neither a number nor a category",
        ),
    ],
)
def test_every_kind_of_column_gets_its_verdict(
    reference: pl.Series | None, current: pl.Series | None, status: str, words: str
) -> None:
    verdict = judge(reference, current)
    assert verdict.status == status
    assert words in verdict.explanation
    assert verdict.passed == (status in ("ok", "constant"))


@given(
    st.lists(st.one_of(st.none(), st.floats()), max_size=40),
    st.lists(st.one_of(st.none(), st.floats()), max_size=40),
    st.sampled_from([pl.Float64, pl.String, pl.Boolean, pl.Float32]),
)
def test_whatever_a_column_holds_there_is_a_verdict_that_json_can_carry(
    before: list[float | None], now: list[float | None], dtype: Any
) -> None:
    limits = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=1)
    frames = [pl.DataFrame({"value": pl.Series(side, dtype=pl.Float64)}) for side in (before, now)]
    changed = frames[1].with_columns(pl.col("value").cast(dtype, strict=False))
    for current in (frames[1], changed):
        result = drift_report(frames[0], current, ["value"], limits)
        assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["columns"][0]["explanation"]


def test_a_column_that_is_mostly_zero_drifts_when_the_zeros_go() -> None:
    random = np.random.default_rng(2)
    before = np.where(random.random(20_000) < 0.95, 0.0, random.random(20_000))
    now = np.where(random.random(20_000) < 0.85, 0.0, random.random(20_000))
    verdict = judge(before, now)
    assert verdict.status == "drift"
    assert verdict.psi is not None
    assert verdict.psi > 0.1
    shifted = np.where(before == 0.0, 1e-6, before)
    assert judge(before, shifted).status == "drift"
    assert (judge(before, shifted).psi or 0.0) > 1.0


def test_rare_events_that_do_not_occur_in_a_small_window_are_no_alarm() -> None:
    before = np.r_[np.ones(60), np.zeros(59_940)]
    assert judge(before, np.zeros(600)).status == "ok"


def test_sixty_seven_thousand_undrifted_rows_never_drift() -> None:
    for seed in range(50):
        random = np.random.default_rng(seed)
        frames = [
            pl.DataFrame(
                {
                    "amount": random.lognormal(3.5, 1.0, 67_000),
                    "count": random.poisson(3.0, 67_000).astype(float),
                    "ratio": np.where(random.random(67_000) < 0.97, 0.0, random.random(67_000)),
                }
            )
            for _ in range(2)
        ]
        result = drift_report(frames[0], frames[1], frames[0].columns, LIMITS)
        assert result.status == "ok", result.failed_columns


def test_small_undrifted_windows_do_not_drift_either() -> None:
    random = np.random.default_rng(5)
    reference = pl.DataFrame({f"c{i}": random.lognormal(size=20_000) for i in range(8)})
    for _ in range(20):
        current = pl.DataFrame({f"c{i}": random.lognormal(size=500) for i in range(8)})
        result = drift_report(reference, current, reference.columns, LIMITS)
        assert result.passed, result.failed_columns
        assert all((verdict.ks_limit or 0.0) > LIMITS.max_ks for verdict in result.columns)


def test_amounts_inflated_by_a_fifth_are_noticed_although_psi_is_small() -> None:
    random = np.random.default_rng(6)
    verdict = judge(random.lognormal(3.5, 1.0, 67_000), 1.2 * random.lognormal(3.5, 1.0, 67_000))
    assert verdict.status == "drift"
    assert (verdict.psi or 0.0) < 0.1
    assert "median" in verdict.explanation


def test_more_columns_make_a_small_window_more_cautious() -> None:
    one, many = judge(NORMAL, SAME), judge(NORMAL, SAME, columns=500)
    assert (many.ks_limit or 0.0) > (one.ks_limit or 0.0)


def test_the_report_lists_every_column_in_order_and_counts_what_drifted() -> None:
    reference = pl.DataFrame({"a": NORMAL, "b": NORMAL, "c": NORMAL})
    current = pl.DataFrame({"a": SAME, "b": SAME * 1.5})
    result = drift_report(reference, current, ["c", "b", "a", "z"], LIMITS)
    assert [(verdict.column, verdict.status) for verdict in result.columns] == [
        ("c", "missing"),
        ("b", "drift"),
        ("a", "ok"),
        ("z", "missing"),
    ]
    assert result.status == "broken"
    assert result.share_drifted == 0.25
    assert [verdict.column for verdict in result.failed_columns] == ["c", "b", "z"]
    assert result.to_dict()["passed"] is False


@pytest.mark.parametrize(
    ("columns", "current", "status"),
    [
        (["a"], pl.DataFrame({"a": SAME}), "ok"),
        (["a"], pl.DataFrame({"a": SAME * 2}), "drift"),
        (["a"], pl.DataFrame({"a": SAME.head(3)}), "no_verdict"),
        ([], pl.DataFrame({"a": SAME}), "no_verdict"),
        (["a", "b"], pl.DataFrame({"a": SAME * 2}), "broken"),
    ],
)
def test_only_a_comparison_that_was_made_and_found_nothing_passes(
    columns: list[str], current: pl.DataFrame, status: str
) -> None:
    result = drift_report(pl.DataFrame({"a": NORMAL, "b": NORMAL}), current, columns, LIMITS)
    assert result.status == status
    assert result.passed == (status == "ok")


def test_the_limits_are_the_declared_ones(use_case: UseCase) -> None:
    limits = DriftLimits.declared(Monitoring(quality_metric="auc_roc", max_ks=0.07, max_psi=0.3, min_rows=42))
    assert (limits.max_ks, limits.max_psi, limits.min_rows) == (0.07, 0.3, 42)


def test_the_score_and_every_feature_are_watched(use_case: UseCase) -> None:
    assert watched_columns(use_case) == ("score", "feature__weight", "feature__is_heavy")


def test_the_reference_takes_the_names_of_the_prediction_log(use_case: UseCase) -> None:
    rows = pl.DataFrame({"event_day": [date(2024, 3, 1)], "weight": [2.0], "is_heavy": [0.0], "damaged": [1]})
    frame = reference_frame(rows, use_case, pl.Series([0.25]))
    assert frame.to_dicts() == [
        {"event_day": date(2024, 3, 1), "feature__weight": 2.0, "feature__is_heavy": 0.0, "score": 0.25}
    ]
    assert "score" not in reference_frame(rows, use_case).columns


def test_only_weekdays_that_the_window_has_are_compared() -> None:
    days = pl.date_range(date(2024, 3, 4), date(2024, 3, 17), eager=True)
    reference, current = (
        pl.DataFrame({"event_day": days}),
        pl.DataFrame({"event_day": [date(2024, 3, 23), date(2024, 3, 24)]}),
    )
    kept = same_weekdays(reference, current)["event_day"].to_list()
    assert kept == [date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 16), date(2024, 3, 17)]
    assert same_weekdays(reference, current.clear()).is_empty()
