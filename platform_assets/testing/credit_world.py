"""A small world of simulated credit applications, and models of it judged as the model asset would have recorded them.

Belongs here: the declaration, rows of a seed, a fitted model as the gates judge it, an earlier champion. Does not belong here: bad models
(`planted_models.py`), judging (`evaluation/`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.evaluation.judged_model import JudgedModel
from platform_assets.evaluation.recipe import Recipe, recipe_of
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.tasks.registry import metrics_of
from platform_assets.testing.declare import declaration, row
from platform_assets.training import artifact
from platform_assets.training.compare import Candidate, compare
from platform_assets.training.dataset import Dataset, read_dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.folds import prequential_folds
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import Predictor

Vector = NDArray[np.float64]

AS_OF = date(2024, 6, 3)
DAYS, ROWS_A_DAY, MEMBERS, REGIONS = 30, 250, 1500, 3
LEARNER, BASELINE = "model", "constant"

DECLARATION = declaration(
    name="simulated_credit",
    table="applications",
    events={
        "application_id": "int64",
        "applied_at": "datetime",
        "member_id": "int64",
        **dict.fromkeys(("income", "debt", "arrears", "region", "hour"), "float64"),
    },
    label={"is_default": [0, 1]},
    label_delay_days=3,
    history={"first_day": "2024-01-01", "last_day": "2024-12-31"},
    features=[
        {
            "name": "application",
            "entity": "member",
            "rows": [row(name, name) for name in ("income", "debt", "arrears", "region", "hour")],
        }
    ],
    training={
        "group": "member_id",
        "learners": [
            {"name": BASELINE, "kind": "constant", "baseline": True},
            {"name": LEARNER, "kind": "logistic_regression"},
        ],
        "splits": {"train_days": 10, "delay_days": 3, "test_days": 10, "folds": 1},
        "metrics": ["auc_roc", "average_precision", "calibration_error"],
        "select_by": "average_precision",
    },
    gates={
        "baseline_margin": 0.05,
        "champion_tolerance": 0.03,
        "floors": [{"metric": "auc_roc", "bound": 0.7}],
        "plausible": {"auc_roc": 0.97},
        "max_calibration_error": 0.05,
        "max_relative_calibration_error": 0.8,
        "slices": [
            {
                "name": "region",
                "expression": "CASE WHEN region > 1 THEN 'south' WHEN region > 0 THEN 'middle' ELSE 'north' END",
                "metric": "auc_roc",
                "max_drop": 0.2,
                "max_selection_rate_difference": 0.1,
            }
        ],
        "behaviour": [
            {"name": "hour", "kind": "invariance", "change": {"hour": "23 - hour"}, "max_change": 0.25},
            {"name": "debt", "kind": "direction", "change": {"debt": "debt + 1"}, "score": "not_lower"},
            {
                "name": "hopeless",
                "kind": "minimum_case",
                "given": {"income": -3, "debt": 3, "arrears": 3},
                "at_least": 0.5,
            },
        ],
        "max_importance_share": 0.9,
        "min_positives": 50,
        "min_day_ratio": 0.2,
        "max_scoring_milliseconds": 5.0,
        "max_model_megabytes": 2.0,
    },
    decision={"threshold": 0.5, "above": "refuse", "below": "grant"},
)


@cache
def declared() -> UseCase:
    """The world's use case, with every kind of gate."""
    return UseCase.model_validate(DECLARATION)


def simulated_rows(seed: int, as_of: date = AS_OF) -> pl.DataFrame:
    """A training set as of a day: members with incomes, debts and arrears; some credits are not paid back.

    A day is the same whatever the as-of day, so that later training sets continue earlier ones.
    """
    use_case = declared()
    members = np.random.default_rng([seed, 1])
    level = members.normal(size=(MEMBERS, 3))
    region = members.integers(0, REGIONS, MEMBERS).astype(np.float64)
    parts = []
    for number in range(DAYS + use_case.label_delay_days, use_case.label_delay_days - 1, -1):
        day = as_of - timedelta(days=number)
        rng = np.random.default_rng([seed, 2, day.toordinal()])
        who = rng.integers(0, MEMBERS, ROWS_A_DAY)
        x = 0.8 * level[who] + 0.6 * rng.normal(size=(ROWS_A_DAY, 3))
        logit = -3.0 - 0.9 * x[:, 0] + 1.0 * x[:, 1] + 1.2 * x[:, 2]
        label = (rng.random(ROWS_A_DAY) < 1.0 / (1.0 + np.exp(-logit))).astype(np.int8)
        columns = {
            "application_id": day.toordinal() * 100_000 + np.arange(ROWS_A_DAY),
            "member_id": who,
            "applied_at": [datetime.combine(day, clock(), UTC) + timedelta(minutes=n) for n in range(ROWS_A_DAY)],
            **{name: x[:, column] for column, name in enumerate(("income", "debt", "arrears"))},
            "region": region[who],
            "hour": rng.integers(0, 24, ROWS_A_DAY).astype(np.float64),
            "is_default": label,
            "event_day": [day] * ROWS_A_DAY,
            "as_of": [as_of] * ROWS_A_DAY,
        }
        parts.append(pl.DataFrame(columns).select(pl.col(n).cast(t) for n, t in training_set_schema(use_case).items()))
    return pl.concat(parts)


def logistic(rows: Dataset) -> Predictor:
    """The good recipe."""
    return fit_predictor(rows, make_learner("logistic_regression"), declared().training.seed)


def subject_from(
    frame: pl.DataFrame, recipe: Recipe, folder: Path, *, seen: Recipe | None = None, as_of: date = AS_OF
) -> JudgedModel:
    """A model made by a recipe, judged as the model asset would have recorded it.

    Args:
        frame: the training set.
        recipe: how the model is fitted.
        folder: where its own folder is written.
        seen: makes the model whose predictions of the latest fold are recorded; absent for an honest one.
        as_of: the day it is trained as of.
    """
    use_case = declared()
    splits = use_case.training.splits
    dataset = read_dataset(use_case, frame)
    folds = prequential_folds(
        as_of, use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds
    )
    fold = folds[0]
    metrics = metrics_of(use_case)
    baseline = Candidate(BASELINE, make_learner("constant"), baseline=True)
    comparison = compare(dataset, folds, [baseline], metrics, 0, lambda line: None, exclude_known_groups=True)
    judged = comparison.latest_rows
    prediction = (seen or recipe)(dataset.rows(fold.train_first, fold.train_last).as_known(fold.test_first)).predict(
        judged.X
    )
    measured = {metric.name: metric(scored_rows(judged, prediction)) for metric in metrics}
    predictor = recipe(dataset.rows(fold.test_last - timedelta(days=splits.train_days - 1), fold.test_last))
    digest = artifact.save(predictor, folder / "model")
    return JudgedModel(
        use_case=use_case,
        learner=LEARNER,
        predictor=predictor,
        recipe=recipe,
        folder=folder / "model",
        digest=digest,
        comparison={
            "folds": [{"index": 0, "test_first": str(fold.test_first), "test_last": str(fold.test_last)}],
            "candidates": {
                BASELINE: {"baseline": True, "mean": comparison.means(BASELINE)},
                LEARNER: {"baseline": False, "mean": measured},
            },
        },
        fold=fold,
        last_labelled_day=fold.test_last,
        dataset=dataset,
        judged=judged,
        predictions={BASELINE: comparison.latest_predictions[BASELINE], LEARNER: prediction},
        columns=pl.DataFrame({"application_id": judged.key}).join(
            frame, on="application_id", how="left", maintain_order="left"
        ),
    )


def scored_rows(rows: Dataset, prediction: Vector) -> Any:
    """Rows with predictions, as metrics take them."""
    from platform_assets.training.compare import scored

    return scored(rows, prediction)


def fit_by(kind: str, **settings: Any) -> Recipe:
    """The recipe of a learner with settings."""
    learner = make_learner(kind, settings)
    return lambda rows: fit_predictor(rows, learner, declared().training.seed)


def champion(seed: int) -> Predictor:
    """A good model of five days earlier."""
    as_of = AS_OF - timedelta(days=5)
    rows = read_dataset(declared(), simulated_rows(seed, as_of))
    last = as_of - timedelta(days=declared().label_delay_days)
    return logistic(rows.rows(last - timedelta(days=declared().training.splits.train_days - 1), last))


def loaded_recipe(subject: JudgedModel) -> Recipe:
    """The recipe that the saved model's folder tells, as the evaluation asset finds it."""
    return recipe_of(artifact.load(subject.folder))
