"""One small data set per task and every learner fitted on it; also run as a program, to fit in a fresh process.

Belongs here: what the tests of this tier share. Does not belong here: assertions.
"""

import json
import sys
from pathlib import Path

import numpy as np

from platform_assets.training.artifact import save
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import BY_NAME_ALONE, LEARNERS, make_learner
from platform_assets.training.predictor import Predictor

SMALL = {
    "single_feature": {"highest": 400.0},
    "random_forest": {"n_estimators": 8},
    "xgboost": {"n_estimators": 12, "threads": 2},
    "torch_mlp": {"hidden_units": [16, 8], "max_epochs": 12, "batch_size": 64, "learning_rate": 0.01},
}
EVERY = [(task, name) for name in BY_NAME_ALONE for task in LEARNERS[name].objectives]


def make_rows(task: str) -> Dataset:
    """1,200 rows over six days; the outcome follows amount and ratio, one value in fifty is missing."""
    rng = np.random.default_rng(42)
    n = 1200
    X = np.column_stack([rng.gamma(2.0, 25.0, n).round(2), rng.random(n), rng.integers(0, 9, n).astype(np.float64)])
    signal = X[:, 0] / 25.0 + 4.0 * X[:, 1] - 5.0
    if task == "binary":
        y = (rng.random(n) < 1.0 / (1.0 + np.exp(-signal))).astype(np.float64)
    elif task == "multiclass":
        y = np.digitize(signal + rng.normal(size=n), [-1.0, 1.0]).astype(np.float64)
    else:
        y = 100.0 + 10.0 * signal + rng.normal(size=n)
    X[rng.random(X.shape) < 0.02] = np.nan
    days = np.datetime64("2024-01-01", "D") + (np.arange(n) // 200).astype("timedelta64[D]")
    return Dataset(X, y, days, None, np.arange(n), ("amount", "ratio", "count"))


def fit_small(task: str, name: str, seed: int = 7) -> Predictor:
    """One learner with settings that fit in well under a second."""
    return fit_predictor(make_rows(task), make_learner(name, SMALL.get(name), task), seed)


def save_all(folder: Path) -> dict[str, str]:
    """Every learner fitted and saved below `folder`; digests by task and learner."""
    return {f"{task}/{name}": save(fit_small(task, name), folder / task / name) for task, name in EVERY}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(save_all(Path(sys.argv[1]))))
