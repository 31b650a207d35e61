"""Candidates and folds as runs of their own, with the same names in each, so that a tracker's comparison can lay them side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.pipelines.track_candidates import track_candidates

from .conftest import Trained


class Recorded:
    """A run that remembers what it was told."""

    def __init__(self, name: str = "model", tags: Mapping[str, str] | None = None) -> None:
        self.name, self.tags = name, dict(tags or {})
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.below: list[Recorded] = []

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.params |= params

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        self.metrics |= metrics

    @contextmanager
    def nested(self, name: str, tags: Mapping[str, str]) -> Iterator[Recorded]:
        self.below.append(Recorded(name, tags))
        yield self.below[-1]


def test_each_candidate_and_each_fold_is_a_run_with_the_same_names(use_case: UseCase, first: Trained) -> None:
    run: Any = Recorded()
    winner = first.version.tags["learner"]
    track_candidates(run, use_case, first.comparison, winner, {"as_of": "2018-06-01"})
    assert [one.name for one in run.below] == ["constant", "simple", "good"]
    assert [one.name for one in run.below if one.tags["is_winner"] == "true"] == [winner]
    measured = set(first.comparison.metrics)
    for candidate in run.below:
        assert candidate.tags["kind"] == "candidate"
        assert measured | {f"{name}_std" for name in measured} < set(candidate.metrics)
        assert len(candidate.below) == len(first.comparison.folds)
        for fold in candidate.below:
            assert (fold.tags["kind"], fold.tags["as_of"]) == ("fold", "2018-06-01")
            assert set(fold.metrics) < set(candidate.metrics)
            assert set(candidate.params) < set(fold.params)
    good = run.below[-1]
    assert good.metrics["auc_roc"] == first.comparison.means("good")["auc_roc"]
    assert good.params["setting.C"] == 1.0
    assert run.below[1].params["setting.C"] == 1e-6
