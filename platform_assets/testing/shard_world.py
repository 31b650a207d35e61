"""A lake with as many payments as asked, and its six windows of customers computed in shards; also a program.

Belongs here: a simulated history that is made fast, its backfill by either engine, and what that took. Does not belong here: tables of what
was found, tests.

    python -m platform_assets.testing.shard_world make SPECIFICATION.json
    python -m platform_assets.testing.shard_world in_chunks SPECIFICATION.json
    python -m platform_assets.testing.shard_world on_ray SPECIFICATION.json    # in a namespace made by `in_namespace`

print JSON in their last line. `Asked` says what a specification may hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.features.aggregation.kernel import compiled_kernel
from platform_assets.features.offline.sharding.plan import Capacity, Chunk, Segment, ShardPlan
from platform_assets.features.offline.sharding.stages import ViewStages
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.table import LakeTable
from platform_assets.lake.written_files import WrittenFile, commit_files, write_files
from platform_assets.pipelines.compute_features import FeatureDays, commit_record
from platform_assets.pipelines.shard_backfill import TableDays, engine_for
from platform_assets.testing.declare import declare, window
from platform_assets.testing.ray_nodes import ADDRESS, TwoNodes

FIRST_DAY = date(2024, 1, 1)
CASE_NAME = "payments_at_scale"
BUSY_CUSTOMER = 7
_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class Asked:
    """What is made and computed.

    Attributes:
        folder: of the lake, the scratch files and the notes of who did what.
        events: in all.
        days: of history.
        customers: they pay equally often, but for one.
        busy_ratio: share of all events that one customer makes.
        memory_megabytes: of a process.
        shards: at least; what memory asks for by default.
        nodes: of the cluster, 1 or 2, with one CPU each.
        kill: shard whose process is killed once, while it computes.
        store_megabytes: of each node's object store.
    """

    folder: str
    events: int = 20_000
    days: int = 40
    customers: int = 300
    busy_ratio: float = 0.0
    memory_megabytes: int = 3000
    shards: int | None = None
    nodes: int = 2
    kill: int | None = None
    store_megabytes: int = 500

    @property
    def lake(self) -> Lake:
        """Its lake."""
        return Lake(str(Path(self.folder) / "lake"))

    @property
    def last_day(self) -> date:
        """The last day of history."""
        return FIRST_DAY + timedelta(days=self.days - 1)

    @property
    def use_case(self) -> UseCase:
        """Count and mean of a customer's payments over 1, 7 and 30 days, as in the book."""
        return declare(
            name=CASE_NAME,
            table="transactions",
            events={
                "transaction_id": {"type": "int64", "unique": True},
                "at": "datetime",
                "customer_id": "int64",
                "terminal_id": "int64",
                "amount": "float64",
                "refused": [0, 1],
            },
            label="refused",
            history={"first_day": FIRST_DAY, "last_day": self.last_day},
            entities=[{"name": "customer", "key": "customer_id", "description": "who pays"}],
            features=[
                {
                    "name": "customer_activity",
                    "entity": "customer",
                    "windows": [
                        window("customer_count", "count", None, [1, 7, 30]),
                        window("customer_mean", "mean", "amount", [1, 7, 30]),
                    ],
                }
            ],
            training={"group": "customer_id"},
        )


class Noted(ViewStages):
    """The stages; each piece of work is noted as it begins."""

    folder: str

    def scatter(self, chunk: Chunk) -> list[pl.DataFrame]:
        """See `ViewStages`."""
        self._note(f"scatter {chunk.number}")
        return super().scatter(chunk)

    def compute(self, segment: Segment, parts: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
        """See `ViewStages`."""
        self._note(f"compute {segment.shard} {segment.computed[0].number}")
        victim = Path(self.folder) / f"kill-{segment.shard}"
        if victim.exists():
            victim.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().compute(segment, parts)

    def gather(self, chunk: Chunk, parts: Iterable[pl.DataFrame]) -> Sequence[Any]:
        """See `ViewStages`."""
        self._note(f"gather {chunk.number}")
        return super().gather(chunk, parts)

    def _note(self, line: str) -> None:
        with open(Path(self.folder) / "notes.txt", "a", encoding="utf-8") as notes:
            notes.write(f"{os.getpid()} {line}\n")


def make(asked: Asked) -> dict[str, Any]:
    """Write the clean table of events."""
    table = Catalog(asked.use_case, asked.lake).clean("transactions").stored
    daily, written, key = asked.events // asked.days, list[WrittenFile](), 0
    for number in range(asked.days):
        rng, day = np.random.default_rng([1, number]), FIRST_DAY + timedelta(days=number)
        customers = rng.integers(0, asked.customers, daily)
        if asked.busy_ratio:
            customers[rng.random(daily) < asked.busy_ratio] = BUSY_CUSTOMER
        midnight = (day - date(1970, 1, 1)).days * _DAY_MICROSECONDS
        columns = {
            "transaction_id": np.arange(key, key + daily),
            "at": pl.Series(np.sort(rng.integers(0, 86_400, daily)) * 1_000_000 + midnight).cast(
                pl.Datetime("us", "UTC")
            ),
            "customer_id": customers,
            "terminal_id": rng.integers(0, 2 * asked.customers, daily),
            "amount": np.round(rng.gamma(2.0, 30.0, daily), 2),
            "refused": np.zeros(daily, np.int8),
        }
        frame = pl.DataFrame(columns).with_columns(pl.lit(day).alias(EVENT_DAY))
        names = [name for name in table.schema if name in frame.columns]
        written += write_files(table, frame.select(names), day, day)
        key += daily
    commit_files(table, written, FIRST_DAY, asked.last_day)
    compiled_kernel()  # once, for all processes that follow
    return {"events": key, "bytes": sum(file.size_bytes for file in written)}


def compute(asked: Asked, address: str | None) -> dict[str, Any]:
    """The windows of the whole history by the engine of `address`, and what that took."""
    catalog = Catalog(asked.use_case, asked.lake)
    view = catalog.use_case.features[0]
    notes = Path(asked.folder) / "notes.txt"
    notes.unlink(missing_ok=True)
    if asked.kill is not None:
        (Path(asked.folder) / f"kill-{asked.kill}").touch()
    capacity = Capacity(asked.memory_megabytes * 10**6, str(Path(asked.folder) / "scratch"), address)
    started, cpu = time.perf_counter(), time.process_time()
    days = FeatureDays(catalog, view)
    plan = _plan(asked, days, capacity)
    table = catalog.features(view)
    stages = Noted(view, catalog.use_case, TableDays(days, table, asked.last_day), plan.shards)
    object.__setattr__(stages, "folder", asked.folder)
    with _watched() as peak:
        files = engine_for(capacity).run(stages, plan)
    commit = commit_files(table, files, FIRST_DAY, asked.last_day, metadata=commit_record(days))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    pieces = Counter(line.split(maxsplit=1)[1] for line in notes.read_text().splitlines())
    return {
        "rows": commit.rows,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds if address is None else peak["cpu_seconds"] + cpu_seconds,
        "peak_megabytes": peak["bytes"] / 1e6 if address else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "shards": plan.shards,
        "chunks": len(plan.chunks),
        "segments": sum(piece.startswith("compute") for piece in pieces),
        "repeated": sorted(piece for piece, count in pieces.items() if count > 1),
        "processes": len({line.split()[0] for line in notes.read_text().splitlines()}),
        "digest": digest(table),
    }


def _plan(asked: Asked, days: FeatureDays, capacity: Capacity) -> ShardPlan:
    from dataclasses import replace

    whole = DayRange(FIRST_DAY, asked.last_day)
    plan = days.shard_plan(whole, capacity) or days.shard_plan(whole, replace(capacity, memory_bytes=1))
    assert plan is not None, "a range of days can always be cut"
    return plan if asked.shards is None else replace(plan, shards=asked.shards)


def digest(table: LakeTable) -> str:
    """The bits of a table's rows, in the order of its days and within each as it was written."""
    result = hashlib.sha256()
    for day in table.partitions():
        for column in table.read(day, day):
            result.update(str(column.null_count()).encode())
            result.update(column.to_physical().fill_null(0).to_numpy().tobytes())
    return result.hexdigest()


@contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """The largest unshared memory of any of Ray's processes that work, and their CPU seconds, looked at a few times a second."""
    seen, ended = {"bytes": 0.0, "cpu_seconds": 0.0}, threading.Event()
    cpu: dict[int, float] = {}

    def look() -> None:
        while not ended.wait(0.3):
            for process in psutil.process_iter(["pid", "cmdline"]):
                if not " ".join(process.info["cmdline"] or ()).startswith("ray::"):
                    continue
                with suppress(psutil.Error):
                    memory, times = process.memory_info(), process.cpu_times()
                    seen["bytes"] = max(seen["bytes"], memory.rss - memory.shared)
                    cpu[process.pid] = max(cpu.get(process.pid, 0.0), times.user + times.system)

    thread = threading.Thread(target=look, name="memory of workers", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        seen["cpu_seconds"] = sum(cpu.values())


def on_ray(asked: Asked) -> dict[str, Any]:
    """The same on a cluster that is started for it."""
    with TwoNodes(store_bytes=asked.store_megabytes * 10**6, nodes=asked.nodes):
        return compute(asked, ADDRESS)


def main(arguments: list[str]) -> int:
    """See the module."""
    asked = Asked(**json.loads(Path(arguments[1]).read_text()))
    steps = {"make": make, "in_chunks": lambda given: compute(given, None), "on_ray": on_ray}
    result = steps[arguments[0]](asked)
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)


def written(asked: Asked) -> Path:
    """The specification as a file."""
    path = Path(asked.folder) / "asked.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(asked)))
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
