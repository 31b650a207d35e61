"""A code location of runs that last until they are told to end.

Belongs here: what the tests of launching load in processes of their own. Does not belong here: any test.
"""

import os
import subprocess
import time
from pathlib import Path

import dagster as dg

FOLDER = "PLATFORM_ASSETS_TESTS_SLOW"


@dg.asset
def first() -> None:
    """Is made at once; counts how often."""
    _count("first")


@dg.asset(deps=[first])
def waits() -> None:
    """Starts a process, says which two are at work, and waits for the file `go`."""
    _count("waits")
    folder = Path(os.environ[FOLDER])
    child = subprocess.Popen(["sleep", "600"])
    (folder / "pids.new").write_text(f"{os.getpid()} {child.pid}")
    (folder / "pids.new").rename(folder / "pids")
    while not (folder / "go").exists():
        time.sleep(0.1)
    child.kill()
    child.wait()


def _count(name: str) -> None:
    with (Path(os.environ[FOLDER]) / f"made_{name}").open("a") as lines:
        lines.write(f"{os.getpid()}\n")


defs = dg.Definitions(
    assets=[first, waits],
    jobs=[dg.define_asset_job("slow", selection=[first, waits])],
    executor=dg.in_process_executor,
)
