"""The guardian: notices that the process manager was killed, and has the target brought back.

Belongs here: noticing, and starting the command that mends. It is run as a script by path, beside the services, so it imports nothing but
the standard library. Does not belong here: how a target is brought up (`mend.py`, `target.py`).

supervisord keeps the guardian running, and the guardian supervisord: only both killed at once stay away, until the next `platform-assets
run`. A target that was stopped on purpose has a file that says so, and is left alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

STOPPED_FILE = "stopped"
"""In the target's root: it was stopped on purpose."""
MEND_MODULE = "platform_assets.deployment.local.mend"
MARK = "PLATFORM_ASSETS_LOCAL_"
"""Begins the variables by which a target finds what it started; what mends is not of that kind."""
POLL_SECONDS = 0.5


def mend(root: Path, arguments: list[str]) -> None:
    """Start what mends, on its own: it outlives this process, which belongs to the process manager that is gone."""
    if (root / STOPPED_FILE).exists():
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith(MARK)}
    with (root / "logs" / "guardian.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", MEND_MODULE, str(root), *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def main(root: Path, arguments: list[str]) -> NoReturn:
    """Wait until the process manager is gone, or ends this process without having been told to stop the target."""

    def ended(*_: object) -> NoReturn:
        mend(root, arguments)
        sys.exit(0)

    signal.signal(signal.SIGTERM, ended)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    ended()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
