"""A small world for each kind of task: a declaration, rows whose labels follow the features, and a model judged on its latest fold.

Belongs here: what `test_tasks` asks every kind about. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.evaluation.judged_model import JudgedModel
from platform_assets.evaluation.recipe import recipe_of
from platform_assets.lake.schemas import training_set_schema
from platform_assets.tasks.base import Task
from platform_assets.tasks.metric import Scored, Vector
from platform_assets.tasks.registry import metrics_of, task_of
from platform_assets.testing.declare import declare
from platform_assets.training import artifact
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.compare import Comparison, compare, refit, scored, select
from platform_assets.training.dataset import Dataset, from_frame
from platform_assets.training.folds import prequential_folds, refit_days

AS_OF = date(2024, 3, 20)
DAYS, ROWS_A_DAY = 24, 60
SPLITS = {"train_days": 10, "delay_days": 1, "test_days": 8, "folds": 1}
GATES = {"min_training_rows": 100, "min_positives": 5, "max_single_feature": {"auc_roc": 0.999, "r2": 0.9999}}
EVENTS = {"visit": "int64", "at": "datetime", "size": "float64", "age": "float64"}
QUANTILE_LEARNER = {
    "name": "boosted",
    "kind": "estimator",
    "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
    "settings": {"loss": "quantile", "quantile": 0.9, "max_iter": 40, "random_state": 0},
}
CONSTANT = {"name": "constant", "kind": "constant", "baseline": True}


@dataclass(frozen=True)
class Kind:
    """How a kind of task is declared and what its labels are.

    Attributes:
        label: the label's column.
        label_of: labels from a signal of mean 0 and variance 2, and a generator.
        training: fields of the section beyond the default of the label.
    """

    label: Mapping[str, Any]
    label_of: Callable[[Vector, np.random.Generator], list[Any]]
    training: Mapping[str, Any]


KINDS: Mapping[str, Kind] = {
    "binary": Kind(
        {"unpaid": [0, 1]},
        lambda signal, rng: (rng.random(len(signal)) < 1.0 / (1.0 + np.exp(-2.0 * signal))).astype(int).tolist(),
        {"metrics": ["auc_roc", "average_precision", "brier", "log_loss", "calibration_error"]},
    ),
    "multiclass": Kind(
        {"desk": ["north", "middle", "south"]},
        lambda signal, rng: [
            ("north", "middle", "south")[place]
            for place in np.digitize(signal + 0.3 * rng.normal(size=len(signal)), [-0.7, 0.7])
        ],
        {"metrics": ["balanced_accuracy", "accuracy", "macro_f1", "worst_class_recall", "auc_roc", "log_loss"]},
    ),
    "regression": Kind(
        {"minutes": "float64"},
        lambda signal, rng: (30.0 + 8.0 * signal + rng.normal(size=len(signal))).tolist(),
        {"metrics": ["rmse", "mae", "r2"]},
    ),
    "quantile": Kind(
        {"minutes": "float64"},
        lambda signal, rng: (30.0 + 8.0 * signal + rng.normal(size=len(signal))).tolist(),
        {
            "metrics": ["pinball_loss", "coverage_error"],
            "select_by": "pinball_loss",
            "learners": [CONSTANT, QUANTILE_LEARNER],
        },
    ),
}


@dataclass(frozen=True)
class World:
    """One kind of task, with a model of it."""

    use_case: UseCase
    frame: pl.DataFrame
    comparison: Comparison
    model: JudgedModel

    @property
    def task(self) -> Task:
        return task_of(self.use_case)

    @property
    def scored(self) -> Scored:
        return scored(self.model.judged, self.model.prediction)


def make_world(name: str, folder: Path) -> World:
    """Declared, trained, and ready to be judged."""
    kind = KINDS[name]
    use_case = declare(
        name=f"{name}_world",
        events=EVENTS,
        label=kind.label,
        training={"task": name, "splits": SPLITS, **kind.training},
        gates=GATES,
    )
    frame = rows_of(use_case, kind)
    dataset = read(use_case, frame)
    splits, delay = use_case.training.splits, use_case.label_delay_days
    folds = prequential_folds(AS_OF, delay, splits.train_days, splits.delay_days, splits.test_days, splits.folds)
    candidates = declared_candidates(use_case.training, use_case.feature_names)
    comparison = compare(dataset, folds, candidates, metrics_of(use_case), 0, lambda line: None)
    winner = select(comparison, use_case.training.select_by)
    predictor = refit(dataset, refit_days(AS_OF, delay, splits.train_days), winner, use_case.training.seed)
    digest = artifact.save(predictor, folder / "model")
    loaded = artifact.load(folder / "model")
    latest = folds[0]
    return World(
        use_case,
        frame,
        comparison,
        JudgedModel(
            use_case=use_case,
            learner=winner.name,
            predictor=loaded,
            recipe=recipe_of(loaded),
            folder=folder / "model",
            digest=digest,
            comparison={
                "candidates": {
                    result.candidate.name: {
                        "baseline": result.candidate.baseline,
                        "mean": comparison.means(result.candidate.name),
                    }
                    for result in comparison.results
                }
            },
            fold=latest,
            last_labelled_day=latest.test_last,
            dataset=dataset,
            judged=comparison.latest_rows,
            predictions=comparison.latest_predictions,
            columns=pl.DataFrame({"visit": comparison.latest_rows.key}).join(
                frame, on="visit", how="left", maintain_order="left"
            ),
        ),
    )


def rows_of(use_case: UseCase, kind: Kind) -> pl.DataFrame:
    """A training set as of the day."""
    parts = []
    for number in range(DAYS, 0, -1):
        day = AS_OF - timedelta(days=number)
        rng = np.random.default_rng(day.toordinal())
        size, age = rng.normal(size=(2, ROWS_A_DAY))
        start = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
        columns = {
            "visit": day.toordinal() * 1000 + np.arange(ROWS_A_DAY),
            "at": [start + timedelta(minutes=minute) for minute in range(ROWS_A_DAY)],
            "size": size,
            "age": age,
            use_case.label.column: kind.label_of(size + age, rng),
            "event_day": [day] * ROWS_A_DAY,
            "as_of": [AS_OF] * ROWS_A_DAY,
        }
        schema = training_set_schema(use_case)
        parts.append(pl.DataFrame(columns).select(pl.col(name).cast(of) for name, of in schema.items()))
    return pl.concat(parts)


def read(use_case: UseCase, frame: pl.DataFrame) -> Dataset:
    """The training set as arrays."""
    return from_frame(
        frame,
        features=use_case.feature_names,
        label=use_case.label.column,
        group=use_case.training.group,
        key="visit",
        time="at",
        classes=use_case.classes,
    )
