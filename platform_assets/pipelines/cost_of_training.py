"""What a training cost, by trial and fold of each candidate.

Belongs here: reading the parts of a run, and their money. Does not belong here: measuring them (`training/effort.py`), or printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.cost.attribution import priced
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.pipelines.show_cost import NothingRecorded, read_usage

BESIDE = "beside them"
"""What the step took that no part did: reading rows, tracking, registering."""
LOOKED_BACK = timedelta(days=365)


@dataclass(frozen=True)
class CostOfPart:
    """A part of a training, or several of one name.

    Attributes:
        candidate: whose; empty for what no part took.
        what: the trial, or what a fold was judged for.
        folds: how many.
        cpu_seconds: of all.
        money: of all, in the sheet's currency.
        share_ratio: of the step's money.
    """

    candidate: str
    what: str
    folds: int
    cpu_seconds: float
    money: float
    share_ratio: float


@dataclass(frozen=True)
class CostOfTraining:
    """The newest training whose parts were measured.

    Attributes:
        use_case: its name.
        run_id: of the run.
        days: that it was as of.
        ended_at: by the machine's clock.
        money: of the step that trains, the sum of all parts.
        cpu_seconds: likewise.
        other_steps: money of the run's other steps, and beside its steps.
        parts: the dearest first; what no part took is last.
        each: every fold by itself, as it was recorded.
    """

    use_case: str
    run_id: str
    days: str
    ended_at: datetime
    money: float
    cpu_seconds: float
    other_steps: float
    parts: tuple[CostOfPart, ...]
    each: tuple[dict[str, Any], ...]


def cost_of_training(catalog: Catalog, sheet: PriceSheet, now: datetime) -> CostOfTraining:
    """What the newest training cost.

    Args:
        catalog: the tables.
        sheet: the prices.
        now: by the machine's clock.

    Raises:
        NothingRecorded: no training with parts is recorded.
    """
    usage = priced(read_usage(catalog, now - LOOKED_BACK), sheet)
    with_parts = usage.filter(pl.col("part").is_not_null()).sort("at")
    if with_parts.is_empty():
        raise NothingRecorded(
            f"no training of {catalog.use_case.name} is recorded with its folds and trials; `platform-assets run` records one at its end, "
            "and so does the sensor `<use_case>__usage` while the daemon runs"
        )
    newest = with_parts[-1].row(0, named=True)
    run = usage.filter(pl.col("run_id") == newest["run_id"])
    step = run.filter(pl.col("name") == newest["name"])
    whole, money = float(step["cpu_seconds"].sum()), float(step["money"].sum())
    return CostOfTraining(
        catalog.use_case.name,
        str(newest["run_id"]),
        str(newest["days"] or ""),
        newest["at"],
        money,
        whole,
        float(run["money"].sum()) - money,
        tuple(_parts(step, money)),
        tuple(
            step.filter(pl.col("part").is_not_null())
            .select("part", "seconds", "cpu_seconds", "gigabyte_seconds", "gpu_seconds", "money")
            .to_dicts()
        ),
    )


def _parts(step: pl.DataFrame, money: float) -> list[CostOfPart]:
    """Folds of a trial together, folds of a candidate together, the rest."""
    names = pl.col("part").str.split("/")
    kind = (
        pl.when(names.list.len() > 2)
        .then(names.list.get(1, null_on_oob=True))
        .otherwise(
            pl.when(names.list.last().str.starts_with("fold")).then(pl.lit("folds")).otherwise(names.list.last())
        )
    )
    grouped = (
        step.with_columns(candidate=names.list.first().fill_null(""), what=kind.fill_null(BESIDE))
        .group_by("candidate", "what")
        .agg(pl.col("part").count().alias("folds"), pl.col("cpu_seconds", "money").sum())
        .sort([pl.col("candidate") == "", "money"], descending=[False, True])
    )
    return [
        CostOfPart(**row, share_ratio=row["money"] / money if money else 0.0) for row in grouped.iter_rows(named=True)
    ]
