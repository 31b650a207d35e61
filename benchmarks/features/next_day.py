"""One new day of features from carried state, next to the whole history.

Belongs here: what a day costs, early and late in a history, in memory and with all that the feature asset reads and writes. Does not
belong here: other ways to compute features (`history.py`).

    python -m benchmarks.features.next_day USE_CASE EVENTS.parquet LABELS.parquet

measures in the process it runs in and prints JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import simulated
from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase, load_use_case
from platform_assets.features.offline.carried_state import carried_state
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES
from platform_assets.pipelines.compute_features import FeatureDays, commit_record
from platform_assets.testing.carried_days import newly_labelled_day, next_day
from platform_assets.testing.child_process import run_child

Result = TypeVar("Result")

DAY_BAR_RATIO = 0.05
DAYS_OF_HISTORY = (10, 100, 180)
FLAT_RATIO = 1.25
ROUNDS = 5


def measure_next_day(
    use_case: UseCase, declaration: Path, days: int, overrides: Mapping[str, Any], log: Callable[[str], None]
) -> Topic:
    """One day from carried state, early and late in the history, next to the whole history up to its end.

    Args:
        use_case: the declaration.
        declaration: folder it stands in.
        days: how many days of history.
        overrides: simulator settings in place of the declared ones.
        log: told of the result.
    """
    first = use_case.history.first_day
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        files = [Path(scratch) / "events.parquet", Path(scratch) / "labels.parquet"]
        for rows, file in zip(
            simulated(use_case, first, first + timedelta(days=days - 1), overrides), files, strict=True
        ):
            rows.write_parquet(file)
        results = run_child("benchmarks.features.next_day", str(declaration), *map(str, files))
    rows, bars = [], []
    for name, costs in results.items():
        whole = costs.pop("history")
        for day, seconds in costs.items():
            ratio = seconds / whole
            rows.append([name, day, f"{1e3 * seconds:.1f}", f"{1e3 * whole:.0f}", f"{ratio:.1%}"])
            log(f"{name}, day {day}: {1e3 * seconds:.1f} ms, {ratio:.1%} of the history")
        worst = max(costs.values()) / whole
        bars.append(
            Bar(f"{name}: a day under {DAY_BAR_RATIO:.0%} of the history", f"{worst:.1%}", worst < DAY_BAR_RATIO)
        )
        if len(costs) > 1:
            *earlier, last = costs.values()
            ratio = last / max(earlier)
            what = f"{name}: the last day at most {FLAT_RATIO:g} times the dearest earlier one"
            bars.append(Bar(what, f"{ratio:.2f} times", ratio <= FLAT_RATIO))
    return Topic(
        "One new day of features",
        "CPU time of a day's features and of moving the carried state on to the next midnight, and of the whole history for comparison, "
        f"each the best of {ROUNDS} (of the history with tables: of 2). The day's values are those of the whole history, to the bit. In "
        "memory the events and the state are there; with tables the asset's whole work counts: opening the Delta tables, checking the "
        "state against their files, reading it and the day, writing the day and the new state. On day 10 windows hold ten days of events, "
        "from day 38 on as many as they ever do.",
        ["view", "day", "day, CPU ms", "history, CPU ms", "ratio"],
        rows,
        bars,
    )


def _time_next_day(declaration: Path, events_file: Path, labels_file: Path) -> dict[str, dict[str, float]]:
    use_case = load_use_case(declaration)
    events, labels = pl.read_parquet(events_file), pl.read_parquet(labels_file)
    labelled = join_labels(events, labels, use_case)
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        lake = Lake(root=scratch)
        for source, rows in ((use_case.event_source, events), (use_case.label_source, labels)):
            days = rows[EVENT_DAY]
            Catalog(use_case, lake).clean(source.name).stored.write_partitions(
                rows.select(list(source.polars_schema())),
                days.min(),  # type: ignore[arg-type]
                days.max(),  # type: ignore[arg-type]
            )
        for view in use_case.features:
            if view.windows:
                whole, results[f"{view.name}, in memory"] = _in_memory(view, use_case, labelled)
                results[f"{view.name}, with tables"] = _with_tables(view, use_case, lake, whole, Path(scratch))
    return results


def _days(use_case: UseCase, whole: pl.DataFrame) -> list[tuple[int, date]]:
    days = [(number, use_case.history.first_day + timedelta(days=number)) for number in DAYS_OF_HISTORY]
    return [(number, day) for number, day in days if day <= whole[EVENT_DAY].max()]  # type: ignore[operator]


def _in_memory(view: FeatureView, use_case: UseCase, events: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float]]:
    first, last = use_case.history.first_day, events[EVENT_DAY].max()
    assert isinstance(last, date), "there are events"
    compute_view(view, use_case, events.head(100), first, last)
    costs = {}
    whole, costs["history"] = _cheapest(lambda: compute_view(view, use_case, events, first, last), ROUNDS)
    for number, day in _days(use_case, whole):
        state = carried_state(view, use_case, events.filter(pl.col(EVENT_DAY) < day), day)
        today = events.filter(pl.col(EVENT_DAY) == day)
        labelled = events.filter(pl.col(EVENT_DAY) == newly_labelled_day(use_case, day))
        (features, _), costs[str(number)] = _cheapest(partial(next_day, state, today, labelled), ROUNDS)
        _require_equal(features, whole, view, day)
    return whole, costs


def _with_tables(view: FeatureView, use_case: UseCase, lake: Lake, whole: pl.DataFrame, root: Path) -> dict[str, float]:
    """What the feature asset does, without Dagster."""
    schema = use_case.feature_schema(view)
    catalog = Catalog(use_case, lake)
    state_file = Path(catalog.carried_state_uri(view))
    kept = root / "kept.parquet"

    def work(first: date, last: date, table: str) -> pl.DataFrame:
        if kept.exists():
            shutil.copyfile(kept, state_file)
        days, parts = FeatureDays(catalog, view), []
        for begin, end, frame in days.frames(first, last):
            record = commit_record(days)
            lake.table(use_case.name, FEATURES, table, schema).write_partitions(frame, begin, end, metadata=record)
            parts.append(frame)
        if kept.exists() and days.state_used:
            raise ValueError(f"{view.name}: the stored state was not used on {first}: {days.state_used}")
        return pl.concat(parts)

    costs, last_day = {}, whole[EVENT_DAY].max()
    assert isinstance(last_day, date), "there are events"
    _, costs["history"] = _cheapest(partial(work, use_case.history.first_day, last_day, "history"), 2)
    for number, day in _days(use_case, whole):
        state_file.unlink()
        work(day - timedelta(days=1), day - timedelta(days=1), "days")
        shutil.copyfile(state_file, kept)
        features, costs[str(number)] = _cheapest(partial(work, day, day, "days"), ROUNDS)
        kept.unlink()
        _require_equal(features, whole, view, day)
    return costs


def _cheapest(work: Callable[[], Result], rounds: int) -> tuple[Result, float]:
    """What some work gives, and the least CPU time that it took."""
    costs = []
    for _ in range(rounds):
        started = time.process_time()
        result = work()
        costs.append(time.process_time() - started)
    return result, min(costs)


def _require_equal(features: pl.DataFrame, whole: pl.DataFrame, view: FeatureView, day: date) -> None:
    if not features.equals(whole.filter(pl.col(EVENT_DAY) == day)):
        raise ValueError(f"{view.name}: features of {day} from carried state differ from the whole history's")


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    sys.stdout.write(json.dumps(_time_next_day(*map(Path, arguments))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
