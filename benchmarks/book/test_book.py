"""The table against the book: the book's models, the bars, and an oracle that knows no more than it says."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks.book.comparison import CHAMPION, ORACLE
from benchmarks.book.models import PUBLISHED, VIEWS, book_candidates
from benchmarks.book.oracle import oracle_scores
from benchmarks.book.topic import bars, search_bars
from benchmarks.common.world import scored_use_case, simulated
from platform_assets.features.offline.feature_table import join_labels
from platform_assets.tasks.binary.metrics import auc_roc

SETTINGS: dict[str, Any] = {"seed": 3, "customers": 300, "terminals": 600, "start": "2018-04-01", "label_delay_days": 7}
FIRST, LAST = date(2018, 4, 1), date(2018, 5, 20)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    use_case = scored_use_case("card_fraud").use_case
    payments, labels = simulated(use_case, FIRST, LAST, {"seed": 3, "customers": 300, "terminals": 600})
    return join_labels(payments, labels, use_case)


def test_the_book_has_its_fifteen_inputs_and_nine_models() -> None:
    assert sum(len(view.feature_names) for view in VIEWS) == 15
    assert {candidate.name for candidate in book_candidates()} == set(PUBLISHED)


def world(champion: float, forest: float, tree: float) -> dict[str, Any]:
    """A world's table with one fold, and every metric the same."""
    scores = {CHAMPION: champion, "forest": forest, "tree": tree, f"{ORACLE}, exact": 0.999}
    return {"models": [{"name": name, "folds": [[score] * 3]} for name, score in scores.items()]}


def test_the_bars_are_about_the_best_of_the_books_models_here_and_in_the_mean_over_the_worlds() -> None:
    kept = bars([world(0.90, 0.88, 0.87), world(0.90, 0.87, 0.88), world(0.88, 0.86, 0.84)])
    assert [bar.kept for bar in kept] == [True] * 6
    assert all("(forest)" in bar.what for bar in kept)
    assert [bar.measured for bar in kept[:3]] == ["+0.0200"] * 3
    assert kept[3].measured.startswith("+0.0233 (")
    assert kept[3].measured.endswith("by world +0.0200, +0.0300, +0.0200")
    missed = bars([world(0.885, 0.88, 0.87), world(0.92, 0.87, 0.86)])
    assert [bar.kept for bar in missed] == [False, False, True, True, True, True]
    assert len(bars([world(0.9, 0.8, 0.7)])) == 3


@pytest.mark.parametrize(
    ("best", "seconds", "kept"),
    [(0.7640, 100.0, True), (0.7637, 100.0, True), (0.7620, 100.0, False), (0.7640, 700.0, False)],
)
def test_a_search_that_takes_too_long_or_finds_less_than_is_declared_misses_its_bar(
    best: float, seconds: float, kept: bool
) -> None:
    [bar] = search_bars({"best": best, "as_declared": 0.7640, "seconds": seconds})
    assert bar.kept is kept


@pytest.mark.parametrize("rule", ["exact", "day"])
def test_the_oracle_ranks_fraud_high_and_takes_nothing_from_outcomes_not_known_yet(
    events: pl.DataFrame, rule: Any
) -> None:
    scores = oracle_scores(events, SETTINGS, rule)
    assert ((scores >= 0.0) & (scores <= 1.0)).all()
    assert auc_roc(events["is_fraud"].to_numpy().astype(float), scores) > 0.8
    last = pl.col("event_day") > LAST - timedelta(days=7)
    hidden = events.with_columns(pl.when(last).then(1 - pl.col("is_fraud")).otherwise("is_fraud").alias("is_fraud"))
    today = (events["event_day"] == LAST).to_numpy()
    assert np.array_equal(oracle_scores(hidden, SETTINGS, rule)[today], scores[today])
