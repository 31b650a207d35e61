"""`platform-assets cost`: what use cases cost, and what a run will.

Belongs here: the commands and what they print. Does not belong here: arithmetic (`monitoring/cost/`), or recording it
(`pipelines/record_usage.py`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering
from platform_assets.cli.console import console

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.monitoring.cost.attribution import MachineCost, MachineOffer
    from platform_assets.monitoring.cost.price_sheet import PriceSheet
    from platform_assets.pipelines.show_cost import CostOfDays

app = typer.Typer(no_args_is_help=True, help="What use cases cost: by kind, idle, per 1,000 predictions, before a run.")

Sheet = Annotated[
    str | None,
    typer.Option(help="Price sheet: a name or a YAML file; default: the one of PLATFORM_ASSETS_PRICE_SHEET."),
]
UseCaseName = Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")]


@app.command("show")
def show(
    use_case: UseCaseName = None,
    days: Annotated[int, typer.Option(min=1, help="Days of the calendar, back from now.")] = 30,
    sheet: Sheet = None,
    as_json: AsJson = False,
) -> None:
    """What was spent, on what, what stood idle, and what 1,000 predictions cost at three loads."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.show_cost import NothingRecorded, cost_of_days, cost_of_this_machine

    with answering(as_json) as answer:
        installation, now = Installation.from_environment(), datetime.now(UTC)
        prices, since = _prices(installation, sheet, answer), now - timedelta(days=days)
        catalogs = [installation.catalog(one.use_case) for one in declared_use_cases(use_case, warned=True)]
        costs = [one for one in (cost_of_days(catalog, prices, now, days) for catalog in catalogs) if one.kinds]
        if not costs:
            names = ", ".join(catalog.use_case.name for catalog in catalogs)
            raise NothingRecorded(
                f"nothing is recorded of {names} in {installation.settings.home}; `platform-assets run` records it at its end, and so does "
                "the sensor `<use_case>__usage` while the daemon runs"
            )
        for one in costs:
            _show_costs(one, prices, answer)
        if use_case is None:
            offer = _offer([catalog.usage for catalog in catalogs], since, now)
            _show_machine(cost_of_this_machine(catalogs, prices, offer, since), offer, prices, answer)


@app.command("plan")
def plan(
    use_case: Annotated[str, typer.Argument(help="Name of the use case.")],
    job: Annotated[str, typer.Argument(help="Such as load, train, watch.")],
    days: Annotated[int, typer.Option(min=1, help="Days that the run will be about.")] = 1,
    sheet: Sheet = None,
    as_json: AsJson = False,
) -> None:
    """What a run will take, judged by the newest ten of its kind; exit code 1 where that is above the declared budget."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.budgets import refuse_above_budget
    from platform_assets.pipelines.show_cost import forecast_job

    with answering(as_json) as answer:
        installation = Installation.from_environment()
        prices = _prices(installation, sheet, answer)
        declared = declared_use_cases(use_case)[0]
        catalog = installation.catalog(declared.use_case)
        found = forecast_job(catalog, prices, job, days, datetime.now(UTC))
        answer.put("plan", asdict(found))
        console.print(
            f"{use_case} {job}, {days} days: about {found.cpu_seconds:,.1f} CPU-seconds ({found.low_cpu_seconds:,.1f} to "
            f"{found.high_cpu_seconds:,.1f}), {found.money:,.5f} {prices.currency}; judged by {found.runs} earlier runs, prices of "
            f"{prices.name} as of {prices.version}",
            markup=False,
        )
        refuse_above_budget(catalog, prices, found.money, f"{job} of {days} days", datetime.now(UTC))


@app.command("advise")
def advise(use_case: UseCaseName = None, sheet: Sheet = None, as_json: AsJson = False) -> None:
    """What would cost less, with what it saves a month and what carries it out."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.advise_cost import advise_on_cost

    with answering(as_json) as answer:
        installation, now = Installation.from_environment(), datetime.now(UTC)
        prices, models = _prices(installation, sheet, answer), installation.models
        answer.put("advice", [])
        for name, catalog in (
            (one.use_case.name, installation.catalog(one.use_case)) for one in declared_use_cases(use_case, warned=True)
        ):
            found = advise_on_cost(catalog, models.ledger(name), prices, now)
            if not found:
                console.print(f"{name}: nothing that was measured would cost less", markup=False)
            for one in found:
                answer.add("advice", {"use_case": name, **asdict(one)})
                console.print(
                    f"{name}: {one.what}. Saves {one.saved_a_month:,.3f} {prices.currency} a month: {one.command}",
                    markup=False,
                )


def _prices(installation: Installation, sheet: str | None, answer: CommandAnswer) -> PriceSheet:
    from platform_assets.monitoring.cost.price_sheet import PriceSheet

    prices = PriceSheet.named(sheet or installation.settings.price_sheet)
    answer.put("currency", prices.currency)
    answer.put("price_sheet", {"name": prices.name, "version": prices.version.isoformat()})
    return prices


def _offer(tables: list[Any], since: datetime, now: datetime) -> MachineOffer:
    """What this machine offered since the first thing that was recorded; what it did is known since it was started."""
    import psutil

    from platform_assets.monitoring.cost.attribution import MachineOffer

    recorded = [table.read(columns=["at"])["at"].min() for table in tables if table.exists()]
    began = max(since, min([one for one in recorded if isinstance(one, datetime)], default=since))
    up_since = datetime.fromtimestamp(psutil.boot_time(), UTC)
    times = psutil.cpu_times()
    busy = times.user + times.nice + times.system if up_since >= began else None
    seconds = max(1.0, (now - max(began, up_since if busy is not None else began)).total_seconds())
    return MachineOffer(psutil.cpu_count() or 1, psutil.virtual_memory().total / 1e9, seconds, busy)


def _show_costs(costs: CostOfDays, sheet: PriceSheet, answer: CommandAnswer) -> None:
    service = costs.service
    answer.add(
        "use_cases",
        {
            "use_case": costs.use_case,
            "since": costs.since.isoformat(),
            "money": costs.money,
            "kinds": [asdict(one) for one in costs.kinds],
            "service": None if service is None else asdict(service),
        },
    )
    listing = Listing(
        f"{costs.use_case}: {costs.money:,.4f} {sheet.currency} since {costs.since:%Y-%m-%d}",
        (
            ListedColumn("kind"),
            ListedColumn("cpu_seconds", "CPU-seconds", right=True, shown=lambda value: f"{value:,.1f}"),
            ListedColumn("gigabyte_hours", "GB-hours", right=True, shown=lambda value: f"{value:,.2f}"),
            ListedColumn("money", sheet.currency, right=True, shown=lambda value: f"{value:,.5f}"),
            ListedColumn("share_ratio", "share", right=True, shown=lambda value: f"{100 * value:.0f} %"),
        ),
        [asdict(one) for one in costs.kinds],
    )
    console.print(listing.table())
    if service is None:
        return
    at = "; ".join(
        f"{one.per_thousand:,.5f} at {one.per_second:g} a second ({one.processes} processes)" for one in service.loads
    )
    console.print(
        f"1,000 predictions cost {at} {sheet.currency}; measured over {service.requests:,} requests: "
        f"{service.cpu_seconds_per_thousand:,.2f} CPU-seconds for 1,000, {service.gigabytes:.2f} GB a process",
        markup=False,
    )
    if service.batch_per_thousand is not None and service.batch_is_cheaper_below is not None:
        console.print(
            f"In a batch run 1,000 cost {service.batch_per_thousand:,.5f}: cheaper below {service.batch_is_cheaper_below:,.2f} a second",
            markup=False,
        )


def _show_machine(machine: MachineCost, offer: MachineOffer, sheet: PriceSheet, answer: CommandAnswer) -> None:
    answer.put("machine", {**asdict(machine), "idle_ratio": machine.idle_ratio})
    others = "" if machine.others is None else f", {machine.others:,.5f} to other work on it"
    console.print(
        f"This machine ({offer.cores} cores, {offer.gigabytes:.0f} GB) cost {machine.total:,.5f} {sheet.currency} in "
        f"{offer.seconds / 3600:,.2f} h: {machine.attributed:,.5f} to the use cases{others}; idle {machine.idle:,.5f} "
        f"({100 * machine.idle_ratio:.0f} %). Prices: {sheet.name} as of {sheet.version}, {sheet.source}",
        markup=False,
    )
