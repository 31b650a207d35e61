"""What a training run says of the models that were compared: a run for each candidate, and below it one for each fold.

Belongs here: their names, parameters and metrics, the same names in each, so that a tracker's own comparison can lay them side by side.
Does not belong here: the model that was chosen (`track_training.py`), or any tracker (`registry/`).
"""

from collections.abc import Mapping
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.registry.tracking import TrackedRun
from platform_assets.training.compare import CandidateResult, Comparison, FoldResult

KIND_TAG, CANDIDATE, FOLD = "kind", "candidate", "fold"
"""Tag of a run that is no model of the registry: of a candidate, or one of its folds."""


def track_candidates(
    run: TrackedRun, use_case: UseCase, comparison: Comparison, winner: str, tags: Mapping[str, str]
) -> None:
    """A run for each candidate below the model's, and for each of its folds below that.

    Args:
        run: the model's run.
        use_case: the declaration.
        comparison: all candidates on the same folds.
        winner: which of them was chosen.
        tags: of each run, beside its own.
    """
    for result in comparison.results:
        name = result.candidate.name
        own = {**tags, KIND_TAG: CANDIDATE, "candidate": name, "is_winner": str(name == winner).lower()}
        params = candidate_parameters(use_case, result)
        with run.nested(name, own) as candidate:
            candidate.log_params(params)
            candidate.log_metrics(candidate_metrics(comparison, result))
            for fold in result.folds:
                days = {"test_first": str(fold.fold.test_first), "test_last": str(fold.fold.test_last)}
                named = f"{name}, {days['test_first']} .. {days['test_last']}"
                with candidate.nested(named, {**own, KIND_TAG: FOLD, **days}) as nested:
                    nested.log_params({**params, "fold": fold.fold.index})
                    nested.log_metrics(fold_metrics(fold))


def candidate_parameters(use_case: UseCase, result: CandidateResult) -> dict[str, Any]:
    """A candidate's learner and settings, each a parameter of its own."""
    candidate = result.candidate
    return {
        "candidate": candidate.name,
        "learner": candidate.learner.settings.get("learner", candidate.learner.name),
        "baseline": candidate.baseline,
        "seed": use_case.training.seed,
        **{f"setting.{name}": value for name, value in candidate.learner.settings.items() if name != "learner"},
    }


def candidate_metrics(comparison: Comparison, result: CandidateResult) -> dict[str, float]:
    """Means over the folds by the metrics' own names, their spread, rows of all folds and seconds."""
    means = {name: result.mean(name) for name in comparison.metrics}
    spreads = {f"{name}_std": result.std(name) for name in comparison.metrics}
    rows = {
        "train_rows": float(sum(fold.train_rows for fold in result.folds)),
        "test_rows": float(sum(fold.test_rows for fold in result.folds)),
        "fit_seconds": sum(fold.fit_seconds for fold in result.folds),
        "predict_seconds": sum(fold.predict_seconds for fold in result.folds),
    }
    return {**means, **spreads, **rows}


def fold_metrics(fold: FoldResult) -> dict[str, float]:
    """Metrics of one fold, by the same names."""
    return {
        **fold.metrics,
        "train_rows": float(fold.train_rows),
        "test_rows": float(fold.test_rows),
        "fit_seconds": fold.fit_seconds,
        "predict_seconds": fold.predict_seconds,
    }
