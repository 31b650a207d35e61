"""Loads that are killed: what a table holds after kill -9 at random moments, and after eight writers at once.

Belongs here: killing, and counting afterwards. Does not belong here: what is loaded (`loaders.py`), what makes a load safe (`lake/`,
`pipelines/take_in_changes.py`), or speed.

Loaders are processes that start from a server which has the libraries loaded and has used none of them. Each writes a line to
a journal, synced to disk, after a load was committed: an acknowledgement. Three loaders are killed and started again: one
writes days of one table, while another one that is left alone writes other days of it; two feeds take in the same changes
into another table.
"""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.lake.loaders import (
    BYSTANDER,
    FIRST,
    VICTIMS,
    WRITERS,
    changes_between,
    day_table,
    feed_table,
    server_with_libraries,
    write_rounds,
)
from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.sections.changes import CHANGE_OPERATION, CHANGE_SEQUENCE, DELETE
from platform_assets.lake.changes import UNKNOWN_DAY, current_rows
from platform_assets.pipelines.take_in_changes import current_cursor

FINISH_SECONDS = 120.0


def measure_crashes(
    kills: int = 200, seed: int = 0, log: Callable[[str], None] = lambda _: None, folder: Path | None = None
) -> Topic:
    """Kill loads at random moments, then let eight writers at one table.

    Args:
        kills: How often.
        seed: Of the moments.
        log: Told of the progress.
        folder: Where the tables go; default: one that is removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-crash-") as temporary:
        root = folder or Path(temporary)
        killed = crash_loads(root / "killed", kills, seed, log)
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


def crash_loads(folder: Path, kills: int, seed: int = 0, log: Callable[[str], None] = lambda _: None) -> Killed:
    """Kill loaders at random moments, start them again, let them finish, and count."""
    folder.mkdir(parents=True)
    context, moments = server_with_libraries(), random.Random(seed)
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
                log(f"{number + 1} kills")
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
    result = dict(days.group_by(EVENT_DAY).len().iter_rows())
    problems = [*ended, *_feed_problems(folder)]
    if result != expected:
        wrong = {str(day) for day in result.keys() | expected.keys() if result.get(day) != expected.get(day)}
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
    present = {row["key"]: (row[EVENT_DAY], row["amount"]) for row in state.iter_rows(named=True)}
    if len(present) != state.height:
        yield f"{state.height - len(present)} keys stand in two days"
    if present != applied(taken_in):
        yield "the state is not that of the changes applied one by one"


def applied(count: int) -> dict[int, tuple[date, float]]:
    """The rows that are there after the first changes, applied one after the other."""
    present: dict[int, tuple[date, float]] = {}
    for row in changes_between(0, count).iter_rows(named=True):
        if row[CHANGE_OPERATION] == DELETE:
            present.pop(row["key"], None)
        else:
            present[row["key"]] = (row["at"].date(), row["amount"])
    return present


@dataclass(frozen=True)
class Together:
    """What was found after many writers at once."""

    commits: int
    problems: tuple[str, ...]


def write_at_once(folder: Path, writers: int = WRITERS, rounds: int = 4) -> Together:
    """Let writers at one table that does not exist yet, and count."""
    folder.mkdir(parents=True)
    context = server_with_libraries()
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
