"""Several processes of this machine fit the network that one process would have fitted.

Belongs here: torch's launcher for real, its result and its failures. Does not belong here: a cluster (`test_two_node_cluster.py`).
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.network.job import Job, WorkersFailed
from platform_assets.training.network.torchrun import train
from platform_assets.training.predictor import Predictor
from platform_assets_tests.model.fitted_models import make_rows

SMALL = {
    "hidden_units": [16, 8],
    "max_epochs": 12,
    "batch_size": 63,
    "learning_rate": 0.01,
    "dropout": 0.1,
    "class_weight": "balanced",
    "categories": [2],
}
TOLERANCE = 1e-5
"""Gradients are float32 and added in another order; the predictions differ by what that makes of the last digits."""


def fitted(workers: int) -> Predictor:
    return fit_predictor(make_rows("binary"), make_learner("torch_mlp", {**SMALL, "workers": workers}), 7)


def endless() -> Job:
    """A fit that goes on until somebody ends it."""
    settings = make_learner("torch_mlp", {"workers": 2, "max_epochs": 10_000, "patience": 10_000}).settings
    rows = np.zeros((4000, 2), np.float32)
    return Job(rows, rows[:, 0], np.zeros(len(rows), bool), "binary", settings, 0)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if "training.network.worker" in " ".join(cmd(child))]


def cmd(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def appear(process: psutil.Process, number: int) -> list[psutil.Process]:
    """The workers below a process, once there are so many."""
    deadline = time.monotonic() + 180
    while len(found := workers_of(process)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_two_workers_predict_what_one_process_predicts() -> None:
    """63 rows in a batch, fewer in the last, units left out, embedded codes, weighted classes, early stopping on the last day."""
    X = make_rows("binary").X
    alone, together = fitted(1), fitted(2)
    np.testing.assert_allclose(together.predict(X), alone.predict(X), rtol=0.0, atol=TOLERANCE)
    assert alone.predict(X).std() > 0.1
    assert together.settings["workers"] == 2


def test_a_killed_worker_is_an_error_that_names_it_and_leaves_no_process() -> None:
    this, killed = psutil.Process(), list[psutil.Process]()

    def kill() -> None:
        killed.extend(appear(this, 2))
        killed[1].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(WorkersFailed, match=r"torch_mlp.*worker \d failed: killed by SIGKILL"):
        train(endless())
    killer.join()
    assert not any(process.is_running() for process in killed)


def test_when_the_process_that_asked_is_killed_nobody_works_on() -> None:
    asking = psutil.Popen(
        [sys.executable, "-m", "platform_assets_tests.model.test_workers_fit_together"], cwd=Path(__file__).parents[2]
    )
    workers = appear(psutil.Process(asking.pid), 2)
    launcher = workers[0].parent()
    os.kill(asking.pid, signal.SIGKILL)
    asking.wait()
    assert launcher is not None
    _, alive = psutil.wait_procs([launcher, *workers], timeout=60)
    assert not alive


if __name__ == "__main__":
    train(endless())
