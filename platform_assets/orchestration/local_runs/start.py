"""Starting the process of a run.

Belongs here: the ways to start one. Does not belong here: knowing it again (`worker.py`), or what is done when it ends (`launcher.py`).
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import JobPythonOrigin
from dagster._grpc.types import ExecuteRunArgs

from platform_assets.orchestration.local_runs.worker import Worker


@dataclass(frozen=True)
class StartedProcess:
    """A process of a run that this process has started.

    Attributes:
        worker: which one it is.
        wait: waits for its end; its exit code, negative for a signal.
    """

    worker: Worker
    wait: Callable[[], int]


def start_process(run_id: str, origin: JobPythonOrigin, instance: InstanceRef) -> StartedProcess:
    """Start a fresh interpreter that executes a run, in a session of its own: what ends this process does not end it.

    Args:
        run_id: the run.
        origin: where its job's code is.
        instance: where it is remembered.
    """
    command = ExecuteRunArgs(job_origin=origin, run_id=run_id, instance_ref=instance).get_command_args()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    return StartedProcess(Worker.of(run_id, process.pid), process.wait)
