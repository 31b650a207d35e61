"""One new day of features from carried state, next to the whole history.

Belongs here: what a day costs, early and late in a history. Does not belong here: reading and storing, other ways to compute
features (`features.py`).

    python -m benchmarks.next_day USE_CASE EVENTS.parquet

measures in the process it runs in and prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.report import Bar, Topic
from benchmarks.usage import run_child
from benchmarks.world import simulated
from platform_assets.features.carried import carried_state, newly_labelled_day, next_day
from platform_assets.features.windows import compute_view, join_labels
from platform_assets.spec import EVENT_DAY, UseCase, load_use_case

DAY_BAR_RATIO = 0.05
DAYS_OF_HISTORY = (10, 60, 120, 180)


def measure_next_day(
    use_case: UseCase, declaration: Path, days: int, overrides: Mapping[str, Any], say: Callable[[str], None]
) -> Topic:
    """One day from carried state, early and late in the history, next to the whole history up to its end.

    Args:
        use_case: the declaration.
        declaration: folder it stands in.
        days: how many days of history.
        overrides: simulator settings in place of the declared ones.
        say: told of the result.
    """
    first = use_case.history.first_day
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        file = Path(scratch) / "events.parquet"
        events, labels = simulated(use_case, first, first + timedelta(days=days - 1), overrides)
        join_labels(events, labels, use_case).write_parquet(file)
        found = run_child("benchmarks.next_day", str(declaration), str(file))
    rows, bars = [], []
    for view, costs in found.items():
        whole = costs.pop("history")
        for day, seconds in costs.items():
            ratio = seconds / whole
            rows.append([view, day, f"{1e3 * seconds:.1f}", f"{1e3 * whole:.0f}", f"{ratio:.1%}"])
            say(f"{view}, day {day}: {1e3 * seconds:.1f} ms, {ratio:.1%} of the history")
        worst = max(costs.values()) / whole
        bars.append(
            Bar(f"{view}: a day under {DAY_BAR_RATIO:.0%} of the history", f"{worst:.1%}", worst < DAY_BAR_RATIO)
        )
    return Topic(
        "One new day of features",
        "CPU time of a day's features and of moving the carried state on to the next midnight, and of the whole history for comparison, "
        "each the best of 5. The day's values are those of the whole history, to the bit. Events in memory: reading is not part of it.",
        ["view", "day", "day, CPU ms", "history, CPU ms", "ratio"],
        rows,
        bars,
    )


def _time_next_day(declaration: Path, events_file: Path) -> dict[str, dict[str, float]]:
    use_case, events = load_use_case(declaration), pl.read_parquet(events_file)
    first, last = use_case.history.first_day, events[EVENT_DAY].max()
    found: dict[str, dict[str, float]] = {}
    for view in use_case.features:
        if not view.windows:
            continue
        compute_view(view, use_case, events.head(100), first, last)  # type: ignore[arg-type]
        wholes = []
        for _ in range(5):
            started = time.process_time()
            whole = compute_view(view, use_case, events, first, last)  # type: ignore[arg-type]
            wholes.append(time.process_time() - started)
        found[view.name] = {"history": min(wholes)}
        for number in DAYS_OF_HISTORY:
            day = first + timedelta(days=number)
            if day > last:  # type: ignore[operator]
                continue
            state = carried_state(view, use_case, events.filter(pl.col(EVENT_DAY) < day), day)
            today = events.filter(pl.col(EVENT_DAY) == day)
            labelled = events.filter(pl.col(EVENT_DAY) == newly_labelled_day(use_case, day))
            costs = []
            for _ in range(5):
                started = time.process_time()
                features, _ = next_day(state, today, labelled)
                costs.append(time.process_time() - started)
            if not features.equals(whole.filter(pl.col(EVENT_DAY) == day)):
                raise ValueError(f"{view.name}: features of {day} from carried state differ from the whole history's")
            found[view.name][str(number)] = min(costs)
    return found


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    sys.stdout.write(json.dumps(_time_next_day(Path(arguments[0]), Path(arguments[1]))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
