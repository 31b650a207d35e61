"""What a training run leaves in MLflow, so that the model can be understood, compared and made again.

Belongs here: parameters, metrics fold by fold, curves, importances, thresholds with their money, the environment and the
declaration, of one model. Does not belong here: the model itself (`training_run.py`), opening and closing runs
(`orchestration/resources/mlflow.py`), or judging (`evaluation.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from platform_assets.declaration import UseCase
from platform_assets.declaration.contract import feature_contract
from platform_assets.evaluation.class_plots import plot_classes
from platform_assets.evaluation.gates.verdict import plain
from platform_assets.evaluation.metrics.classes import class_reports, confusion, correctness
from platform_assets.evaluation.metrics.scored_rows import make_metric, reliability_bins
from platform_assets.evaluation.metrics.thresholds import cheapest, threshold_table
from platform_assets.evaluation.plots import plot_binary, plot_regression
from platform_assets.orchestration.resources.mlflow import TrackedRun
from platform_assets.registry.training_run import MACHINE_TAG, machine_type
from platform_assets.training.compare import Comparison, Scored
from platform_assets.training.dataset import Dataset
from platform_assets.training.predictor import Predictor

TRACKING = "tracking"
"""Folder of a run's artifacts that this module writes."""
CURVES_FILE, CURVES_PICTURE = "curves.json", "curves.png"
CLASSES_FILE = "classes.json"
IMPORTANCES_FILE, THRESHOLDS_FILE = "importances.json", "thresholds.json"
ENVIRONMENT_FILE, CONTRACT_FILE = "environment.txt", "feature_contract.json"
LIBRARIES_TAG = "library_versions"
IMPORTANCE_ROWS, IMPORTANCE_REPEATS = 4000, 3
CURVE_POINTS = 200


@dataclass(frozen=True)
class Tracked:
    """What the model asset adds to its registered version and to its materialization."""

    tags: Mapping[str, str]
    metadata: Mapping[str, Any]


def track(
    run: TrackedRun, folder: Path, use_case: UseCase, predictor: Predictor, comparison: Comparison, winner: str
) -> Tracked:
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
    latest = comparison.latest_scored(winner)
    (target / CURVES_FILE).write_text(_json(curves(use_case, latest)))
    (target / CURVES_PICTURE).write_bytes(_picture(use_case, latest, winner))
    importances = permutation_importances(use_case, predictor, comparison.latest_rows)
    (target / IMPORTANCES_FILE).write_text(_json(importances))
    metadata: dict[str, Any] = {"most_important": ", ".join(list(importances)[:5]), **_link(run)}
    if use_case.is_multiclass:
        reports = [plain(asdict(one)) for one in class_reports(latest.y, latest.prediction, use_case.classes)]
        (target / CLASSES_FILE).write_text(_json(reports))
        metadata["classes"] = dg.MetadataValue.md(classes_table(reports))
    if use_case.is_binary:
        table = thresholds(use_case, comparison.latest_rows, latest)
        (target / THRESHOLDS_FILE).write_text(_json(table))
        metadata |= _money(use_case, table)
    return Tracked(tags, metadata)


def thresholds(use_case: UseCase, rows: Dataset, latest: Scored) -> list[dict[str, Any]]:
    """The table of thresholds on the latest fold, with money where costs are declared."""
    rule = use_case.serving.decision
    assert rule is not None, "find_problems refuses a binary task without decision"
    costs = rule.costs
    missed: Any = None
    if costs is not None:
        missed = rows.X[:, rows.features.index(costs.missed)] if isinstance(costs.missed, str) else costs.missed
        missed = np.nan_to_num(missed, nan=0.0)
    days = len(np.unique(rows.event_day))
    alarm = costs.false_alarm if costs is not None else None
    table = threshold_table(latest.y, latest.prediction, days, rule.threshold, missed, alarm)
    best = cheapest(table)
    return [{**row.to_dict(), "is_cheapest": row is best} for row in table]


def curves(use_case: UseCase, latest: Scored) -> dict[str, Any]:
    """Points of the curves of the latest fold: ROC, precision and recall, calibration; of a multi-class task the confusion of
    classes and the calibration of the predicted one; or observed and predicted values."""
    y, prediction = latest.y, latest.prediction
    if use_case.is_multiclass:
        bins = reliability_bins(*correctness(y, prediction))
        return {
            "confusion": {"classes": list(use_case.classes), "rows": confusion(y, prediction).tolist()},
            "calibration": {
                "mean_prediction": [each.mean_prediction for each in bins],
                "observed_ratio": [each.observed_ratio for each in bins],
            },
        }
    if not use_case.is_binary:
        step = max(1, len(y) // CURVE_POINTS)
        return {"observed": y[::step].tolist(), "predicted": prediction[::step].tolist()}
    bins = reliability_bins(y, prediction)
    found: dict[str, Any] = {
        "calibration": {
            "mean_prediction": [each.mean_prediction for each in bins],
            "observed_ratio": [each.observed_ratio for each in bins],
        }
    }
    if len(np.unique(y)) > 1:
        from sklearn.metrics import precision_recall_curve, roc_curve

        false, true, _ = roc_curve(y, prediction)
        precision, recall, _ = precision_recall_curve(y, prediction)
        found["roc"] = {"false_positive_rate": _thin(false), "true_positive_rate": _thin(true)}
        found["precision_recall"] = {"recall": _thin(recall), "precision": _thin(precision)}
    return found


def classes_table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Every class on the latest fold, as a Markdown table."""
    lines = ["| class | rows | predicted | recall | precision | AUC |", "|---|---|---|---|---|---|"]
    for one in reports:
        cells = ["" if one[name] is None else f"{one[name]:.3f}" for name in ("recall", "precision", "auc_roc")]
        lines.append(f"| {one['name']} | {one['rows']:,} | {one['predicted']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def permutation_importances(use_case: UseCase, predictor: Predictor, rows: Dataset) -> dict[str, float]:
    """By how much the selection metric gets worse when a feature's values are shuffled, most important first.

    Breiman, Random Forests, 2001, section 10, by scikit-learn, on rows of the latest fold: every positive, and negatives up to
    `IMPORTANCE_ROWS`. The model was fitted on some of these days, so that the figures say what it uses rather than how well it does.
    """
    from sklearn.inspection import permutation_importance

    metric = make_metric(use_case.training.select_by)
    rng = np.random.default_rng(use_case.training.seed)
    rare = np.flatnonzero(rows.y == 1.0) if use_case.is_binary else np.empty(0, dtype=np.int64)
    others = np.setdiff1d(np.arange(len(rows)), rare)
    room = max(0, min(IMPORTANCE_ROWS - len(rare[:IMPORTANCE_ROWS]), len(others)))
    taken = np.sort(np.concatenate([rare[:IMPORTANCE_ROWS], rng.permutation(others)[:room]]))
    sample = rows.where(np.isin(np.arange(len(rows)), taken))
    sign = 1.0 if metric.higher_is_better else -1.0

    def score(asked: Any, X: Any, y: Any) -> float:
        return sign * metric(Scored(y, asked.predict(X), sample.event_day, sample.group))

    found = permutation_importance(
        _Asked(predictor), sample.X, sample.y, scoring=score, n_repeats=IMPORTANCE_REPEATS,
        random_state=use_case.training.seed,
    )  # fmt: skip
    named = dict(zip(rows.features, found.importances_mean.tolist(), strict=True))
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


class _Asked:
    """A model under the names that scikit-learn asks for."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def fit(self, X: Any, y: Any) -> "_Asked":
        """Nothing: the model is fitted."""
        return self

    def predict(self, X: Any) -> Any:
        """The model's own answer."""
        return self._predictor.predict(np.ascontiguousarray(X))


def _parameters(use_case: UseCase, predictor: Predictor, winner: str) -> dict[str, Any]:
    training, splits = use_case.training, use_case.training.splits
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
        **(
            {"classes": len(use_case.classes), "rarest_class_rows": min(predictor.trained_on.class_rows)}
            if use_case.is_multiclass
            else {"label_mean": predictor.trained_on.label_mean}
        ),
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


def _money(use_case: UseCase, table: list[dict[str, Any]]) -> dict[str, Any]:
    """What the declared threshold would have cost in the latest fold, and the cheapest one, in a sentence."""
    rule = use_case.serving.decision
    if rule is None or rule.costs is None or not table:
        return {}
    unit = f" {rule.costs.currency}" if rule.costs.currency else ""
    now = next(row for row in table if row["is_declared"])
    best = next(row for row in table if row["is_cheapest"])
    return {
        "money": f"threshold {now['threshold']:g} would have cost {now['cost']:,.0f}{unit} in the latest fold; the cheapest, "
        f"{best['threshold']:.3g}, {best['cost']:,.0f}{unit}"
    }


def _link(run: TrackedRun) -> dict[str, Any]:
    """The run's page, where MLflow is a server that has one."""
    return {"mlflow_run_page": dg.MetadataValue.url(run.page)} if run.page else {}


def _picture(use_case: UseCase, latest: Scored, winner: str) -> bytes:
    if use_case.is_multiclass:
        return plot_classes(latest.y, latest.prediction, use_case.classes)
    if use_case.serving.decision is None or not use_case.is_binary:
        return plot_regression(latest.y, latest.prediction)
    return plot_binary(latest.y, {winner: latest.prediction}, use_case.serving.decision.threshold)


@cache
def _installed() -> str:
    """Every installed distribution with its version, as pip writes them."""
    found = {f"{each.metadata['Name']}=={each.version}" for each in distributions() if each.metadata["Name"]}
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def _thin(values: Any) -> list[float]:
    keep = np.unique(np.linspace(0, len(values) - 1, min(CURVE_POINTS, len(values))).astype(int))
    return [round(float(value), 6) for value in values[keep]]


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=isinstance(value, dict) and not _is_ranking(value))


def _is_ranking(value: Mapping[str, Any]) -> bool:
    """Importances stand in their own order."""
    return all(isinstance(item, float) for item in value.values())
