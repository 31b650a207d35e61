"""What a use case could save, from what was recorded of it.

Belongs here: reading figures. Does not belong here: judging them (`monitoring/cost/advice.py`).
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from statistics import median

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.names import BUSINESS_MEASURES
from platform_assets.declaration.options.clouds import LOCAL
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.figures import table_figures
from platform_assets.lake.layout import FEATURES
from platform_assets.lake.maintenance import stored_bytes
from platform_assets.monitoring.cost.advice import (
    Advice,
    AdviceFigures,
    LayerFigures,
    ServiceFigures,
    TrainingFigures,
    ValueFigures,
    advise,
)
from platform_assets.monitoring.cost.attribution import priced
from platform_assets.monitoring.cost.price_sheet import HOURS_OF_A_MONTH, PriceSheet
from platform_assets.monitoring.cost.usage import SERVICE
from platform_assets.pipelines.jobs import TRAIN as TRAIN_JOB
from platform_assets.pipelines.show_cost import read_usage
from platform_assets.pipelines.track_training import IMPORTANCES_FILE, TRACKING
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import read_model_run

LEAST_PROCESSES = 2
"""With one process less than two, the end of one is an outage."""


def advise_on_cost(
    catalog: Catalog, models: ModelStore, sheet: PriceSheet, now: datetime, days: int = 30
) -> list[Advice]:
    """What would cost less, by the last days.

    Args:
        catalog: the tables.
        models: the champion, and which models took over.
        sheet: the prices.
        now: by the machine's clock.
        days: of recorded usage.
    """
    usage = read_usage(catalog, now - timedelta(days=days))
    name, monthly = catalog.use_case.name, _months(usage, now)
    stored = {
        name: (stored_bytes(table), table_figures(table).size_bytes)
        for name in catalog.stored_names()
        for table in [catalog.stored(name)]
    }
    figures = AdviceFigures(
        stored,
        _service(usage, catalog),
        _training(usage, catalog, models.ledger(name), sheet),
        _layers(usage, catalog, monthly),
        _unused_views(priced(usage, sheet), catalog, models, monthly),
        _value(priced(usage, sheet), catalog, sheet, monthly),
    )
    return advise(name, sheet, figures)


def _months(usage: pl.DataFrame, now: datetime) -> float:
    """How many times what was measured a month is; a measured time below a day counts as one."""
    first = usage["at"].min()
    seconds = (now - first).total_seconds() if isinstance(first, datetime) else 0.0
    return HOURS_OF_A_MONTH * 3600 / max(timedelta(days=1).total_seconds(), seconds)


def _layers(usage: pl.DataFrame, catalog: Catalog, monthly: float) -> list[LayerFigures]:
    """Steps by layer; empty where nothing is reserved for a step: on this machine, where no cloud and no size is declared."""
    use_case = catalog.use_case
    if use_case.cloud == LOCAL.name and not use_case.compute:
        return []
    steps = usage.filter(pl.col("run_id").is_not_null(), pl.col("name").str.contains("/"), pl.col("seconds") > 0)
    found = []
    for (layer,), rows in steps.group_by(pl.col("name").str.split("/").list.first(), maintain_order=True):
        seconds = float(rows["seconds"].sum())
        needs = use_case.compute_of(str(layer))
        found.append(
            LayerFigures(
                str(layer),
                monthly * seconds / 3600,
                float(rows["cpu_seconds"].sum()) / seconds,
                float(rows["gigabyte_seconds"].sum()) / seconds,
                needs.cpus,
                needs.memory_gigabytes,
                needs.spot,
            )
        )
    return found


def _unused_views(usage: pl.DataFrame, catalog: Catalog, models: ModelStore, monthly: float) -> dict[str, float]:
    """Money a month of views all of whose features can be shuffled without a loss for the champion."""
    use_case = catalog.use_case
    if not use_case.is_trained_here:
        return {}
    registry = models.registry()
    champion = registry.by_alias(use_case.name, CHAMPION)
    if champion is None:
        return {}
    path = read_model_run(registry.run_folder(champion)).folder / TRACKING / IMPORTANCES_FILE
    importances = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        view.name: monthly * float(usage.filter(pl.col("name") == f"{FEATURES}/{view.table}")["money"].sum())
        for view in use_case.features
        if view.feature_names and all(importances.get(name, 1.0) <= 0.0 for name in view.feature_names)
    }


def _value(usage: pl.DataFrame, catalog: Catalog, sheet: PriceSheet, monthly: float) -> ValueFigures | None:
    """Cost against the newest measure in the sheet's currency; None without one, or without an interval."""
    use_case = catalog.use_case
    declared = {
        one.name for one in use_case.monitoring.measures if one.unit == sheet.currency and one.direction == "increase"
    }
    verdicts = catalog.verdicts(BUSINESS_MEASURES)
    if not declared or not verdicts.exists():
        return None
    result = json.loads(verdicts.read().sort(EVENT_DAY)["result"][-1])
    for measure in result["measures"]:
        if measure["name"] in declared and measure["high"] is not None:
            window = (date.fromisoformat(result["last_day"]) - date.fromisoformat(result["first_day"])).days + 1
            a_day = 1.0 if measure["per"] == "day" else result["labelled_rows"] / window
            brought = measure["high"] * a_day * HOURS_OF_A_MONTH / 24
            return ValueFigures(monthly * float(usage["money"].sum()), brought, measure["name"])
    return None


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
