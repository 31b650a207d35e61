"""Model quality on the handbook's protocol.

Belongs here: comparing learners on data built in memory, how often the same training gives the same model, and how much of the
result is the simulated world. Does not belong here: Dagster, the lake; simulating (`world.py`).

    python -m benchmarks.quality.topic comparison book '{}'
    python -m benchmarks.quality.topic comparison declared '{}'
    python -m benchmarks.quality.topic world xgboost '{"seed": 1}'

measure in the process they run in, with the simulator settings given, and print JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.usage import measured
from benchmarks.common.world import scored_use_case, simulated, simulator_settings
from platform_assets.declaration import UseCase
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.training_set import training_set
from platform_assets.tasks.registry import make_metrics
from platform_assets.testing.child_process import run_child
from platform_assets.training import artifact
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.compare import Candidate, Comparison, compare, refit
from platform_assets.training.dataset import Dataset, read_dataset
from platform_assets.training.folds import days_needed, prequential_folds, refit_days
from platform_assets.training.learners import make_learner
from platform_assets.training.selection import choose

AS_OF_DAY = 149
BARS: Mapping[str, float] = {"auc_roc": 0.86, "average_precision": 0.65, "group_precision_at_100": 0.28}
SEEDS = range(6)
SEED_LEARNER = "xgboost"
WITH_BOOK = "book"
_FOREST = {"min_samples_leaf": 1, "max_samples": 1.0}
_BOOSTING = {"learning_rate": 0.3, "min_child_weight": 1.0}
BOOK: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "book: forest, library defaults": ("random_forest", {"n_estimators": 100, "max_depth": None, **_FOREST}),
    "book: forest, depth 20": ("random_forest", {"n_estimators": 100, "max_depth": 20, **_FOREST}),
    "book: xgboost, library defaults": ("xgboost", {"n_estimators": 100, "max_depth": 6, **_BOOSTING}),
    "book: xgboost, 50 trees of depth 3": ("xgboost", {"n_estimators": 50, "max_depth": 3, **_BOOSTING}),
}
"""Settings of Le Borgne et al., chapters 3 and 5, on the features declared here; with them the book publishes what `BARS` asks."""


# In a process of its own: one comparison, or one world.


def build_dataset(
    use_case: UseCase, as_of: date, overrides: Mapping[str, Any]
) -> tuple[Dataset, pl.DataFrame, pl.DataFrame]:
    """The training set as of a day, from the simulator through the platform's own features; its frame and the labels too."""
    splits = use_case.training.splits
    days = days_needed(use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds)
    start, last = as_of + timedelta(days=days.first), as_of + timedelta(days=days.last)
    events, labels = simulated(use_case, use_case.history.first_day, last, overrides)
    events = join_labels(events, labels, use_case)
    views = {view.name: compute_view(view, use_case, events, start, last) for view in use_case.features}
    frame = training_set(labels, views, use_case, as_of, start, last)
    return read_dataset(use_case, frame), frame, labels


def compare_learners(use_case: UseCase, dataset: Dataset, as_of: date, candidates: Sequence[Candidate]) -> Comparison:
    """Candidates on the protocol's folds."""
    splits = use_case.training.splits
    folds = prequential_folds(
        as_of, use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds
    )
    return compare(
        dataset,
        folds,
        candidates,
        make_metrics(list(BARS), "binary"),
        use_case.training.seed,
        lambda line: None,
        exclude_known_groups=True,
    )


def _declared(use_case: UseCase) -> list[Candidate]:
    return declared_candidates(use_case.training, use_case.feature_names)


def _comparison(use_case: UseCase, as_of: date, which: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared learner on the protocol, and the book's too, each with its cost; the winner is fitted again."""
    (dataset, _, _), building = measured(lambda: build_dataset(use_case, as_of, overrides))
    book = [Candidate(name, make_learner(kind, settings), baseline=True) for name, (kind, settings) in BOOK.items()]
    compared, learners = [], []
    candidates = [*_declared(use_case), *(book if which == WITH_BOOK else [])]
    day = date.fromisoformat(str(dataset.event_day[0]))
    compare_learners(use_case, dataset, as_of, candidates[:1])  # loads what the metrics need
    for candidate in candidates:
        refit(dataset, (day, day), candidate, use_case.training.seed)  # loads the learner's library
        comparison, usage = measured(lambda one=candidate: compare_learners(use_case, dataset, as_of, [one]))  # type: ignore[misc]
        compared.append(comparison)
        result = comparison.results[0]
        measures = {metric: {"mean": result.mean(metric), "std": result.std(metric)} for metric in BARS}
        learners.append({"name": candidate.name, "metrics": measures, **asdict(usage)})
    own = [comparison.results[0] for comparison in compared[: len(use_case.training.learners)]]
    winner = choose(
        replace(compared[0], results=tuple(own)), use_case.training.select_by, use_case.training.tie_tolerance
    )
    days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
    with tempfile.TemporaryDirectory() as scratch:
        digest = artifact.save(refit(dataset, days, winner, use_case.training.seed), Path(scratch) / "model")
    return {
        "rows": len(dataset),
        "winner": winner.name,
        "digest": digest,
        "building": asdict(building),
        "learners": learners,
    }


def _world(use_case: UseCase, as_of: date, learner: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """One learner in one world, and how much of the fraud had no known precedent."""
    dataset, frame, labels = build_dataset(use_case, as_of, overrides)
    candidate = next(item for item in _declared(use_case) if item.name == learner)
    comparison = compare_learners(use_case, dataset, as_of, [candidate])
    first = min(fold.test_first for fold in comparison.folds)
    return {
        "metrics": comparison.means(learner),
        "fraud_ratio": float(dataset.rows(first, as_of).y.mean()),
        "unprecedented_ratio": unprecedented_ratio(frame, labels, use_case, first),
    }


def unprecedented_ratio(frame: pl.DataFrame, labels: pl.DataFrame, use_case: UseCase, first: date) -> float:
    """Share of terminal fraud (scenario 2) from `first` on at terminals without a known fraud in the last 30 days.

    No model can find these rows by the terminal: when they happened, the labels that would tell had not arrived. NaN when the
    world has no such scenario or the use case no such feature.
    """
    scenario, ratio = "fraud_scenario", "terminal_fraud_ratio_30d"
    if scenario not in labels.columns or ratio not in frame.columns:
        return float("nan")
    key = use_case.event_source.primary_key[0]
    rows = frame.join(labels.select(key, scenario), on=key, how="inner")
    rows = rows.filter((pl.col(scenario) == 2) & (pl.col(use_case.event_time).dt.date() >= first))
    return float((rows[ratio].fill_null(0.0) == 0.0).mean() or 0.0) if len(rows) else float("nan")  # type: ignore[arg-type]


# The report.


def measure_quality(rounds: int, overrides: Mapping[str, Any], log: Callable[[str], None]) -> Topic:
    """Declared learners next to the book's settings, everything made anew in each round.

    Args:
        rounds: fresh processes, each simulating, computing features, comparing and fitting from nothing.
        overrides: simulator settings in place of the declared ones.
        log: told of every round.
    """
    runs = []
    for number in range(rounds):
        which = WITH_BOOK if number == 0 else "declared"
        runs.append(run_child("benchmarks.quality.topic", "comparison", which, json.dumps(dict(overrides))))
        log(f"round {number + 1} of {rounds}: winner {runs[-1]['winner']}, model {runs[-1]['digest'][:19]}")
    first = runs[0]
    costs = {
        learner["name"]: [
            median(run["learners"][position][name] for run in runs if position < len(run["learners"]))
            for name in _COSTS
        ]
        for position, learner in enumerate(first["learners"])
    }
    building = [median(run["building"][name] for run in runs) for name in _COSTS]
    best = next(learner for learner in first["learners"] if learner["name"] == first["winner"])
    means = {metric: best["metrics"][metric]["mean"] for metric in BARS}
    bars = [
        Bar(f"{best['name']}: mean {metric} at least {bound}", f"{means[metric]:.4f}", means[metric] >= bound)
        for metric, bound in BARS.items()
        if not overrides  # they are promised for the declared scale only
    ]
    return Topic(
        "Model quality",
        f"{_protocol(first['rows'])} Every learner sees the same rows; the lines that begin with `book` have the handbook's settings "
        "on the features declared here, and take no part in the choice. Mean and standard deviation over the folds; seconds, CPU "
        "seconds and memory above that of the data are for fitting and predicting all four folds with the libraries loaded, medians "
        f"of {rounds} fresh processes (the book's are fitted in one). Simulating and computing the features took {building[0]:.1f} s, "
        f"{building[1]:.1f} CPU seconds and {building[2]:.0f} MB.",
        ["learner", *BARS, "seconds", "CPU seconds", "added memory MB"],
        [_learner_row(learner, costs[learner["name"]], first["winner"]) for learner in first["learners"]],
        [*bars, *reproducible(runs)],
    )


_COSTS = ("seconds", "cpu_seconds", "added_megabytes")


def measure_worlds(seeds: Sequence[int], overrides: Mapping[str, Any], log: Callable[[str], None]) -> Topic:
    """One learner over simulator seeds: how much of the result is the world.

    Args:
        seeds: simulator seeds.
        overrides: other simulator settings in place of the declared ones.
        log: told of every world.
    """
    use_case = scored_use_case().use_case
    default = simulator_settings(use_case).get("seed", 0)
    rows, kept = [], 0
    for seed in seeds:
        measurement = run_child(
            "benchmarks.quality.topic", "world", SEED_LEARNER, json.dumps({**overrides, "seed": seed})
        )
        means = measurement["metrics"]
        kept += all(means[metric] >= bound for metric, bound in BARS.items())
        rows.append(
            [
                f"{seed}{' (default)' if seed == default else ''}",
                *(f"{means[metric]:.4f}" for metric in BARS),
                f"{measurement['fraud_ratio']:.2%}",
                f"{measurement['unprecedented_ratio']:.0%}",
            ]
        )
        log(f"seed {seed}: " + ", ".join(f"{metric} {means[metric]:.4f}" for metric in BARS))
    return Topic(
        "The same learner in other worlds",
        f"`{SEED_LEARNER}` as declared, the same protocol, one run for each simulator seed; the bars are kept in {kept} of {len(rows)} "
        f"worlds, and the declared default is seed {default}. The last column is the share of terminal fraud in the test weeks at "
        "terminals of which no fraud was known in the 30 days that the features see, because its labels had not arrived: no model can "
        "find it by the terminal.",
        ["simulator seed", *BARS, "fraud in the test weeks", "terminal fraud before any label"],
        rows,
    )


def _protocol(rows: int) -> str:
    return (
        f"The handbook's protocol as of day {AS_OF_DAY}: four weekly folds, train 7 days, wait 7, test 7, {rows:,} rows; cards known to be "
        "compromised when a test begins are left out, and found cards leave card precision's pool (Le Borgne et al., chapters 4 and 5)."
    )


def _learner_row(learner: Mapping[str, Any], costs: Sequence[float], winner: str) -> list[str]:
    measures = [f"{measurement['mean']:.4f} ± {measurement['std']:.4f}" for measurement in learner["metrics"].values()]
    name = f"{learner['name']} (chosen)" if learner["name"] == winner else str(learner["name"])
    return [name, *measures, f"{costs[0]:.1f}", f"{costs[1]:.1f}", f"{costs[2]:.0f}"]


def reproducible(runs: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """Whether all rounds gave the same model and the same metrics to the last digit; nothing to say of a single round."""
    if len(runs) < 2:
        return []
    digests = sorted({run["digest"][:19] for run in runs})
    compared = min(len(run["learners"]) for run in runs)  # one run has the book's as well
    metrics = {json.dumps([learner["metrics"] for learner in run["learners"][:compared]]) for run in runs}
    what = f"trained {len(runs)} times in fresh processes:"
    return [
        Bar(f"{what} the same model", ", ".join(digests), len(digests) == 1),
        Bar(f"{what} the same metrics to the last digit", f"{len(metrics)} different", len(metrics) == 1),
    ]


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    use_case = scored_use_case().use_case
    as_of = use_case.history.first_day + timedelta(days=AS_OF_DAY)
    overrides = json.loads(arguments[-1])
    kind, which = arguments[:2]
    measurement = (_comparison if kind == "comparison" else _world)(use_case, as_of, which, overrides)
    sys.stdout.write(json.dumps(measurement) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
