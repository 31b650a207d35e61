"""What a use case could save, from what was recorded of it.

Belongs here: reading figures. Does not belong here: judging them (`monitoring/cost/advice.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

import polars as pl

from platform_assets.lake.catalog import Catalog
from platform_assets.lake.figures import table_figures
from platform_assets.lake.maintenance import stored_bytes
from platform_assets.monitoring.cost.advice import Advice, ServiceFigures, TrainingFigures, advise
from platform_assets.monitoring.cost.attribution import priced
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import SERVICE
from platform_assets.pipelines.jobs import TRAIN as TRAIN_JOB
from platform_assets.pipelines.show_cost import read_usage
from platform_assets.registry.ledger import Ledger

LEAST_PROCESSES = 2
"""With one process less than two, the end of one is an outage."""


def advise_on_cost(catalog: Catalog, ledger: Ledger, sheet: PriceSheet, now: datetime, days: int = 30) -> list[Advice]:
    """What would cost less, by the last days.

    Args:
        catalog: the tables.
        ledger: which models took over.
        sheet: the prices.
        now: by the machine's clock.
        days: of recorded usage.
    """
    usage = read_usage(catalog, now - timedelta(days=days))
    stored = {
        name: (stored_bytes(table), table_figures(table).size_bytes)
        for name in catalog.stored_names()
        for table in [catalog.stored(name)]
    }
    return advise(
        catalog.use_case.name, sheet, stored, _service(usage, catalog), _training(usage, catalog, ledger, sheet)
    )


def _service(usage: pl.DataFrame, catalog: Catalog) -> ServiceFigures | None:
    rows = usage.filter(pl.col("kind") == SERVICE, pl.col("seconds") > 0)
    if rows.is_empty():
        return None
    newest = rows.filter(pl.col("at") == rows["at"].max())
    each = rows.group_by("process").agg(pl.col("cpu_seconds", "gigabyte_seconds", "seconds").sum())
    busy = float(each["cpu_seconds"].sum()) / float(each["seconds"].max() or 1.0)  # type: ignore[arg-type]
    gigabytes = float(each["gigabyte_seconds"].sum()) / float(each["seconds"].sum())
    least = min(LEAST_PROCESSES, catalog.use_case.serving.processes)
    return ServiceFigures(newest["process"].n_unique(), least, busy, gigabytes)


def _training(usage: pl.DataFrame, catalog: Catalog, ledger: Ledger, sheet: PriceSheet) -> TrainingFigures | None:
    runs = (
        priced(usage, sheet)
        .filter(pl.col("job") == TRAIN_JOB)
        .group_by("run_id")
        .agg(pl.col("money").sum(), pl.col("at").max())
        .sort("at")
    )
    if runs.is_empty():
        return None
    moves = ledger.moves(catalog.use_case.name)
    newest = moves["at"].max() if moves.height else None
    fruitless = runs.filter(pl.col("at") > newest).height if isinstance(newest, datetime) else runs.height
    return TrainingFigures(fruitless, float(median(runs["money"])), catalog.use_case.training.every_days)
