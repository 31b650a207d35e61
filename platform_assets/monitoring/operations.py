"""What Dagster knows of a use case's operations, as plain values: runs, checks, sensors, daemons.

Belongs here: these values, and what follows from them alone, such as failures that nothing has mended. Does not belong here: reading
them (`orchestration/operations_facts.py`), metrics (`telemetry/`), or what is shown of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ASSETS_JOB = "assets"
"""Job of a run that no job names: assets that the automation, or a person, asked for."""


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class CheckState(StrEnum):
    """What is known of a check."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    """It failed, and is declared as something to know, not to act on."""
    DID_NOT_RUN = "did_not_run"
    """Its asset is there, or its run has ended, and there is no verdict: counts as red."""
    IN_PROGRESS = "in_progress"
    NOTHING_TO_CHECK = "nothing_to_check"
    """Its asset was never made."""


@dataclass(frozen=True)
class RunFact:
    """One run.

    Attributes:
        run_id: Dagster's.
        use_case: whose; None for a run of several or none.
        job: one of `pipelines/jobs.JOBS`, or `assets`.
        days: its day, `first/last`, or None.
        attempt: 1 for the first.
        state: where it stands.
        queued_at: when it was asked for.
        started_at: when it began; None before.
        ended_at: when it ended; None before.
        title: what a person would call it.
        tags: Dagster's.
    """

    run_id: str
    use_case: str | None
    job: str
    days: str | None
    attempt: int
    state: RunState
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    title: str
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CheckFact:
    """What is known of one check now.

    Attributes:
        use_case: whose.
        asset: `layer/table`.
        name: of the check.
        state: its verdict; of a check of data, failed as long as the newest verdict of any day is.
        blocking: whether it stops what is downstream.
        day: the partition that the verdict is about; None for the whole.
        since: when the verdict was given; None without one.
        run_id: of the run that gave it, or should have.
        evidence: the first lines of its metadata, as text.
    """

    use_case: str
    asset: str
    name: str
    state: CheckState
    blocking: bool
    day: str | None = None
    since: datetime | None = None
    run_id: str | None = None
    evidence: tuple[tuple[str, str], ...] = ()

    @property
    def is_red(self) -> bool:
        """Whether somebody has to look: it failed, or did not run."""
        return self.state in (CheckState.FAILED, CheckState.DID_NOT_RUN)


@dataclass(frozen=True)
class SensorFact:
    """A sensor or a schedule.

    Attributes:
        name: Dagster's.
        use_case: whose; None for one of the installation.
        kind: `sensor` or `schedule`.
        running: whether it is switched on.
        last_tick_at: when it was last looked at; None for never.
        last_tick_state: `started`, `skipped`, `success` or `failure`; None for never.
        reason: why it skipped, or the error of a failure.
        runs_by_default: whether it is switched on unless somebody switches it off.
    """

    name: str
    use_case: str | None
    kind: str
    running: bool
    last_tick_at: datetime | None = None
    last_tick_state: str | None = None
    reason: str | None = None
    runs_by_default: bool = True


@dataclass(frozen=True)
class DaemonFact:
    """A part of Dagster's daemon.

    Attributes:
        name: Dagster's, such as SENSOR.
        heartbeat_at: its last sign of life; None for never.
        required: whether this installation needs it.
        errors: what it said last.
        process: the daemon process that gave it; None for never.
    """

    name: str
    heartbeat_at: datetime | None
    required: bool
    errors: tuple[str, ...] = ()
    process: str | None = None


@dataclass(frozen=True)
class OperationsFacts:
    """All of it, as of one moment."""

    runs: tuple[RunFact, ...] = ()
    checks: tuple[CheckFact, ...] = ()
    sensors: tuple[SensorFact, ...] = ()
    daemons: tuple[DaemonFact, ...] = ()


def unmended_failures(runs: Iterable[RunFact], now: datetime, within: timedelta = timedelta(days=1)) -> list[RunFact]:
    """Runs that failed within a time and that no later run of the same job and days has mended, the newest of each alone.

    A run that somebody canceled has not failed. A run that is under way mends nothing yet.
    """
    newest: dict[tuple[str | None, str, str | None], RunFact] = {}
    for run in sorted(runs, key=lambda run: run.queued_at):
        if run.state in (RunState.FAILED, RunState.SUCCEEDED):
            newest[run.use_case, run.job, run.days] = run
    return [
        run
        for run in newest.values()
        if run.state is RunState.FAILED and now - (run.ended_at or run.queued_at) <= within
    ]
