"""Busy entities beside quiet ones, and beside the commit before: what look-ups and records cost, and generated histories.

    python -m benchmarks --only busy_entities --output docs/reports/busy-entities.md

Belongs here: running the measurements, and the bars. Does not belong here: measuring (`measure.py`), histories
(`platform_assets/testing/busy_histories.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.before import BEFORE_COMMIT, tree_before
from benchmarks.common.report import Bar, Topic
from platform_assets.features.online.tiles.pages import TreeLayout
from platform_assets.testing.busy_histories import differences, layouts
from platform_assets.testing.child_process import ROOT

TITLE = "Busy entities"
LOOK_UP_BAR_MS, RECORD_BAR_MS, MOST_KILOBYTES = 2.0, 2.0, 64.0
LOOK_UPS, FEW_LOOK_UPS = 400, 3


def measure_busy_entities(events: int, histories: int, log: Callable[[str], None]) -> Topic:
    """Both sides, one after the other, then the histories.

    Args:
        events: of a busy entity.
        histories: generated and compared with the kernel.
        log: told of each part.
    """
    now = measured_in(ROOT, events, LOOK_UPS, LOOK_UPS)
    log("this tree is measured")
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        before = measured_in(tree_before(Path(scratch), "busy_entities"), events, LOOK_UPS, FEW_LOOK_UPS)
    log(f"commit {BEFORE_COMMIT} is measured")
    wrong = compared_histories(histories)
    log(f"{histories:,} generated histories: {wrong} differences")
    return busy_topic(now, before, events, histories, wrong)


def compared_histories(count: int) -> int:
    """How many features differ in any bit between trees of all sizes and the kernel, over so many generated histories."""
    views, wrong = layouts(), 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        layout = TreeLayout(
            views[seed % len(views)],
            int(rng.choice([1, 2, 3, 5, 64])),
            int(rng.choice([2, 3, 5, 32])),
            int(rng.choice([1, 3, 64])),
        )
        wrong += differences(layout, rng, events=int(rng.integers(1, 60)), changes=int(rng.integers(0, 12)))
    return wrong


def measured_in(source: Path, busy_events: int, times: int, busy_times: int) -> dict[str, Any]:
    """What `measure.py` says over a source of the platform, in a process and a store of its own."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as folder:
        settings = {
            "project": "card_fraud",
            "registry": f"sqlite:///{folder}/registry.db",
            "online_store": {"type": "sqlite", "path": "online.db"},
            "home": folder,
        }
        given = {"settings": settings, "busy_events": busy_events, "times": times, "busy_times": busy_times}
        specification = Path(folder) / "specification.json"
        specification.write_text(json.dumps(given))
        environment = {**os.environ, "PYTHONPATH": str(source)}
        command = [sys.executable, "-m", "benchmarks.busy_entities.measure", str(specification)]
        done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measuring {source} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def busy_topic(now: Mapping[str, Any], before: Mapping[str, Any], events: int, histories: int, wrong: int) -> Topic:
    """The section."""
    rows = []
    for source, result in (("this commit", now), (f"commit {BEFORE_COMMIT}", before)):
        for entity, item in result.items():
            if entity != "fill_cpu_seconds":
                figures = [_cell(item[name], kind) for name in _NAMES for kind in ("cpu", "wall")]
                rows.append([source, entity, *figures, f"{item['bytes_read'] / 1e3:.1f}"])
    worst = {
        name: max(float(np.quantile(item[name]["cpu"], 0.99)) for key, item in now.items() if key.startswith("busy"))
        for name in _NAMES
    }
    most_read = max(item["bytes_read"] for key, item in now.items() if key.startswith("busy")) / 1e3
    bars = [
        Bar(
            f"at most {MOST_KILOBYTES:.0f} kB read for one look-up", f"{most_read:.1f} kB", most_read <= MOST_KILOBYTES
        ),
        Bar(
            "a busy entity's look-up, p99 of CPU under 2 ms",
            f"{worst[_NAMES[0]]:.2f} ms",
            worst[_NAMES[0]] < LOOK_UP_BAR_MS,
        ),
        Bar("a record, p99 of CPU under 2 ms", f"{worst[_NAMES[1]]:.2f} ms", worst[_NAMES[1]] < RECORD_BAR_MS),
        Bar("values equal to the bit", f"{wrong} differences in {histories:,} histories", wrong == 0),
    ]
    how = (
        f"The default use case's request with a customer or a terminal of {events:,} events in 30 days, beside ones with 60; SQLite, "
        "in process: `OnlineFeatures.vector` and `record`, all views and row features included. Median and p99 in milliseconds, CPU of "
        "the thread and wall time; on a machine with other work the CPU is what compares. Histories: random events with ties, gaps and "
        "magnitudes far apart, late, corrected and deleted, in trees of leaves of 1 to 64 events."
    )
    heads = ("source", "entity", "look-up CPU", "look-up wall", "record CPU", "record wall", "kB read")
    return Topic(TITLE, how, heads, rows, bars)


_NAMES = ("look_up_ms", "record_ms")


def _cell(item: Mapping[str, list[float]], kind: str) -> str:
    return f"{np.median(item[kind]):.2f} / {np.quantile(item[kind], 0.99):.2f}"
