"""What a training run records in MLflow, so that the model can be understood, compared and reproduced.

Belongs here: parameters, metrics fold by fold, curves, importances, thresholds with their money, the environment and the
declaration, of one model. Does not belong here: the model itself (`registry/training_run.py`), opening and closing runs
(`registry/tracking.py`), or judging (`evaluation.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.declaration import UseCase
from platform_assets.declaration.contract import feature_contract
from platform_assets.registry.tracking import TrackedRun
from platform_assets.registry.training_run import MACHINE_TAG, machine_type
from platform_assets.tasks.base import FoldRows, TrainingLabels
from platform_assets.tasks.metric import MetricError, Scored
from platform_assets.tasks.registry import metric_of, task_of
from platform_assets.training.compare import Comparison
from platform_assets.training.dataset import Dataset
from platform_assets.training.predictor import Predictor
from platform_assets.training.samples import stratified, with_rare_rows

TRACKING = "tracking"
"""Folder of a run's artifacts that this module writes."""
CURVES_FILE, CURVES_PICTURE = "curves.json", "curves.png"
CLASSES, THRESHOLDS = "classes", "thresholds"
"""Tables that only some kinds of task have."""
CLASSES_FILE, THRESHOLDS_FILE = f"{CLASSES}.json", f"{THRESHOLDS}.json"
IMPORTANCES_FILE = "importances.json"
ENVIRONMENT_FILE, CONTRACT_FILE = "environment.txt", "feature_contract.json"
LIBRARIES_TAG = "library_versions"
IMPORTANCE_ROWS, IMPORTANCE_REPEATS = 4000, 3
CURVE_POINTS = 200


@dataclass(frozen=True)
class TrackedModel:
    """What was tracked of a model, for its registered version and for people.

    Attributes:
        tags: of the registered version.
        most_important: the features that decide most, in words.
        page: address of the run's page; None where there is none.
        classes: every class on the latest fold, as a Markdown table; empty where the label is no class of several.
        money: what the declared threshold would have cost, in words; empty where no costs are declared.
    """

    tags: Mapping[str, str]
    most_important: str
    page: str | None = None
    classes: str = ""
    money: str = ""


def track(
    run: TrackedRun, folder: Path, use_case: UseCase, predictor: Predictor, comparison: Comparison, winner: str
) -> TrackedModel:
    """Log what there is to know about a model, and write its files into the folder that becomes the run's artifacts.

    Args:
        run: the model's MLflow run.
        folder: artifacts of the run, logged by the caller.
        use_case: the declaration.
        predictor: the model.
        comparison: all candidates on the same folds.
        winner: which of them was chosen.
    """
    run.log_params(_parameters(use_case, predictor, winner))
    run.log_points(_points(comparison, winner))
    libraries = json.dumps(dict(predictor.versions), sort_keys=True)
    tags = {MACHINE_TAG: machine_type(), LIBRARIES_TAG: libraries, "dagster_run_id": run.dagster_run_id}
    target = folder / TRACKING
    target.mkdir()
    (target / CONTRACT_FILE).write_text(_json(feature_contract(use_case)))
    (target / ENVIRONMENT_FILE).write_text(_installed())
    latest, task = comparison.latest_scored(winner), task_of(use_case)
    (target / CURVES_FILE).write_text(_json(task.curves(use_case, latest.y, latest.prediction, CURVE_POINTS)))
    (target / CURVES_PICTURE).write_bytes(task.plot(use_case, latest.y, {winner: latest.prediction}))
    importances = permutation_importances(use_case, predictor, comparison.latest_rows)
    (target / IMPORTANCES_FILE).write_text(_json(importances))
    rows = comparison.latest_rows
    fold = FoldRows(latest.y, latest.prediction, rows.event_day, rows.X, rows.features)
    details = task.details(use_case, fold)
    for name, table in details.items():
        (target / f"{name}.json").write_text(_json(table))
    return TrackedModel(
        tags=tags,
        most_important=", ".join(list(importances)[:5]),
        page=run.page,
        classes=classes_table(details[CLASSES]) if CLASSES in details else "",
        money=_money(use_case, details[THRESHOLDS]) if THRESHOLDS in details else "",
    )


def classes_table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Every class on the latest fold, as a Markdown table."""
    lines = ["| class | rows | predicted | recall | precision | AUC |", "|---|---|---|---|---|---|"]
    for one in reports:
        cells = ["" if one[name] is None else f"{one[name]:.3f}" for name in ("recall", "precision", "auc_roc")]
        lines.append(f"| {one['name']} | {one['rows']:,} | {one['predicted']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def permutation_importances(use_case: UseCase, predictor: Predictor, rows: Dataset) -> dict[str, float]:
    """By how much the selection metric gets worse when a feature's values are shuffled, most important first.

    Breiman, Random Forests, 2001, section 10, by scikit-learn, on up to `IMPORTANCE_ROWS` rows of the latest fold: every positive, or of
    each label its share where positives are many. The model was fitted on some of these days, so that the figures show what it uses rather
    than how well it performs. Empty where the metric cannot be computed on them, as where all labels are alike.
    """
    from sklearn.inspection import permutation_importance

    metric = metric_of(use_case, use_case.training.select_by)
    rng = np.random.default_rng(use_case.training.seed)
    task = task_of(use_case)
    if task.declared.has_classes and len(rows) > IMPORTANCE_ROWS:
        chosen = stratified(rows.y, IMPORTANCE_ROWS, rng)
    else:
        chosen = with_rare_rows(rows.y, task.rare_rows(rows.y), IMPORTANCE_ROWS, rng)
    sample = rows.where(np.isin(np.arange(len(rows)), chosen))
    sign = 1.0 if metric.higher_is_better else -1.0

    def score(model: Any, X: Any, y: Any) -> float:
        return sign * metric(Scored(y, model.predict(X), sample.event_day, sample.group))

    try:
        importances = permutation_importance(
            _AsEstimator(predictor), sample.X, sample.y, scoring=score, n_repeats=IMPORTANCE_REPEATS,
            random_state=use_case.training.seed,
        )  # fmt: skip
    except MetricError:
        return {}
    named = dict(zip(rows.features, importances.importances_mean.tolist(), strict=True))
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


class _AsEstimator:
    """A model under the names that scikit-learn asks for."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def fit(self, X: Any, y: Any) -> "_AsEstimator":
        """Nothing: the model is fitted."""
        return self

    def predict(self, X: Any) -> Any:
        """The model's own answer."""
        return self._predictor.predict(np.ascontiguousarray(X))


def _parameters(use_case: UseCase, predictor: Predictor, winner: str) -> dict[str, Any]:
    training, splits, trained_on = use_case.training, use_case.training.splits, predictor.trained_on
    class_rows = dict(zip(predictor.classes, trained_on.class_rows, strict=True))
    return {
        "winner": winner,
        "learner": predictor.learner,
        "task": training.task,
        "select_by": training.select_by,
        "tie_tolerance": training.tie_tolerance,
        "seed": training.seed,
        "features": len(predictor.features),
        "trained_on_rows": predictor.trained_on.rows,
        "trained_on_days": f"{predictor.trained_on.first_day} .. {predictor.trained_on.last_day}",
        **task_of(use_case).training_parameters(TrainingLabels(trained_on.rows, trained_on.label_mean, class_rows)),
        "label_delay_days": use_case.label_delay_days,
        **{f"splits.{name}": getattr(splits, name) for name in ("train_days", "delay_days", "test_days", "folds")},
        **{f"setting.{name}": value for name, value in predictor.settings.items()},
    }


def _points(comparison: Comparison, winner: str) -> list[tuple[str, float, int]]:
    """Metrics to log: the winner's means by their own names, each candidate's means, and every fold as a step, oldest first."""
    means = comparison.means(winner)
    points = [(name, value, 0) for name, value in means.items()]
    oldest = len(comparison.folds) - 1
    for result in comparison.results:
        name = result.candidate.name
        points += [(f"{name}.{metric}", result.mean(metric), 0) for metric in comparison.metrics]
        points += [(f"{name}.seconds", result.seconds, 0)]
        for fold in result.folds:
            step = oldest - fold.fold.index
            points += [(f"fold.{name}.{metric}", value, step) for metric, value in fold.metrics.items()]
            points.append((f"fold.{name}.train_rows", float(fold.train_rows), step))
    return points


def _money(use_case: UseCase, table: list[dict[str, Any]]) -> str:
    """What the declared threshold would have cost in the latest fold, and the cheapest one, in a sentence; empty without costs."""
    rule = use_case.serving.decision
    if rule is None or rule.costs is None or not table:
        return ""
    unit = f" {rule.costs.currency}" if rule.costs.currency else ""
    now = next(row for row in table if row["is_declared"])
    best = next(row for row in table if row["is_cheapest"])
    return (
        f"threshold {now['threshold']:g} would have cost {now['cost']:,.0f}{unit} in the latest fold; the cheapest, "
        f"{best['threshold']:.3g}, {best['cost']:,.0f}{unit}"
    )


@cache
def _installed() -> str:
    """Every installed distribution with its version, as pip writes them."""
    installed = {f"{each.metadata['Name']}=={each.version}" for each in distributions() if each.metadata["Name"]}
    return "\n".join(sorted(installed, key=str.lower)) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=isinstance(value, dict) and not _is_ranking(value))


def _is_ranking(value: Mapping[str, Any]) -> bool:
    """Importances stand in their own order."""
    return all(isinstance(item, float) for item in value.values())
