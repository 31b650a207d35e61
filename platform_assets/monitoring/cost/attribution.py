"""What recorded work costs: by kind and by what it was for, what stood idle, and what a thousand predictions cost.

Belongs here: arithmetic on recorded quantities and a price sheet. Does not belong here: recording (`pipelines/record_usage.py`), or the
money that decisions save (`monitoring/business_measures.py`).

Work is charged by what it used: CPU-seconds and memory held. What a machine has and nobody used is idle, and is shown beside it, never
spread over the work: a use case does not become dearer because another one ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import polars as pl

from platform_assets.lake.layout import PREDICTIONS
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import KINDS, SERVICE

LOADS_A_SECOND = (0.1, 5.0, 50.0)
"""Loads at which a thousand predictions are priced: a few an hour would be batch, and 50 is what a process or two can do."""
SECONDS_OF_AN_HOUR = 3600.0


@dataclass(frozen=True)
class CostOfKind:
    """What was spent on one kind of work.

    Attributes:
        kind: one of `KINDS`.
        cpu_seconds: used.
        gigabyte_hours: of memory held.
        money: in the sheet's currency.
        share_ratio: of all money of these rows.
    """

    kind: str
    cpu_seconds: float
    gigabyte_hours: float
    money: float
    share_ratio: float


@dataclass(frozen=True)
class MachineOffer:
    """What a machine offered over a time.

    Attributes:
        cores: that it has.
        gigabytes: of memory, 10^9 bytes.
        seconds: over which it was there.
        busy_cpu_seconds: used by anything on it; None where that is not known.
    """

    cores: int
    gigabytes: float
    seconds: float
    busy_cpu_seconds: float | None = None


@dataclass(frozen=True)
class MachineCost:
    """Where a machine's money went.

    Attributes:
        total: of the machine.
        attributed: to use cases.
        others: used by other work on the machine; None where that is not known.
        idle: by nobody; with what others used where that is not known.
    """

    total: float
    attributed: float
    others: float | None
    idle: float

    @property
    def idle_ratio(self) -> float:
        """Share of the machine that stood idle."""
        return self.idle / self.total if self.total else 0.0


@dataclass(frozen=True)
class PredictionCost:
    """What a thousand answers of a service cost at a load.

    Attributes:
        per_second: requests a second.
        processes: that such a load needs.
        per_thousand: in the sheet's currency.
    """

    per_second: float
    processes: int
    per_thousand: float


@dataclass(frozen=True)
class ServiceCost:
    """What answering costs.

    Attributes:
        requests: that were answered while it was measured.
        cpu_seconds_per_thousand: requests.
        gigabytes: of memory that a process holds.
        loads: the cost at each of `LOADS_A_SECOND`.
        batch_per_thousand: the same in a batch run; None where none was recorded.
        batch_is_cheaper_below: requests a second below which a daily batch costs less; None where there is no batch to compare with.
    """

    requests: int
    cpu_seconds_per_thousand: float
    gigabytes: float
    loads: tuple[PredictionCost, ...]
    batch_per_thousand: float | None = None
    batch_is_cheaper_below: float | None = None


def priced(usage: pl.DataFrame, sheet: PriceSheet) -> pl.DataFrame:
    """Usage with a column `money`, in the sheet's currency."""
    zero = pl.lit(0.0)
    hours = (
        pl.col("cpu_seconds").fill_null(zero) * sheet.core_hour
        + pl.col("gigabyte_seconds").fill_null(zero) * sheet.gigabyte_hour
        + pl.col("gpu_seconds").fill_null(zero) * sheet.gpu_hour
    ) / SECONDS_OF_AN_HOUR
    stored = pl.col("gigabyte_hours_stored").fill_null(zero) / 730.0 * sheet.gigabyte_month_stored
    return usage.with_columns(money=hours + stored)


def cost_by_kind(usage: pl.DataFrame, sheet: PriceSheet) -> list[CostOfKind]:
    """What was spent on each kind, in the order of the journey; kinds without a row are left out."""
    grouped = priced(usage, sheet).group_by("kind").agg(pl.col("cpu_seconds", "gigabyte_seconds", "money").sum())
    rows = {str(row["kind"]): row for row in grouped.iter_rows(named=True)}
    total = sum(row["money"] for row in rows.values())
    return [
        CostOfKind(
            kind,
            rows[kind]["cpu_seconds"],
            rows[kind]["gigabyte_seconds"] / SECONDS_OF_AN_HOUR,
            rows[kind]["money"],
            rows[kind]["money"] / total if total else 0.0,
        )
        for kind in KINDS
        if kind in rows
    ]


def cost_of_machine(usage: Sequence[pl.DataFrame], sheet: PriceSheet, capacity: MachineOffer) -> MachineCost:
    """A machine's money, by who used it. Attributed, others and idle add up to the total.

    Args:
        usage: of each use case, over the same time.
        sheet: the prices.
        capacity: what there was.
    """
    total = sheet.money(capacity.cores * capacity.seconds, capacity.gigabytes * capacity.seconds, 0.0, 0.0)
    attributed = used = 0.0
    for one in usage:
        frame = priced(one, sheet).filter(pl.col("stored_bytes").is_null())
        attributed += float(frame["money"].sum())
        used += float(frame["cpu_seconds"].sum())
    busy = capacity.busy_cpu_seconds
    others = None if busy is None else sheet.money(max(0.0, busy - used), 0.0, 0.0, 0.0)
    return MachineCost(total, attributed, others, max(0.0, total - attributed - (others or 0.0)))


def service_cost(
    usage: pl.DataFrame, sheet: PriceSheet, processes: int, scored_in_batch: Mapping[str, int]
) -> ServiceCost | None:
    """What answering costs at several loads; None while no request was counted.

    A process that answers is paid for all the time, with its memory, and a core is reserved for it while it works: at a low load nearly all
    is waiting. A batch run costs the same for each row, whatever the load.

    Args:
        usage: rows of one use case.
        sheet: the prices.
        processes: that are declared for a service.
        scored_in_batch: rows that batch runs scored, by the run's id.
    """
    answering = usage.filter(pl.col("kind") == SERVICE, pl.col("requests").is_not_null())
    requests = int(answering["requests"].sum())
    if requests == 0:
        return None
    cpu = float(answering["cpu_seconds"].sum()) / requests
    held_seconds = float(answering["seconds"].sum())
    gigabytes = float(answering["gigabyte_seconds"].sum()) / held_seconds if held_seconds else 0.0
    loads = tuple(_at_load(load, cpu, gigabytes, processes, sheet) for load in LOADS_A_SECOND)
    batch = _batch_per_thousand(usage, sheet, scored_in_batch)
    held_an_hour = processes * gigabytes * sheet.gigabyte_hour
    below = None
    if batch is not None:
        saved = batch / 1000 - cpu * sheet.core_hour / SECONDS_OF_AN_HOUR
        below = held_an_hour / SECONDS_OF_AN_HOUR / saved if saved > 0 else float("inf")
    return ServiceCost(requests, 1000 * cpu, gigabytes, loads, batch, below)


def _at_load(per_second: float, cpu: float, gigabytes: float, declared: int, sheet: PriceSheet) -> PredictionCost:
    needed = max(declared, int(per_second * cpu / MOST_BUSY_RATIO) + 1)
    an_hour = needed * gigabytes * sheet.gigabyte_hour + per_second * cpu * sheet.core_hour
    return PredictionCost(per_second, needed, an_hour / (per_second * SECONDS_OF_AN_HOUR) * 1000)


MOST_BUSY_RATIO = 0.6
"""Of a core that a process may be busy before another one is needed: beyond it the queue grows quickly."""


def _batch_per_thousand(usage: pl.DataFrame, sheet: PriceSheet, scored: Mapping[str, int]) -> float | None:
    steps = priced(usage, sheet).filter(
        pl.col("name").str.starts_with(f"{PREDICTIONS}/"), pl.col("run_id").is_in(list(scored))
    )
    rows = sum(scored[run] for run in steps["run_id"].unique())
    return float(steps["money"].sum()) / rows * 1000 if rows else None


@dataclass(frozen=True)
class Forecast:
    """What a job will take, judged by its earlier runs.

    Attributes:
        job: its name.
        days: it is about.
        runs: that the forecast stands on; the newest ones.
        cpu_seconds: in the middle; `low` and `high` are the quarter and three quarters of the earlier runs, scaled alike.
        money: in the middle.
    """

    job: str
    days: int
    runs: int
    cpu_seconds: float
    low_cpu_seconds: float
    high_cpu_seconds: float
    money: float


def forecast(usage: pl.DataFrame, sheet: PriceSheet, job: str, days: int, newest: int = 10) -> Forecast | None:
    """What a job will take for a number of days; None where no run of it is recorded.

    Each earlier run is a fixed part and a part for each day: with runs of different lengths the two are told apart by least squares, with
    runs of one length the whole is scaled.

    Args:
        usage: rows of one use case.
        sheet: the prices.
        job: the job's name.
        days: it will be about; 1 for a job without days.
        newest: runs looked at.
    """
    runs = (
        priced(usage, sheet)
        .filter(pl.col("job") == job, pl.col("run_id").is_not_null())
        .group_by("run_id")
        .agg(pl.col("cpu_seconds", "money").sum(), pl.col("days").first(), pl.col("at").max())
        .sort("at")
        .tail(newest)
    )
    if runs.is_empty():
        return None
    lengths = [days_in(text) for text in runs["days"]]
    cpu, money = runs["cpu_seconds"].to_list(), runs["money"].to_list()
    scaled = [_scaled(value, length, days, lengths, cpu) for value, length in zip(cpu, lengths, strict=True)]
    ordered = sorted(scaled)
    middle = median(scaled)
    price = sum(money) / sum(cpu) if sum(cpu) else 0.0
    return Forecast(
        job,
        days,
        len(scaled),
        middle,
        ordered[len(ordered) // 4],
        ordered[(3 * (len(ordered) - 1) + 3) // 4],
        middle * price,
    )


def _scaled(value: float, length: int, days: int, lengths: Sequence[int], values: Sequence[float]) -> float:
    """A run of another length, as long as the one asked for."""
    mean_length, mean = sum(lengths) / len(lengths), sum(values) / len(values)
    spread = sum((one - mean_length) ** 2 for one in lengths)
    if not spread:
        return value * days / length
    slope = sum((one - mean_length) * (other - mean) for one, other in zip(lengths, values, strict=True)) / spread
    return max(0.0, value + max(0.0, slope) * (days - length))


def days_in(text: str | None) -> int:
    """How many days a run was about: `2018-07-01`, or `2018-07-01/2018-07-10`; 1 where it says none."""
    first, _, last = (text or "").partition("/")
    try:
        return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).days + 1 if last else 1
    except ValueError:
        return 1
