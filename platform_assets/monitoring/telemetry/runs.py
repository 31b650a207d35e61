"""Metrics of what Dagster does: runs, checks, sensors, daemons.

Belongs here: counting what was read. Does not belong here: reading it (`orchestration/operations_facts.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

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
from platform_assets.monitoring.telemetry.exporter import Sample

INSTALLATION = ""
"""Label `use_case` of what belongs to none."""
ALIVE_FOR = timedelta(seconds=90)
"""Three times the half minute in which a daemon gives a sign of life."""


class DaemonProcesses:
    """Counts the daemon processes that are alive.

    Dagster keeps one sign of life for each part of a daemon, whichever process gave it last: two processes are seen one after the other,
    so each is remembered for a while.
    """

    def __init__(self) -> None:
        """Remember none."""
        self._seen: dict[str, datetime] = {}

    def alive(self, daemons: Iterable[DaemonFact], now: datetime) -> int:
        """How many are, with what is known now.

        Args:
            daemons: their newest signs of life.
            now: by the machine's clock.
        """
        for one in daemons:
            if one.process is not None and one.heartbeat_at is not None:
                self._seen[one.process] = max(one.heartbeat_at, self._seen.get(one.process, one.heartbeat_at))
        self._seen = {process: at for process, at in self._seen.items() if now - at < ALIVE_FOR}
        return len(self._seen)


def operations_samples(facts: OperationsFacts, jobs: Iterable[tuple[str, str]], now: datetime) -> list[Sample]:
    """Runs, checks and sensors.

    Args:
        facts: what Dagster knows.
        jobs: use case and job of every job that there is, so that a count of none is 0, not absent.
        now: by the machine's clock.
    """
    return [
        *run_samples(facts.runs, jobs, now),
        *(sample for check in facts.checks for sample in check_samples(check)),
        *(sample for sensor in expected_sensors(facts.sensors) for sample in sensor_samples(sensor)),
    ]


def run_samples(runs: Iterable[RunFact], jobs: Iterable[tuple[str, str]], now: datetime) -> list[Sample]:
    """Failed, under way, waiting."""
    runs = list(runs)
    known = dict.fromkeys([*jobs, *((run.use_case or INSTALLATION, run.job) for run in runs)])
    counted = {
        "failed_runs": unmended_failures(runs, now),
        "runs_in_progress": [run for run in runs if run.state is RunState.IN_PROGRESS],
        "queued_runs": [run for run in runs if run.state is RunState.QUEUED],
    }
    samples = []
    for name, found in counted.items():
        counts = Counter((run.use_case or INSTALLATION, run.job) for run in found)
        samples += [Sample(name, labels, counts[labels]) for labels in known]
    waiting = [(now - run.queued_at).total_seconds() for run in runs if run.state is RunState.QUEUED]
    samples.append(Sample("oldest_queued_run_seconds", (), max(0.0, *waiting) if waiting else 0.0))
    ended = {
        (run.use_case or INSTALLATION, run.job): run.ended_at
        for run in sorted(runs, key=lambda run: run.ended_at or run.queued_at)
        if run.state is RunState.SUCCEEDED and run.ended_at is not None
    }
    return samples + [
        Sample("newest_success_timestamp_seconds", labels, at.timestamp()) for labels, at in ended.items()
    ]


def check_samples(check: CheckFact) -> list[Sample]:
    """1 for red; nothing for a check that has had nothing to check."""
    if check.state is CheckState.NOTHING_TO_CHECK:
        return []
    return [Sample("red_checks", (check.use_case, check.asset, check.name), int(check.is_red))]


def expected_sensors(sensors: Sequence[SensorFact]) -> list[SensorFact]:
    """Those whose switch means something.

    Where automation is on, a sensor that is off as it is declared, such as the one of the automation conditions, is nothing that anybody
    switched off. Where it is off, all are declared so, and that is what has to be told.
    """
    automated = {sensor.use_case for sensor in sensors if sensor.runs_by_default}
    return [one for one in sensors if one.running or one.runs_by_default or one.use_case not in automated]


def sensor_samples(sensor: SensorFact) -> list[Sample]:
    """Its switch and its newest tick."""
    labels = (sensor.use_case or INSTALLATION, sensor.name)
    samples = [Sample("sensor_running", labels, int(sensor.running))]
    if sensor.last_tick_at is not None:
        samples.append(Sample("sensor_last_tick_timestamp_seconds", labels, sensor.last_tick_at.timestamp()))
        samples.append(Sample("sensor_last_tick_failed", labels, int(sensor.last_tick_state == "failure")))
    return samples


def daemon_samples(daemons: Sequence[DaemonFact], now: datetime, processes: DaemonProcesses) -> list[Sample]:
    """Signs of life of the parts that are needed, and how many processes give them.

    A part that never gave any is 0, so that it can be told from none being needed.

    Args:
        daemons: what is known of each part.
        now: by the machine's clock.
        processes: what is remembered of daemon processes.
    """
    beats = [
        Sample(
            "daemon_heartbeat_timestamp_seconds", (one.name,), one.heartbeat_at.timestamp() if one.heartbeat_at else 0.0
        )
        for one in daemons
        if one.required
    ]
    return [*beats, Sample("daemon_processes", (), processes.alive(daemons, now))]
