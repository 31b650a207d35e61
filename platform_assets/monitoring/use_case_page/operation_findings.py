"""What is wrong with the operations of a use case: checks, runs, automation.

Belongs here: rules over what Dagster knows. Does not belong here: rules over data, model and service (`findings.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.monitoring.use_case_page.state import Severity, StateFinding, UseCaseState
from platform_assets.monitoring.use_case_page.state_of_operations import CheckVerdict, DueState
from platform_assets.pictures.numbers import count, duration

SENSOR_IS_DEAD_AFTER_SECONDS = 10 * 60
"""Sensors are evaluated every minute or more often."""
JUDGED_BY_WINDOWS = {
    "monitoring/drift": "drift",
    "monitoring/quality": "quality",
    "monitoring/estimated_quality": "estimate",
    "monitoring/business_measures": "measures",
}
"""Assets whose checks say what the windows say, in fewer words."""
DEV = "make dev"


def check_findings(state: UseCaseState) -> Iterator[StateFinding]:
    """Checks that are red, that warn, and that gave no verdict."""
    checks = state.operations.checks
    judged = {window.monitor for window in state.windows}
    shown = [check for check in checks if JUDGED_BY_WINDOWS.get(check.asset) not in judged]
    severities: dict[str, Severity] = {"failed": "red", "did_not_run": "red", "warned": "yellow"}
    words = {"failed": "failed", "did_not_run": "did not run", "warned": "warns"}
    for check in shown:
        if check.outcome in severities:
            of = f" of {check.partition}" if check.partition else ""
            evidence = "; ".join(check.evidence) or "No evidence is stored."
            yield StateFinding(
                severity=severities[check.outcome],
                what=f"Check {check.name} of {check.asset}{of} {words[check.outcome]}",
                since=check.at,
                why="The asset was made and nothing judged it." if check.outcome == "did_not_run" else evidence,
                next_command=_command_for(state, check),
            )
    passed = sum(check.outcome == "passed" for check in shown)
    if not checks:
        yield StateFinding(
            severity="red",
            what="No check was ever run",
            why="Dagster remembers no verdict about any asset of this use case.",
            next_command=f"platform-assets run {state.use_case}",
        )
    elif passed == len(shown):
        yield StateFinding(severity="ok", what="All checks passed", why=f"{count(passed)} checks.")


def _command_for(state: UseCaseState, check: CheckVerdict) -> str:
    layer, _, table = check.asset.partition("/")
    if layer in ("clean", "quarantine"):
        return f"platform-assets quarantine list {state.use_case} {table}"
    if layer == "raw":
        return f"platform-assets sources check {state.use_case}"
    if layer == "model":
        return f"platform-assets models list {state.use_case}"
    return f"{DEV}, asset {state.use_case}/{check.asset}"


def run_findings(state: UseCaseState) -> Iterator[StateFinding]:
    """Runs that failed and that nothing has mended, and what is due and did not run."""
    for run in state.operations.failed_runs:
        days = f" of {run.days}" if run.days else ""
        yield StateFinding(
            severity="red",
            what=f"The run {run.job}{days} failed",
            since=run.at,
            why=run.reason or f"Run {run.run_id[:8]} says why.",
            next_command=f"{DEV}, run {run.run_id[:8]}",
        )
    late = [due for due in state.operations.due if due.late]
    command = DEV if state.automation else f"PLATFORM_ASSETS_AUTOMATION=on {DEV}"
    if late and is_over(state):
        # Nothing arrives any more, and nobody waits for days of a past that was declared to be over.
        yield StateFinding(
            severity="yellow",
            what="Days of the declared history are left",
            why="; ".join(_job(due) for due in late) + ".",
            next_command=command,
        )
    for due in [] if is_over(state) else late:
        yield StateFinding(
            severity="red",
            what=f"Job {_job(due)} did not run",
            since=due.late_since,
            why="It is due, and no run of it is queued or under way.",
            next_command=command,
        )
    stuck = [due for due in state.operations.due if due.is_stuck]
    for due in stuck:
        yield StateFinding(
            severity="red",
            what=f"Job {_job(due)} is given up for today",
            why=due.waits_for,
            next_command=f"{DEV}, job {state.use_case}__{due.job}",
        )
    if not late and not stuck and not state.operations.failed_runs:
        going = len(state.operations.runs)
        why = f"{going} queued or under way." if going else "Nothing is overdue."
        yield StateFinding(severity="ok", what="What was due has run", why=why)


def _job(due: DueState) -> str:
    return f"{due.job} of {due.days}" if due.days else due.job


def automation_findings(state: UseCaseState) -> Iterator[StateFinding]:
    """Whether anything runs by itself: the setting, the daemon, each sensor."""
    operations = state.operations
    if not state.automation:
        yield StateFinding(
            severity="yellow",
            what="Automation is off: nothing runs by itself",
            why="PLATFORM_ASSETS_AUTOMATION is off.",
            next_command=f"PLATFORM_ASSETS_AUTOMATION=on {DEV}",
        )
        return
    dead = [daemon for daemon in operations.daemons if not daemon.healthy]
    if not operations.daemons or dead:
        beats = [daemon.heartbeat for daemon in dead if daemon.heartbeat is not None]
        names = ", ".join(daemon.name.lower().replace("_", " ") for daemon in dead)
        # Where nothing arrives any more, nobody waits for a daemon.
        over = is_over(state)
        yield StateFinding(
            severity="yellow" if over else "red",
            what="The daemon does not run: nothing runs by itself",
            since=min(beats, default=None),
            why=f"No heartbeat of {names}." if beats else "No daemon ever ran on this installation.",
            next_command=DEV,
        )
        return
    bad = list(_sensors(state))
    yield from bad
    if not bad:
        going = sum(sensor.running for sensor in operations.sensors)
        due = (
            f" The next daily jobs fall due at {operations.due_next:%Y-%m-%d %H:%M} UTC." if operations.due_next else ""
        )
        yield StateFinding(severity="ok", what="Automation is on", why=f"Daemon and {going} sensors run.{due}")


def _sensors(state: UseCaseState) -> Iterator[StateFinding]:
    for sensor in state.operations.sensors:
        if not sensor.running and not sensor.should_run:
            continue
        if not sensor.running:
            yield StateFinding(
                severity="red",
                what=f"Sensor {sensor.name} is switched off",
                since=sensor.last_tick,
                why="Automation is on, and somebody switched this one off.",
                next_command=f"{DEV}, Automation, {state.use_case}__{sensor.name}",
            )
        elif sensor.error:
            yield StateFinding(
                severity="red",
                what=f"Sensor {sensor.name} fails",
                since=sensor.last_tick,
                why=sensor.error,
                next_command=f"{DEV}, Automation, {state.use_case}__{sensor.name}",
            )
        elif sensor.kind == "sensor" and sensor.last_tick is not None:
            waited = (state.made_at - sensor.last_tick).total_seconds()
            if waited > SENSOR_IS_DEAD_AFTER_SECONDS:
                yield StateFinding(
                    severity="red",
                    what=f"Sensor {sensor.name} did not run",
                    since=sensor.last_tick,
                    why=f"It was last evaluated {duration(waited)} ago.",
                    next_command=DEV,
                )


def is_over(state: UseCaseState) -> bool:
    """Whether the declared history is over: nothing arrives any more."""
    ends = state.history_ends
    return ends is not None and state.now.date() > ends and state.operations.due_next is None
