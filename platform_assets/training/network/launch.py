"""Torch's own launcher in a process of its own: starts the workers, watches them, ends them all when one fails.

Belongs here: calling torchrun, saying which worker failed, and ending when whoever asked for it is gone. Does not belong here: what
a worker does (`worker`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAILURES = "failures.json"
_WATCH_SECONDS = 0.2
_FAILED = 3


def end_with_parent(end: Callable[[], None]) -> None:
    """Call `end` soon after the process that started this one is gone: nothing keeps on working for nobody."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        end()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main(arguments: list[str]) -> int:
    """`folder workers`: run the job in `folder` in so many processes; 0 when it is done."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    folder, workers = Path(arguments[0]), int(arguments[1])
    end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    options = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={workers}", "--max-restarts=0"]
    options.append(f"--log-dir={folder / 'workers'}")
    worker = ["-m", "platform_assets.training.network.worker", str(folder)]
    try:
        run.run(run.parse_args([*options, *worker]))
    except ChildFailedError as error:
        ordered = sorted(error.failures.items(), key=lambda item: (_consequence(item[1]), item[0]))
        failed = [{"rank": rank, "problem": _problem(failure)} for rank, failure in ordered]
        (folder / FAILURES).write_text(json.dumps(failed), encoding="utf-8")
        return _FAILED
    return 0


def _consequence(failure: Any) -> int:
    """How likely a failure comes of another: a kill least; then what was raised; most what the launcher ended itself."""
    return 2 if failure.exitcode == -signal.SIGTERM else int(failure.exitcode > 0)


def _problem(failure: Any) -> str:
    """Why a worker ended: the signal, or the last line of what it raised."""
    if failure.exitcode < 0:
        return f"killed by {failure.signal_name()}"
    message = failure.error_file_data.get("message", failure.message)
    text = message["message"] if isinstance(message, dict) else message
    return str(text).strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
