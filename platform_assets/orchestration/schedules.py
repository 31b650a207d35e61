"""Schedules: the daily load, labels as they arrive, training every so many days.

Belongs here: cron. Does not belong here: anything that reacts to data (`sensors.py`).
"""

from collections.abc import Iterator
from datetime import UTC, date, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from platform_assets.declaration import UseCase
from platform_assets.orchestration.jobs import Jobs
from platform_assets.orchestration.partitions import as_of_days, event_days


def build_schedules(use_case: UseCase, jobs: Jobs) -> list[dg.ScheduleDefinition]:
    """The schedules of a use case; all are off until somebody turns them on."""
    schedules = [
        _daily_load(use_case, jobs),
        _training(use_case, jobs),
        _watching(use_case, jobs),
        _judging(use_case, jobs),
        _maintaining(use_case, jobs),
    ]
    if jobs.labels is not None:
        schedules.append(_labels(use_case, jobs.labels))
    if jobs.log is not None:
        schedules.append(_logging(use_case, jobs.log))
    if jobs.predict is not None:
        schedules.append(_predicting(use_case, jobs.predict))
    if jobs.feed is not None:
        schedules.append(_feed(use_case, jobs.feed))
    return schedules


def _scheduled_day(context: dg.ScheduleEvaluationContext) -> date:
    return context.scheduled_execution_time.astimezone(UTC).date()


def _newest_day(use_case: UseCase, context: dg.ScheduleEvaluationContext) -> date:
    return _scheduled_day(context) + timedelta(days=use_case.history.days_ahead - 1)


def _request(partitions: dg.DailyPartitionsDefinition, day: date) -> dg.RunRequest | dg.SkipReason:
    key = day.isoformat()
    if not partitions.has_partition_key(key):
        return dg.SkipReason(f"{key} lies outside the declared history")
    return dg.RunRequest(run_key=key, partition_key=key)


def _daily_load(use_case: UseCase, jobs: Jobs) -> dg.ScheduleDefinition:
    @dg.schedule(job=jobs.load, cron_schedule="15 0 * * *", name=f"{use_case.name}__load_daily")
    def load_daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """The events of the newest day that has been delivered: yesterday's, or those of a plan made ahead."""
        yield _request(event_days(use_case), _newest_day(use_case, context))

    return load_daily


def _labels(use_case: UseCase, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    @dg.schedule(job=job, cron_schedule="5 0 * * *", name=f"{use_case.name}__labels_daily")
    def labels_daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """The labels that have arrived by today."""
        yield _request(event_days(use_case), _scheduled_day(context) - timedelta(days=use_case.label_delay_days))

    return labels_daily


def _feed(use_case: UseCase, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{use_case.name}__feed_often",
        job=job,
        cron_schedule="*/5 * * * *",
        description="What is new in incremental sources. The days it touches are cleaned again by the automation.",
    )


def _training(use_case: UseCase, jobs: Jobs) -> dg.ScheduleDefinition:
    @dg.schedule(job=jobs.train, cron_schedule="30 1 * * *", name=f"{use_case.name}__train_periodically")
    def train_periodically(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """A model as of today, every `training.every_days` days of the history."""
        day = _scheduled_day(context)
        every = use_case.training.every_days
        if (day - use_case.history.first_day).days % every:
            yield dg.SkipReason(f"a model is trained every {every} days")
            return
        yield _request(as_of_days(use_case), day)

    return train_periodically


def _predicting(use_case: UseCase, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    @dg.schedule(job=job, cron_schedule="45 0 * * *", name=f"{use_case.name}__predict_daily")
    def predict_daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """The newest day whose events have been delivered."""
        yield _request(event_days(use_case), _newest_day(use_case, context))

    return predict_daily


def _logging(use_case: UseCase, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    @dg.schedule(job=job, cron_schedule="20 0 * * *", name=f"{use_case.name}__log_daily")
    def log_daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Yesterday's predictions."""
        yield _request(event_days(use_case), _scheduled_day(context) - timedelta(days=1))

    return log_daily


def _watching(use_case: UseCase, jobs: Jobs) -> dg.ScheduleDefinition:
    @dg.schedule(job=jobs.watch, cron_schedule="40 0 * * *", name=f"{use_case.name}__watch_daily")
    def watch_daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Drift of the window that ends yesterday."""
        yield _request(event_days(use_case), _scheduled_day(context) - timedelta(days=1))

    return watch_daily


def _judging(use_case: UseCase, jobs: Jobs) -> dg.ScheduleDefinition:
    @dg.schedule(job=jobs.judge, cron_schedule="0 1 * * *", name=f"{use_case.name}__judge_daily")
    def judge_daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Quality of the window whose last labels have arrived today."""
        yield _request(
            event_days(use_case), _scheduled_day(context) - timedelta(days=max(1, use_case.label_delay_days))
        )

    return judge_daily


def _maintaining(use_case: UseCase, jobs: Jobs) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{use_case.name}__maintain_weekly",
        job=jobs.maintain,
        cron_schedule="30 3 * * 0",
        description="Compacts the tables and removes what nothing pins, on Sunday.",
    )
