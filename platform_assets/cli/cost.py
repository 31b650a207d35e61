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
    from platform_assets.pipelines.usage_misses import UsageMiss

app = typer.Typer(no_args_is_help=True, help="What use cases cost: by kind, idle, per 1,000 predictions, before a run.")

Sheet = Annotated[
    str | None,
    typer.Option(
        help="Price sheet: aws, azure, gcp, own or a YAML file; default: that of PLATFORM_ASSETS_PRICE_SHEET, else of the declared `cloud`."
    ),
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
    from platform_assets.pipelines.usage_misses import noted_misses

    with answering(as_json) as answer:
        installation, now = Installation.from_environment(), datetime.now(UTC)
        since, home = now - timedelta(days=days), installation.settings.home
        catalogs = [installation.catalog(one.use_case) for one in declared_use_cases(use_case, warned=True)]
        sheets = {one.use_case.name: _prices(installation, sheet, one.use_case.cloud) for one in catalogs}
        costs = [cost_of_days(catalog, sheets[catalog.use_case.name], now, days) for catalog in catalogs]
        costs = [one for one in costs if one.kinds]
        if not costs:
            raise NothingRecorded(
                f"nothing is recorded of {', '.join(sheets)} in {home}; `platform-assets run` records it at its end, and so does the "
                "sensor `<use_case>__usage` while the daemon runs"
            )
        of_all = set(sheets.values())
        prices = of_all.pop() if len(of_all) == 1 else _prices(installation, sheet, "")
        _put_sheet(prices, answer)
        for one in costs:
            _show_costs(one, sheets[one.use_case], noted_misses(home, one.use_case, since), answer)
        if use_case is None:
            offer = _offer([catalog.usage for catalog in catalogs], since, now)
            _show_machine(cost_of_this_machine(catalogs, prices, offer, since), offer, prices, answer)


@app.command("training")
def training(
    use_case: Annotated[str, typer.Argument(help="Name of the use case.")], sheet: Sheet = None, as_json: AsJson = False
) -> None:
    """What the newest training cost, by trial and fold of each candidate; together they are the training."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.cost_of_training import cost_of_training

    with answering(as_json) as answer:
        installation = Installation.from_environment()
        declared = declared_use_cases(use_case)[0].use_case
        prices = _put_sheet(_prices(installation, sheet, declared.cloud), answer)
        found = cost_of_training(installation.catalog(declared), prices, datetime.now(UTC))
        answer.put("training", asdict(found))
        listing = Listing(
            f"{use_case} as of {found.days}: {found.money:,.5f} {prices.currency}, {found.cpu_seconds:,.1f} CPU-seconds; "
            f"other steps of the run {found.other_steps:,.5f}",
            (
                ListedColumn("candidate"),
                ListedColumn("what"),
                ListedColumn("folds", right=True),
                ListedColumn("cpu_seconds", "CPU-seconds", right=True, shown=lambda value: f"{value:,.2f}"),
                ListedColumn("money", prices.currency, right=True, shown=lambda value: f"{value:,.6f}"),
                ListedColumn("share_ratio", "share", right=True, shown=lambda value: f"{100 * value:.0f} %"),
            ),
            [asdict(part) for part in found.parts],
        )
        console.print(listing.table())


@app.command("cluster")
def cluster(
    use_case: Annotated[str, typer.Argument(help="Name of the use case.")],
    answer_at: Annotated[
        str,
        typer.Argument(
            metavar="ANSWER", help="Address that is asked, a file with its answer, or - for standard input."
        ),
    ],
    source: Annotated[
        str, typer.Option(help="What answers: opencost (allocations by pod) or kubernetes (metrics of pods).")
    ] = "opencost",
    as_json: AsJson = False,
) -> None:
    """Record what pods of a cluster used, as OpenCost or the metrics API of Kubernetes says; each moment of a pod counts once."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.record_cluster_usage import read_answer, record_cluster_usage

    with answering(as_json) as answer:
        declared = declared_use_cases(use_case)[0].use_case
        found = record_cluster_usage(Installation.from_environment().catalog(declared), source, read_answer(answer_at))
        answer.put("cluster", {"source": source, **asdict(found), "rows": len(found.rows)})
        reserved = f", {found.reserved_core_seconds:,.0f} of them reserved" if found.reserved_core_seconds else ""
        console.print(
            f"{use_case}: {len(found.rows)} of {found.pods} pods are recorded, {found.known} were known; they used "
            f"{found.used_core_seconds:,.0f} core-seconds{reserved}",
            markup=False,
        )


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
        declared = declared_use_cases(use_case)[0]
        prices = _put_sheet(_prices(installation, sheet, declared.use_case.cloud), answer)
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
        answer.put("advice", [])
        for name, catalog in (
            (one.use_case.name, installation.catalog(one.use_case)) for one in declared_use_cases(use_case, warned=True)
        ):
            prices = _put_sheet(_prices(installation, sheet, catalog.use_case.cloud), answer)
            found = advise_on_cost(catalog, installation.models, prices, now)
            if not found:
                console.print(f"{name}: nothing that was measured would cost less", markup=False)
            for one in found:
                answer.add("advice", {"use_case": name, "currency": prices.currency, **asdict(one)})
                console.print(
                    f"{name}: {one.what}. Saves {one.saved_a_month:,.3f} {prices.currency} a month: {one.command}",
                    markup=False,
                )


def _prices(installation: Installation, sheet: str | None, cloud: str) -> PriceSheet:
    from platform_assets.monitoring.cost.price_sheet import PriceSheet, sheet_name

    return PriceSheet.named(sheet_name(sheet or installation.settings.price_sheet, cloud))


def _put_sheet(prices: PriceSheet, answer: CommandAnswer) -> PriceSheet:
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


def _show_costs(costs: CostOfDays, sheet: PriceSheet, misses: list[UsageMiss], answer: CommandAnswer) -> None:
    service = costs.service
    answer.add(
        "use_cases",
        {
            "use_case": costs.use_case,
            "since": costs.since.isoformat(),
            "money": costs.money,
            "currency": sheet.currency,
            "price_sheet": sheet.name,
            "gpu_seconds": costs.gpu_seconds,
            "not_recorded": [asdict(one) for one in misses],
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
    gpus = f"{costs.gpu_seconds:,.0f} GPU-seconds" if costs.gpu_seconds else "No GPU was seen: 0 GPU-seconds"
    console.print(f"{gpus}. Prices: {sheet.name} as of {sheet.version}, {sheet.source}", markup=False)
    if misses:
        console.print(
            f"{len(misses)} commands could not record what they took, {sum(one.cpu_seconds for one in misses):,.0f} CPU-seconds; last at "
            f"{misses[-1].at[:19]}: {misses[-1].reason}",
            markup=False,
        )
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
