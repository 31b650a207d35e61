"""The same windows of the same Delta table by others, each in a process of its own.

Belongs here: polars and DuckDB, from Delta to Parquet, and how far their answers lie from ours. Does not belong here: the table of what was
found (`topic.py`), the queries themselves (`benchmarks/features/engines.py`).

    python -m benchmarks.scale.peers {polars|duckdb} SPECIFICATION.json

prints JSON in its last line. DuckDB has as much memory as a process of ours and spills to disk; polars has what there is.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.features.engines import duckdb_query, polars_features
from platform_assets.declaration import EVENT_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.testing.shard_world import FIRST_DAY, Asked

COMPARED_DAYS = 3
"""The last days are compared, row by row."""


def by_polars(asked: Asked, output: Path) -> None:
    """In memory: `rolling_*_by().over()`."""
    catalog = Catalog(asked.use_case, asked.lake)
    events = catalog.clean("transactions").stored.read()
    polars_features(events, asked.use_case.features[0], asked.use_case).write_parquet(output)


def by_duckdb(asked: Asked, output: Path) -> None:
    """Out of core: windows over a RANGE."""
    import duckdb

    table = Catalog(asked.use_case, asked.lake).clean("transactions").stored
    files = [f"{table.uri}/{path}" for paths in table.files_by_partition().values() for path in paths]
    scratch = Path(asked.folder) / "duckdb"
    scratch.mkdir(exist_ok=True)
    rows = f'(SELECT *, epoch_us("at") AS _time FROM read_parquet({files!r}, hive_partitioning = false))'
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{asked.memory_megabytes}MB'; SET temp_directory = '{scratch}'")
        connection.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
        query = duckdb_query(asked.use_case.features[0], asked.use_case, rows)
        connection.execute(f"COPY ({query}) TO '{output}' (FORMAT parquet)")


def largest_difference(asked: Asked, output: Path) -> float:
    """Of any feature of the last days, relative to its size; infinite where rows differ."""
    catalog, view = Catalog(asked.use_case, asked.lake), asked.use_case.features[0]
    key = asked.use_case.event_source.primary_key[0]
    first = asked.last_day - timedelta(days=COMPARED_DAYS - 1)
    ours = catalog.features(view).read(max(first, FIRST_DAY), asked.last_day)
    # Of events at one moment others see all; the platform those before the row.
    tied = ours.select(
        pl.struct(asked.use_case.entity(str(view.entity)).key, asked.use_case.event_time).is_duplicated()
    ).to_series()
    ours = ours.filter(~tied).select(key, EVENT_DAY, *view.feature_names)
    theirs = pl.scan_parquet(output).filter(pl.col(key).is_in(ours[key].implode())).collect()
    both = ours.join(theirs, on=key, suffix="_other")
    if both.height != ours.height:
        return float("inf")
    differences = [
        ((pl.col(name) - pl.col(f"{name}_other")).abs() / pl.col(name).abs().clip(1.0)).max().alias(name)
        for name in view.feature_names
    ]
    return float(max(both.select(differences).row(0)))


def main(arguments: list[str]) -> int:
    """See the module."""
    name, specification = arguments
    asked = Asked(**json.loads(Path(specification).read_text()))
    output = Path(asked.folder) / f"{name}.parquet"
    started, cpu = time.perf_counter(), time.process_time()
    {"polars": by_polars, "duckdb": by_duckdb}[name](asked, output)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    result: dict[str, Any] = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "difference": largest_difference(asked, output),
    }
    output.unlink()
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
