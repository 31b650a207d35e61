"""Busy entities beside quiet ones, and beside the commit before: what look-ups and records cost, and generated histories.

    python -m benchmarks.busy_entities.topic [--before SOURCE] [--events N] [--histories N]

Belongs here: running the measurements and writing docs/reports/busy-entities.md. Does not belong here: measuring (`measure.py`), histories
(`platform_assets/testing/busy_histories.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.machine import describe_machine
from benchmarks.common.report import Bar, Topic
from platform_assets.features.online.tiles.pages import TreeLayout
from platform_assets.testing.busy_histories import differences, layouts
from platform_assets.testing.child_process import ROOT

TITLE = "Busy entities"
LOOK_UP_BAR_MS, RECORD_BAR_MS = 2.0, 2.0
TARGET = ROOT / "docs" / "reports" / "busy-entities.md"
MEASURE = ROOT / "benchmarks" / "busy_entities" / "measure.py"


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
        command = [sys.executable, str(MEASURE), str(specification)]
        done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measuring {source} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def busy_topic(
    now: Mapping[str, Any], before: Mapping[str, Any] | None, events: int, histories: int, wrong: int
) -> Topic:
    """The section."""
    rows = []
    for source, result in (("this commit", now), ("the commit before", before)):
        for entity, item in (result or {}).items():
            if entity != "fill_cpu_seconds":
                rows.append([source, entity, *(_cell(item[name], kind) for name in _NAMES for kind in ("cpu", "wall"))])
    worst = {
        name: max(float(np.quantile(item[name]["cpu"], 0.99)) for key, item in now.items() if key.startswith("busy"))
        for name in _NAMES
    }
    bars = [
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
    heads = ("source", "entity", "look-up CPU", "look-up wall", "record CPU", "record wall")
    return Topic(TITLE, how, heads, rows, bars)


_NAMES = ("look_up_ms", "record_ms")


def _cell(item: Mapping[str, list[float]], kind: str) -> str:
    return f"{np.median(item[kind]):.2f} / {np.quantile(item[kind], 0.99):.2f}"


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="source of the commit before")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--histories", type=int, default=10_000)
    given = parser.parse_args()
    now = measured_in(ROOT, given.events, 400, 400)
    before = None if given.before is None else measured_in(given.before, given.events, 400, 3)
    wrong = compared_histories(given.histories)
    topic = busy_topic(now, before, given.events, given.histories, wrong)
    machine = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    TARGET.write_text(f"# Busy entities\n\n{machine}.\n\n{topic.markdown()}")


if __name__ == "__main__":
    main()
