"""Fitting a network by several processes of this machine.

Belongs here: handing a job to torch's launcher and taking the result, or the reason why there is none. Does not belong here: what
the processes do (`worker`), clusters (`distributed/ray_train`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from platform_assets.training.network.job import Job, Layers, WorkersFailed, read_layers
from platform_assets.training.network.launch import FAILURES

_LOG = "log.txt"
_STOP_SECONDS = 10.0
_SHOWN_LINES = 3


def train(job: Job) -> Layers:
    """Fit with as many processes as the learner's `workers`; the result is that of one process up to rounding.

    Raises:
        WorkersFailed: a worker failed or was killed; the message says which and why. No process is left.
    """
    workers = int(job.settings["workers"])
    with tempfile.TemporaryDirectory(prefix="platform-assets-fit-") as scratch:
        folder = Path(scratch)
        job.write(folder)
        code = _launch(folder, workers)
        if code != 0:
            raise WorkersFailed(f"learner 'torch_mlp' with {workers} workers: {failure_reason(folder, code)}")
        return read_layers(folder)


def _launch(folder: Path, workers: int) -> int:
    """Run the launcher to its end; whatever happens to this process meanwhile, the launcher does not outlive it."""
    command = [sys.executable, "-m", "platform_assets.training.network.launch", str(folder), str(workers)]
    root = Path(__file__).parents[3]
    with (folder / _LOG).open("w", encoding="utf-8") as log:
        launcher = subprocess.Popen(
            command, cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            return launcher.wait()
        except BaseException:
            _stop(launcher)
            raise


def _stop(launcher: subprocess.Popen[bytes]) -> None:
    """Ask the launcher to end its workers and itself; insist if it does not."""
    launcher.terminate()
    try:
        launcher.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()


def failure_reason(folder: Path, code: int) -> str:
    """Which worker failed, with its error message or the end of the launcher's log."""
    if (folder / FAILURES).exists():
        failures = json.loads((folder / FAILURES).read_text(encoding="utf-8"))
        first = failures[0]
        others = f" ({len(failures) - 1} more ended with it)" if len(failures) > 1 else ""
        return f"worker {first['rank']} failed: {first['problem']}{others}"
    ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    lines = (folder / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_SHOWN_LINES:]
    return f"the launcher {ended}: {' / '.join(lines) or 'it said nothing'}"
