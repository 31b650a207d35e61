"""The table against the book: its declaration keeps the label's delay, and its oracle knows no more than it says."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks import book_champion
from benchmarks.book import CHAMPION, IN_USE, ORACLE, _bars
from benchmarks.book_champion import against_the_book
from benchmarks.book_models import PUBLISHED, VIEWS, book_candidates
from benchmarks.book_oracle import oracle_scores
from benchmarks.world import scored_use_case, simulated
from platform_assets.evaluation.metrics import auc_roc
from platform_assets.features.windows import join_labels
from platform_assets.training.candidates import declared_candidates

SETTINGS: dict[str, Any] = {"seed": 3, "customers": 300, "terminals": 600, "start": "2018-04-01", "label_delay_days": 7}
FIRST, LAST = date(2018, 4, 1), date(2018, 5, 20)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    use_case = scored_use_case("card_fraud").use_case
    payments, labels = simulated(use_case, FIRST, LAST, {"seed": 3, "customers": 300, "terminals": 600})
    return join_labels(payments, labels, use_case)


def test_what_is_set_against_the_book_names_its_features_and_keeps_the_delay() -> None:
    use_case = against_the_book(scored_use_case("card_fraud").use_case)
    [candidate] = declared_candidates(use_case.training, use_case.feature_names)
    inputs = use_case.training.learners[0].inputs
    assert [use_case.feature_names[place] for place in candidate.learner.settings["columns"]] == list(inputs)  # type: ignore[union-attr]
    assert len(candidate.learner.settings["monotone"]) == len(inputs)  # type: ignore[arg-type]
    assert all(
        window.delay_days >= 7
        for view in use_case.features
        for window in view.windows
        if window.where and "is_fraud" in window.where
    )


def test_a_declaration_that_would_know_labels_early_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = book_champion.DECLARATION.read_text(encoding="utf-8")
    early = tmp_path / "early.yaml"
    early.write_text(text.replace("delay_days: 7", "delay_days: 6"), encoding="utf-8")
    monkeypatch.setattr(book_champion, "DECLARATION", early)
    with pytest.raises(ValueError, match="know the label too early"):
        against_the_book(scored_use_case("card_fraud").use_case)


def test_the_book_has_its_fifteen_inputs_and_nine_models() -> None:
    assert sum(len(view.feature_names) for view in VIEWS) == 15
    assert {candidate.name for candidate in book_candidates()} == set(PUBLISHED)


def world(champion: float, forest: float, tree: float) -> dict[str, Any]:
    """A world's table with one fold, and every metric the same."""
    scores = {CHAMPION: champion, IN_USE: 0.99, "forest": forest, "tree": tree, f"{ORACLE}, exact": 0.999}
    return {"models": [{"name": name, "folds": [[score] * 3]} for name, score in scores.items()]}


def test_the_bars_are_about_the_best_of_the_books_models_in_the_mean_over_the_worlds() -> None:
    kept = _bars([world(0.90, 0.88, 0.87), world(0.90, 0.87, 0.88), world(0.88, 0.86, 0.84)])
    assert [bar.kept for bar in kept] == [True, True, True]
    assert all("(forest)" in bar.what for bar in kept)
    assert kept[0].measured.startswith("+0.0233 (")
    assert kept[0].measured.endswith("by world +0.0200, +0.0300, +0.0200")
    missed = _bars([world(0.885, 0.88, 0.87), world(0.88, 0.87, 0.86)])
    assert [bar.kept for bar in missed] == [False, False, True]
    assert "(" not in _bars([world(0.9, 0.8, 0.7)])[0].measured


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
