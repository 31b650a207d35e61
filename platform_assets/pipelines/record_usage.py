"""Record what a use case's work took: runs that ended, processes that answer, tables that are stored.

Belongs here: gathering and storing quantities. Does not belong here: measuring steps (`orchestration/measured_steps.py`) and prices
(`monitoring/cost/price_sheet.py`).

Each part is recorded once: a run by its id, a process by the difference to when it was last looked at, a table by the time since it was
last counted. A process that ends takes with it what it did since the last look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.deployment.release import TargetStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.maintenance import stored_bytes
from platform_assets.monitoring.cost.usage import (
    PROXY,
    SERVICE,
    STORAGE,
    ProcessReading,
    RunUsage,
    process_rows,
    run_rows,
    storage_rows,
    usage_frame,
)
from platform_assets.pipelines.use_case_state.service import REQUESTS, scraped_samples

COMMAND: Final = "command"
"""In place of a job: what a command took beside the jobs that it ran."""
COUNT_TABLES_EVERY = timedelta(hours=1)
LONGEST_HELD = timedelta(days=7)
"""Bytes that were not counted for longer are charged for so long."""
LOOK_BACK = timedelta(days=8)
"""Runs are looked for that ended at most so long before the newest one that is recorded."""


RECENT_DAYS = LOOK_BACK.days + 2
"""Days with records that are read to tell what is new."""


@dataclass(frozen=True)
class RecordedUsage:
    """What was recorded.

    Attributes:
        rows: that were added.
        commit: None when there was nothing new.
        cpu_seconds: of all rows.
    """

    rows: int
    commit: Commit | None
    cpu_seconds: float


def runs_since(catalog: Catalog, now: datetime) -> datetime:
    """Since when runs may have ended that are not recorded; all that are known where nothing is."""
    newest = _recent(catalog, ["at", "run_id"]).drop_nulls("run_id")["at"].max()
    return newest - timedelta(hours=1) if isinstance(newest, datetime) else now - LOOK_BACK


def _recent(catalog: Catalog, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The newest days that anything was recorded on: each look writes a row for each process and hour of storage, and runs are looked for
    no further back than `LOOK_BACK`, so that what is older decides nothing."""
    table = catalog.usage
    days = table.partitions() if table.exists() else []
    if not days:
        return usage_frame([]).select(columns or list(table.schema))
    return table.read(days[-RECENT_DAYS:][0], None, columns=columns)


def record_usage(catalog: Catalog, serving: ServingHome, runs: Iterable[RunUsage], now: datetime) -> RecordedUsage:
    """Add what is not recorded yet.

    Args:
        catalog: the tables.
        serving: the target, whose processes are looked at.
        runs: that ended; those that are recorded are left out.
        now: by the machine's clock.

    Raises:
        LakeError: the table cannot be read or written.
    """
    table, use_case = catalog.usage, catalog.use_case
    kept = _recent(catalog)
    recorded = set(kept["run_id"].drop_nulls())
    rows = [
        row for run in runs if run.use_case == use_case.name and run.run_id not in recorded for row in run_rows(run)
    ]
    rows += process_rows(read_processes(use_case, serving), _newest_readings(kept), now)
    counted = kept.filter(kind=STORAGE)["at"].max()
    last = counted if isinstance(counted, datetime) else None
    if last is None or now - last >= COUNT_TABLES_EVERY:
        held = {name: stored_bytes(catalog.stored(name)) for name in catalog.stored_names()}
        rows += storage_rows(held, last, now, LONGEST_HELD.total_seconds())
    if not rows:
        return RecordedUsage(0, None, 0.0)
    frame = usage_frame(rows)
    return RecordedUsage(frame.height, table.append(frame), float(frame["cpu_seconds"].sum()))


def record_command(catalog: Catalog, now: datetime, cpu_seconds: float) -> None:
    """Add what a command took by itself, beside the runs that it ran.

    Raises:
        LakeError: the table cannot be written.
    """
    run = RunUsage(f"command-{uuid4()}", catalog.use_case.name, COMMAND, "", now, cpu_seconds=max(0.0, cpu_seconds))
    catalog.usage.append(usage_frame(run_rows(run)))


def _newest_readings(kept: pl.DataFrame) -> Mapping[str, Mapping[str, Any]]:
    newest = kept.drop_nulls("process").sort("at").unique("process", keep="last")
    return {str(row["process"]): row for row in newest.iter_rows(named=True)}


def read_processes(use_case: UseCase, serving: ServingHome) -> list[ProcessReading]:
    """The processes of this machine that answer for a use case, and its share of the proxy; none on a cluster, whose own metrics say it."""
    if not use_case.is_realtime:
        return []
    status = serving.target().status()
    deployed = status.use_cases.get(use_case.name)
    if deployed is None:
        return []
    answered = _answered(use_case, status)
    versions: dict[str, int] = {}
    for one in deployed.processes:
        versions[one.version] = versions.get(one.version, 0) + 1
    readings = [
        reading
        for one in deployed.processes
        for reading in _reading(
            one.version, SERVICE, one.pid, 1.0, _share_of(answered, versions, one.version, deployed.version)
        )
    ]
    share = 1 / len(status.use_cases)
    for name in ("envoy_pid", "supervisor_pid"):
        readings += _reading(name.removesuffix("_pid"), PROXY, getattr(status, name, None), share, None)
    return readings


def _share_of(answered: int | None, processes: Mapping[str, int], version: str, serving: str | None) -> int | None:
    """Requests of one process: the counts of a version are kept for all of its processes together."""
    return None if answered is None or version != serving else answered // processes[version]


def _answered(use_case: UseCase, status: TargetStatus) -> int | None:
    counted = [
        value
        for name, labels, value in scraped_samples(status.use_cases[use_case.name].address, status.own_socket)
        if name == REQUESTS and labels.get("use_case") in (None, use_case.name)
    ]
    return int(sum(counted)) if counted else None


def _reading(name: str, kind: str, pid: int | None, share: float, requests: int | None) -> Iterator[ProcessReading]:
    import psutil

    if pid is None:
        return
    try:
        process = psutil.Process(pid)
        began = process.create_time()
        family: Sequence[Any] = [process, *(process.children(recursive=True) if kind == SERVICE else [])]
        cpu = sum(_guarded(member, lambda one: sum(one.cpu_times()[:4])) for member in family)
        resident = sum(_guarded(member, lambda one: one.memory_info().rss) for member in family)
    except psutil.Error:
        return  # ended meanwhile
    seconds = max(0.0, datetime.now().timestamp() - began)
    yield ProcessReading(name, f"{pid}@{began:.2f}", kind, cpu, int(resident), seconds, share, requests)


def _guarded(process: Any, read: Callable[[Any], float]) -> float:
    import psutil

    try:
        return read(process)
    except psutil.Error:
        return 0.0
