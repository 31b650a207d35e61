"""A comparison that was cut off goes on after its last finished fold, and what it finds is that of one that was not."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.tasks.registry import make_metrics
from platform_assets.training.compare import Candidate, Comparison, compare
from platform_assets.training.dataset import Dataset
from platform_assets.training.folds import prequential_folds
from platform_assets.training.kept_folds import KeptFold, KeptFolds
from platform_assets.training.learners import make_learner

FOLDS = prequential_folds(date(2024, 1, 13), label_delay_days=1, train_days=3, delay_days=0, test_days=2, folds=3)
CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(240, 2))
ROWS = Dataset(
    X=X,
    y=(X[:, 0] + CHANCE.normal(size=240) > 0).astype(np.float64),
    event_day=np.datetime64("2024-01-01", "D") + np.repeat(np.arange(12), 20).astype("timedelta64[D]"),
    group=None,
    key=np.arange(240),
    features=("a", "b"),
)


class Evicted(BaseException):
    """What ends a pod in the middle."""


@dataclass
class Fits:
    """Counts fits, and ends the process before one of them."""

    monkeypatch: pytest.MonkeyPatch
    dies_before: int = 10**9
    count: int = 0

    def __post_init__(self) -> None:
        from platform_assets.training import compare as module

        fit = module.fit_predictor

        def counted(*arguments: Any) -> Any:
            if self.count + 1 >= self.dies_before:
                raise Evicted
            self.count += 1
            return fit(*arguments)

        self.monkeypatch.setattr(module, "fit_predictor", counted)


def compared(kept: KeptFolds | None, rows: Dataset = ROWS, seed: int = 0, depth: int = 2, **more: Any) -> Comparison:
    learner = make_learner("xgboost", {"max_depth": depth, "n_estimators": 5, "threads": 1})
    candidates = [Candidate("constant", make_learner("constant"), baseline=True), Candidate("boosted", learner)]
    metrics = make_metrics(["average_precision", "brier"], "binary")
    return compare(rows, FOLDS, candidates, metrics, seed, more.pop("progress", lambda line: None), kept=kept, **more)


def test_an_eviction_costs_the_fold_that_was_being_fitted_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, kept = compared(None), KeptFolds(tmp_path / "folds", "code")
    for dies_before, begun in ((3, 2), (2, 1)):
        with monkeypatch.context() as patch:
            fits = Fits(patch, dies_before)
            with pytest.raises(Evicted):
                compared(kept)
            assert fits.count == begun
    fits, lines = Fits(monkeypatch), list[str]()
    resumed = compared(kept, progress=lines.append)
    assert fits.count == 3, "three of six folds had been finished"
    assert sum("finished before this run began" in line for line in lines) == 3
    for one, other in zip(whole.results, resumed.results, strict=True):
        assert [fold.metrics for fold in one.folds] == [fold.metrics for fold in other.folds]
        np.testing.assert_array_equal(
            whole.latest_predictions[one.candidate.name], resumed.latest_predictions[one.candidate.name]
        )
    kept.clear()
    assert not kept.folder.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"depth": 3},
        {"rows": replace(ROWS, y=1 - ROWS.y)},
        {"rows": replace(ROWS, X=ROWS.X + 1e-9)},
        {"impute": {"a": "mean"}},
    ],
    ids=["seed", "setting", "labels", "values", "imputation"],
)
def test_a_fold_of_anything_else_is_not_taken(
    changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptFolds(tmp_path, "code")
    compared(kept)
    fits = Fits(monkeypatch)
    compared(kept, **changed)
    assert fits.count >= 3
    before = fits.count
    compared(replace(kept, made_by="other code"))
    assert fits.count == before + 6


def test_a_damaged_file_is_computed_again_and_a_full_disk_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptFolds(tmp_path / "folds", "code")
    compared(kept)
    for path in kept.folder.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    fits = Fits(monkeypatch)
    compared(kept)
    assert fits.count == 6
    assert kept.find("nothing") is None
    lines: list[str] = []
    (tmp_path / "file").write_text("")
    compared(KeptFolds(tmp_path / "file", "code"), progress=lines.append)
    assert any("cannot be kept for another try" in line for line in lines)
    with pytest.raises(OSError, match="file"):
        KeptFolds(tmp_path / "file", "code").keep("a", KeptFold(np.zeros(1), 0.0, 0.0))
