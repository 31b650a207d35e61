"""Runs that ended, told to an OpenLineage receiver: read from Dagster's event log, by a sensor.

Belongs here: from the event log to accounts of runs, and the sensor. Does not belong here: events and their delivery
(`monitoring/open_lineage`).

The event log is read rather than the steps wrapped, as for traces: runs that were killed are in it, and a receiver that does not answer
costs no run anything. Where events are not taken the sensor's tick fails, which is seen and counted (`SensorFails`), and the same runs are
sent again at the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord

from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.lineage.use_case import lineage
from platform_assets.monitoring.open_lineage.delivery import send_events
from platform_assets.monitoring.open_lineage.events import (
    CheckAccount,
    EventType,
    KnownTables,
    RunAccount,
    StepAccount,
    Table,
    events_of_run,
)
from platform_assets.orchestration.ended_runs import changed_at, ended_after, newest_change
from platform_assets.orchestration.operations_facts import run_fact

SECONDS: Final = 30
_STATES: Final[dict[dg.DagsterRunStatus, EventType]] = {
    dg.DagsterRunStatus.SUCCESS: "COMPLETE",
    dg.DagsterRunStatus.FAILURE: "FAIL",
    dg.DagsterRunStatus.CANCELED: "ABORT",
}
_READ: Final = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


def lineage_sensor(installation: Installation, address: str, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor of an installation, for every use case that is declared."""
    return open_lineage_sensor(
        address, installation.lake, lambda: [one.use_case for one in declared_use_cases()], status
    )


def open_lineage_sensor(
    address: str, lake: Lake, use_cases: Callable[[], Iterable[UseCase]], status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """The sensor that tells a receiver of runs that ended.

    Args:
        address: `file:PATH`, or an address over HTTP.
        lake: where the tables are.
        use_cases: those that are declared.
        status: whether it is on before somebody turned it on or off.
    """

    @dg.sensor(
        name="platform_assets__open_lineage",
        minimum_interval_seconds=SECONDS,
        default_status=status,
        description="Sends OpenLineage events of each run that ended, and of each of its steps, to PLATFORM_ASSETS_OPENLINEAGE.",
        jobs=[],
    )
    def open_lineage(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor is None:  # what ended before there was a receiver stays where it is
            return dg.SensorResult(cursor=newest_change(context.instance), skip_reason="From now on.")
        records = ended_after(context.instance, context.cursor)
        if not records:
            return dg.SensorResult(cursor=context.cursor, skip_reason="No run ended.")
        known = {one.name: known_tables(one, lake) for one in use_cases()}
        accounts = [account_of_run(context.instance, record) for record in records]
        events = [event for run in accounts for event in events_of_run(run, known.get(run.use_case or ""))]
        taken = send_events(address, events)
        cursor = changed_at(records[-1])
        return dg.SensorResult(cursor=cursor, skip_reason=f"{taken} events of {len(records)} runs were taken.")

    return open_lineage


def known_tables(use_case: UseCase, lake: Lake) -> KnownTables:
    """What is known of the tables of a use case."""
    catalog = Catalog(use_case, lake)
    types: dict[Table, dict[str, str]] = {}
    for name in catalog.stored_names():
        layer, _, table = name.partition("/")
        types[layer, table] = {column: str(dtype) for column, dtype in catalog.stored(name).schema.items()}
    return KnownTables(use_case.name, lake.root, lineage(use_case), types)


def account_of_run(instance: dg.DagsterInstance, record: RunRecord) -> RunAccount:
    """What became of a run that ended, and of each step of it that began."""
    run, fact = record.dagster_run, run_fact(record)
    seen = _seen(instance, run.run_id)
    ended = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
    started = record.start_time or record.create_timestamp.replace(tzinfo=UTC).timestamp()
    steps = []
    for step in instance.get_run_step_stats(run.run_id):
        if step.start_time is None:
            continue
        of_step = seen[step.step_key]
        succeeded = step.status is not None and step.status.value in ("SUCCESS", "SKIPPED")
        steps.append(
            StepAccount(
                step.step_key,
                tuple(dict.fromkeys(of_step.tables)),
                _moment(step.start_time),
                _moment(step.end_time or ended),
                "COMPLETE" if succeeded else "FAIL",
                of_step.error,
                of_step.versions,
                of_step.rows,
                of_step.checks,
            )
        )
    state, error = _STATES[run.status], seen[""].error
    return RunAccount(run.run_id, fact.use_case, run.job_name, _moment(started), _moment(ended), state, error, steps)


class _SeenOfStep:
    """What the event log says of a step, or, without a key, of the run."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.error: str | None = None
        self.versions: dict[Table, str] = {}
        self.rows: dict[Table, int] = {}
        self.checks: dict[Table, list[CheckAccount]] = {}

    def add(self, event: dg.DagsterEvent) -> None:
        """One more event."""
        if event.event_type in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
            self.error = _cause(event)
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation: Any = event.event_specific_data
            checks = self.checks.setdefault(_table(evaluation.asset_key), [])
            severity = evaluation.severity.value.lower()
            checks.append(CheckAccount(evaluation.check_name, evaluation.passed, severity))
        elif event.asset_key is not None:
            table = _table(event.asset_key)
            self.tables.append(table)
            if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
                self._read(table, event.step_materialization_data.materialization.metadata)

    def _read(self, table: Table, metadata: Any) -> None:
        version, rows = metadata.get("delta_version"), metadata.get("dagster/row_count")
        if version is not None:
            self.versions[table] = str(version.value)
        if rows is not None and isinstance(rows.value, int):
            self.rows[table] = rows.value


def _cause(event: dg.DagsterEvent) -> str | None:
    """The message of what went wrong first: Dagster wraps it in errors of its own."""
    failed: Any = event.event_specific_data
    error = getattr(failed, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return event.message if error is None else str(error.message).strip()


def _seen(instance: dg.DagsterInstance, run_id: str) -> defaultdict[str, _SeenOfStep]:
    found: defaultdict[str, _SeenOfStep] = defaultdict(_SeenOfStep)
    for entry in instance.all_logs(run_id, of_type=_READ):
        if entry.dagster_event is not None:
            found[entry.dagster_event.step_key or ""].add(entry.dagster_event)
    return found


def _table(key: dg.AssetKey) -> Table:
    """Layer and name out of `[use_case, layer, table]`."""
    return (key.path[-2] if len(key.path) > 1 else "", key.path[-1])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
