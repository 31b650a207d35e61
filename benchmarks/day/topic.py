"""What a day costs: features and online store of the default use case, beside the commit before states were packed and brought forward.

Belongs here: the tables that both commits read, and the comparison. Does not belong here: what is measured in each (`side.py`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks.common.before import BEFORE_COMMIT, tree_before
from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import scored_use_case, simulated
from platform_assets.declaration import EVENT_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.testing.child_process import ROOT

TITLE = "What a day costs"
DAYS = 3
LEAST_TIMES_STORE = 8.0
TIMEOUT_SECONDS = 1_800.0


def measure_day(overrides: Mapping[str, Any], log: Callable[[str], None]) -> Topic:
    """Days after as many as the longest window reaches, in this tree and in the commit before, on copies of one lake.

    Args:
        overrides: simulator settings in place of the declared ones.
        log: told of each side.
    """
    use_case = scored_use_case().use_case
    first = use_case.history.first_day
    begin = first + timedelta(days=max(view.span_days for view in use_case.features) + 2)
    last = begin + timedelta(days=DAYS)
    sides: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        root = Path(scratch)
        catalog = Catalog(use_case, Lake(str(root / "lake")))
        events, labels = simulated(use_case, first, last, overrides)
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
            of_day = pl.col(EVENT_DAY) == day
            catalog.events.stored.write_partitions(events.filter(of_day), day, day)
            catalog.labels.stored.write_partitions(labels.filter(of_day), day, day)
        for name, tree in (("before", tree_before(root, "day")), ("now", ROOT)):
            shutil.copytree(root / "lake", root / f"lake_{name}")
            given = [str(root / f"lake_{name}"), str(root / f"feast_{name}"), begin.isoformat(), str(DAYS)]
            command = [sys.executable, "-m", "benchmarks.day.side", *given]
            done = subprocess.run(
                command,
                cwd=tree,
                env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=True,
            )
            sides[name] = json.loads(done.stdout.splitlines()[-1])
            log(f"{name}: {sides[name]}")
    return _topic(sides, len(events), (last - first).days + 1)


def _topic(sides: Mapping[str, Mapping[str, list[float]]], events: int, days: int) -> Topic:
    before, now = ({part: median(values) for part, values in sides[name].items()} for name in ("before", "now"))
    rows = [[part, f"{before[part]:.2f}", f"{now[part]:.2f}", f"{before[part] / now[part]:.1f}"] for part in now]
    whole = sum(before.values()), sum(now.values())
    rows.append(["both", f"{whole[0]:.2f}", f"{whole[1]:.2f}", f"{whole[0] / whole[1]:.1f}"])
    times = before["store"] / now["store"]
    return Topic(
        TITLE,
        f"CPU seconds of a day in one process, imports apart: features of all views, and the online store on SQLite. {events:,} events of "
        f"{days} days; medians of {DAYS} days after the store was filled. Nobody recorded an event in between, so every state that changed "
        f"is written. Commit {BEFORE_COMMIT} wrote each state anew, as five lists.",
        ["part", f"commit {BEFORE_COMMIT}", "now", "times"],
        rows,
        [
            Bar(
                f"the store is brought forward in at most 1/{LEAST_TIMES_STORE:.0f} of the CPU of the commit before",
                f"1/{times:.1f}",
                times >= LEAST_TIMES_STORE,
            )
        ],
    )
