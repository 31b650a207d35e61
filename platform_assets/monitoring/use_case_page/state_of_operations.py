"""What Dagster knows of a use case, as part of its state.

Belongs here: checks, runs, automation and what is due, as plain values. Does not belong here: the facts they are made from
(`monitoring/operations.py`), or the other parts of a state (`state.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

CheckOutcomeName = Literal["passed", "failed", "warned", "did_not_run"]


class PlainPart(BaseModel):
    """A part of a state: frozen, no field beside those that are declared, and JSON without infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="null")


class CheckVerdict(PlainPart):
    """The verdict of a check that counts now.

    Attributes:
        asset: `layer/table`.
        name: of the check.
        outcome: `did_not_run` where the asset was made and the check gave no verdict on it.
        partition: the day it is about; None for the whole.
        at: when the verdict was given, in the machine's time.
        evidence: short, `name: value` each.
    """

    asset: str
    name: str
    outcome: CheckOutcomeName
    partition: str | None = None
    at: datetime | None = None
    evidence: tuple[str, ...] = ()


class FailedRun(PlainPart):
    """A run that failed and that no later one has mended.

    Attributes:
        job: its name without the use case's.
        days: partition or range that it was about; empty without.
        run_id: of the run.
        at: when it ended, in the machine's time.
        reason: first line of what it said, where it is known.
    """

    job: str
    days: str
    run_id: str
    at: datetime
    reason: str = ""


class RunInProgress(PlainPart):
    """A run that is queued or under way; `since` in the machine's time."""

    job: str
    days: str
    status: str
    since: datetime


class SensorState(PlainPart):
    """A sensor or schedule of the use case.

    Attributes:
        name: without the use case's.
        kind: `sensor` or `schedule`.
        running: whether it is switched on.
        should_run: whether it is unless somebody switches it off.
        last_tick: when it was last evaluated, in the machine's time; None when never.
        error: of the last evaluation, where it failed.
    """

    name: str
    kind: str
    running: bool
    should_run: bool = True
    last_tick: datetime | None = None
    error: str = ""


class DaemonState(PlainPart):
    """One of Dagster's daemons; `heartbeat` in the machine's time, None when it never ran."""

    name: str
    healthy: bool
    heartbeat: datetime | None = None


class DueState(PlainPart):
    """A job that is due.

    Attributes:
        job: its name.
        days: it is due for.
        late: its time of day has passed, it waits for nothing, and no run of it is queued or under way.
        late_since: that time of day.
        waits_for: why it does not start yet, in words; empty where it could.
        is_stuck: whether it is given up for today, for it failed too often.
    """

    job: str
    days: str
    late: bool
    late_since: datetime | None = None
    waits_for: str = ""
    is_stuck: bool = False


class StateOfOperations(PlainPart):
    """What Dagster knows of a use case, as plain values.

    Attributes:
        checks: the verdict that counts of every check that should exist.
        failed_runs: not mended since, newest first.
        runs: queued or under way.
        sensors: those of the use case.
        daemons: those that the instance needs; empty where none ever ran.
        due: jobs that are due.
        due_next: when the next daily jobs fall due.
    """

    checks: tuple[CheckVerdict, ...] = ()
    failed_runs: tuple[FailedRun, ...] = ()
    runs: tuple[RunInProgress, ...] = ()
    sensors: tuple[SensorState, ...] = ()
    daemons: tuple[DaemonState, ...] = ()
    due: tuple[DueState, ...] = ()
    due_next: datetime | None = None
