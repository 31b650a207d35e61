"""Loads that are killed: what a table holds after kill -9 at random moments, and after eight writers at once.

Belongs here: killing, and counting afterwards. Does not belong here: what makes a load safe (`lake/`, `pipelines/take_in_changes.py`), or
speed.

Loaders are processes that start from a server which has the libraries loaded and has used none of them. Each writes a line to
a journal, synced to disk, after a load was committed: an acknowledgement. Three loaders are killed and started again: one
writes days of one table, while another one that is left alone writes other days of it; two feeds take in the same changes
into another table.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.report import Bar, Topic
from platform_assets.connectors.base import ChangeBatch
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.sections.changes import CHANGE_OPERATION, CHANGE_SEQUENCE, DELETE, UPSERT
from platform_assets.lake.changes import UNKNOWN_DAY, current_rows
from platform_assets.lake.schemas import raw_schema
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.take_in_changes import IngestedBatch, current_cursor, ingest_batches

FIRST = date(2024, 1, 1)
DAYS, KEYS = 8, 400
ROWS_A_DAY, CHANGES_A_BATCH = 3_000, 250
STRIDE = 2
"""Days of the loader that is killed and of the one that is left alone alternate."""
WRITERS = 8
FINISH_SECONDS = 120.0
DAY_SCHEMA: dict[str, pl.DataType] = {"key": pl.Int64(), "amount": pl.Float64(), EVENT_DAY: pl.Date()}


def measure_crashes(
    kills: int = 200, seed: int = 0, say: Callable[[str], None] = lambda _: None, folder: Path | None = None
) -> Topic:
    """Kill loads at random moments, then let eight writers at one table.

    Args:
        kills: How often.
        seed: Of the moments.
        say: Told of the progress.
        folder: Where the tables go; default: one that is removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-crash-") as temporary:
        root = folder or Path(temporary)
        killed = crash_loads(root / "killed", kills, seed, say)
        together = write_at_once(root / "together")
    rows = [
        ["kills of a loader of days", f"{killed.kills['days']}"],
        ["kills of two feeds", f"{killed.kills['first feed'] + killed.kills['second feed']}"],
        ["kills that hit a loader between commit and acknowledgement", f"{killed.unacknowledged}"],
        ["days loaded", f"{killed.days_acknowledged}"],
        ["rows loaded by day", f"{killed.rows_acknowledged:,}"],
        ["changes taken in", f"{killed.changes:,}"],
        [f"commits of {WRITERS} writers at once", f"{together.commits}"],
    ]
    lost = "; ".join([*killed.problems, *together.problems]) or "none"
    bars = [
        Bar(f"kill -9 {kills} times: rows = acknowledged rows, no duplicate key, every table readable",
            f"{sum(killed.kills.values())} kills; problems: {'; '.join(killed.problems) or 'none'}",
            not killed.problems and sum(killed.kills.values()) >= kills),
        Bar(f"{WRITERS} writers at once on one table all succeed",
            f"{together.commits} commits; problems: {'; '.join(together.problems) or 'none'}", not together.problems),
    ]  # fmt: skip
    how = (
        f"Loaders were killed with SIGKILL at random moments (seed {seed}) and started again, while others loaded other days "
        f"of the same table. A load counts as acknowledged when its loader had written so to disk. Problems: {lost}."
    )
    return Topic("Loads that are killed", how, ("what", "number"), rows, bars)


# What is loaded.


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


# Loaders.


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


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.crash"])
    return context


# Killing, and counting afterwards.


@dataclass(frozen=True)
class Killed:
    """What was found after the kills."""

    kills: Mapping[str, int]
    unacknowledged: int
    """Loads of days that had been committed when their loader died without saying so."""
    days_acknowledged: int
    rows_acknowledged: int
    changes: int
    problems: tuple[str, ...]


def crash_loads(folder: Path, kills: int, seed: int = 0, say: Callable[[str], None] = lambda _: None) -> Killed:
    """Kill loaders at random moments, start them again, let them finish, and count."""
    folder.mkdir(parents=True)
    context, moments = _context(), random.Random(seed)
    running = {loader: loader.start(context, folder) for loader in (*VICTIMS, BYSTANDER)}
    counted: Counter[str] = Counter()
    try:
        _until(lambda: all(loader.journal(folder).path.exists() for loader in (VICTIMS[0], BYSTANDER)))
        for number in range(kills):
            time.sleep(moments.uniform(0.02, 0.35))
            victim = moments.choice(VICTIMS)
            process = running[victim]
            assert process.exitcode is None, f"loader '{victim.name}' ended by itself with {process.exitcode}"
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            counted[victim.name] += 1
            running[victim] = victim.start(context, folder)
            if (number + 1) % 50 == 0:
                say(f"{number + 1} kills")
        time.sleep(1.0)
    finally:
        (folder / "stop").touch()
        for process in running.values():
            process.join(FINISH_SECONDS)
            if process.is_alive():
                process.kill()
    ended = [
        f"loader '{loader.name}' ended with {process.exitcode}"
        for loader, process in running.items()
        if process.exitcode
    ]
    return count(folder, counted, ended)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FINISH_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the loaders did not begin to load")
        time.sleep(0.05)


def count(folder: Path, kills: Mapping[str, int], ended: list[str]) -> Killed:
    """Hold the tables to what was acknowledged.

    Args:
        folder: Where tables and journals are.
        kills: How often each loader was killed.
        ended: Loaders that failed by themselves.
    """
    acknowledged = [entry for loader in (VICTIMS[0], BYSTANDER) for entry in loader.journal(folder).entries()]
    days = day_table(folder).read()
    expected = {FIRST + timedelta(days=entry["day"]): entry["rows"] for entry in acknowledged}
    found = dict(days.group_by(EVENT_DAY).len().iter_rows())
    problems = [*ended, *_feed_problems(folder)]
    if found != expected:
        wrong = {str(day) for day in found.keys() | expected.keys() if found.get(day) != expected.get(day)}
        problems.append(f"rows of {len(wrong)} days differ from what was acknowledged: {sorted(wrong)[:3]}")
    if days["key"].n_unique() != days.height:
        problems.append(f"{days.height - days['key'].n_unique()} rows by day have the key of another one")
    return Killed(
        kills=kills,
        unacknowledged=sum(entry["again"] for entry in acknowledged),
        days_acknowledged=len(acknowledged),
        rows_acknowledged=sum(expected.values()),
        changes=_taken_in(folder),
        problems=tuple(problems),
    )


def _taken_in(folder: Path) -> int:
    cursor = current_cursor(feed_table(folder))
    return int(json.loads(cursor)["at"]) if cursor else 0


def _feed_problems(folder: Path) -> Iterator[str]:
    """How the feed's table differs from the changes that its cursor says it has taken in."""
    table, taken_in = feed_table(folder).read(), _taken_in(folder)
    for loader in VICTIMS[1:]:
        ahead = [entry["at"] for entry in loader.journal(folder).entries() if entry["at"] > taken_in]
        if ahead:
            yield f"{len(ahead)} batches that '{loader.name}' acknowledged are not there"
    distinct = table.select("key", CHANGE_SEQUENCE).n_unique()
    if distinct != taken_in:
        yield f"{taken_in} changes were taken in, the table has {distinct}"
    twice = table.height - table.select(EVENT_DAY, "key", CHANGE_SEQUENCE, "change_row_sequence").n_unique()
    if twice:
        yield f"{twice} changes are there twice"
    state = current_rows(table.filter(pl.col(EVENT_DAY) != UNKNOWN_DAY), ["key"])
    there = {row["key"]: (row[EVENT_DAY], row["amount"]) for row in state.iter_rows(named=True)}
    if len(there) != state.height:
        yield f"{state.height - len(there)} keys stand in two days"
    if there != applied(taken_in):
        yield "the state is not that of the changes applied one by one"


def applied(count: int) -> dict[int, tuple[date, float]]:
    """The rows that are there after the first changes, applied one after the other."""
    there: dict[int, tuple[date, float]] = {}
    for row in changes_between(0, count).iter_rows(named=True):
        if row[CHANGE_OPERATION] == DELETE:
            there.pop(row["key"], None)
        else:
            there[row["key"]] = (row["at"].date(), row["amount"])
    return there


# Eight writers.


@dataclass(frozen=True)
class Together:
    """What was found after many writers at once."""

    commits: int
    problems: tuple[str, ...]


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


def write_at_once(folder: Path, writers: int = WRITERS, rounds: int = 4) -> Together:
    """Let writers at one table that does not exist yet, and count."""
    folder.mkdir(parents=True)
    context = _context()
    processes = [context.Process(target=write_rounds, args=(folder, writer, rounds)) for writer in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(FINISH_SECONDS)
        if process.is_alive():
            process.kill()
    problems = [f"writer {i} ended with {process.exitcode}" for i, process in enumerate(processes) if process.exitcode]
    table = day_table(folder)
    rows = table.read()
    shared = FIRST + timedelta(days=WRITERS)
    wanted = {writer * 1_000 + turn for writer in range(writers) for turn in range(rounds)}
    appended = rows.filter(pl.col(EVENT_DAY) == shared)["key"]
    if appended.len() != len(wanted) or set(appended) != wanted:
        problems.append(f"{appended.len()} rows were appended, {len(wanted)} were meant to be")
    own = rows.filter(pl.col(EVENT_DAY) != shared).sort("key").select("key", "amount").rows()
    if own != [(writer * 1_000 + rounds - 1, 1.0) for writer in range(writers)]:
        problems.append("a writer's own day does not hold what it wrote last")
    commits = len(table.history(None)) - 1
    if commits != writers * rounds * 3:
        problems.append(f"{commits} commits were made, {writers * rounds * 3} were meant to be")
    return Together(commits, tuple(problems))
