"""Budgets of a use case: what a month has spent of them, and whether a run may begin.

Belongs here: comparing what was recorded and what is foreseen with what is declared. Does not belong here: stopping a search
(`training/tuning`), forecasts and prices (`monitoring/cost`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from platform_assets.declaration.sections.budget import Budget
from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.cost.attribution import forecast, priced
from platform_assets.monitoring.cost.price_sheet import PriceSheet
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.show_cost import read_usage

STEPS = (0.5, 0.8, 1.0)
"""Shares of a month's budget at which somebody is told."""
FORECAST_DAYS = 365


class BudgetExceeded(RuntimeError):
    """Work would cost more than was declared; the message says how much more, and what to do."""


@dataclass(frozen=True)
class MonthSpent:
    """What a month of the calendar has spent.

    Attributes:
        spent: so far.
        most: that is declared.
        currency: of both.
        since: when the month began.
    """

    spent: float
    most: float
    currency: str
    since: datetime

    @property
    def ratio(self) -> float:
        """Share of the budget that is spent."""
        return self.spent / self.most

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{100 * self.ratio:.0f} % of {self.most:g} {self.currency} are spent since {self.since:%Y-%m-%d}: {self.spent:,.4f}"


@dataclass(frozen=True)
class ForeseenCost:
    """What a run will cost.

    Attributes:
        money: of the jobs that were recorded before.
        jobs: how many these are.
        unknown: names of jobs that were never recorded, of which nothing is known.
    """

    money: float
    jobs: int
    unknown: tuple[str, ...]


def require_currency(budget: Budget, sheet: PriceSheet, use_case: str) -> None:
    """Refuse to compare money of two currencies.

    Raises:
        BudgetExceeded: the budget is in another currency than the prices.
    """
    if budget.currency != sheet.currency:
        raise BudgetExceeded(
            f"{use_case}: its budget is in {budget.currency}, and the price sheet {sheet.name!r} in {sheet.currency}: nothing can be held "
            f"against it. Declare `budget.currency: {sheet.currency}` with amounts in it, or name a sheet in {budget.currency} "
            "(PLATFORM_ASSETS_PRICE_SHEET)"
        )


def month_spent(catalog: Catalog, sheet: PriceSheet, now: datetime) -> MonthSpent | None:
    """What this month has spent of its budget; None where none is declared.

    Raises:
        BudgetExceeded: the budget is in another currency than the prices.
    """
    budget = catalog.use_case.budget
    if budget is None or budget.per_month is None:
        return None
    require_currency(budget, sheet, catalog.use_case.name)
    since = datetime(now.year, now.month, 1, tzinfo=UTC)
    spent = float(priced(read_usage(catalog, since), sheet)["money"].sum())
    return MonthSpent(spent, budget.per_month, budget.currency, since)


def foreseen_cost(catalog: Catalog, sheet: PriceSheet, jobs: Sequence[DueJob], now: datetime) -> ForeseenCost:
    """What jobs will cost, judged by earlier runs of the same."""
    usage = read_usage(catalog, now - timedelta(days=FORECAST_DAYS))
    money, known, unknown = 0.0, 0, list[str]()
    for job in jobs:
        found = forecast(usage, sheet, job.job, 1 if job.days is None else len(job.days.days))
        if found is None:
            unknown.append(job.job)
        else:
            money, known = money + found.money, known + 1
    return ForeseenCost(money, known, tuple(dict.fromkeys(unknown)))


def require_budget(catalog: Catalog, sheet: PriceSheet, jobs: Sequence[DueJob], now: datetime) -> str | None:
    """Refuse work whose forecast is above what is declared.

    Args:
        catalog: the tables.
        sheet: the prices.
        jobs: that are to be run.
        now: by the machine's clock.

    Returns:
        What is foreseen, in a sentence; None where no budget is declared or nothing is to be done.

    Raises:
        BudgetExceeded: the forecast is above the budget of a run, or what is left of the month; or prices are in another currency.
    """
    budget, name = catalog.use_case.budget, catalog.use_case.name
    if budget is None or not jobs:
        return None
    require_currency(budget, sheet, name)
    foreseen = foreseen_cost(catalog, sheet, jobs, now)
    refuse_above_budget(catalog, sheet, foreseen.money, f"{foreseen.jobs} jobs that are due", now)
    unknown = f"; nothing is recorded yet of {', '.join(foreseen.unknown)}" if foreseen.unknown else ""
    return f"within its budget: about {foreseen.money:,.4f} {budget.currency} are foreseen{unknown}"


def refuse_above_budget(catalog: Catalog, sheet: PriceSheet, money: float, what: str, now: datetime) -> None:
    """Refuse work that is forecast to cost so much.

    Args:
        catalog: the tables.
        sheet: the prices.
        money: that is foreseen.
        what: costs it, in words.
        now: by the machine's clock.

    Raises:
        BudgetExceeded: it is more than a run may cost, or than is left of the month; or prices are in another currency.
    """
    budget, name = catalog.use_case.budget, catalog.use_case.name
    if budget is None:
        return
    require_currency(budget, sheet, name)
    anyway = f"`platform-assets run {name} --beyond-budget` does it all the same"
    cost = f"{what} are forecast to cost {money:,.4f} {budget.currency}"
    if budget.per_run is not None and money > budget.per_run:
        raise BudgetExceeded(f"{name}: {cost}, and `budget.per_run` is {budget.per_run:g}. {anyway}")
    month = month_spent(catalog, sheet, now)
    if month is not None and month.spent + money > month.most:
        raise BudgetExceeded(f"{name}: {cost}, and of `budget.per_month` {month.sentence}. {anyway}")
