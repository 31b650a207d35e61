"""What training costs beside the bare library: many rows, and many trials.

Belongs here: time and memory of a fit on a large training set, and the overhead of the search's loop. Does not belong here: how good the
models are (`topic.py`, `comparison.py`).

    python -m benchmarks.training.topic rows ours 20000000
    python -m benchmarks.training.topic rows bare 20000000
    python -m benchmarks.training.topic trials ours 12

measure in the process they run in and print JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import psutil

from benchmarks.common.report import Bar, Topic
from platform_assets.declaration.sections.search import FloatRange, IntRange, Search
from platform_assets.tasks.registry import make_metrics
from platform_assets.testing.child_process import run_child
from platform_assets.training.compare import Candidate, scored
from platform_assets.training.dataset import Dataset, from_frame
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.tuning.search import search_candidate
from platform_assets.training.tuning.trials import Trial

FEATURES = tuple(f"feature_{number:02d}" for number in range(15))
ROWS, TRIALS = 20_000_000, 12
MOST_GIGABYTES, MOST_RATIO, MOST_OVERHEAD_RATIO = 12.0, 1.3, 0.10
SETTINGS: Mapping[str, Any] = {"n_estimators": 20, "max_depth": 4, "max_bin": 256, "threads": 2}
_TRIAL_ROWS = 60_000


# In a process of its own.


def _frame(rows: int) -> pl.DataFrame:
    """A training set as the lake gives it, in order of time, made of random numbers; one row in a hundred is positive."""
    rng = np.random.default_rng(0)
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    columns = {name: rng.random(rows) for name in FEATURES}
    signal = columns[FEATURES[0]] + columns[FEATURES[1]] > 1.86
    return pl.DataFrame(
        {
            "key": np.arange(rows),
            "time": pl.Series(np.arange(rows) * 1_000_000).cast(pl.Duration("us")) + begin,
            **columns,
            "label": (signal ^ (rng.random(rows) < 0.002)).astype(np.int8),
        }
    )


def _dataset(rows: int) -> Dataset:
    return from_frame(_frame(rows), FEATURES, "label", group=None, key="key", time="time")


def _rows(which: str, rows: int) -> dict[str, Any]:
    """Fit once: by the platform, or by the library alone on the same matrix with the same settings."""
    import xgboost

    started = time.perf_counter()
    dataset = _dataset(rows)
    built = time.perf_counter()
    learner = make_learner("xgboost", SETTINGS)
    if which == "ours":
        fit_predictor(dataset, learner, seed=0)
    else:
        settings = learner.settings
        data = xgboost.QuantileDMatrix(
            dataset.X, label=dataset.y, max_bin=settings["max_bin"], nthread=settings["threads"]
        )
        parameters = {
            "objective": "binary:logistic",
            "base_score": 0.5,
            "tree_method": "hist",
            **{name: settings[name] for name in ("max_bin", "max_depth", "learning_rate", "min_child_weight")},
            "nthread": settings["threads"],
        }
        xgboost.train(parameters, data, num_boost_round=settings["n_estimators"])
    memory = psutil.Process().memory_info()
    peak_bytes = _peak_bytes() or memory.rss
    return {"seconds": time.perf_counter() - built, "making_seconds": built - started, "gigabytes": peak_bytes / 1e9}


def _peak_bytes() -> int:
    """The most memory that was ever resident, as the system counts it; 0 where it does not."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = status.read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _trials(which: str, trials: int) -> dict[str, Any]:
    """The search's loop with its storage, or only what it judges: the same settings fitted and measured on the same folds."""
    dataset = _dataset(_TRIAL_ROWS)
    half = np.arange(len(dataset)) < len(dataset) // 2
    splits = [(dataset.where(half), dataset.where(~half)), (dataset.where(~half), dataset.where(half))]
    search = Search(
        space={
            "max_depth": IntRange(type="int", low=2, high=6),
            "learning_rate": FloatRange(type="float", low=0.03, high=0.3, log=True),
        },
        trials=trials,
        pruning="none",
    )
    candidate = Candidate("xgboost", make_learner("xgboost", {"n_estimators": 60, "threads": 1}))
    [metric] = make_metrics(["average_precision"], "binary")
    fit_predictor(splits[0][0], candidate.learner.with_settings({"n_estimators": 1}), 0)  # loads the library
    with tempfile.TemporaryDirectory() as scratch:
        storage = f"sqlite:///{Path(scratch) / 'trials.db'}"
        warm = search.model_copy(update={"trials": 1})
        search_candidate(
            candidate, warm, splits, metric, 1, lambda line: None, storage=storage
        )  # loads Optuna, makes the tables
        started, cpu = time.perf_counter(), time.process_time()
        _, result = search_candidate(candidate, search, splits, metric, 0, lambda line: None, storage=storage)
        loop = [time.perf_counter() - started, time.process_time() - cpu]
    started, cpu = time.perf_counter(), time.process_time()
    for trial in result.trials:
        learner = candidate.learner.with_settings(Trial(0, trial.settings, 0).settings)
        for train, test in splits:
            metric(scored(test, fit_predictor(train, learner, 0).predict(test.X)))
    bare = [time.perf_counter() - started, time.process_time() - cpu]
    return {"seconds": loop[0], "cpu_seconds": loop[1], "bare_seconds": bare[0], "bare_cpu_seconds": bare[1]}


# The report.


def measure_training(rows: int, trials: int, rounds: int, progress: Callable[[str], None]) -> Topic:
    """Time and memory of a large fit beside the library's, and of the search's loop beside what it judges.

    Args:
        rows: of the large fit.
        trials: of the search.
        rounds: fresh processes for each; medians are reported.
        progress: told of every round.
    """
    results: dict[str, dict[str, float]] = {}
    for which in ("bare", "ours"):
        runs = [run_child("benchmarks.training.topic", "rows", which, str(rows)) for _ in range(rounds)]
        results[which] = {name: median(run[name] for run in runs) for name in runs[0]}
        progress(f"{rows:,} rows, {which}: {results[which]['seconds']:.1f} s, {results[which]['gigabytes']:.2f} GB")
    runs = [run_child("benchmarks.training.topic", "trials", "ours", str(trials)) for _ in range(rounds)]
    loop = {name: median(run[name] for run in runs) for name in runs[0]}
    progress(f"{trials} trials: {loop['cpu_seconds']:.1f} CPU s, bare {loop['bare_cpu_seconds']:.1f} CPU s")
    ratio = results["ours"]["seconds"] / results["bare"]["seconds"]
    overhead = loop["cpu_seconds"] / loop["bare_cpu_seconds"] - 1.0
    return Topic(
        "Training on many rows, and the loop of a search",
        f"{rows:,} rows of {len(FEATURES)} random features, {SETTINGS['n_estimators']} trees of depth {SETTINGS['max_depth']}, "
        f"{SETTINGS['max_bin']} bins, {SETTINGS['threads']} threads, medians of {rounds} fresh processes. Bare is xgboost's own "
        "QuantileDMatrix and train on the same matrix; the platform adds what learns the imputation. GB (10^9 bytes) are the most that was "
        f"resident, the table in polars and the arrays made of it included. The search judges {trials} trials on two folds of "
        f"{_TRIAL_ROWS // 2:,} rows with a SQLite file as its storage; bare fits and measures the same settings in a loop, CPU seconds.",
        ["what", "bare", "platform", "ratio"],
        [
            ["seconds to fit", *(f"{results[which]['seconds']:.1f}" for which in ("bare", "ours")), f"{ratio:.2f}"],
            ["peak GB", *(f"{results[which]['gigabytes']:.2f}" for which in ("bare", "ours")), ""],
            [
                "CPU seconds of a search",
                f"{loop['bare_cpu_seconds']:.1f}",
                f"{loop['cpu_seconds']:.1f}",
                f"{1 + overhead:.2f}",
            ],
        ],
        [
            Bar(
                f"training on {rows:,} rows under {MOST_GIGABYTES:.0f} GB",
                f"{results['ours']['gigabytes']:.1f} GB",
                results["ours"]["gigabytes"] < MOST_GIGABYTES,
            ),
            Bar(f"within {MOST_RATIO} times bare xgboost", f"{ratio:.2f}", ratio <= MOST_RATIO),
            Bar("the search's loop adds less than 10 %", f"{overhead:.1%}", overhead < MOST_OVERHEAD_RATIO),
        ],
    )


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    kind, which, size = arguments
    results = (_rows if kind == "rows" else _trials)(which, int(size))
    sys.stdout.write(json.dumps(results) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
