"""`platform-assets run`: from sources to a watched service, doing only what is missing.

Belongs here: the order of the steps and how each finds out that it is done. Does not belong here: what a step does
(the assets), or what is printed at the end (`run/summary.py`).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from time import monotonic
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.cli.console import console, progress_logger, step
from platform_assets.cli.run.replay import Traffic, panel, send
from platform_assets.cli.run.summary import print_summary
from platform_assets.cli.run.timeline import Timeline, plan
from platform_assets.cli.use_cases import DeclaredUseCase, declared_use_cases
from platform_assets.connectors.conforming import conform
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import (
    CHAMPION,
    DAILY_PREDICTIONS,
    DEPLOYMENT,
    DRIFT,
    ONLINE_STORE,
    PREDICTION_LOG,
    QUALITY,
)
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.aggregation.compilation import compiled_meanwhile
from platform_assets.installation import Installation, Settings
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, MONITORING, PREDICTIONS, SERVING
from platform_assets.orchestration.feeding import feed_and_compute
from platform_assets.orchestration.jobs import Jobs, build_jobs
from platform_assets.orchestration.metadata import asset_key

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PROGRESS = "progress"
FAILURE = "dagster._core.definitions.events.Failure: "
"""How Dagster begins what an asset says about its own failure."""


class RunFailed(RuntimeError):
    """A job did not succeed; the message says which and what to look at."""


@dataclass(frozen=True)
class Journey:
    """One use case on its way: its declaration, its jobs, and where its state lives."""

    use_case: UseCase
    jobs: Jobs
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    settings: Settings

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Installation(self.settings).lake

    @property
    def serving(self) -> ServingHome:
        """The local target."""
        return _serving(self.settings)

    def done(self, layer: str, table: str) -> set[str]:
        """Partitions of an asset that were materialized."""
        return set(self.instance.get_materialized_partitions(asset_key(self.use_case, layer, table)))

    def missing(self, layer: str, table: str, days: DayRange) -> DayRange | None:
        """The part of a range from its first missing day on, or None when all is there."""
        done = self.done(layer, table)
        absent = [day for day in days.days if day.isoformat() not in done]
        return DayRange(absent[0], days.last) if absent else None

    def execute(self, job: Any, *, partition: date | None = None, days: DayRange | None = None) -> None:
        """Run a job in this process.

        Raises:
            RunFailed: when it does not succeed.
        """
        tags = {RANGE_START: days.first.isoformat(), RANGE_END: days.last.isoformat()} if days else {}
        result = self.definitions.resolve_job_def(job.name).execute_in_process(
            instance=self.instance,
            partition_key=partition.isoformat() if partition else None,
            tags=tags,
            run_config={"loggers": {PROGRESS: {}}},
            raise_on_error=False,
        )
        if not result.success:
            failures = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
            reasons = [event.step_failure_data.error_display_string.strip().splitlines() for event in failures]
            told = "; ".join(_sentence(lines) for lines in reasons) or "see the run in `make dev`"
            raise RunFailed(f"{job.name} did not succeed: {told}\nRun {result.run_id}: look at it with `make dev`.")


def _serving(settings: Settings) -> ServingHome:
    return Installation(settings).serving


def _sentence(lines: list[str]) -> str:
    """What happened, out of an error's text: its first own line, and the last one when the text goes on."""
    shown = lines[: lines.index("Stack Trace:") if "Stack Trace:" in lines else None]
    own = [line.removeprefix(FAILURE) for line in shown if line.strip()]
    told = [line for line in own if not line.startswith((" ", "dagster._core", "Traceback"))] or own[:1]
    return told[0] if len(told) == 1 else f"{told[0]} {told[-1]}"


def run_use_cases(name: str | None) -> None:
    """Run one use case, or all that are declared."""
    settings = Settings.from_environment()
    settings.prepare()
    started = monotonic()
    with step("load the definitions"):
        from platform_assets.definitions import defs

        definitions = dg.Definitions.merge(defs(), dg.Definitions(loggers={PROGRESS: progress_logger}))
        instance = dg.DagsterInstance.get()
    chosen = declared_use_cases(name)
    if any(declared.use_case.is_realtime for declared in chosen):
        _serving(settings).target().ensure_running()  # before any work: a port in use is told at once
    with compiled_meanwhile():
        for declared in chosen:
            journey = Journey(declared.use_case, build_jobs(declared.use_case), definitions, instance, settings)
            traffic = run_one(journey, declared)
            print_summary(journey, plan(declared.use_case), traffic, monotonic() - started)


def run_one(journey: Journey, declared: DeclaredUseCase) -> Traffic | None:
    """All steps of one use case.

    Returns:
        What the replay measured, or None when the traffic had been replayed by an earlier run.
    """
    use_case, jobs, days = journey.use_case, journey.jobs, plan(journey.use_case)
    console.print(f"\n[bold]{use_case.name}[/]: {use_case.description}")
    if use_case.is_realtime:
        journey.serving.target().ensure_running()
    _load_history(journey, days)
    last_step = (SERVING, DEPLOYMENT) if use_case.is_realtime else (MODEL, CHAMPION)
    if days.as_of.isoformat() not in journey.done(*last_step):
        with step(f"train, evaluate, promote{' and deploy' * use_case.is_realtime} as of {days.as_of}"):
            journey.execute(jobs.train, partition=days.as_of)
    traffic = None
    if use_case.is_realtime:
        traffic = _go_live(journey, declared, days)
    else:
        _predict(journey, days)
    _watch(journey, days)
    return traffic


def _load_history(journey: Journey, days: Timeline) -> None:
    use_case, jobs = journey.use_case, journey.jobs
    static = [source for source in use_case.sources if not source.is_daily]
    if jobs.reference is not None and not all(_materialized(journey, CLEAN, source.name) for source in static):
        with step("load reference tables"):
            journey.execute(jobs.reference)
    if jobs.feed is not None:
        with step("take in what is new in incremental sources"):
            feed_and_compute(
                use_case,
                jobs,
                journey.instance,
                lambda job, touched: journey.execute(job, days=touched),
                until=days.history.last,
            )
    if jobs.labels is not None:
        missing = journey.missing(CLEAN, use_case.label.source, days.labels)
        if missing:
            with step(f"load labels {missing}"):
                journey.execute(jobs.labels, days=missing)
    missing = journey.missing(FEATURES, use_case.features[-1].name, days.history)
    if missing:
        with step(f"load events and compute features {missing}"):
            journey.execute(jobs.load, days=missing)
    _refresh_online_store(journey, days.history.last)


def _materialized(journey: Journey, layer: str, table: str) -> bool:
    return journey.instance.get_latest_materialization_event(asset_key(journey.use_case, layer, table)) is not None


def _refresh_online_store(journey: Journey, day: date) -> None:
    if journey.jobs.online is not None and day.isoformat() not in journey.done(FEATURES, ONLINE_STORE):
        with step(f"online store as of the end of {day}"):
            journey.execute(journey.jobs.online, partition=day)


def _go_live(journey: Journey, declared: DeclaredUseCase, days: Timeline) -> Traffic | None:
    """Each live day: its traffic, then its batch load, so that the next day starts from what the lake knows."""
    use_case, jobs = journey.use_case, journey.jobs
    replayed = journey.done(SERVING, PREDICTION_LOG)
    if all(day.isoformat() in replayed for day in days.live.days):
        return None
    total = Traffic()
    address = journey.serving.target().address(use_case.name)
    for day in days.live.days:
        if day.isoformat() in journey.done(FEATURES, use_case.features[-1].name):
            continue
        with step(f"live day {day}"):
            total.merge(send(_panel(journey, declared, day, days), use_case, address))
            console.print(f"    {total.sent} requests sent so far, {len(total.failures)} failed")
            journey.execute(jobs.load, partition=day)
            known = day - timedelta(days=max(1, use_case.label_delay_days) - 1)
            if jobs.labels is not None and known.isoformat() not in journey.done(CLEAN, use_case.label.source):
                journey.execute(jobs.labels, partition=known)
            _refresh_online_store(journey, day)
    return total


def _predict(journey: Journey, days: Timeline) -> None:
    """The live days of a use case without a service: their events, the labels known meanwhile, their predictions."""
    jobs = journey.jobs
    missing = journey.missing(PREDICTIONS, DAILY_PREDICTIONS, days.live)
    if missing is None:
        return
    with step(f"load and predict {missing}"):
        known = DayRange(days.labels.last, missing.last - timedelta(days=max(1, journey.use_case.label_delay_days)))
        late = journey.missing(CLEAN, journey.use_case.label.source, known)
        if jobs.labels is not None and late:
            journey.execute(jobs.labels, days=late)
        journey.execute(jobs.load, days=missing)
        journey.execute(jobs.predict, days=missing)


def _panel(journey: Journey, declared: DeclaredUseCase, day: date, days: Timeline) -> pl.DataFrame:
    """The day's events that are sent: a share of the customers, sized so that the whole replay stays bounded."""
    use_case = journey.use_case
    source = use_case.event_source
    found = Installation(journey.settings).sources.read(source, declared.folder, day, day, [])
    events = conform(found, source).frame
    share = min(1.0, journey.settings.replayed_requests / len(days.live.days) / max(1, events.height))
    return panel(events, use_case, share, seed=day.toordinal())


def _watch(journey: Journey, days: Timeline) -> None:
    """The prediction log as a table, then drift, then the labels that have arrived since and quality."""
    use_case, jobs, last = journey.use_case, journey.jobs, days.live.last
    missing = journey.missing(SERVING, PREDICTION_LOG, days.live)
    if jobs.log is not None and missing:
        with step("prediction log"):
            journey.execute(jobs.log, days=days.live)
    if last.isoformat() not in journey.done(MONITORING, DRIFT):
        with step(f"drift of the window that ends {last}"):
            journey.execute(jobs.watch, partition=last)
    if last.isoformat() not in journey.done(MONITORING, QUALITY):
        with step(f"labels up to {last} have arrived: quality in production"):
            late = journey.missing(CLEAN, use_case.label.source, DayRange(days.labels.last, last))
            if jobs.labels is not None and late:
                journey.execute(jobs.labels, days=late)
            journey.execute(jobs.judge, partition=last)
