"""Budgets of a run and a month: what is foreseen above them is refused, and each step on the way is told."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.monitoring.cost.spending import MeteredSpending
from platform_assets.monitoring.cost.usage import Quantities, RunUsage, run_rows, usage_frame
from platform_assets.orchestration.assets.usage import budget_evaluations, budget_specs
from platform_assets.pipelines.budgets import BudgetExceeded, month_spent, refuse_above_budget, require_budget
from platform_assets.pipelines.due import DueJob
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.declare import declare
from platform_assets.training.tuning.trials import SearchError

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
SHEET = PriceSheet(
    name="test", version=date(2026, 1, 1), currency="EUR", source="a test", core_hour=1.0, gigabyte_hour=0.0,
    gigabyte_month_stored=0.0,
)  # fmt: skip
DOLLARS = SHEET.model_copy(update={"currency": "USD"})
World = Callable[..., Catalog]


def use_case(**budget: Any) -> UseCase:
    return declare(
        events={"visit": "int64", "at": "datetime", "amount": "float64"},
        label="returned",
        **({"budget": budget} if budget else {}),
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A lake in which a run of one day, three days ago, took so many hours of a core."""

    def made(hours: float = 2.0, at: datetime = datetime(2026, 6, 17, tzinfo=UTC), **budget: Any) -> Catalog:
        catalog = Catalog(use_case(**budget), Lake(root=str(tmp_path)))
        run = RunUsage("one", "small", "load", "2024-01-01", at, {"clean/events": Quantities(1, 3600 * hours)})
        catalog.usage.append(usage_frame(run_rows(run)))
        return catalog

    return made


def ten_days() -> list[DueJob]:
    return [DueJob("load", DayRange(date(2024, 1, 1), date(2024, 1, 10)))]


def test_a_backfill_above_the_budget_of_a_run_asks_before_it_begins(world: World) -> None:
    with pytest.raises(
        BudgetExceeded, match=r"forecast to cost 20\.0000 EUR, and `budget\.per_run` is 5\..*--beyond-budget"
    ):
        require_budget(world(per_run=5), SHEET, ten_days(), NOW)


def test_what_is_within_the_budget_is_said_with_what_nobody_knows(world: World) -> None:
    jobs = [*ten_days(), DueJob("train", None)]
    foreseen = require_budget(world(per_run=30), SHEET, jobs, NOW)
    assert foreseen == "within its budget: about 20.0000 EUR are foreseen; nothing is recorded yet of train"
    assert require_budget(world(per_run=30), SHEET, [], NOW) is None
    assert require_budget(Catalog(use_case(), world(per_run=30).lake), SHEET, jobs, NOW) is None


def test_a_run_that_would_pass_the_month_s_budget_is_refused(world: World) -> None:
    catalog = world(per_month=21)
    refuse_above_budget(catalog, SHEET, 18.9, "load", NOW)
    with pytest.raises(
        BudgetExceeded, match=r"of `budget\.per_month` 10 % of 21 EUR are spent since 2026-06-01: 2\.0000"
    ):
        require_budget(catalog, SHEET, ten_days(), NOW)


def test_a_month_begins_anew(world: World) -> None:
    catalog = world(per_month=2, at=datetime(2026, 5, 31, 23, tzinfo=UTC))
    month = month_spent(catalog, SHEET, NOW)
    assert month is not None
    assert month.ratio == 0


@pytest.mark.parametrize(
    ("spent", "passed", "severity"),
    [(49, True, "WARN"), (51, False, "WARN"), (81, False, "WARN"), (101, False, "ERROR")],
)
def test_the_check_warns_on_the_way_and_is_red_at_the_end(
    world: World, spent: float, passed: bool, severity: str
) -> None:
    catalog = world(hours=spent, at=datetime.now(UTC), per_month=100)
    [check] = budget_evaluations(catalog, SHEET)
    assert (check.passed, check.severity) == (passed, dg.AssetCheckSeverity[severity])
    assert f"{spent} % of 100 EUR are spent" in str(check.description)
    assert [spec.name for spec in budget_specs(catalog.use_case)] == ["budget"]


def test_without_a_budget_nothing_is_checked(world: World) -> None:
    assert budget_specs(world().use_case) == []
    assert budget_evaluations(world(), SHEET) == []


def test_prices_in_another_currency_are_refused_and_not_compared(world: World, tmp_path: Path) -> None:
    with pytest.raises(BudgetExceeded, match=r"its budget is in EUR, and the price sheet 'test' in USD"):
        require_budget(world(per_run=5), DOLLARS, ten_days(), NOW)
    sheet = tmp_path / "dollars.yaml"
    sheet.write_text(DOLLARS.model_dump_json())
    store = ModelStore("sqlite://", world().lake, spending=lambda cloud: MeteredSpending.of_cloud(str(sheet), cloud))
    with pytest.raises(SearchError, match=r"`budget\.per_search` is in EUR, and the price sheet in USD"):
        store.search_budget(use_case(per_search=1))
    assert store.search_budget(use_case(per_run=1)) is None


def test_the_meter_counts_this_process_and_trials_elsewhere() -> None:
    meter = MeteredSpending("own")
    sum(number * number for number in range(300_000))
    here = meter.spent(0.0)
    assert here > 0
    assert meter.spent(36_000.0) > 10 * PriceSheet.named("own").core_hour > here


def test_a_budget_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a budget needs"):
        use_case(currency="EUR")
