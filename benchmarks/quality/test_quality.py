"""What the quality benchmark adds to the platform's own comparison."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.quality.topic import BARS, BOOK, reproducible, unprecedented_ratio
from platform_assets.declaration import load_use_case
from platform_assets.training.learners import make_learner

USE_CASE = load_use_case(Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud")
DAY = date(2018, 8, 1)


def test_fraud_before_any_label_is_counted_among_terminal_fraud_of_the_test_days() -> None:
    ratios = [0.0, None, 0.5, 0.0, 0.0]  # the fourth is no terminal fraud, the fifth lies before the test days
    frame = pl.DataFrame({"transaction_id": range(5), "terminal_fraud_ratio_30d": ratios})
    days = pl.Series("transaction_time", [DAY] * 4 + [date(2018, 7, 31)]).cast(pl.Datetime("us", "UTC"))
    labels = pl.DataFrame({"transaction_id": range(5), "fraud_scenario": [2, 2, 2, 3, 2]})
    assert unprecedented_ratio(frame.with_columns(days), labels, USE_CASE, DAY) == pytest.approx(2 / 3)


def test_a_single_different_digit_between_rounds_is_a_missed_bar() -> None:
    def run(digest: str, value: float) -> dict[str, object]:
        return {"digest": digest, "learners": [{"metrics": {"auc_roc": {"mean": value, "std": 0.0}}}]}

    same = reproducible([run("sha256:a", 0.86), run("sha256:a", 0.86)])
    assert [bar.kept for bar in same] == [True, True]
    assert [bar.kept for bar in reproducible([run("sha256:a", 0.86), run("sha256:b", 0.86)])] == [False, True]
    assert [bar.kept for bar in reproducible([run("sha256:a", 0.86), run("sha256:a", 0.8600000000000001)])] == [
        True,
        False,
    ]
    assert reproducible([run("sha256:a", 0.86)]) == [], "one round proves nothing"


def test_the_bars_are_measured_and_the_books_settings_exist() -> None:
    assert set(BARS) <= set(USE_CASE.training.metrics)
    for kind, settings in BOOK.values():
        assert make_learner(kind, settings).settings["n_estimators"] in (50, 100)
