"""What a use case costs, from what was recorded: by kind and day, of the machine, of predictions, and of a run before it starts.

Belongs here: reading the usage table, and the picture. Does not belong here: arithmetic (`monitoring/cost/attribution.py`) or recording
(`record_usage.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.cost.attribution import (
    CostOfKind,
    Forecast,
    MachineCost,
    MachineOffer,
    ServiceCost,
    cost_by_kind,
    cost_of_machine,
    forecast,
    priced,
    service_cost,
)
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import KINDS, usage_frame
from platform_assets.pictures.figures import end_labels, labelled, new_figure, note, png, read_as
from platform_assets.pictures.numbers import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_DAYS = 30
COLORS = ("#4472a8", "#6a9fd4", "#d98032", "#e8b27d", "#8a6db1", "#b5b5b5", "#3f8f6b", "#8cc5a8", "#7a7a7a")


class NothingRecorded(ValueError):
    """No usage is recorded; the message says how it is."""


@dataclass(frozen=True)
class CostOfDays:
    """What a use case cost over some days.

    Attributes:
        use_case: its name.
        since: from when on.
        kinds: by kind, in the order of the journey.
        by_day: `event_day`, `kind`, `money`.
        money: of all.
        gpu_seconds: for which GPUs were held; 0 where none was seen.
        service: what answering costs; None while nothing was counted.
    """

    use_case: str
    since: datetime
    kinds: tuple[CostOfKind, ...]
    by_day: pl.DataFrame
    money: float
    gpu_seconds: float
    service: ServiceCost | None


def read_usage(catalog: Catalog, since: datetime) -> pl.DataFrame:
    """Recorded usage from a moment on."""
    table = catalog.usage
    if not table.exists():
        return usage_frame([])
    return table.read(since.date(), date.max).filter(pl.col("at") >= since)


def cost_of_days(catalog: Catalog, sheet: PriceSheet, now: datetime, days: int = DEFAULT_DAYS) -> CostOfDays:
    """What the last days cost, those of the calendar and not of events.

    Args:
        catalog: the tables.
        sheet: the prices.
        now: by the machine's clock.
        days: how many.
    """
    since = now - timedelta(days=days)
    usage = read_usage(catalog, since)
    kinds = tuple(cost_by_kind(usage, sheet))
    by_day = priced(usage, sheet).group_by("event_day", "kind").agg(pl.col("money").sum()).sort("event_day", "kind")
    use_case = catalog.use_case
    processes = use_case.serving.processes if use_case.is_realtime else 1
    service = service_cost(usage, sheet, processes, _scored_in_batch(usage, catalog))
    gpu_seconds = float(usage["gpu_seconds"].sum())
    return CostOfDays(use_case.name, since, kinds, by_day, sum(one.money for one in kinds), gpu_seconds, service)


def _scored_in_batch(usage: pl.DataFrame, catalog: Catalog) -> Mapping[str, int]:
    """Rows that batch runs scored, by run: those of the days that each was about."""
    if catalog.use_case.is_realtime or not catalog.predictions.exists():
        return {}
    rows = catalog.predictions.count_by_partition()
    runs = usage.filter(pl.col("name").str.starts_with("predictions/")).unique("run_id")
    return {str(row["run_id"]): _rows_of(row["days"], rows) for row in runs.iter_rows(named=True)}


def _rows_of(days: str | None, rows: Mapping[date, int]) -> int:
    first, _, last = (days or "").partition("/")
    return sum(count for day, count in rows.items() if first <= day.isoformat() <= (last or first))


def cost_of_this_machine(
    catalogs: Sequence[Catalog], sheet: PriceSheet, capacity: MachineOffer, since: datetime
) -> MachineCost:
    """A machine's money since a moment, by use cases, others and nobody."""
    return cost_of_machine([read_usage(catalog, since) for catalog in catalogs], sheet, capacity)


def forecast_job(catalog: Catalog, sheet: PriceSheet, job: str, days: int, now: datetime) -> Forecast:
    """What a run of a job will take.

    Raises:
        NothingRecorded: no run of it is recorded.
    """
    usage = read_usage(catalog, now - timedelta(days=365))
    found = forecast(usage, sheet, job, days)
    if found is None:
        known = sorted(set(usage["job"].drop_nulls()))
        raise NothingRecorded(
            f"no run of {job!r} of {catalog.use_case.name} is recorded; recorded are {', '.join(known) or 'none'}. "
            f"Materialize {catalog.use_case.name}/monitoring/usage once such a run has ended"
        )
    return found


def plot_costs(costs: CostOfDays, sheet: PriceSheet) -> bytes:
    """Money a day, stacked by kind; PNG."""
    days = costs.by_day["event_day"].unique().sort().to_list()
    if not days:
        return png(note("No usage is recorded yet."))
    figure = new_figure(8.0, 3.2)
    axes = figure.subplots()
    floor, labels = [0.0] * len(days), []
    for kind, color in zip(KINDS, COLORS, strict=True):
        money = dict(costs.by_day.filter(kind=kind).select("event_day", "money").iter_rows())
        if not money:
            continue
        height = [money.get(day, 0.0) for day in days]
        axes.bar(range(len(days)), height, bottom=floor, color=color, width=0.8)
        labels.append((floor[-1] + height[-1] / 2, f"{kind} {readable(sum(height))}", color))
        floor = [below + added for below, added in zip(floor, height, strict=True)]
    step = -(-len(days) // 5)
    axes.set_xticks(range(0, len(days), step), [f"{day:%Y-%m-%d}" for day in days[::step]])
    axes.set_xlim(-0.6, len(days) - 0.4)
    title = f"{costs.use_case}: {readable(sum(floor))} {sheet.currency} on {len(days):,} days"
    labelled(axes, title, "day of the calendar (UTC)", f"{sheet.currency} a day", grid="y")
    read_as(axes.yaxis)
    end_labels(axes, labels)
    return png(figure)
