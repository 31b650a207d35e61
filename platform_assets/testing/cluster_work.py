"""What the benchmark of the cluster runs, inside the namespace with the two nodes; also a program.

Belongs here: searches and fits here and there, a node that is killed, a search that is killed. Does not belong here: the table
(`cluster`), the nodes (`ray_nodes`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.declaration.sections.search import Choices, FloatRange, IntRange
from platform_assets.tasks.registry import make_metrics
from platform_assets.testing.child_process import ROOT, ChildFailed
from platform_assets.testing.ray_nodes import ADDRESS, TwoNodes, wait_for_nodes
from platform_assets.testing.shard_world import Asked, compute, make
from platform_assets.training.dataset import Dataset
from platform_assets.training.distributed.cluster import cluster
from platform_assets.training.distributed.placement import placed
from platform_assets.training.distributed.ray_tune import RayTuneEngine
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.tuning.optuna_engine import OptunaEngine
from platform_assets.training.tuning.search import FoldEvaluation
from platform_assets.training.tuning.trials import Engine, SearchPlan, SearchResult

SPACE: Mapping[str, IntRange | FloatRange | Choices] = {
    "max_depth": IntRange(type="int", low=2, high=8),
    "learning_rate": FloatRange(type="float", low=0.02, high=0.5, log=True),
}
FOLDS = 3
NETWORK = {"hidden_units": [64, 32], "batch_size": 512, "dropout": 0.1}


def simulated_rows(rows: int, seed: int = 0) -> Dataset:
    """Rows of seven days with fifteen features, made here: the outcome follows four of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 15))
    signal_ = 1.5 * X[:, 0] * X[:, 1] + X[:, 2] - np.abs(X[:, 3]) - 2.0
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-signal_))).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + (np.arange(rows) * 7 // rows).astype("timedelta64[D]")
    return Dataset(X, y, days, None, np.arange(rows), tuple(f"x{column}" for column in range(15)))


def evaluation(rows: int, trees: int) -> FoldEvaluation:
    """Trials that fit boosted trees on each of the folds."""
    splits = [(simulated_rows(rows, seed), simulated_rows(rows // 2, 100 + seed)) for seed in range(FOLDS)]
    fixed = {"n_estimators": trees, "threads": 1}
    return FoldEvaluation(splits, make_learner("xgboost", fixed), make_metrics(["average_precision"], "binary")[0])


def plan(trials: int, parallel: int = 1, storage: str | None = None, pruning: Any = "median") -> SearchPlan:
    """The search that is measured."""
    return SearchPlan(
        "measured", SPACE, {}, True, FOLDS, trials, pruning=pruning, parallel=parallel, seed=3, storage=storage
    )


def results(result: SearchResult) -> list[Any]:
    """What is compared of a search: every trial with settings, state and values, to the last digit."""
    return [[t.number, dict(t.settings), list(t.values), t.state] for t in result.trials]


def timed(
    engine: Engine, request: SearchPlan, evaluate: FoldEvaluation, progress: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """One search."""
    started = time.perf_counter()
    result = engine.run(request, evaluate, progress)
    return {
        "seconds": time.perf_counter() - started,
        "in_trials_seconds": sum(trial.seconds for trial in result.trials),
        "trials": results(result),
        "best": result.best.number,
        "resumed": result.resumed,
    }


def searches(trials: int, rows: int, trees: int, rounds: int) -> dict[str, Any]:
    """The same search here and on the cluster, one trial at a time and two, alternating."""
    evaluate = evaluation(rows, trees)
    engines: dict[str, Engine] = {"here": OptunaEngine(), "ray": RayTuneEngine(ADDRESS)}
    runs: dict[str, list[dict[str, Any]]] = {f"{name}{n}": [] for name in engines for n in (1, 2)}
    for _ in range(rounds):
        for parallel in (1, 2):
            for name, engine in engines.items():
                runs[f"{name}{parallel}"].append(timed(engine, plan(trials, parallel), evaluate))
    return runs


def fits(rows: int, epochs: int, rounds: int, how: Sequence[str] = ("one", "torchrun", "ray")) -> dict[str, Any]:
    """The same network fitted by one process, by two here and by two on the cluster."""
    data = simulated_rows(rows)
    settings = {**NETWORK, "max_epochs": epochs, "patience": epochs}
    learners = {
        "one": make_learner("torch_mlp", settings),
        "torchrun": make_learner("torch_mlp", {**settings, "workers": 2}),
        "ray": placed(make_learner("torch_mlp", settings), ADDRESS, workers=2),
    }
    learners = {name: learners[name] for name in how}
    seconds: dict[str, list[float]] = {name: [] for name in learners}
    predictions: dict[str, list[Any]] = {name: [] for name in learners}
    for _ in range(rounds):
        for name, learner in learners.items():
            started = time.perf_counter()
            predictor = fit_predictor(data, learner, seed=5)
            seconds[name].append(time.perf_counter() - started)
            predictions[name].append(predictor.predict(data.X))
    alone = predictions["one"][0]
    return {
        name: {
            "seconds": seconds[name],
            "largest_difference": float(max(np.abs(p - alone).max() for p in predictions[name])),
            "same_again": all(np.array_equal(p, predictions[name][0]) for p in predictions[name]),
        }
        for name in learners
    }


def node_killed(nodes: TwoNodes, ray: Any, trials: int, rows: int, trees: int) -> dict[str, Any]:
    """A search whose second node is killed when two trials have ended; the rest is done by the first.

    The trials are few enough to be drawn at random, each from its own number: two at a time are the same as one at a time.
    """
    evaluate = evaluation(rows, trees)
    request = plan(trials, parallel=2, pruning="none")
    calm = timed(OptunaEngine(), replace(request, parallel=1), evaluate)
    wait_for_nodes(ray, 2)
    ended: list[str] = []

    def progress(line: str) -> None:
        ended.append(line)
        if len(ended) == 2:
            nodes.kill()

    return {"calm": calm, "killed": timed(RayTuneEngine(ADDRESS), request, evaluate, progress)}


def searcher_killed(kills: int, trials: int, rows: int, trees: int) -> dict[str, Any]:
    """A search in a process of its own, killed at random moments and begun again until it is done.

    The process sees none of the nodes' processes, and joins the cluster as another machine would.
    """
    calm = timed(OptunaEngine(), plan(trials), evaluation(rows, trees))
    rng, killed, judged, lines = random.Random(1), 0, 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        search = ["search", f"sqlite:///{scratch}/search.db", str(trials), str(rows), str(trees)]
        alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        while not lines or not lines[-1].startswith("{"):
            child = subprocess.Popen(
                [*alone, sys.executable, "-m", "platform_assets.testing.cluster_work", *search],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert child.stdout is not None
            if killed < kills:
                lines = [child.stdout.readline() for _ in range(rng.randint(1, 2))]
                time.sleep(rng.random() * calm["seconds"] / trials)
                child.send_signal(signal.SIGKILL)
                killed += 1
            lines += child.stdout.readlines()
            ended = child.wait()
            judged += sum(line.startswith("trial ") for line in lines)
            if ended not in (0, -signal.SIGKILL):
                raise ChildFailed(f"the search ended with {ended}: {''.join(lines[-5:])}")
    return {"calm": calm, "resumed": json.loads(lines[-1]), "kills": killed, "judged": judged}


def shards(**how: Any) -> dict[str, Any]:
    """A backfill in chunks here, and on the cluster with a process that is killed once while it computes a shard."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-shards-") as folder:
        asked = Asked(folder, **how)
        make(asked)
        here = compute(replace(asked, kill=None), None)
        return {"here": here, "ray": compute(asked, ADDRESS)}


def print_line(line: str) -> None:
    """A line that whoever started this process sees at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """`all SPECIFICATION`: everything, as JSON. `search STORAGE TRIALS ROWS TREES`: one search on the cluster that is there."""
    result: Mapping[str, Any]
    if arguments[0] == "search":
        trials, rows, trees = (int(word) for word in arguments[2:])
        request = plan(trials, storage=arguments[1])
        result = timed(RayTuneEngine(ADDRESS), request, evaluation(rows, trees), print_line)
    else:
        given = json.loads(Path(arguments[1]).read_text())
        with TwoNodes() as nodes, cluster(ADDRESS) as ray:
            wait_for_nodes(ray, 2)
            steps: dict[str, Callable[..., Any]] = {
                "searches": searches,
                "fits": fits,
                "searcher_killed": searcher_killed,
                "shards": shards,
                "node_killed": lambda **how: node_killed(nodes, ray, **how),
            }
            result = {name: steps[name](**how) for name, how in given.items()}
    print_line("\n" + json.dumps(result))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
