"""`platform-assets run`: from sources to a watched service, doing only what is due.

Belongs here: the days that a demonstration goes through, and the live traffic between them. Does not belong here: what is due as of a day
(`pipelines/due.py`), what a job does (the assets), or what is printed at the end (`summary.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from time import monotonic

import polars as pl
from rich.markup import escape

from platform_assets.cli.console import console, step
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.refused import print_refused
from platform_assets.cli.run.replay import Traffic, of_its_day, panel, send
from platform_assets.cli.run.summary import print_summary
from platform_assets.connectors.conforming import conform
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import DeclaredUseCase, declared_use_cases
from platform_assets.declaration.names import ONLINE_STORE, PREDICTION_LOG
from platform_assets.declaration.needed_extras import needed_extras
from platform_assets.extras import lacking, require_extras
from platform_assets.installation import Installation
from platform_assets.lake.errors import LakeError
from platform_assets.lake.layout import FEATURES, SERVING
from platform_assets.monitoring.cost.meter import cpu_seconds_of_family
from platform_assets.monitoring.cost.price_sheet import PriceSheet, sheet_name
from platform_assets.orchestration.dagster_folder import use_dagster_of_environment, use_dagster_of_this_folder
from platform_assets.orchestration.in_process import InProcess, RunFailed
from platform_assets.pipelines.acceptances import accepted_days
from platform_assets.pipelines.budgets import require_budget
from platform_assets.pipelines.check_service import (
    ServiceCheck,
    ServiceNotAnswering,
    check_service,
    explanation,
    require_answers,
)
from platform_assets.pipelines.cloud_settings import require_cloud
from platform_assets.pipelines.due import DueJob, polled
from platform_assets.pipelines.jobs import ONLINE
from platform_assets.pipelines.record_usage import record_command
from platform_assets.pipelines.refresh_online_store import why_to_fill
from platform_assets.pipelines.run_visits import history_visit, live_day_visit, predicted_visit, watched_visits
from platform_assets.pipelines.turns import one_run_at_a_time
from platform_assets.pipelines.usage_misses import UsageMiss, note_miss
from platform_assets.pipelines.verify_lake import refuse_damaged


def run_use_cases(installation: Installation, name: str | None, *, beyond_budget: bool = False) -> None:
    """Run one use case, or all that are declared; `beyond_budget` begins although the forecast is above a declared budget."""
    with home_prepared(installation):
        _run_use_cases(installation, name, beyond_budget=beyond_budget)


@contextmanager
def home_prepared(installation: Installation) -> Iterator[None]:
    """The home with its folders and its Dagster instance, while no other run works on it."""
    installation.settings.prepare()
    use_dagster_of_this_folder(installation.settings.home)
    use_dagster_of_environment(installation.settings.home, installation.settings.own_home)
    with one_run_at_a_time(installation.settings.home):
        yield


def _run_use_cases(installation: Installation, name: str | None, *, beyond_budget: bool) -> None:
    """As `run_use_cases`, while no other run works on this home.

    Raises:
        ExtraMissing, CloudContradicted: as `loaded`.
        BudgetExceeded: the forecast is above a declared budget.
        PriceSheetUnusable: the sheet that costs are shown with does not exist or cannot be read.
        ServiceNotAnswering: a service does not answer rightly at the end; the screens of all use cases were printed.
    """
    started = monotonic()
    PriceSheet.named(
        sheet_name(installation.settings.price_sheet, "")
    )  # used at the end: a misspelt one would cost the run
    jobs, chosen = loaded(installation, name)
    wrong = []
    for declared in chosen:
        began, cpu_before = datetime.now(UTC), 0.0 if declared is chosen[0] else cpu_seconds_of_family()
        journey = Journey(declared, installation, jobs)
        journey = replace(journey, progress=journey.foreseen())
        refuse_damaged(journey.catalog)
        if not beyond_budget:
            ask_budget(journey)
        traffic = run_one(journey)
        service = _check(journey) if journey.use_case.is_realtime else None
        taken = _record_usage(journey, began, cpu_before)
        print_summary(journey, traffic, monotonic() - started, service)
        _record_end(journey, cpu_before, taken)
        if service is not None and not service.passed:
            wrong.append(explanation(service))
    if wrong:
        raise ServiceNotAnswering("; ".join(wrong))


def loaded(installation: Installation, name: str | None) -> tuple[InProcess, list[DeclaredUseCase]]:
    """The jobs, and the use cases that were chosen; the target runs where one of them has a service.

    Raises:
        ExtraMissing: the use case that is named needs an extra that is not installed.
        CloudContradicted: settings name services of another cloud than the use case that is named.
    """
    for declared in declared_use_cases(name, warned=True) if name is not None else ():
        require_extras(needed_extras(declared.use_case), declared.use_case.name)
        require_cloud(declared.use_case, installation.settings)
    with step("load the definitions"):
        jobs = InProcess.of(installation, console.print)
    chosen = declared_use_cases(name, warned=True)
    if name is None:  # one that lacks an extra was named with the definitions, and left out
        chosen = [one for one in chosen if not any(lacking(needed.extra) for needed in needed_extras(one.use_case))]
    if any(declared.use_case.is_realtime for declared in chosen):
        installation.serving.target().ensure_running()  # before any work: a port in use is reported at once
    return jobs, chosen


def ask_budget(journey: Journey) -> None:
    """Whether what is due stays within the declared budget.

    Raises:
        BudgetExceeded: it does not.
    """
    if journey.use_case.budget is None:
        return
    prices = PriceSheet.named(sheet_name(journey.installation.settings.price_sheet, journey.use_case.cloud))
    foreseen = require_budget(journey.catalog, prices, journey.ahead(), datetime.now(UTC))
    if foreseen is not None:
        console.print(f"    {foreseen}", markup=False)


def _record_usage(journey: Journey, began: datetime, cpu_before: float) -> float | None:
    """What the run took; where it cannot be written the run has done its work all the same, says so, and counts it.

    Returns:
        The CPU-seconds that are recorded now; None where they are not.
    """
    installation, taken = journey.installation, cpu_seconds_of_family() - cpu_before
    sheet = sheet_name(installation.settings.price_sheet, journey.use_case.cloud)
    try:
        journey.jobs.record_usage(journey.catalog, installation.serving, sheet, began, taken)
        return taken
    except (LakeError, OSError, ValueError) as error:
        miss = UsageMiss(journey.use_case.name, datetime.now(UTC).isoformat(), round(taken, 1), str(error))
        console.print(
            f"[yellow]warning:[/] what this command took ({taken:,.0f} CPU-seconds) was not recorded: {escape(str(error))}. Its runs are "
            f"recorded as soon as that can be done; `platform-assets cost show` {escape(_counted(installation, miss))}"
        )
        return None


def _record_end(journey: Journey, cpu_before: float, taken: float | None) -> None:
    """What recording and the screen took themselves, some seconds: the screen shows costs, so it comes after what it shows."""
    if taken is None:
        return
    try:
        record_command(journey.catalog, datetime.now(UTC), cpu_seconds_of_family() - cpu_before - taken)
    except (LakeError, OSError) as error:
        console.print(f"[yellow]warning:[/] what the end of this command took was not recorded: {escape(str(error))}")


def _counted(installation: Installation, miss: UsageMiss) -> str:
    try:
        note_miss(installation.settings.home, miss)
    except OSError as error:
        return f"will not know of this either: {error}"
    return "counts the miss"


def _check(journey: Journey) -> ServiceCheck:
    installation = journey.installation
    feast = installation.feature_store.settings(journey.use_case)
    return check_service(journey.use_case, installation.serving, feast)


def run_one(journey: Journey) -> Traffic | None:
    """All steps of one use case.

    Returns:
        What the replay measured, or None when the traffic had been replayed by an earlier run.
    """
    use_case = journey.use_case
    console.print(f"\n[bold]{use_case.name}[/]: {use_case.description}")
    if use_case.is_realtime:
        _fill_lost_store(journey)
        journey.installation.serving.target().ensure_running()
    train_on_history(journey)
    if use_case.is_realtime and not use_case.answers_requests:
        _await_stream(use_case)
        return None
    traffic = None
    if use_case.is_realtime:
        traffic = _go_live(journey)
    else:
        _predict(journey)
    _watch(journey)
    return traffic


def _await_stream(use_case: UseCase) -> None:
    """Nothing is replayed where events come from a topic alone, and monitoring begins with what is scored from there."""
    stream = use_case.serving.stream
    assert stream is not None, "such a mode declares its topics"
    console.print(
        f"Its events come from topic {stream.events}: `platform-assets predict stream {use_case.name} --detach` scores them into "
        f"{stream.predictions}. Nothing is replayed.",
        markup=False,
    )


def _fill_lost_store(journey: Journey) -> None:
    """An online store that was filled and lost what it held is filled again, as of the newest day that was written to it."""
    filled = journey.done(FEATURES, ONLINE_STORE)
    if not filled:
        return
    reason = why_to_fill(journey.use_case, journey.installation.feature_store.settings(journey.use_case))
    if reason is not None:
        console.print(f"[yellow]{reason}[/]")
        journey.execute(DueJob(ONLINE, DayRange(max(filled), max(filled))))


def train_on_history(journey: Journey) -> None:
    """The history up to the first live day, and a model as of that day.

    Raises:
        RunFailed: a job did not succeed; where gates refused the model, its figures were printed.
    """
    for due_job in polled(journey.use_case):
        journey.execute(due_job)
    visit = history_visit(journey.days)
    try:
        journey.catch_up(visit.as_of, dict(visit.wanted))
    except RunFailed:
        print_refused(journey, journey.days.as_of)
        raise


def _go_live(journey: Journey) -> Traffic | None:
    """Each live day: its traffic, then its batch load, so that the next day starts from what the lake knows."""
    use_case, live = journey.use_case, journey.days.live
    if set(live.days) <= journey.done(SERVING, PREDICTION_LOG):
        return None
    feast = journey.installation.feature_store.settings(use_case)
    require_answers(use_case, journey.installation.serving, feast)  # else each request of the replay would wait in vain
    total = Traffic()
    status = journey.installation.serving.target().status()
    place = status.use_cases[use_case.name].address, status.own_socket
    for day in live.days:
        if day in journey.done(FEATURES, use_case.features[-1].table):
            continue
        with step(f"live day {day}"):
            total.merge(send(panel_of_day(journey, day), use_case, *place))
            console.print(f"    {total.sent} requests sent so far, {len(total.failures)} failed")
            load_live_day(journey, day)
    return total


def load_live_day(journey: Journey, day: date) -> None:
    """A day's batch load once it is over: the labels that have arrived, its events and features, and the online store.

    Raises:
        RunFailed: a job did not succeed.
    """
    journey.visit(live_day_visit(journey.use_case, day))


def _predict(journey: Journey) -> None:
    """The live days of a use case without a service: their events, the labels known meanwhile, their predictions."""
    journey.visit(predicted_visit(journey.use_case, journey.days))


def panel_of_day(journey: Journey, day: date, requests: float | None = None) -> pl.DataFrame:
    """The day's events that are sent: a share of the customers, sized so that the whole replay stays bounded.

    Args:
        journey: the use case.
        day: whose events.
        requests: about how many; when None the day's part of the setting.
    """
    use_case, installation = journey.use_case, journey.installation
    source, accepted = use_case.event_source, accepted_days(journey.catalog, use_case.events)
    delivery = installation.sources.read(source, journey.declared.folder, day, day, [], without_events=accepted)
    events = of_its_day(conform(delivery, use_case.event_source).frame, use_case, day)
    if requests is None:
        requests = installation.settings.replayed_requests / len(journey.days.live.days)
    return panel(events, use_case, min(1.0, requests / max(1, events.height)), seed=day.toordinal())


def _watch(journey: Journey) -> None:
    """The prediction log as a table, then drift, then the labels that have arrived since and quality."""
    for visit in watched_visits(journey.use_case, journey.days):
        journey.visit(visit)
