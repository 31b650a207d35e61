"""Processes that load, and what they load: days, and changes of a feed.

Belongs here: rows and changes that are always the same, loaders with a journal of what they were acknowledged, writers. Does not belong
here: killing them, and counting afterwards (`crashes.py`).
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.connectors.base import ChangeBatch
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.sections.changes import CHANGE_OPERATION, CHANGE_SEQUENCE, DELETE, UPSERT
from platform_assets.lake.schemas import raw_schema
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.take_in_changes import IngestedBatch, ingest_batches

FIRST = date(2024, 1, 1)
DAYS, KEYS = 8, 400
ROWS_A_DAY, CHANGES_A_BATCH = 3_000, 250
STRIDE = 2
"""Days of the loader that is killed and of the one that is left alone alternate."""
WRITERS = 8
DAY_SCHEMA: dict[str, pl.DataType] = {"key": pl.Int64(), "amount": pl.Float64(), EVENT_DAY: pl.Date()}


def day_table(folder: Path) -> LakeTable:
    """The table of days."""
    return LakeTable(str(folder / "days"), DAY_SCHEMA, EVENT_DAY)


def day_rows(number: int) -> pl.DataFrame:
    """Rows of a day; a day always has the same."""
    keys = np.arange(ROWS_A_DAY, dtype=np.int64) + number * ROWS_A_DAY
    day = FIRST + timedelta(days=number)
    return pl.DataFrame({"key": keys, "amount": keys * 0.5}).with_columns(pl.lit(day).alias(EVENT_DAY))


def changing_source() -> Source:
    """What the feed takes in."""
    columns = [("key", "int64"), ("at", "datetime"), ("amount", "float64")]
    declared = {
        "name": "orders",
        "description": "One order.",
        "connector": {"kind": "sql", "url": "DATABASE", "table": "orders", "cursor": "number"},
        "primary_key": ["key"],
        "event_time": "at",
        "columns": [{"name": name, "type": kind, "description": name} for name, kind in columns],
    }
    return Source.model_validate(declared)


def feed_table(folder: Path) -> LakeTable:
    """The raw table of the feed."""
    return LakeTable(str(folder / "feed"), raw_schema(changing_source()), EVENT_DAY)


def changes_between(first: int, last: int) -> pl.DataFrame:
    """Changes `first` to `last` - 1 as a connector finds them; a change is always the same. One in five deletes."""
    number = np.arange(first, last, dtype=np.int64)
    noise = (number * 2_654_435_761) % 2**32
    start = np.datetime64(FIRST, "us")
    at = start + ((noise // 7) % DAYS).astype("timedelta64[D]")
    return pl.DataFrame({"key": noise % KEYS, "at": at, "amount": number * 1.0}).select(
        "key",
        pl.col("at").dt.replace_time_zone("UTC"),
        "amount",
        pl.lit("orders").alias("source_position"),
        pl.lit(None, dtype=pl.Date).alias("delivered_day"),
        pl.lit(None, dtype=pl.String).alias("source_problem"),
        pl.when(pl.Series(noise // 64 % 5 == 0)).then(pl.lit(DELETE)).otherwise(pl.lit(UPSERT)).alias(CHANGE_OPERATION),
        pl.Series(number).alias(CHANGE_SEQUENCE),
    )


def read_changes_of_orders(cursor: str | None) -> ChangeBatch:
    """The next batch; there is always more."""
    first = json.loads(cursor)["at"] if cursor else 0
    last = first + CHANGES_A_BATCH
    return ChangeBatch(changes_between(first, last), json.dumps({"at": last}), more=True)


class Journal:
    """Acknowledgements of one loader, which outlive it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **entry: Any) -> None:
        """Write a line; it is on disk when this returns."""
        with self.path.open("a") as file:
            file.write(f"{json.dumps(entry)}\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> list[dict[str, Any]]:
        """Whole lines; one that a kill cut off was not acknowledged."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _stopped(folder: Path) -> bool:
    return (folder / "stop").exists()


def load_days(folder: Path, journal: Path, begin: int) -> None:
    """Load day after day, from the first that is not acknowledged, until told to stop."""
    ledger, table = Journal(journal), day_table(folder)
    done = [entry["day"] for entry in ledger.entries()]
    number = max(done) + STRIDE if done else begin
    while not _stopped(folder):
        day, rows = FIRST + timedelta(days=number), day_rows(number)
        commit = table.write_partitions(rows, day, day, idempotency_key=f"day {number}")
        ledger.add(day=number, rows=rows.height, again=commit.already_committed)
        number += STRIDE


def run_feed(folder: Path, journal: Path, _begin: int) -> None:
    """Take in changes until told to stop."""
    ledger = Journal(journal)
    for taken in _feed(folder):
        ledger.add(at=json.loads(taken.cursor_after)["at"])
        if _stopped(folder):
            return


def take_some(folder: Path, batches: int) -> None:
    """Take in some batches."""
    for _ in islice(_feed(folder), batches):
        pass


def _feed(folder: Path) -> Iterator[IngestedBatch]:
    return ingest_batches(
        feed_table(folder), changing_source(), read_changes_of_orders, FIRST, FIRST + timedelta(days=DAYS)
    )


@dataclass(frozen=True)
class Loader:
    """A process that loads, and how to start it again."""

    name: str
    work: Callable[[Path, Path, int], None]
    begin: int = 0

    def start(self, context: Any, folder: Path) -> BaseProcess:
        """Start it."""
        process: BaseProcess = context.Process(target=self.work, args=(folder, self.journal(folder).path, self.begin))
        process.start()
        return process

    def journal(self, folder: Path) -> Journal:
        """Its acknowledgements."""
        return Journal(folder / f"{self.name.replace(' ', '_')}.jsonl")


VICTIMS = (Loader("days", load_days), Loader("first feed", run_feed), Loader("second feed", run_feed))
BYSTANDER = Loader("other days", load_days, begin=1)


def write_rounds(folder: Path, writer: int, rounds: int) -> None:
    """A writer: its own day whole, a shared day by appending, its own day by merging, again and again."""
    table = day_table(folder)
    own, shared = FIRST + timedelta(days=writer), FIRST + timedelta(days=WRITERS)
    for turn in range(rounds):
        key = writer * 1_000 + turn
        rows = pl.DataFrame({"key": [key], "amount": [0.0], EVENT_DAY: [own]})
        table.write_partitions(rows, own, own, idempotency_key=f"whole {key}")
        table.append(rows.with_columns(pl.lit(shared).alias(EVENT_DAY)), idempotency_key=f"more {key}")
        table.merge_rows(rows.with_columns(pl.lit(1.0).alias("amount")), ["key"], idempotency_key=f"merged {key}")


def server_with_libraries() -> Any:
    """Processes start from a server that has the libraries loaded and has used none of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.lake.loaders"])
    return context
