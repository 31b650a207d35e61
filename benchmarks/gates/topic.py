"""Model gates: which stop planted bad models, how often a good one is refused, and what the comparison with the champion decides.

Belongs here: counting verdicts over seeds and weeks. Does not belong here: planting (`planted_models.py`), the gates (`evaluation/`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import scored_use_case, simulated
from platform_assets.declaration import UseCase
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.evaluation.judged_model import JudgedModel, against_champion, alone
from platform_assets.evaluation.metrics.bootstrap import BootstrapDifference, paired_difference
from platform_assets.evaluation.recipe import Recipe
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.training_set import training_set
from platform_assets.tasks.registry import task_of
from platform_assets.testing.credit_world import AS_OF, champion, fit_by
from platform_assets.testing.planted_models import KINDS, good
from platform_assets.training.compare import scored
from platform_assets.training.dataset import Dataset, read_dataset, rows_to_judge
from platform_assets.training.folds import days_needed, prequential_folds, refit_days
from platform_assets.training.predictor import Predictor

SEEDS = range(10)
GOOD_SEEDS = range(100)
WEEKS = 12
WORLD_SEEDS = range(3)
"""Simulated worlds for the comparison with the champion; each has so many weeks."""
WORLD_SCALE: Mapping[str, Any] = {"customers": 2500, "terminals": 5000}
LEAST_CAUGHT_RATIO = 0.9
"""Of challengers that are worse by more than twice the tolerance, in the mean over all weeks."""

GOOD_CHALLENGERS: Mapping[str, Recipe] = {
    "the champion's own recipe": fit_by("xgboost"),
    "twice the trees at half the rate": fit_by("xgboost", n_estimators=200, learning_rate=0.04),
    "nine tenths of the rows for each tree": fit_by("xgboost", subsample=0.9),
}
BAD_CHALLENGERS: Mapping[str, Recipe] = {
    "five trees of depth 2": fit_by("xgboost", n_estimators=5, max_depth=2),
    "logistic regression": fit_by("logistic_regression"),
}


def judged(subject: JudgedModel, seed: int, *, with_champion: bool) -> Verdict:
    """The verdict on a model of the small world."""
    rows = against_champion(subject, champion(seed)) if with_champion else alone(subject)
    return judge(subject, rows, AS_OF, has_champion=with_champion)


def red_gates(verdict: Verdict) -> set[str]:
    """The gates that failed."""
    return {gate.name for gate in verdict.gates if not gate.passed}


@dataclass(frozen=True)
class Week:
    """One retraining: everything known as of a day, and the champion of a week before.

    Attributes:
        as_of: the day.
        dataset: the training set.
        champion: fitted as of a week before.
        fold_rows: the latest fold's training rows.
        judged: the latest fold's test rows.
    """

    as_of: date
    dataset: Dataset
    champion: Predictor
    fold_rows: Dataset
    judged: Dataset


def weeks(use_case: UseCase, overrides: Mapping[str, Any], count: int, recipe: Recipe) -> Iterator[Week]:
    """Retrainings a week apart, the last as of the end of the history."""
    splits, delay = use_case.training.splits, use_case.label_delay_days
    last = use_case.history.last_day
    assert last is not None
    needed = days_needed(delay, splits.train_days, splits.delay_days, splits.test_days, splits.folds)
    first_as_of = last - timedelta(days=7 * (count - 1))
    start = first_as_of + timedelta(days=needed.first)
    events, labels = simulated(use_case, use_case.history.first_day, last, overrides)
    events = join_labels(events, labels, use_case)
    views = {view.name: compute_view(view, use_case, events, start, last) for view in use_case.features}
    for number in range(count):
        as_of = first_as_of + timedelta(days=7 * number)
        days = as_of + timedelta(days=needed.first), as_of + timedelta(days=needed.last)
        dataset = read_dataset(use_case, training_set(labels, views, use_case, as_of, *days))
        fold = prequential_folds(as_of, delay, splits.train_days, splits.delay_days, splits.test_days, splits.folds)[0]
        before = refit_days(as_of - timedelta(days=7), delay, splits.train_days)
        yield Week(
            as_of,
            dataset,
            recipe(dataset.rows(*before)),
            dataset.rows(fold.train_first, fold.train_last),
            rows_to_judge(dataset, fold, use_case.training.group is not None),
        )


def compared(use_case: UseCase, week: Week, recipe: Recipe) -> BootstrapDifference:
    """Challenger against champion, both fitted on the champion's days: what the gate decides on."""
    fold = prequential_folds(week.as_of, use_case.label_delay_days, 1, use_case.training.splits.delay_days, 1, 1)[0]
    subject = JudgedModel(
        use_case=use_case,
        learner="challenger",
        predictor=week.champion,
        recipe=recipe,
        folder=Path(),
        digest="",
        comparison={},
        fold=fold,
        last_labelled_day=fold.test_last,
        dataset=week.dataset,
        judged=week.judged,
        predictions={"challenger": np.zeros(len(week.judged))},
        columns=pl.DataFrame(),
    )
    rows = against_champion(subject, week.champion)
    assert rows.champion is not None
    first, second = scored(rows.rows, rows.model), scored(rows.rows, rows.champion)
    return paired_difference(
        task_of(use_case).metric(use_case.training.select_by), first, second, use_case.gates.confidence
    )


def out_of_fold_difference(use_case: UseCase, week: Week, recipe: Recipe) -> float:
    """The named alternative: the challenger's out-of-fold model against the champion's own fit, as it is measured."""
    metric = task_of(use_case).metric(use_case.training.select_by)
    own = recipe(week.fold_rows).predict(week.judged.X)
    champion_prediction = week.champion.predict(week.judged.X)
    sign = 1.0 if metric.higher_is_better else -1.0
    return sign * (metric(scored(week.judged, own)) - metric(scored(week.judged, champion_prediction)))


# The report.


def measure_model_gates(
    log: Callable[[str], None], seeds: Sequence[int] = SEEDS, good_seeds: Sequence[int] = GOOD_SEEDS
) -> Topic:
    """Planted bad models by kind, and good ones.

    Args:
        log: told of every kind.
        seeds: each kind is planted in so many worlds.
        good_seeds: worlds with a good model and a good champion.
    """
    rows, bars = [], []
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        for number, (kind, (plant, meant)) in enumerate(KINDS.items()):
            result = [
                red_gates(
                    judged(plant(seed, Path(scratch) / f"{number}-{seed}"), seed, with_champion=meant.startswith("no_"))
                )
                for seed in seeds
            ]
            caught, stopped = sum(meant in red for red in result), sum(bool(red) for red in result)
            rows.append([kind, meant, f"{caught} of {len(result)}", f"{stopped} of {len(result)}"])
            bars.append(Bar(f"{kind}: stopped by `{meant}`", f"{caught} of {len(result)}", caught == len(result)))
            log(f"{kind}: {caught} of {len(result)} by {meant}")
        refused = {}
        for seed in good_seeds:
            red = red_gates(judged(good(seed, Path(scratch) / f"good-{seed}"), seed, with_champion=True))
            if red:
                refused[seed] = red
        log(f"good models refused: {len(refused)} of {len(good_seeds)} {refused or ''}")
    rows.append(["good model, good champion", "none", f"{len(refused)} of {len(good_seeds)} refused", ""])
    bars.append(Bar("a good model is refused never", f"{len(refused)} of {len(good_seeds)}", not refused))
    return Topic(
        "Bad models and the gates",
        f"A small world of credits (simulated), {len(seeds)} seeds of each kind of bad model, judged by every kind of gate at once; "
        "`stopped` counts a red gate of any kind. A good model is judged next to a champion of five days earlier.",
        ["what was done to the model", "gate meant for it", "red", "stopped"],
        rows,
        bars,
    )


def measure_champion_comparison(
    log: Callable[[str], None],
    worlds: Sequence[int] = WORLD_SEEDS,
    count: int = WEEKS,
    scale: Mapping[str, Any] = WORLD_SCALE,
) -> Topic:
    """Challengers against the champion of the week before, over simulated weeks.

    Args:
        log: told of every world.
        worlds: simulator seeds.
        count: retrainings in each, a week apart.
        scale: simulator settings in place of the declared ones.
    """
    use_case = scored_use_case().use_case
    tolerance = use_case.gates.champion_tolerance
    champion_recipe = next(iter(GOOD_CHALLENGERS.values()))
    challengers = {**GOOD_CHALLENGERS, **BAD_CHALLENGERS}
    result: dict[str, list[tuple[BootstrapDifference, float]]] = {name: [] for name in challengers}
    for seed in worlds:
        for week in weeks(use_case, {**scale, "seed": seed}, count, champion_recipe):
            for name, recipe in challengers.items():
                difference = compared(use_case, week, recipe)
                result[name].append((difference, out_of_fold_difference(use_case, week, recipe)))
        log(f"world {seed}: {count} weeks")
    rows, bars = [], []
    for name, pairs in result.items():
        mean, before = np.mean([pair[0].difference for pair in pairs]), np.mean([pair[1] for pair in pairs])
        margin = np.mean([pair[0].difference - pair[0].lower for pair in pairs])
        refused = sum(pair[0].lower < -tolerance for pair in pairs)
        old = sum(pair[1] < -tolerance for pair in pairs)
        total = len(pairs)
        rows.append(
            [name, f"{mean:+.4f}", f"{margin:.4f}", f"{refused} of {total}", f"{before:+.4f}", f"{old} of {total}"]
        )
        if name in GOOD_CHALLENGERS:
            bars.append(Bar(f"{name}: refused never", f"{refused} of {total}", refused == 0))
        elif mean < -2 * tolerance:
            kept = refused >= LEAST_CAUGHT_RATIO * total
            bars.append(Bar(f"{name}: refused in at least {LEAST_CAUGHT_RATIO:.0%}", f"{refused} of {total}", kept))
    return Topic(
        "No worse than the champion",
        f"{len(worlds)} worlds (simulated) with {count} weekly retrainings each; the champion is xgboost as of the week before, the "
        f"challengers have other recipes, and {use_case.training.select_by} may be worse by {tolerance:g}. The gate fits the challenger's "
        "recipe on the champion's days and asks for the lower bound of the difference (95 %, paired bootstrap over card holders); the "
        "alternative takes the challenger's out-of-fold model, fitted two weeks earlier, against the champion's own fit, as measured.",
        [
            "challenger",
            "difference",
            "to its lower bound",
            "refused",
            "difference, out of fold",
            "refused, out of fold",
        ],
        rows,
        bars,
    )
