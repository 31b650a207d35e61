"""What could cost less is read from what was recorded: steps on a cluster, the champion's importances, a measure in money."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration.names import BUSINESS_MEASURES
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import Quantities, RunUsage, run_rows, usage_frame
from platform_assets.pipelines.advise_cost import advise_on_cost
from platform_assets.pipelines.track_training import IMPORTANCES_FILE, TRACKING
from platform_assets.registry.training_run import COMPARISON_FILE
from platform_assets.testing.declare import declare, window

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SHEET = PriceSheet.named("aws")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Ten days in which views were computed for an hour each, on a cloud."""
    use_case = declare(
        name="parking",
        cloud="aws",
        events={"visit": "int64", "at": "datetime", "lot": "int64", "fee": "float64"},
        label="unpaid",
        features=[
            "fee",
            {"name": "lots", "entity": "lot", "windows": [window("visits", "count", None, [1, 7])]},
        ],
        monitoring={
            "quality_metric": "auc_roc",
            "measures": [{"name": "collected", "expression": "fee", "unit": "USD", "direction": "increase"}],
        },
    )
    catalog = Catalog(use_case, Lake(str(tmp_path / "lake")))
    hour = Quantities(3600.0, 360.0, 1800.0)
    steps = {f"features/{view.table}": hour for view in use_case.features}
    runs = [RunUsage(f"r{day}", "parking", "load", "", NOW - timedelta(days=day), steps) for day in range(10, 0, -1)]
    catalog.usage.append(usage_frame(row for run in runs for row in run_rows(run)))
    return catalog


def models(folder: Path, importances: dict[str, float]) -> Any:
    """A champion whose run says which features decide."""
    (folder / TRACKING).mkdir(parents=True)
    (folder / COMPARISON_FILE).write_text("{}")
    (folder / TRACKING / IMPORTANCES_FILE).write_text(json.dumps(importances))
    registry = SimpleNamespace(by_alias=lambda name, alias: alias, run_folder=lambda version: folder)
    ledger = SimpleNamespace(moves=lambda name: pl.DataFrame({"at": []}))
    return SimpleNamespace(registry=lambda: registry, ledger=lambda name: ledger)


def measured(catalog: Catalog, high: float) -> None:
    result = {
        "first_day": "2026-11-01",
        "last_day": "2026-11-07",
        "labelled_rows": 700,
        "measures": [{"name": "collected", "per": "day", "value": high - 1, "low": high - 2, "high": high}],
    }
    row = {
        "status": "ok",
        "passed": True,
        "causes": [],
        "model_version": "1",
        "result": json.dumps(result),
        "event_day": date(2026, 11, 7),
    }
    table = catalog.verdicts(BUSINESS_MEASURES)
    table.append(pl.DataFrame([row], schema=table.schema))


def test_figures_become_advice_with_a_saving_for_a_month(catalog: Catalog, tmp_path: Path) -> None:
    names = catalog.use_case.feature_names
    of_lots = dict.fromkeys(catalog.use_case.features[-1].feature_names, 0.0)
    measured(catalog, 0.001)
    champion = models(tmp_path / "run", {**dict.fromkeys(names, 0.3), **of_lots})
    found = {one.command.partition(" in the")[0]: one for one in advise_on_cost(catalog, champion, SHEET, NOW)}
    views = len(catalog.use_case.features)
    months = 730 / 24 / 10
    smaller = found.pop("compute: {features: {cpus: 0.25, memory_gigabytes: 1}}")
    hours = months * 10 * views
    assert smaller.saved_a_month == pytest.approx(hours * (1.75 * SHEET.core_hour + 3 * SHEET.gigabyte_hour))
    spot = found.pop("compute: {default: {spot: true}}")
    paid = hours * (2 * SHEET.core_hour + 4 * SHEET.gigabyte_hour)
    assert spot.saved_a_month == pytest.approx(paid * (1 - SHEET.spot_ratio))
    unused = next(one for command, one in found.items() if command.startswith("take the view lots out of"))
    of_an_hour = SHEET.money(360.0, 1800.0, 0.0, 0.0)
    assert unused.saved_a_month == pytest.approx(months * 10 * of_an_hour)
    costly = next(one for one in found.values() if "brings" in one.what)
    brought = 0.001 * 730 / 24
    assert costly.saved_a_month == pytest.approx(months * 10 * views * of_an_hour - brought)
    assert len(found) == 2


def test_a_view_that_decides_and_a_model_that_earns_are_left(catalog: Catalog, tmp_path: Path) -> None:
    measured(catalog, 100.0)
    champion = models(tmp_path / "run", dict.fromkeys(catalog.use_case.feature_names, 0.01))
    found = advise_on_cost(catalog, champion, SHEET, NOW)
    assert [one for one in found if "view" in one.command or "brings" in one.what] == []
    euros = advise_on_cost(catalog, champion, PriceSheet.named("own"), NOW)
    assert not any("brings" in one.what for one in euros), "money of two currencies is not compared"
