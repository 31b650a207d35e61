"""Feature tables of histories that do not fit into memory.

Belongs here: how much is computed, by whom, and the table. Does not belong here: the worlds and the work (`testing/shard_world.py`), other
engines (`peers.py`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common.report import Bar, Topic
from platform_assets.testing.child_process import ChildFailed, run_child
from platform_assets.testing.ray_nodes import in_namespace
from platform_assets.testing.shard_world import Asked, written

TITLE = "Histories that do not fit into memory"
WORLD = "platform_assets.testing.shard_world"
PEERS = "benchmarks.scale.peers"
TIMEOUT_SECONDS = 6 * 3600.0
TOLERANCE_RATIO = 1e-9
GROWTH_LIMIT, BUSY_LIMIT, TWO_WORKERS_LEAST, MEMORY_LIMIT_MB = 1.2, 1.5, 1.7, 3000
BUSY_RATIO = 0.1
EVENTS_PER_CUSTOMER = 357
"""About what a customer of the default world pays in 183 days."""


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    Attributes:
        events: of the large history; a quarter of them is the small one.
        days: of both.
        memory_megabytes: of a process.
        cluster_events: of the history that the cluster computes.
        peers: other engines, for the small history.
    """

    events: int = 20_000_000
    days: int = 183
    memory_megabytes: int = 1500
    cluster_events: int = 5_000_000
    peers: tuple[str, ...] = ("polars", "duckdb")


FULL = Amount()
QUICK = Amount(events=400_000, days=40, memory_megabytes=600, cluster_events=100_000)


def measure_scale_of(quick: bool, log: Callable[[str], None]) -> Topic:
    """The usual amount, or a tiny one."""
    return measure_scale(QUICK if quick else FULL, log)


def measure_scale(amount: Amount, log: Callable[[str], None]) -> Topic:
    """Everything, one after the other, each in processes of its own.

    Args:
        amount: how much.
        log: told of the results.

    Raises:
        ChildFailed: something of ours failed.
    """
    found: dict[str, Mapping[str, Any]] = {}

    def note(name: str, result: Mapping[str, Any]) -> None:
        found[name] = result
        log(f"{name}: {result['seconds']:.1f} s, {result['cpu_seconds']:.1f} CPU s, {result['peak_megabytes']:.0f} MB")

    with tempfile.TemporaryDirectory(prefix="platform-assets-scale-") as scratch:

        def asked(name: str, events: int, **more: Any) -> Asked:
            customers = max(10, events // EVENTS_PER_CUSTOMER)
            of = Asked(str(Path(scratch) / name), events, amount.days, customers, **more)
            return replace(of, memory_megabytes=amount.memory_megabytes)

        few = asked("few", amount.events // 4)
        _child("make", few)
        note("few", _child("in_chunks", few))
        for peer in amount.peers:
            note(peer, _child(peer, few, PEERS))
        shutil.rmtree(few.folder)
        for name, ratio in (("many", 0.0), ("busy", BUSY_RATIO)):
            world = asked(name, amount.events, busy_ratio=ratio)
            _child("make", world)
            note(name, _child("in_chunks", world))
            shutil.rmtree(world.folder)
        world = replace(asked("cluster", amount.cluster_events, store_megabytes=1000), shards=6)
        _child("make", world)
        note("here", _child("in_chunks", world))
        for name, how in (("one", {"nodes": 1}), ("two", {"nodes": 2}), ("killed", {"nodes": 2, "kill": 2})):
            path = written(replace(world, **how))
            note(name, in_namespace(WORLD, "on_ray", str(path), timeout_seconds=TIMEOUT_SECONDS))
    return scale_topic(found, amount)


def _child(step: str, asked: Asked, module: str = WORLD) -> dict[str, Any]:
    try:
        return run_child(module, step, str(written(asked)), timeout_seconds=TIMEOUT_SECONDS)
    except ChildFailed:
        if module == WORLD:
            raise
        return {"seconds": float("inf"), "cpu_seconds": float("inf"), "peak_megabytes": 0.0, "difference": None}


def scale_topic(found: Mapping[str, Mapping[str, Any]], amount: Amount) -> Topic:
    """The table of what was found, and what was promised."""
    few, cluster = amount.events // 4, amount.cluster_events
    titles = {
        "few": ("in chunks, one process", few),
        "polars": ("polars `rolling_*_by().over()`, in memory", few),
        "duckdb": (f"DuckDB RANGE windows, {amount.memory_megabytes} MB, spilling", few),
        "many": ("in chunks, one process", amount.events),
        "busy": ("the same, one customer with a tenth of all events", amount.events),
        "here": ("in chunks, six shards", cluster),
        "one": ("Ray, one worker", cluster),
        "two": ("Ray, two nodes with a worker each", cluster),
        "killed": ("the same, a worker killed while it computes shard 3", cluster),
    }
    rows = [_row(title, events, found[name]) for name, (title, events) in titles.items() if name in found]
    return Topic(
        TITLE,
        "Six windows (count and mean of a customer's payments over 1, 7 and 30 days) of every event, from Delta table to Delta table in "
        f"one commit, over {amount.days} days; a process may take {amount.memory_megabytes} MB. CPU is of all processes that work on it. "
        "Peak memory is resident memory of the process, libraries included; of Ray's workers what they do not share, the largest of them. "
        "The Ray nodes have one CPU each, on two addresses of a network namespace of this machine.",
        ["", "events", "seconds", "CPU s a million events", "peak MB a process", "shards", "segments"],
        rows,
        _bars(found, amount),
    )


def _row(title: str, events: int, run: Mapping[str, Any]) -> list[str]:
    if run["seconds"] == float("inf"):
        return [title, f"{events:,}", "did not end", "", "", "", ""]
    return [
        title,
        f"{events:,}",
        f"{run['seconds']:.1f}",
        f"{1e6 * run['cpu_seconds'] / events:.2f}",
        f"{run['peak_megabytes']:.0f}",
        str(run.get("shards", "")),
        str(run.get("segments", "")),
    ]


def _bars(found: Mapping[str, Mapping[str, Any]], amount: Amount) -> list[Bar]:
    few, many, busy = (found[name] for name in ("few", "many", "busy"))
    growth = many["cpu_seconds"] / few["cpu_seconds"] * (amount.events // 4) / amount.events
    busy_ratio = busy["cpu_seconds"] / many["cpu_seconds"]
    same = {found[name]["digest"] for name in ("here", "one", "two", "killed")}
    repeated = found["killed"]["repeated"]
    speed = found["one"]["seconds"] / found["two"]["seconds"]
    peak = max(found[name]["peak_megabytes"] for name in ("few", "many", "busy", "one", "two", "killed"))
    bars = [
        Bar(
            "in chunks, on one worker, on two, and with one killed: the same bits", _yes(len(same) == 1), len(same) == 1
        ),
        Bar(
            f"CPU a million events grows by at most {GROWTH_LIMIT:g} from a quarter to all",
            f"{growth:.2f}",
            growth <= GROWTH_LIMIT,
        ),
        Bar(f"a process takes at most {MEMORY_LIMIT_MB} MB", f"{peak:.0f} MB", peak <= MEMORY_LIMIT_MB),
        Bar(
            f"one customer with a tenth of all events costs at most {BUSY_LIMIT:g} times the even case",
            f"{busy_ratio:.2f} times",
            busy_ratio <= BUSY_LIMIT,
        ),
        Bar("a killed worker repeats one shard", ", ".join(repeated) or "none", len(repeated) == 1),
        Bar(
            f"two workers are at least {TWO_WORKERS_LEAST:g} times one",
            f"{speed:.2f} times",
            speed >= TWO_WORKERS_LEAST,
        ),
    ]
    for peer in amount.peers:
        difference = found[peer]["difference"]
        if difference is not None:
            what = f"{peer} gives the same answers, within {TOLERANCE_RATIO:g}"
            bars.append(Bar(what, f"{difference:.1e}", difference <= TOLERANCE_RATIO))
    return bars


def _yes(value: bool) -> str:
    return "yes" if value else "no"
