"""What Dagster knows of a use case, as it stands in a state: verdicts that count, failures that nothing has mended, what runs by itself.

Belongs here: facts as parts of a state. Does not belong here: asking Dagster (`orchestration/operations_facts.py`), or judging.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from platform_assets.declaration import UseCase
from platform_assets.monitoring.operations import (
    CheckFact,
    CheckState,
    DaemonFact,
    OperationsFacts,
    RunFact,
    RunState,
    SensorFact,
    unmended_failures,
)
from platform_assets.monitoring.use_case_page.state_of_operations import (
    CheckOutcomeName,
    CheckVerdict,
    DaemonState,
    FailedRun,
    RunInProgress,
    SensorState,
    StateOfOperations,
)
from platform_assets.pipelines.due_now.answer import DueAnswer
from platform_assets.pipelines.use_case_state.due import due_states, next_due

HEARTBEAT_SECONDS = 5 * 60
"""A daemon gives a sign of life every half minute."""
MOST_FAILED = 10
"""So many failed runs are told, the newest first."""
OUTCOMES: dict[CheckState, CheckOutcomeName] = {
    CheckState.PASSED: "passed",
    CheckState.WARNED: "warned",
    CheckState.FAILED: "failed",
    CheckState.DID_NOT_RUN: "did_not_run",
}
"""A check that is under way, or has nothing to check, has no verdict to show."""

TABLE = "TableRecord("
"""What a table of Dagster's reads like as text."""
LINE_CHARACTERS = 200

Reasons = Callable[[str], str | None]


def operations_of(
    use_case: UseCase,
    facts: OperationsFacts,
    answer: DueAnswer,
    now: datetime,
    machine_now: datetime,
    *,
    simulated: bool = False,
    reason_of: Reasons = lambda run_id: None,
) -> StateOfOperations:
    """The part of a state that Dagster knows.

    Args:
        use_case: the declaration.
        facts: of all use cases or of this one.
        answer: what is due.
        now: what time it is for the use case.
        machine_now: the machine's time, by which Dagster counts.
        simulated: whether a simulated clock is followed.
        reason_of: the first error of a run; asked for the failed ones that are told.
    """
    own = [run for run in facts.runs if run.use_case == use_case.name]
    going = [run for run in own if run.state in (RunState.QUEUED, RunState.IN_PROGRESS)]
    failed = sorted(unmended_failures(own, machine_now, timedelta.max), key=_ended, reverse=True)[:MOST_FAILED]
    redone = {(run.job, run.days) for run in going}
    return StateOfOperations(
        checks=tuple(_verdict(one) for one in facts.checks if one.use_case == use_case.name and one.state in OUTCOMES),
        failed_runs=tuple(_failed(run, reason_of) for run in failed if (run.job, run.days) not in redone),
        runs=tuple(
            RunInProgress(job=run.job, days=_days(run), status=run.state.value, since=run.started_at or run.queued_at)
            for run in going
        ),
        sensors=tuple(_sensor(one) for one in facts.sensors if one.use_case == use_case.name),
        daemons=_daemons(facts.daemons, machine_now),
        due=due_states(use_case, answer, now, simulated=simulated),
        due_next=next_due(use_case, answer, now),
    )


def _ended(run: RunFact) -> datetime:
    return run.ended_at or run.queued_at


def _days(run: RunFact) -> str:
    return (run.days or "").replace("/", " to ")


def _failed(run: RunFact, reason_of: Reasons) -> FailedRun:
    reason = (reason_of(run.run_id) or "").strip()
    return FailedRun(job=run.job, days=_days(run), run_id=run.run_id, at=_ended(run), reason=reason[:400])


def _is_words(name: str, value: str) -> bool:
    """Whether a piece of evidence can be read in a line: no table, no picture."""
    return bool(value) and not name.startswith("dagster") and not value.startswith("![") and TABLE not in value


def _line(name: str, value: str) -> str:
    shown = value if len(value) <= LINE_CHARACTERS else f"{value[:LINE_CHARACTERS].rstrip()}…"
    return f"{name.replace('_', ' ')}: {shown}"


def _verdict(check: CheckFact) -> CheckVerdict:
    bad = check.state is not CheckState.PASSED
    lines = tuple(_line(name, value) for name, value in check.evidence if bad and _is_words(name, value))
    return CheckVerdict(
        asset=check.asset,
        name=check.name,
        outcome=OUTCOMES[check.state],
        partition=check.day,
        at=check.since,
        evidence=lines,
    )


def _sensor(sensor: SensorFact) -> SensorState:
    error = (sensor.reason or "failed").splitlines()[0][:300] if sensor.last_tick_state == "failure" else ""
    return SensorState(
        name=sensor.name.rpartition("__")[2],
        kind=sensor.kind,
        running=sensor.running,
        should_run=sensor.runs_by_default,
        last_tick=sensor.last_tick_at,
        error=error,
    )


def _daemons(daemons: tuple[DaemonFact, ...], machine_now: datetime) -> tuple[DaemonState, ...]:
    """The daemons that are needed; none where no daemon ever ran."""
    if not any(one.heartbeat_at for one in daemons):
        return ()
    return tuple(
        DaemonState(
            name=one.name,
            healthy=one.heartbeat_at is not None
            and (machine_now - one.heartbeat_at).total_seconds() <= HEARTBEAT_SECONDS,
            heartbeat=one.heartbeat_at,
        )
        for one in daemons
        if one.required
    )
