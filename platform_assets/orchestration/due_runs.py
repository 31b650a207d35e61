"""Between Dagster and what is due: its memory as plain values, and a due job as a run.

Belongs here: these translations, and the tags of runs. Does not belong here: what is due (`pipelines/due.py`, `pipelines/due_now/`), or
running it.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import EVALUATION, PARITY
from platform_assets.lake.layout import MODEL, MONITORING
from platform_assets.orchestration.jobs import job_name
from platform_assets.orchestration.left_out import left_out_tag
from platform_assets.orchestration.metadata import asset_key
from platform_assets.pipelines.due import DueJob, Materialized, evidence_table, tables_to_read
from platform_assets.pipelines.due_now.answer import Outcome, Remembered, Request, StartedRun
from platform_assets.pipelines.jobs import FEED, JOBS, MAINTAIN, TRAIN, TableName, job_tables, part_tables

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"
SENSOR_NAME = "dagster/sensor_name"
"""Tag by which Dagster's UI lists runs on a sensor's page."""

DUE, JOB, PART, DAYS = "platform_assets/due", "platform_assets/job", "platform_assets/part", "platform_assets/days"
ATTEMPT, CAUSE, ASKED_AT = "platform_assets/attempt", "platform_assets/cause", "platform_assets/asked_at"
TITLE = "platform_assets/title"
"""What a run is about in words; Dagster's own names of runs are numbers."""

ENDED_RUNS = 200
"""As many of the newest runs of a use case are looked at: days of them."""

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""One that was made and not submitted is none of these: asked for again under its key, it is submitted."""

OUTCOMES: Mapping[dg.DagsterRunStatus, Outcome] = {
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "failed",
    dg.DagsterRunStatus.SUCCESS: "succeeded",
}


def sensor_name(use_case: UseCase) -> str:
    """Name of the sensor that asks for what is due."""
    return f"{use_case.name}__due"


def read_materialized(
    use_case: UseCase, instance: dg.DagsterInstance, tables: Iterable[TableName] | None = None
) -> Materialized:
    """What an instance remembers of tables: for each day the number of its latest materialization.

    Args:
        use_case: the declaration.
        instance: Dagster's.
        tables: which; default: those that `due` looks at.
    """
    materialized: dict[tuple[str, str], dict[date | None, int]] = {}
    for layer, table in tables_to_read(use_case) if tables is None else tables:
        key = asset_key(use_case, layer, table)
        days: dict[date | None, int] = {
            date.fromisoformat(day): number
            for day, number in instance.event_log_storage.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION
            ).items()
        }
        if not days and (latest := instance.fetch_materializations(key, limit=1).records):
            days[None] = latest[0].storage_id
        materialized[layer, table] = days
    return materialized


def read_remembered(use_case: UseCase, instance: dg.DagsterInstance, tables: Iterable[TableName]) -> Remembered:
    """What an instance remembers of a use case: what was materialized, and the runs that are under way or ended lately."""
    materialized = read_materialized(use_case, instance, tables)
    runs = [*runs_under_way(use_case, instance), *_ended_runs(use_case, instance)]
    if TRAIN not in job_tables(use_case):
        return Remembered(materialized, runs)
    evaluated, served = materialized.get((MODEL, EVALUATION), {}), materialized[evidence_table(use_case, TRAIN)]
    newest = max((day for day in evaluated if day is not None), default=None)
    if newest is None or served.get(newest, -1) > evaluated[newest]:
        return Remembered(materialized, runs)
    refused = frozenset() if _has_passed(use_case, instance, newest) else frozenset({newest})
    return Remembered(materialized, runs, refused, _parity_is_red(use_case, instance))


def runs_under_way(use_case: UseCase, instance: dg.DagsterInstance) -> list[StartedRun]:
    """Runs that are queued or in progress and make tables of a use case, whoever started them."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY), limit=1000)
    names = {job_name(use_case, job): job for job in JOBS}
    found = []
    for run in runs:
        if run.job_name in names:
            found.append(started_run(run, names[run.job_name]))
        elif run.asset_selection:
            made = {tuple(key.path[1:]) for key in run.asset_selection if key.path[0] == use_case.name}
            found += [StartedRun(job, None) for job, tables in job_tables(use_case).items() if made & set(tables)]
    return found


def started_run(run: dg.DagsterRun, job: str) -> StartedRun:
    """A run of a job as the decision sees it."""
    tags = run.tags
    asked_at = datetime.fromisoformat(tags[ASKED_AT]) if ASKED_AT in tags else None
    outcome = OUTCOMES.get(run.status, "under_way")
    return StartedRun(job, _days(tags), tags.get(PART, ""), int(tags.get(CAUSE, 0)), asked_at, outcome)


def _days(tags: Mapping[str, str]) -> DayRange | None:
    if DAYS in tags:
        first, _, last = tags[DAYS].partition("/")
        return DayRange(date.fromisoformat(first), date.fromisoformat(last or first))
    return None


def _ended_runs(use_case: UseCase, instance: dg.DagsterInstance) -> list[StartedRun]:
    ended = list(OUTCOMES)
    runs = instance.get_runs(dg.RunsFilter(tags={DUE: use_case.name}, statuses=ended), limit=ENDED_RUNS)
    upkeep = {DUE: use_case.name, JOB: MAINTAIN}
    runs = [*runs, *instance.get_runs(dg.RunsFilter(tags=upkeep, statuses=ended), limit=1)]
    return list({run.run_id: started_run(run, run.tags[JOB]) for run in runs}.values())


def _has_passed(use_case: UseCase, instance: dg.DagsterInstance, day: date) -> bool:
    """Whether the evaluation of a model says that it may be promoted; one that says nothing does not."""
    key = asset_key(use_case, MODEL, EVALUATION)
    which = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day.isoformat()])
    for record in instance.fetch_materializations(which, limit=1).records:
        materialization = record.asset_materialization
        passed = materialization.metadata.get("passed") if materialization is not None else None
        return passed is not None and bool(passed.value)
    return False


def _parity_is_red(use_case: UseCase, instance: dg.DagsterInstance) -> bool:
    key = dg.AssetCheckKey(asset_key(use_case, MONITORING, PARITY), "equal")
    records = instance.event_log_storage.get_asset_check_execution_history(key, 1)
    return any(record.evaluation is not None and not record.evaluation.passed for record in records)


def run_request(use_case: UseCase, due_job: DueJob) -> dg.RunRequest:
    """The run of a due job, with tags that say what it is about."""
    days, name = due_job.days, job_name(use_case, due_job.job)
    what = " ".join(filter(None, [use_case.name, due_job.job, due_job.part, str(days or "")]))
    tags = {JOB: due_job.job, TITLE: what, **({PART: due_job.part} if due_job.part else {})}
    selection = None
    if due_job.part:
        selection = [asset_key(use_case, *table) for table in part_tables(use_case, due_job.job, due_job.part)]
    if days is None:
        return dg.RunRequest(tags=tags, job_name=name, asset_selection=selection)
    tags[DAYS] = _range(days)
    if days.first == days.last:
        return dg.RunRequest(partition_key=days.first.isoformat(), tags=tags, job_name=name, asset_selection=selection)
    tags |= {RANGE_START: days.first.isoformat(), RANGE_END: days.last.isoformat()}
    return dg.RunRequest(tags=tags, job_name=name, asset_selection=selection)


def automatic_request(use_case: UseCase, request: Request) -> dg.RunRequest:
    """The run that the automation asks for; its key is the same for whoever asks for the same."""
    asked = run_request(use_case, request.due)
    tags = {
        **asked.tags,
        DAYS: _range(request.about),
        ATTEMPT: str(request.attempt),
        CAUSE: str(request.cause),
        ASKED_AT: request.asked_at.isoformat(),
    }
    if (
        request.due.job != FEED
    ):  # it is asked for every few minutes, and would push the others out of what is remembered
        tags |= {DUE: use_case.name, **left_out_tag(request.without)}
    return asked.with_replaced_attrs(tags=tags, run_key=request.key)


def _range(days: DayRange) -> str:
    return days.first.isoformat() if days.first == days.last else f"{days.first}/{days.last}"
