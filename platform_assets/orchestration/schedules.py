"""Schedules: the daily load, labels as they arrive, training every so many days.

Belongs here: cron, and how a run says which schedule it is of. Does not belong here: which day a tick is about (`pipelines/due.py`), or
anything that reacts to data (`sensors.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.time_zones import day_of
from platform_assets.orchestration.dagster_names import AssetJob
from platform_assets.orchestration.due_runs import read_materialized, run_request
from platform_assets.orchestration.jobs import Jobs
from platform_assets.pipelines.due import NOTHING, Materialized, due_on, is_training_day, newest_day
from platform_assets.pipelines.jobs import DECIDE, FEED, JUDGE, LABELS, LOAD, LOG, MAINTAIN, PREDICT, TRAIN, WATCH


@dataclass(frozen=True)
class Timetable:
    """When a job runs.

    Attributes:
        job: its name.
        name: last part of the schedule's name.
        cron: when, in UTC.
        description: what a tick is about.
        daily: whether a tick asks for a day; else it runs the job as it is.
    """

    job: str
    name: str
    cron: str
    description: str
    daily: bool = True


TIMETABLES = (
    Timetable(
        LOAD,
        "load_daily",
        "15 0 * * *",
        "The events of the newest day that has been delivered: yesterday's, or those of a plan made ahead.",
    ),
    Timetable(
        TRAIN,
        "train_periodically",
        "30 1 * * *",
        "A model as of today, every `training.every_days` days of the history.",
    ),
    Timetable(WATCH, "watch_daily", "40 0 * * *", "Drift of the window that ends yesterday."),
    Timetable(JUDGE, "judge_daily", "0 1 * * *", "Quality of the window whose last labels have arrived today."),
    Timetable(DECIDE, "decide_daily", "10 1 * * *", "Whether a new model is asked for as of today."),
    Timetable(
        MAINTAIN,
        "maintain_weekly",
        "30 3 * * 0",
        "Compacts the tables and removes what nothing pins, on Sunday.",
        daily=False,
    ),
    Timetable(LABELS, "labels_daily", "5 0 * * *", "The labels that have arrived by today."),
    Timetable(LOG, "log_daily", "20 0 * * *", "Yesterday's predictions."),
    Timetable(PREDICT, "predict_daily", "45 0 * * *", "The newest day whose events have been delivered."),
    Timetable(
        FEED,
        "feed_often",
        "*/5 * * * *",
        "What is new in incremental sources. The days it touches are cleaned again by the automation.",
        daily=False,
    ),
)


SCHEDULE_NAME = "dagster/schedule_name"
"""Tag by which Dagster's UI lists runs on a schedule's page."""


def schedule_tags(use_case: UseCase, job: str) -> dict[str, str]:
    """Tags of a run that does what a tick of the job's schedule would request; none for a job without a schedule."""
    names = [_name(use_case, timetable) for timetable in TIMETABLES if timetable.job == job]
    return {SCHEDULE_NAME: names[0]} if names else {}


def _name(use_case: UseCase, timetable: Timetable) -> str:
    return f"{use_case.name}__{timetable.name}"


def build_schedules(use_case: UseCase, jobs: Jobs, *, running: bool = False) -> list[dg.ScheduleDefinition]:
    """The schedules of a use case; unless `running`, all are off until somebody turns them on."""
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    return [
        _daily(use_case, timetable, jobs[timetable.job], status)
        if timetable.daily
        else dg.ScheduleDefinition(
            name=_name(use_case, timetable),
            job=jobs[timetable.job],
            cron_schedule=timetable.cron,
            description=timetable.description,
            default_status=status,
        )
        for timetable in TIMETABLES
        if timetable.job in jobs
    ]


def _materialized(use_case: UseCase, context: dg.ScheduleEvaluationContext) -> Materialized:
    """What was materialized so far; nothing where a tick is tried without an instance."""
    try:
        return read_materialized(use_case, context.instance)
    except dg.DagsterInvariantViolationError:
        return NOTHING


def _daily(
    use_case: UseCase, timetable: Timetable, job: AssetJob, status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=job,
        cron_schedule=timetable.cron,
        name=_name(use_case, timetable),
        description=timetable.description,
        execution_timezone=use_case.time_zone,
        default_status=status,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        day = day_of(context.scheduled_execution_time, use_case.time_zone)
        if timetable.job == TRAIN and not is_training_day(use_case, day):
            yield dg.SkipReason(f"a model is trained every {use_case.training.every_days} days")
            return
        answer = due_on(use_case, timetable.job, day, _materialized(use_case, context))
        if answer is None:
            newest = newest_day(use_case, timetable.job, day)
            yield dg.SkipReason(f"{newest} lies outside the declared history")
            return
        yield run_request(answer)

    return tick
