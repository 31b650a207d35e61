"""A process that has imported what runs need, and splits into one that executes a run whenever it is asked.

A fresh interpreter pays seconds of CPU for the imports of each run, more than a day's work takes. The project's own code is not imported
here but by each run, so that a declaration or a function that was changed counts from the next run on. Libraries count from the next
start of the daemon on.
Belongs here: the process itself, whose one thread must be the only one of Python when it splits. Does not belong here: whoever asks
(`start.py`).
"""

import gc
import importlib.util
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Final, NoReturn

LIBRARIES: Final = (
    "dagster._cli.api",
    "dagster._core.execution.api",
    "polars",
    "deltalake",
    "pyarrow",
    "pandera.polars",
    "pandas",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.metrics",
    "xgboost",
    "numba",
    "matplotlib.pyplot",
    "mlflow.tracking",
    "mlflow.models",
    "feast",
    "feast.infra.online_stores.sqlite",
    "evidently",
)
"""What the jobs of a day import, about 700 MB that runs share. None starts a thread of Python, nor a pool of its own, before it is used."""
STARTED, ENDED = "started", "ended"


def main(libraries: Sequence[str], requests: int, answers: int) -> None:
    """Take requests until the other end closes.

    Args:
        libraries: what is imported first.
        requests: a pipe with a line for each run: the arguments of the `dagster` command as JSON.
        answers: a pipe that takes a line for each process that was started, and one for each that ended: exit code, CPU seconds.
    """
    for library in libraries:
        if importlib.util.find_spec(library.partition(".")[0]) is not None:  # not every installation has every extra
            importlib.import_module(library)
    if threading.active_count() > 1:
        names = [thread.name for thread in threading.enumerate()]
        raise SystemExit(f"an import started threads, and what they hold would stay held in every run: {names}")
    gc.collect()
    gc.freeze()
    wake_up, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asked
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    waiting = b""
    while True:
        ready, _, _ = select.select([requests, wake_up], [], [])
        if wake_up in ready:
            os.read(wake_up, 4096)
            _tell_ended(answers)
        if requests not in ready:
            continue
        read = os.read(requests, 65536)
        if not read:
            return
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                for pipe in (requests, answers, wake_up, waker):
                    os.close(pipe)
                _execute(json.loads(line))
            _tell(answers, STARTED, pid)


def _tell_ended(answers: int) -> None:
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(answers, ENDED, pid, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime)


def _tell(answers: int, *words: object) -> None:
    os.write(answers, (" ".join(map(str, words)) + "\n").encode())


def _execute(arguments: list[str]) -> NoReturn:
    """Do what the command does, and end as a process of its own would."""
    import numpy as np
    from dagster._cli import main as dagster_command

    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    np.random.seed()
    exit_code = 1
    try:
        sys.argv = ["dagster", *arguments]
        dagster_command()  # type: ignore[no-untyped-call] # Dagster gives it no types
        exit_code = 0
    except SystemExit as ended:
        exit_code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
