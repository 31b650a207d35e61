"""Usage is recorded once, priced by day, and shown on the page; nothing recorded is said so."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.deployment.release import ProcessStatus, TargetStatus, UseCaseStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.cost.meter import cpu_seconds_of_family
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.usage import Quantities, RunUsage
from platform_assets.pipelines.record_usage import record_command, record_usage, runs_since
from platform_assets.pipelines.show_cost import NothingRecorded, cost_of_days, forecast_job, plot_costs
from platform_assets.pipelines.use_case_state.series import cost_series
from platform_assets.testing.declare import declare

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SHEET = PriceSheet.named("own")


@pytest.fixture
def parking() -> UseCase:
    return declare(
        events={"stay_id": "int64", "stay_time": "datetime", "driver_id": "int64", "minutes": "float64"},
        label="is_late",
        label_delay_days=7,
        features=[
            {"name": "context", "rows": [{"name": "minutes", "expression": "minutes", "description": "How long."}]}
        ],
    )


class Answering:
    """A target on which this very process answers."""

    def __init__(self, use_case: str) -> None:
        me = ProcessStatus("parking-1-0", "1", "RUNNING", os.getpid(), 1, True, 10.0, 1)
        deployed = UseCaseStatus(use_case, "1", "http://127.0.0.1:1", {"1": 100}, (me,), None, None)
        self._status = TargetStatus(True, "http://127.0.0.1:1", {}, {use_case: deployed})

    def status(self) -> TargetStatus:
        return self._status


@pytest.fixture
def serving(parking: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServingHome:
    target = Answering(parking.name)
    monkeypatch.setattr(ServingHome, "target", lambda self: target)
    return ServingHome(str(tmp_path / "home"), 18_700)


@pytest.fixture
def catalog(parking: UseCase, tmp_path: Path) -> Catalog:
    catalog = Catalog(parking, Lake(str(tmp_path / "lake")))
    raw = catalog.raw("stays" if "stays" in {one.name for one in parking.sources} else parking.sources[0].name).stored
    columns: dict[str, Any] = {name: pl.Series([None], dtype=kind) for name, kind in raw.schema.items()}
    columns["event_day"] = pl.Series([date(2026, 11, 30)])
    raw.write_partitions(pl.DataFrame(columns), date(2026, 11, 30), date(2026, 11, 30))
    return catalog


def run(use_case: UseCase, number: int, cpu: float = 4.0) -> RunUsage:
    steps = {"features/context": Quantities(cpu, cpu, 1.0)}
    return RunUsage(f"r{number}", use_case.name, "load", "2026-11-30", NOW + timedelta(minutes=number), steps, cpu + 1)


def test_a_run_is_recorded_once(parking: UseCase, catalog: Catalog, serving: ServingHome) -> None:
    assert record_usage(catalog, serving, [run(parking, 1)], NOW).commit is not None
    record_usage(catalog, serving, [run(parking, 1), run(parking, 2)], NOW + timedelta(minutes=5))
    kept = catalog.usage.read().sort("at")
    assert kept["run_id"].drop_nulls().to_list() == ["r1", "r1", "r2", "r2"]
    assert runs_since(catalog, NOW) == NOW + timedelta(minutes=2) - timedelta(hours=1)


def test_what_a_command_took_at_its_end_is_added(parking: UseCase, catalog: Catalog) -> None:
    record_command(catalog, NOW, 3.5)
    (row,) = catalog.usage.read().iter_rows(named=True)
    assert (row["kind"], row["job"], row["cpu_seconds"]) == ("overhead", "command", 3.5)


def test_a_service_process_is_charged_for_what_it_did(parking: UseCase, catalog: Catalog, serving: ServingHome) -> None:
    record_usage(catalog, serving, [], NOW)
    record_usage(catalog, serving, [], NOW + timedelta(seconds=10))
    rows = catalog.usage.read().filter(kind="service").sort("at")
    assert rows["process"].n_unique() == 1
    assert rows["process"][0].startswith(f"{os.getpid()}@")
    assert rows["seconds"][1] == pytest.approx(10.0)
    assert 0 < rows["cpu_seconds"].sum() <= cpu_seconds_of_family()


def test_tables_are_counted_each_hour(parking: UseCase, catalog: Catalog, serving: ServingHome) -> None:
    for minutes in (0, 30, 90):
        record_usage(catalog, serving, [], NOW + timedelta(minutes=minutes))
    rows = catalog.usage.read().filter(kind="storage", name=f"raw/{parking.sources[0].name}").sort("at")
    assert rows["seconds"].to_list() == [0.0, 5400.0]
    assert rows["stored_bytes"][0] > 0


def test_costs_of_days_are_shown_and_drawn(parking: UseCase, catalog: Catalog, serving: ServingHome) -> None:
    assert cost_series(catalog, "own", NOW)[1][0].why == "no usage is recorded yet"
    record_usage(catalog, serving, [run(parking, 1), run(parking, 2)], NOW)
    costs = cost_of_days(catalog, SHEET, NOW + timedelta(hours=1))
    assert {one.kind for one in costs.kinds} >= {"features", "overhead", "service", "storage"}
    assert costs.money == pytest.approx(float(costs.by_day["money"].sum()))
    assert plot_costs(costs, SHEET).startswith(b"\x89PNG")
    (series,), absent = cost_series(catalog, "own", NOW + timedelta(hours=1))
    assert (series.unit, absent) == ("EUR", [])
    assert cost_series(catalog, "moon", NOW)[1][0].why.startswith("there is no price sheet 'moon'")


def test_a_run_is_forecast_from_earlier_ones(parking: UseCase, catalog: Catalog, serving: ServingHome) -> None:
    record_usage(catalog, serving, [run(parking, number, 4.0 + number) for number in range(3)], NOW)
    assert forecast_job(catalog, SHEET, "load", 1, NOW + timedelta(hours=1)).cpu_seconds == pytest.approx(6.0)
    with pytest.raises(NothingRecorded, match="recorded are load"):
        forecast_job(catalog, SHEET, "train", 1, NOW + timedelta(hours=1))
