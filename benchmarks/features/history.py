"""Features: one look-up for a request, and the whole history at once.

Belongs here: the platform's feature code next to Feast's own look-up and to other engines' rolling windows, on the same data. Does
not belong here: the other engines' code (`engines.py`), HTTP, models.

    python -m benchmarks.features.history history {platform|chunks|polars|duckdb|pandas} USE_CASE EVENTS.parquet FEATURES.parquet
    python -m benchmarks.features.history look-ups SPECIFICATION.json

measure in the process they run in and print JSON: each measurement is a process of its own, so that neither memory nor
caches of one help the other.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.usage import Usage, measured, median_usage
from benchmarks.common.world import simulated
from benchmarks.features.engines import duckdb_features, pandas_features, polars_features
from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase, load_use_case
from platform_assets.features.event_frames import event_order
from platform_assets.features.offline.carried_state import carried_state, day_chunks, next_days, with_labels
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.testing.child_process import run_child

TOLERANCE_RATIO = 1e-9
"""Others add to and take away from a running sum; the platform's sums are exact and rounded once."""
PLATFORM, CHUNKS, POLARS, DUCKDB, PANDAS = "platform", "chunks", "polars", "duckdb", "pandas"
OTHERS = {POLARS: polars_features, DUCKDB: duckdb_features, PANDAS: pandas_features}
TITLES = {
    PLATFORM: "platform (one compiled pass)",
    CHUNKS: "platform, in chunks, each written to disk",
    POLARS: "polars rolling_*_by().over()",
    DUCKDB: "DuckDB RANGE windows",
    PANDAS: "pandas groupby().rolling()",
}
LEAST_TIMES = {POLARS: 2.0, PANDAS: 10.0}
ONCE = (DUCKDB, PANDAS)
PANDAS_MOST_ROWS = 3_000_000
CHUNK_ROWS = 2_000_000
COMPARABLE = frozenset({"count", "sum", "mean", "min", "max"})
TO_THE_BIT = frozenset({"count", "min", "max"})


# The whole history.


def measure_history(
    use_case: UseCase,
    declaration: Path,
    days: int,
    overrides: Mapping[str, Any],
    rounds: int,
    log: Callable[[str], None],
    copies: int = 1,
) -> Topic:
    """The windows of one view over the whole history, by the platform's kernel, polars, DuckDB and pandas.

    Args:
        use_case: the declaration.
        declaration: folder it stands in.
        days: how many days of history.
        overrides: simulator settings in place of the declared ones.
        rounds: runs of each, alternating, each in a fresh process; one of DuckDB and of pandas, which take long. Pandas is left out
            above 3 million events.
        log: told of every run.
        copies: the same history so many times over, with other entities.
    """
    view = comparable_view(use_case)
    first = use_case.history.first_day
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        folder = Path(scratch)
        events = multiplied(
            simulated(use_case, first, first + timedelta(days=days - 1), overrides)[0], use_case, view, copies
        )
        events.write_parquet(folder / "events.parquet")
        ties = tied_rows(events, use_case, view)
        names = [name for name in TITLES if name != PANDAS or len(events) <= PANDAS_MOST_ROWS]
        del events
        results: dict[str, list[Usage]] = {name: [] for name in names}
        for number in range(rounds):
            for name in names:
                if name in ONCE and number > 0:
                    continue
                files = (str(folder / "events.parquet"), str(folder / f"{name}.parquet"))
                usages = results[name]
                usages.append(
                    Usage(**run_child("benchmarks.features.history", "history", name, str(declaration), *files))
                )
                log(f"{name}: {usages[-1].seconds:.2f} s, {usages[-1].cpu_seconds:.2f} CPU s")
        exact = tuple(window for window in view.windows if window.aggregate in TO_THE_BIT)
        differences = dict.fromkeys(["counts, minima and maxima", *(name for name in names if name != PLATFORM)], 0.0)
        ours = pl.read_parquet(folder / f"{PLATFORM}.parquet")
        for name in names[1:]:
            theirs = pl.read_parquet(folder / f"{name}.parquet")
            differences[name] = largest_difference(ours, theirs, ties, use_case, view)
            same = largest_difference(ours, theirs, ties, use_case, view.model_copy(update={"windows": exact}))
            differences["counts, minima and maxima"] = max(differences["counts, minima and maxima"], same)
    return _history_topic(results, view, len(ties), int(ties.sum()), differences, rounds)


def multiplied(events: pl.DataFrame, use_case: UseCase, view: FeatureView, copies: int) -> pl.DataFrame:
    """The events so many times over, each time with other keys and entities, in order of time and key."""
    if copies == 1:
        return events
    key, entity = use_case.event_source.primary_key[0], use_case.entity(str(view.entity)).key
    keys, entities = (int(events[name].max()) + 1 for name in (key, entity))  # type: ignore[arg-type]
    shifted = [events.with_columns(pl.col(key) + n * keys, pl.col(entity) + n * entities) for n in range(copies)]
    return pl.concat(shifted).sort(event_order(use_case))


def comparable_view(use_case: UseCase) -> FeatureView:
    """The first view with windows that need no delay, cut down to these: what polars' rolling expressions can say too.

    Raises:
        ValueError: there is none.
    """
    for view in use_case.features:
        windows = tuple(
            window
            for window in view.windows
            if window.counts_own_event and window.aggregate in COMPARABLE and not (window.where or window.lengths)
        )
        if windows:
            return view.model_copy(update={"windows": windows, "rows": ()})
    raise ValueError(f"{use_case.name} declares no window without delay, so there is nothing to compare")


def tied_rows(events: pl.DataFrame, use_case: UseCase, view: FeatureView) -> pl.Series:
    """Whether a row shares entity and time with another, row by row in key order.

    Among those the platform goes by the key, so that a row does not see a later one; polars' windows hold all of them.
    """
    entity_key = use_case.entity(str(view.entity)).key
    ordered = events.sort(use_case.event_source.primary_key)
    return ordered.select(pl.struct(entity_key, use_case.event_time).is_duplicated()).to_series()


def largest_difference(
    left: pl.DataFrame, right: pl.DataFrame, ties: pl.Series, use_case: UseCase, view: FeatureView
) -> float:
    """Largest relative difference of two feature tables over the rows that are not tied; infinite when one lacks a value.

    Raises:
        ValueError: the tables have different rows.
    """
    keys = list(use_case.event_source.primary_key)
    left, right = left.sort(keys), right.sort(keys)
    if not left.select(keys).equals(right.select(keys)):
        raise ValueError(f"the feature tables have different rows: {len(left)} and {len(right)}")
    largest = 0.0
    for name in view.feature_names:
        a = left[name].filter(~ties).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        b = right[name].filter(~ties).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if (np.isnan(a) != np.isnan(b)).any():
            return float("inf")
        scale = np.maximum(np.abs(a), 1e-300)
        largest = max(largest, float(np.nanmax(np.abs(a - b) / scale, initial=0.0)))
    return largest


def _history_topic(
    results: Mapping[str, Sequence[Usage]],
    view: FeatureView,
    rows: int,
    ties: int,
    differences: Mapping[str, float],
    rounds: int,
) -> Topic:
    costs = {name: median_usage(usages) for name, usages in results.items()}
    platform = costs[PLATFORM]
    table = [
        [
            TITLES[name],
            f"{cost.seconds:.2f}",
            f"{cost.cpu_seconds:.2f}",
            f"{cost.cpu_seconds / platform.cpu_seconds:.1f}",
            f"{cost.added_megabytes:.0f}",
        ]
        for name, cost in costs.items()
    ]
    bars = [
        Bar(
            f"{least:g} times faster than {name}, in CPU time",
            f"{costs[name].cpu_seconds / platform.cpu_seconds:.1f} times",
            costs[name].cpu_seconds >= least * platform.cpu_seconds,
        )
        for name, least in LEAST_TIMES.items()
        if name in costs
    ]
    but = f"(but for {ties} rows that share entity and time with another)"
    for name, difference in differences.items():
        allowed = TOLERANCE_RATIO if name in OTHERS else 0.0
        what = {
            CHUNKS: "in chunks the same to the bit",
        }.get(
            name, f"the same answers as {name} within {allowed:g}" if name in OTHERS else f"{name} the same to the bit"
        )
        bars.append(Bar(f"{what} {but}", f"largest relative difference {difference:.1e}", difference <= allowed))
    return Topic(
        f"Features of the whole history, {round(rows / 1e6)} million events",
        f"`{view.name}`: {len(view.feature_names)} windows without delay over {rows:,} events, sorting by entity and back by time "
        f"included; medians of {rounds} alternating runs (one of DuckDB and pandas), each in a fresh process, code compiled before the "
        "clock starts. The platform's time includes its checks of the events; its sums are exact and rounded once, so that the online "
        "answer is the same to the last digit. "
        "Memory is the peak above what was resident with the events read.",
        ["", "seconds", "CPU seconds", "times the platform's", "added memory MB"],
        table,
        bars,
    )


def _compute_history(which: str, declaration: Path, events_file: Path, features_file: Path) -> Usage:
    """One run in this process, after the same on a few rows."""
    use_case = load_use_case(declaration)
    view = comparable_view(use_case)
    events = pl.read_parquet(events_file)
    first, last = use_case.history.first_day, events[use_case.event_time].max()
    assert last is not None, "there are events"

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        if which in OTHERS:
            return OTHERS[which](rows, view, use_case)
        if which == CHUNKS:
            return in_chunks(rows, view, use_case, features_file.with_suffix(""))
        return compute_view(view, use_case, rows, first, last.date())  # type: ignore[union-attr]

    work(events.head(100))
    features, usage = measured(lambda: work(events))
    if which == CHUNKS:
        features = pl.read_parquet(features_file.with_suffix("") / "*.parquet")
    features.select(*use_case.event_source.primary_key, *view.feature_names).write_parquet(features_file)
    return usage


def in_chunks(
    events: pl.DataFrame, view: FeatureView, use_case: UseCase, folder: Path, most_rows: int = CHUNK_ROWS
) -> pl.DataFrame:
    """The view's windows chunk by chunk, each written into the folder before the next; nothing is kept but the carried state."""
    folder.mkdir(exist_ok=True)
    counts = dict(events.group_by(EVENT_DAY).len().iter_rows())
    state = carried_state(view, use_case, events.clear(), min(counts))
    for number, (begin, end) in enumerate(day_chunks(counts, min(counts), max(counts), most_rows)):
        low, high = (events[EVENT_DAY].search_sorted(day, side) for day, side in ((begin, "left"), (end, "right")))
        features, state = next_days(with_labels(state, None, end), events.slice(low, high - low), end)
        features.write_parquet(folder / f"{number:04}.parquet", compression="lz4", statistics=False)
    return events.clear()


# One request.


def measure_look_ups(
    declaration: Path, feast: Mapping[str, Any], bodies: Sequence[bytes], rounds: int, log: Callable[[str], None]
) -> Topic:
    """Features of one request in process, next to Feast's own look-up of the same states.

    Args:
        declaration: folder of the use case.
        feast: Feast's settings, of an online store that may be written to.
        bodies: request bodies; each is one look-up.
        rounds: passes over the bodies, alternating.
        log: told of the result.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        specification = Path(scratch) / "specification.json"
        values = {
            "declaration": str(declaration),
            "feast": dict(feast),
            "bodies": [body.decode() for body in bodies],
            "rounds": rounds,
        }
        specification.write_text(json.dumps(values))
        results = run_child("benchmarks.features.history", "look-ups", str(specification))
    rows = []
    for name, result in results.items():
        log(f"{name}: p50 {result['p50_ms']:.3f} ms, p99 {result['p99_ms']:.3f} ms")
        rows.append([name, f"{result['p50_ms']:.3f}", f"{result['p99_ms']:.3f}", f"{result['max_ms']:.2f}"])
    ours, feasts = results.values()
    rows.append(["ratio", *(f"{ours[name] / feasts[name]:.2f}" for name in ("p50_ms", "p99_ms")), ""])
    return Topic(
        "Features of one request",
        f"In process, no HTTP: {len(bodies)} real events of different customers, {rounds} alternating passes in one process, medians "
        "of the passes' quantiles; a copy of the deployed service's online store. The platform reads the states of all entities and "
        "computes every feature of the contract; Feast's own look-up returns the same states and computes nothing.",
        ["", "p50 ms", "p99 ms", "max ms"],
        rows,
    )


def _time_look_ups(specification: Path) -> dict[str, dict[str, float]]:
    from platform_assets.features.online.feast_connection import FeastSettings, feast_store
    from platform_assets.features.online.feast_objects import feature_service_name
    from platform_assets.features.online.request_features import OnlineFeatures
    from serving.request import parse_event, request_model

    given = json.loads(specification.read_text())
    use_case = load_use_case(Path(given["declaration"]))
    settings = FeastSettings.model_validate(given["feast"])
    online, store = OnlineFeatures(use_case, settings), feast_store(settings)
    model = request_model(use_case)
    events = [parse_event(model, body.encode()) for body in given["bodies"]]
    service = store.get_feature_service(feature_service_name(use_case))
    keys = [use_case.entity(str(view.entity)).key for view in use_case.features if view.windows]

    def feast(event: Mapping[str, Any]) -> Any:
        return store.get_online_features(
            features=service, entity_rows=[{key: event[key] for key in keys}], full_feature_names=True
        )

    alternatives: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "platform: OnlineFeatures.vector": online.vector,
        "Feast: get_online_features": feast,
    }
    for look_up in alternatives.values():
        for event in events[:20]:
            look_up(event)
    online.warm_up()
    passes: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in alternatives}
    for _ in range(given["rounds"]):
        for name, look_up in alternatives.items():
            passes[name].append(np.array([_milliseconds(look_up, event) for event in events]))
    return {
        name: {
            "p50_ms": float(np.median([np.percentile(times, 50) for times in results])),
            "p99_ms": float(np.median([np.percentile(times, 99) for times in results])),
            "max_ms": float(max(times.max() for times in results)),
        }
        for name, results in passes.items()
    }


def _milliseconds(look_up: Callable[[Mapping[str, Any]], Any], event: Mapping[str, Any]) -> float:
    started = time.perf_counter()
    look_up(event)
    return (time.perf_counter() - started) * 1e3


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    if arguments[0] == "history":
        which, declaration, events, features = arguments[1:]
        result: Mapping[str, Any] = asdict(_compute_history(which, Path(declaration), Path(events), Path(features)))
    else:
        result = _time_look_ups(Path(arguments[1]))
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
