"""Several processes of this machine fit the network that one process would have fitted.

Belongs here: torch's launcher for real, its result and its failures. Does not belong here: a cluster (`test_two_node_cluster.py`).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from platform_assets.training.distributed.job import Job
from platform_assets.training.distributed.torchrun import train
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import TrainingError, make_learner
from platform_assets.training.predictor import Predictor
from platform_assets_tests.model.fitted_models import make_rows

SMALL = {"hidden_units": [16, 8], "max_epochs": 12, "batch_size": 63, "learning_rate": 0.01, "dropout": 0.1}
TOLERANCE = 1e-5
"""Gradients are float32 and added in another order; the predictions differ by what that makes of the last digits."""


def fitted(workers: int, task: str = "binary", **settings: Any) -> Predictor:
    return fit_predictor(make_rows(task), make_learner("torch_mlp", {**SMALL, "workers": workers, **settings}, task), 7)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [
        child for child in process.children(recursive=True) if "training.distributed.worker" in " ".join(cmd(child))
    ]


def cmd(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def appear(process: psutil.Process, number: int) -> list[psutil.Process]:
    """The workers below a process, once there are so many."""
    deadline = time.monotonic() + 60
    while len(found := workers_of(process)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_three_workers_predict_what_one_process_predicts_and_the_same_to_the_byte_again() -> None:
    """63 rows in a batch, fewer in the last, units left out, early stopping on the last day."""
    X, alone = make_rows("binary").X, fitted(1).predict(make_rows("binary").X)
    first, again = fitted(3), fitted(3)
    np.testing.assert_allclose(first.predict(X), alone, rtol=0.0, atol=TOLERANCE)
    np.testing.assert_array_equal(first.predict(X), again.predict(X))
    assert alone.std() > 0.1
    assert first.settings["workers"] == 3


def test_two_workers_of_a_regression_do_too() -> None:
    X, alone = make_rows("regression").X, fitted(1, "regression")
    together = fitted(2, "regression").predict(X)
    np.testing.assert_allclose(together, alone.predict(X), rtol=TOLERANCE)


def test_a_killed_worker_is_an_error_that_names_it_and_leaves_no_process() -> None:
    this, killed = psutil.Process(), list[psutil.Process]()

    def kill() -> None:
        killed.extend(appear(this, 2))
        killed[1].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TrainingError, match=r"torch_mlp.*worker \d failed: killed by SIGKILL"):
        fitted(2, max_epochs=10_000, patience=10_000)
    killer.join()
    assert not any(process.is_running() for process in killed)


def test_what_a_worker_raises_is_told() -> None:
    settings = make_learner("torch_mlp", {**SMALL, "workers": 2}).settings
    fewer_targets = Job(
        np.zeros((100, 2), np.float32), np.zeros(50, np.float32), np.zeros(100, bool), "binary", settings, 0
    )
    with pytest.raises(TrainingError, match=r"worker \d failed: .*out of (range|bounds)"):
        train(fewer_targets)


def test_when_the_process_that_asked_is_killed_nobody_works_on(tmp_path: Path) -> None:
    code = (
        "from platform_assets_tests.model.test_workers_fit_together import fitted; "
        "fitted(2, max_epochs=1_000_000, patience=1_000_000)"
    )
    asking = psutil.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    workers = appear(asking, 2)
    launcher = workers[0].parent()
    os.kill(asking.pid, signal.SIGKILL)
    asking.wait()
    assert launcher is not None
    _, alive = psutil.wait_procs([launcher, *workers], timeout=20)
    assert not alive
