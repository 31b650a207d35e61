"""A long history of Parquet files through the data layers, and one new day on top of it.

Belongs here: making the files, ingesting them in processes of their own, and polars' bare read and write of the same data.
Does not belong here: faults, features, models.

    python -m benchmarks.ingest.topic platform|bare FOLDER LAKE DAYS
    python -m benchmarks.ingest.topic day FOLDER LAKE DAYS

measure in the process they run in and print JSON.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.testing.child_process import ROOT, run_child

FIRST = date(2024, 1, 1)
ROWS = 20_000_000
DAYS = 183
ON_TOP_OF = (10, 100, 180)
MEMORY_LIMIT_GB = 4.0
TIME_RATIO_LIMIT = 2.0
GROWTH_LIMIT = 1.5
DEVICES = 50_000


def readings() -> Source:
    """The source: readings of devices, one file a day."""
    column = {"description": "As measured"}
    return Source.model_validate(
        {
            "name": "readings",
            "description": "Readings of devices.",
            "connector": {"kind": "files", "format": "parquet", "path": "readings/{event_day}.parquet"},
            "primary_key": ["reading_id"],
            "event_time": "read_at",
            "columns": [
                {"name": "reading_id", "type": "int64", "minimum": 0, "unique": True, **column},
                {"name": "read_at", "type": "datetime", **column},
                {"name": "device", "type": "int64", "minimum": 0, "maximum": DEVICES, **column},
                {"name": "state", "type": "string", "allowed": ["idle", "busy", "off"], **column},
                {"name": "power", "type": "float64", "minimum": 0, "maximum": 10000, **column},
                {"name": "temperature", "type": "float64", "nullable": True, **column},
            ],
        }
    )


def write_days(folder: Path, days: int, rows_per_day: int, first_index: int = 0) -> None:
    """One Parquet file for each day."""
    (folder / "readings").mkdir(parents=True, exist_ok=True)
    for index in range(first_index, first_index + days):
        day, rng = FIRST + timedelta(days=index), np.random.default_rng(index)
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1e6)
        times = np.sort(rng.integers(0, 86_400_000_000, rows_per_day)) + midnight
        pl.DataFrame(
            {
                "reading_id": np.arange(rows_per_day, dtype=np.int64) + index * rows_per_day,
                "read_at": pl.Series(times).cast(pl.Datetime("us", "UTC")),
                "device": rng.integers(0, DEVICES, rows_per_day),
                "state": pl.Series(rng.integers(0, 3, rows_per_day)).replace_strict(
                    {0: "idle", 1: "busy", 2: "off"}, return_dtype=pl.String
                ),
                "power": np.round(rng.gamma(2.0, 100.0, rows_per_day).clip(0, 9999), 2),
                "temperature": pl.Series(np.round(rng.normal(20, 5, rows_per_day), 1)).set(
                    pl.Series(rng.random(rows_per_day) < 0.1), None
                ),
            }
        ).write_parquet(folder / "readings" / f"{day}.parquet")


def measure_ingest(
    log: Callable[[str], None],
    rows: int = ROWS,
    days: int = DAYS,
    rounds: int = 3,
    on_top_of: Sequence[int] = ON_TOP_OF,
) -> Topic:
    """Ingest, validate, profile and publish a history next to polars' bare read and write of it; then one more day.

    Args:
        log: told of every run.
        rows: of the history, in all.
        days: of the history.
        rounds: runs of each, alternating, each in a fresh process.
        on_top_of: lengths of history, in days, on top of which one new day is measured.
    """
    results: dict[str, list[dict[str, Any]]] = {"platform": [], "bare": []}
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        folder = Path(scratch)
        write_days(folder, days, rows // days)
        for number in range(rounds):
            for name, runs in results.items():
                lake = folder / f"lake-{name}-{number}"
                runs.append(run_child("benchmarks.ingest.topic", name, str(folder), str(lake), str(days)))
                shutil.rmtree(lake)
                log(f"{name}: {runs[-1]['seconds']:.1f} s, peak {runs[-1]['peak_gigabytes']:.2f} GB")
        grown = [_new_day(folder, length, rows // days, rounds) for length in on_top_of]
        for length, seconds in zip(on_top_of, grown, strict=True):
            log(f"one day on top of {length}: {seconds:.2f} s")
    return _topic(results, rows // days * days, days, rounds, dict(zip(on_top_of, grown, strict=True)))


def _new_day(folder: Path, days: int, rows_per_day: int, rounds: int) -> float:
    """Seconds of one new day on top of so many that were loaded day by day; the median."""
    lake, extra = folder / f"lake-of-{days}", folder / f"files-of-{days}"
    write_days(extra, days + rounds, min(rows_per_day, 2_000))
    result = run_child("benchmarks.ingest.topic", "day", str(extra), str(lake), str(days), str(rounds))
    shutil.rmtree(lake)
    return float(median(result["seconds"]))


def _topic(
    results: dict[str, list[dict[str, Any]]], rows: int, days: int, rounds: int, grown: dict[int, float]
) -> Topic:
    seconds = {name: median(run["seconds"] for run in runs) for name, runs in results.items()}
    peaks = {name: max(run["peak_gigabytes"] for run in runs) for name, runs in results.items()}
    ratio, growth = seconds["platform"] / seconds["bare"], max(grown.values()) / grown[min(grown)]
    titles = {
        "platform": "platform: raw, audit, quarantine, profile, clean",
        "bare": "polars: scan_parquet, write_delta",
    }
    table = [
        [titles[name], f"{seconds[name]:.1f}", f"{rows / seconds[name]:,.0f}", f"{peaks[name]:.2f}"] for name in results
    ]
    table += [
        [f"one new day on top of {length}, seconds in all", f"{taken:.2f}", "", ""] for length, taken in grown.items()
    ]
    return Topic(
        "Ingesting a history",
        f"{rows:,} rows in {days} Parquet files, medians of {rounds} alternating runs in fresh processes; polars' run reads the "
        "same files a chunk of days at a time and writes them once, partitioned by day. Both have loaded one day to another "
        "place before, so that no library is imported meanwhile. Dagster's instance is on disk. Peak memory is that of the whole "
        "process. A new day is loaded by itself on top of days that were loaded one commit each.",
        ["", "seconds", "rows/s", "peak memory GB"],
        table,
        [
            Bar(
                f"peak memory under {MEMORY_LIMIT_GB:g} GB",
                f"{peaks['platform']:.2f} GB",
                peaks["platform"] < MEMORY_LIMIT_GB,
            ),
            Bar(f"within {TIME_RATIO_LIMIT:g}x of a bare read and write", f"{ratio:.2f}x", ratio <= TIME_RATIO_LIMIT),
            Bar("a new day costs the same on a long history", f"{growth:.2f}x", growth <= GROWTH_LIMIT),
        ],
    )


def _materialize(folder: Path, lake: Path, instance: Any, first: int, last: int) -> None:
    import dagster as dg

    from platform_assets.connectors.source_reader import SourceReader
    from platform_assets.lake.lake import Lake
    from platform_assets.orchestration.assets.clean import clean_asset
    from platform_assets.orchestration.assets.raw import raw_asset
    from platform_assets.testing.fault_world import payments_use_case

    source = readings()
    base = payments_use_case()
    history = base.history.model_copy(update={"first_day": FIRST, "last_day": FIRST + timedelta(days=3650)})
    use_case = base.model_copy(update={"name": "bench", "sources": (*base.sources, source), "history": history})
    days = [(FIRST + timedelta(days=index)).isoformat() for index in (first, last)]
    result = dg.materialize(
        [raw_asset(use_case=use_case, source=source, folder=folder), clean_asset(use_case=use_case, source=source)],
        resources={"lake": Lake(root=str(lake)), "sources": SourceReader()},
        instance=instance,
        tags={f"dagster/asset_partition_range_{end}": day for end, day in zip(("start", "end"), days, strict=True)},
    )
    assert result.success, "good data is published"


def _instance(folder: Path) -> Any:
    """A Dagster instance on disk, set up as the project's own."""
    import logging
    import os

    import dagster as dg

    logging.disable(logging.CRITICAL)
    folder.mkdir(parents=True)
    os.environ["PLATFORM_ASSETS_DAGSTER"] = str(folder)
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "500"  # as the Makefile sets it
    return dg.DagsterInstance.from_config(str(ROOT))


def _bare(folder: Path, lake: Path, days: int) -> None:
    """What a script would do: the same chunks of days, read and written once."""
    files = [folder / "readings" / f"{FIRST + timedelta(days=index)}.parquet" for index in range(days)]
    step = 20
    for start in range(0, days, step):
        frame = (
            pl.scan_parquet(files[start : start + step])
            .with_columns(pl.col("read_at").dt.date().alias(EVENT_DAY))
            .collect()
        )
        frame.write_delta(str(lake), mode="append", delta_write_options={"partition_by": [EVENT_DAY]})


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON."""
    what, folder, lake, days = arguments[0], Path(arguments[1]), Path(arguments[2]), int(arguments[3])
    if what == "bare":
        _bare(folder, lake.with_name(f"{lake.name}-warm"), 1)
        started = time.perf_counter()
        _bare(folder, lake, days)
        taken: float | list[float] = time.perf_counter() - started
    else:
        with _instance(lake.with_name(f"{lake.name}-dagster")) as instance:
            if what == "platform":
                _materialize(folder, lake.with_name(f"{lake.name}-warm"), instance, 0, 0)
                started = time.perf_counter()
                _materialize(folder, lake, instance, 0, days - 1)
                taken = time.perf_counter() - started
            else:
                for index in range(days):
                    _materialize(folder, lake, instance, index, index)
                taken = []
                for index in range(days, days + int(arguments[4])):
                    started = time.perf_counter()
                    _materialize(folder, lake, instance, index, index)
                    taken.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(json.dumps({"seconds": taken, "peak_gigabytes": peak * 1.024}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
