"""The run launcher of one machine: each run is a process that is watched, and its death has a cause and a consequence.

Dagster's own launcher leaves runs to the code server. When that goes with them, by a kill or with the machine, nobody knows whose process
a run was, and the run stays "started" and holds its place in the queue for ever. Here the daemon starts the process, the run's tags say
which one it is, and any later daemon can see that it is gone.
Belongs here: what Dagster asks of a launcher. Does not belong here: processes (`worker.py`, `start.py`), or the policy (`retries.py`).
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import dagster as dg
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.causes import Cause
from platform_assets.orchestration.local_runs.start import StartedProcess, Starter
from platform_assets.orchestration.local_runs.twins import earlier_twin
from platform_assets.orchestration.local_runs.warm_process import LIBRARIES
from platform_assets.orchestration.local_runs.worker import Worker
from platform_assets.orchestration.retries import Consequence, consequence
from platform_assets.orchestration.run_deaths import earlier_causes, let_follow, report

CPU_SECONDS_TAG: Final = "platform_assets/cpu_seconds"
"""Tag of a run that has ended: what its processes used."""
END_SECONDS: Final = 30.0
"""How long a run that is to stop may take before its processes are ended."""


class LocalRunLauncher(RunLauncher, ConfigurableClass):
    """Starts the process of each run, and knows it again.

    Needs `run_monitoring.enabled` in `dagster.yaml`, which asks after it, and `run_retries` with `max_retries: 0`: whether a run is
    started again is decided by the cause of its process's death.
    """

    def __init__(self, libraries: Sequence[str] = LIBRARIES, inst_data: ConfigurableClassData | None = None) -> None:
        """Take the configuration: what the process that runs come out of has imported."""
        self._inst_data = inst_data
        self._starter = Starter(libraries)
        self._children: dict[str, StartedProcess] = {}
        super().__init__()  # type: ignore[no-untyped-call] # Dagster gives it no types

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Where it was configured."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Its field in `dagster.yaml`."""
        libraries = dg.Field(
            [str],
            is_required=False,
            description="Modules that the process which runs come out of has imported; about 700 MB by default. A run imports what is "
            "not there by itself.",
        )
        return {"libraries": libraries}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """The launcher of a `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster's run monitoring asks after the process of each run that has started."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the process of a run, watch it, and write into the run's tags which one it is; a run that was asked for twice starts once.

        Raises:
            DagsterInvariantViolationError: the run was made in a way that no other process can make again.
        """
        run = context.dagster_run
        twin = earlier_twin(self._instance, run)
        if twin is not None:
            said = f"Run {twin} was asked for with the same key a moment before: another daemon works on this storage. Stop all but one."
            self._instance.report_run_canceled(run, said)
            return
        if run.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(
                f"run {run.run_id} of {run.job_name} has no origin: it cannot be run in a process of its own. Start it from the web UI, "
                "a schedule or a sensor, or in process with `platform-assets run`"
            )
        child = self._starter.start(run.run_id, run.job_code_origin, self._instance.get_ref())
        self._children[run.run_id] = child
        self._instance.add_run_tags(run.run_id, child.worker.tags)
        threading.Thread(target=self._wait, args=(child,), name=f"run {run.run_id[:8]}", daemon=True).start()

    def terminate(self, run_id: str) -> bool:
        """Ask the process of a run to stop, and end it where it does not.

        Returns:
            Whether there was one to ask.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        worker = self._worker(run)
        if worker is None or not worker.is_here:
            self._instance.report_engine_event("It is not known here which process works on this run.", run)
            return False
        if not worker.interrupt():
            return False
        ending = threading.Timer(END_SECONDS, worker.end)
        ending.daemon = True
        ending.start()
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process lives; where not, the cause stands in the event log and decides what follows.

        A run that no launcher started, such as one of `platform-assets run` before it said which process it is, counts as running until
        its time is over.
        """
        worker = self._worker(run)
        if run.run_id in self._children or worker is None or not worker.is_here or worker.lives:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=None if worker is None else worker.name)
        cause = worker.death()
        then = self._settle(run, worker, cause)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"{cause.sentence} {then.reason}", False, worker.name)

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """What became of the process of a run that takes too long to start or to stop; it is ended, so that it does not start after all."""
        worker = self._worker(run)
        if worker is None or not worker.is_here or run.status == dg.DagsterRunStatus.STARTED:
            return None
        if worker.lives:
            worker.end()
            return f"{worker.name} was ended."
        cause = worker.death()
        then = self._settle(run, worker, cause)
        return f"{cause.sentence} {then.reason}."

    def _wait(self, child: StartedProcess) -> None:
        """Wait for a process's end, and tell it where it left a run that has not ended."""
        ending = child.wait()
        worker = child.worker
        try:
            run = self._instance.get_run_by_id(worker.run_id) if self.has_instance else None
            if run is not None and ending.cpu_seconds is not None:
                self._instance.add_run_tags(run.run_id, {CPU_SECONDS_TAG: f"{ending.cpu_seconds:.1f}"})
            if run is not None and not run.is_finished:
                cause = worker.death(ending.exit_code)
                then = self._settle(run, worker, cause)
                self._instance.report_run_failed(run, f"{cause.sentence} {then.reason}.")
        finally:
            self._children.pop(worker.run_id, None)

    def _settle(self, run: dg.DagsterRun, worker: Worker, cause: Cause) -> Consequence:
        """Put a death in the event log once, end what the process left behind, and say in the run's tags what follows."""
        earlier = dict(earlier_causes(self._instance, run))
        told = earlier.pop(worker.name, None) is not None
        then = consequence(cause, Compute(), list(earlier.values()))
        if not told:
            report(self._instance, run, worker.name, cause, then, place="process")
            left = worker.end()
            if left:
                self._instance.report_engine_event(f"Ended {len(left)} processes that it left behind: {left}.", run)
            let_follow(self._instance, run, then)
        return then

    def _worker(self, run: dg.DagsterRun) -> Worker | None:
        """The process of a run, by its tags as they are now."""
        now = self._instance.get_run_by_id(run.run_id)
        return Worker.read((now or run).tags, run.run_id)
