"""Dagster's memory of operations as plain values: runs, checks, sensors and daemons.

Belongs here: asking Dagster's storage, each question bounded in cost. Does not belong here: the values (`monitoring/operations.py`), or
what is made of them (metrics, the page, alerts).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord

from platform_assets.lake.layout import CLEAN, FEATURES, LAYERS, RAW
from platform_assets.monitoring.operations import (
    ASSETS_JOB,
    CheckFact,
    CheckState,
    DaemonFact,
    OperationsFacts,
    RunFact,
    RunState,
    SensorFact,
)
from platform_assets.orchestration.dagster_names import is_condition_sensor

DATA_LAYERS = (RAW, CLEAN, FEATURES)
"""Layers whose every day counts, whichever was judged last."""

DAYS_TAG, ATTEMPT_TAG, TITLE_TAG = "platform_assets/days", "platform_assets/attempt", "platform_assets/title"
PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
NEWEST_RUNS = 2_000
EVIDENCE_LINES, EVIDENCE_CHARACTERS = 6, 300

_STATES = {
    dg.DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: RunState.FAILED,
    dg.DagsterRunStatus.CANCELED: RunState.CANCELED,
    dg.DagsterRunStatus.QUEUED: RunState.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED: RunState.QUEUED,
}


Defined = dg.Definitions | dg.RepositoryDefinition
"""What there should be: all definitions, or the repository that a sensor is evaluated in."""


def read_facts(
    definitions: Defined, instance: dg.DagsterInstance, now: datetime, use_case: str | None = None
) -> OperationsFacts:
    """All of it, or of one use case; see the functions of this module for what each costs.

    Args:
        definitions: what there should be.
        instance: that remembers what there was.
        now: by the machine's clock; runs of the day before are read.
        use_case: whose alone; None for all.
    """
    return OperationsFacts(
        runs=tuple(one for one in read_runs(instance, now - timedelta(days=1)) if _is_of(use_case, one.use_case)),
        checks=tuple(read_checks(definitions, instance, use_case)),
        sensors=tuple(read_sensors(definitions, instance, use_case)),
        daemons=tuple(read_daemons(instance)),
    )


def read_runs(instance: dg.DagsterInstance, since: datetime) -> list[RunFact]:
    """Runs that anything happened to since a moment, and all that wait or are under way; the newest 2,000 of each.

    Args:
        instance: Dagster's.
        since: by the machine's clock, which is what Dagster stamps runs with.
    """
    unfinished = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in FINISHED_STATUSES])
    records = {
        record.dagster_run.run_id: record
        for filters in (dg.RunsFilter(updated_after=since), unfinished)
        for record in instance.get_run_records(filters, limit=NEWEST_RUNS)
    }
    return [run_fact(record) for record in records.values()]


def run_fact(record: RunRecord) -> RunFact:
    """One run as a plain value."""
    run = record.dagster_run
    tags = run.tags
    use_case, _, job = run.job_name.rpartition("__")
    if not use_case.strip("_"):  # Dagster's own job for a selection of assets, __ASSET_JOB
        owners = {key.path[0] for key in run.asset_selection or ()}
        use_case, job = (owners.pop() if len(owners) == 1 else ""), ASSETS_JOB
    partition, first, last = (tags.get(name) for name in PARTITION_TAGS)
    days = tags.get(DAYS_TAG) or partition or (f"{first}/{last}" if first and last else None)
    attempt = tags.get(ATTEMPT_TAG, "1")
    return RunFact(
        run_id=run.run_id,
        use_case=use_case or None,
        job=job,
        days=days,
        attempt=int(attempt) if attempt.isdigit() else 1,
        state=_STATES.get(run.status, RunState.IN_PROGRESS),
        queued_at=record.create_timestamp.replace(tzinfo=UTC),
        started_at=_moment(record.start_time),
        ended_at=_moment(record.end_time),
        title=tags.get(TITLE_TAG) or " ".join(filter(None, (use_case, job, days))),
        tags=tuple(sorted(tags.items())),
    )


def _repository(defined: Defined) -> dg.RepositoryDefinition:
    return defined if isinstance(defined, dg.RepositoryDefinition) else defined.get_repository_def()


def _is_of(wanted: str | None, use_case: str | None) -> bool:
    return wanted is None or use_case == wanted


def read_checks(definitions: Defined, instance: dg.DagsterInstance, use_case: str | None = None) -> list[CheckFact]:
    """Every check of every use case, or of one, in the order in which data flows; "did not run" among them.

    Costs three questions for all of them, and one more for each check with a red day.
    """
    graph = _repository(definitions).asset_graph
    paths = {key: key.asset_key.path for key in graph.asset_check_keys}
    keys = [key for key, path in paths.items() if path[1] in LAYERS and _is_of(use_case, path[0])]
    storage = instance.event_log_storage
    latest = storage.get_latest_asset_check_execution_by_key(keys)
    made = {
        record.asset_entry.asset_key
        for record in storage.get_asset_records(list({key.asset_key for key in keys}))
        if record.asset_entry.last_materialization_record is not None
    }
    red = _red_days(instance, [key for key in keys if key.asset_key.path[1] in DATA_LAYERS])
    ended = _ended_runs(instance, latest.values())
    order = sorted(
        keys,
        key=lambda key: (key.asset_key.path[0], LAYERS.index(key.asset_key.path[1]), *key.asset_key.path[2:], key.name),
    )
    return [
        _check_fact(
            key, red.get(key) or latest.get(key), graph.get_check_spec(key).blocking, key.asset_key in made, ended
        )
        for key in order
    ]


def red_day(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> AssetCheckExecutionRecord | None:
    """The newest verdict of a day of data whose newest verdict is red; None where every day is green."""
    return _red_days(instance, [key]).get(key) if key.asset_key.path[1] in DATA_LAYERS else None


def _red_days(
    instance: dg.DagsterInstance, keys: list[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, AssetCheckExecutionRecord]:
    """For each check with a red day the newest verdict of such a day: a good day after it makes that day no better."""
    storage = instance.event_log_storage
    days: dict[dg.AssetCheckKey, int] = {}
    red: dict[dg.AssetCheckKey, set[str]] = {}
    for info in storage.get_asset_check_partition_info(keys) if keys else ():
        if info.partition_key is not None:
            days[info.check_key] = days.get(info.check_key, 0) + 1
            if info.latest_execution_status is Status.FAILED:
                red.setdefault(info.check_key, set()).add(info.partition_key)
    found = {}
    for key, partitions in red.items():
        records = storage.get_asset_check_execution_history(key, days[key] + 1, status={Status.FAILED})
        newest = next((record for record in records if record.partition in partitions), None)
        if newest is not None:
            found[key] = newest
    return found


def _ended_runs(instance: dg.DagsterInstance, records: Iterable[AssetCheckExecutionRecord]) -> set[str]:
    """Those runs of planned checks that are over, or of which nobody knows any more."""
    planned = {record.run_id for record in records if record.status is Status.PLANNED}
    if not planned:
        return set()
    known = instance.get_run_records(dg.RunsFilter(run_ids=list(planned)))
    going_on = {record.dagster_run.run_id for record in known if not record.dagster_run.is_finished}
    return planned - going_on


def _check_fact(
    key: dg.AssetCheckKey, record: AssetCheckExecutionRecord | None, blocking: bool, is_made: bool, ended: set[str]
) -> CheckFact:
    use_case, *path = key.asset_key.path
    if record is None:
        state = CheckState.DID_NOT_RUN if is_made else CheckState.NOTHING_TO_CHECK
        return CheckFact(use_case, "/".join(path), key.name, state, blocking)
    if record.status is Status.PLANNED:
        state = CheckState.DID_NOT_RUN if record.run_id in ended else CheckState.IN_PROGRESS
        evidence: Mapping[str, Any] = {}
    else:
        evaluation = record.evaluation
        warns = evaluation is not None and evaluation.severity is dg.AssetCheckSeverity.WARN
        failed = CheckState.WARNED if warns else CheckState.FAILED
        state = CheckState.PASSED if record.status is Status.SUCCEEDED else failed
        evidence = evaluation.metadata if evaluation else {}
    lines = [(name, str(value.value)[:EVIDENCE_CHARACTERS]) for name, value in evidence.items()]
    return CheckFact(
        use_case=use_case,
        asset="/".join(path),
        name=key.name,
        state=state,
        blocking=blocking,
        day=record.partition,
        since=_moment(record.create_timestamp),
        run_id=record.run_id,
        evidence=tuple(lines[:EVIDENCE_LINES]),
    )


def read_sensors(definitions: Defined, instance: dg.DagsterInstance, use_case: str | None = None) -> list[SensorFact]:
    """Every sensor and schedule that is meant to run, or of one use case, with its switch and newest tick.

    The sensor of automation conditions is one of them only once somebody turned it on: another does its work. One question, and one for
    each that ever ticked.
    """
    repository = _repository(definitions)
    known = instance.all_instigator_state() if instance.schedule_storage is not None else ()
    states = {(state.instigator_type, state.instigator_name): state for state in known}
    declared = [(InstigatorType.SENSOR, sensor.name, sensor.default_status.value) for sensor in repository.sensor_defs]
    declared += [
        (InstigatorType.SCHEDULE, schedule.name, schedule.default_status.value) for schedule in repository.schedule_defs
    ]
    facts = [
        _sensor_fact(instance, kind, name, status == "RUNNING", states.get((kind, name)))
        for kind, name, status in declared
        if use_case is None or name.startswith(f"{use_case}__")
    ]
    return [fact for fact in facts if fact.running or not is_condition_sensor(fact.name)]


def _sensor_fact(
    instance: dg.DagsterInstance, kind: InstigatorType, name: str, by_default: bool, state: InstigatorState | None
) -> SensorFact:
    use_case = name.rpartition("__")[0] or None
    never = SensorFact(name, use_case, kind.value.lower(), by_default, runs_by_default=by_default)
    if state is None:
        return never
    running = by_default if state.status is InstigatorStatus.DECLARED_IN_CODE else state.is_running
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if not ticks:
        return replace(never, running=running)
    tick = ticks[0]
    return replace(
        never,
        running=running,
        last_tick_at=_moment(tick.timestamp),
        last_tick_state=tick.status.value.lower(),
        reason=tick.error.message.strip() if tick.error else tick.skip_reason,
    )


def read_daemons(instance: dg.DagsterInstance) -> list[DaemonFact]:
    """Dagster's daemons: those that this installation needs, and those that ever gave a sign of life; one question."""
    beats = instance.get_daemon_heartbeats()
    required = set(instance.get_required_daemon_types())
    return [
        DaemonFact(
            name,
            _moment(beats[name].timestamp) if name in beats else None,
            name in required,
            tuple(error.message.strip() for error in (beats[name].errors or ())) if name in beats else (),
            beats[name].daemon_id if name in beats else None,
        )
        for name in sorted(required | set(beats))
    ]


def failure_reason(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The first error of a run, in its own words; None where it has none. Reads the run's own events: for one run, not for all."""
    events = instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE})
    for entry in events:
        event = entry.dagster_event
        if event is not None and event.event_type is dg.DagsterEventType.STEP_FAILURE:
            return first_sentence(event.step_failure_data.error_display_string.strip().splitlines())
    messages = [entry.dagster_event.message for entry in events if entry.dagster_event is not None]
    return next((message for message in messages if message), None)


FAILURE = "dagster._core.definitions.events.Failure: "
"""How Dagster begins what an asset says about its own failure."""


def first_sentence(lines: list[str]) -> str:
    """What happened, out of an error's text: its first own line, and the last one when the text goes on."""
    shown = lines[: lines.index("Stack Trace:") if "Stack Trace:" in lines else None]
    own = [line.removeprefix(FAILURE) for line in shown if line.strip()]
    sentences = [line for line in own if not line.startswith((" ", "dagster._core", "Traceback"))] or own[:1]
    return sentences[0] if len(sentences) == 1 else f"{sentences[0]} {sentences[-1]}"


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
