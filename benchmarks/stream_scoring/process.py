"""The process that scores, forked from one that has its libraries: `python -m benchmarks.stream_scoring.process FOLDER`.

Belongs here: starting the stream door quickly and often. Does not belong here: the door itself (`serving/doors/stream.py`): what is forked
runs its code and nothing else, and is killed with SIGKILL like a process that was started.

Each line of standard input starts one; its process id is printed.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

LOADED = (
    "feast.infra.online_stores.sqlite",
    "platform_assets.declaration.expressions.compiled",
    "platform_assets.features.online.request_features",
    "serving.doors.broker",
    "serving.doors.messages",
    "serving.runtime",
    "sqlglot",
)


def main(folder: Path) -> None:
    """Fork a scoring process for each line of standard input."""
    from platform_assets.features.feast_import import without_runtime_type_checks
    from platform_assets.training import artifact
    from serving.doors import stream
    from serving.release import read_release

    with without_runtime_type_checks():
        for name in LOADED:
            importlib.import_module(name)
    release = read_release(folder / "release")
    artifact.load(folder / "release" / "model")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # a child's own collection would walk, and copy, all that the parent has loaded
    for _ in sys.stdin:
        child = os.fork()
        if child:
            sys.stdout.write(f"{child}\n")
            sys.stdout.flush()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_, stop=stop: stop.set())
        code = stream.stream_release(release, None, stop, 0, os.environ)
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
