"""Starting the process of a run: out of one that has the imports already, or afresh.

Belongs here: the two ways, and which of them is taken. Does not belong here: knowing a process again (`worker.py`), or what is done when
it ends (`launcher.py`).
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import JobPythonOrigin
from dagster._grpc.types import ExecuteRunArgs

from platform_assets.orchestration.local_runs import warm_process
from platform_assets.orchestration.local_runs.worker import Worker

START_SECONDS: Final = 80.0
"""How long the first run may wait for the imports; then it does them itself. Less than `start_timeout_seconds` of dagster.yaml."""
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Ending:
    """How a process ended, as its parent is told; None where the parent was gone by then.

    Attributes:
        exit_code: negative for a signal.
        cpu_seconds: of it and of the processes that it waited for.
    """

    exit_code: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class StartedProcess:
    """A process of a run that this process has started.

    Attributes:
        worker: which one it is.
        wait: waits for its end.
    """

    worker: Worker
    wait: Callable[[], Ending]


class WarmStart:
    """A process that has imported what runs need, and what is known of those that came out of it."""

    def __init__(self, libraries: Sequence[str]) -> None:
        """Start it; it imports the libraries meanwhile."""
        read_requests, self._requests = os.pipe()
        self._answers, write_answers = os.pipe()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                warm_process.__name__,
                json.dumps(list(libraries)),
                str(read_requests),
                str(write_answers),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=(read_requests, write_answers),
            start_new_session=True,
        )
        os.close(read_requests)
        os.close(write_answers)
        self._changed = threading.Condition()
        self._started: list[int] = []
        self._ended: dict[int, Ending] = {}
        self._asking = threading.Lock()
        threading.Thread(target=self._listen, name="warm process", daemon=True).start()

    @property
    def lives(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def start(self, arguments: Sequence[str], seconds: float) -> int | None:
        """Have a run executed.

        Args:
            arguments: of the `dagster` command.
            seconds: how long to wait for it.

        Returns:
            The number of its process; None where it does not answer, in which case it is ended, and so starts nothing later.
        """
        with self._asking:
            try:
                os.write(self._requests, json.dumps(list(arguments)).encode() + b"\n")
            except BrokenPipeError:
                return None
            with self._changed:
                if self._changed.wait_for(lambda: self._started or not self.lives, seconds) and self._started:
                    return self._started.pop()
        self.close()
        return None

    def wait(self, worker: Worker) -> Ending:
        """Wait for the end of a process that came out of it."""
        with self._changed:
            self._changed.wait_for(lambda: worker.pid in self._ended or not self.lives)
            if worker.pid in self._ended:
                return self._ended.pop(worker.pid)
        while worker.lives:
            time.sleep(LOOK_SECONDS)
        return Ending()

    def close(self) -> None:
        """End it; those that came out of it go on."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        with os.fdopen(self._answers) as answers:
            for line in answers:
                kind, pid, *how = line.split()
                with self._changed:
                    if kind == warm_process.STARTED:
                        self._started.append(int(pid))
                    else:
                        self._ended[int(pid)] = Ending(int(how[0]), float(how[1]))
                    self._changed.notify_all()
        self._process.wait()
        with self._changed:
            self._changed.notify_all()


class Starter:
    """Starts the processes of runs."""

    def __init__(self, libraries: Sequence[str] = warm_process.LIBRARIES) -> None:
        """Take what the process that others come out of imports; it is started for the first run."""
        self._libraries = tuple(libraries)
        self._warm: WarmStart | None = None
        self._lock = threading.Lock()

    def start(self, run_id: str, origin: JobPythonOrigin, instance: InstanceRef) -> StartedProcess:
        """Start a process that executes a run, in a session of its own: what ends this process does not end it.

        Args:
            run_id: the run.
            origin: where its job's code is.
            instance: where it is remembered.
        """
        command = ExecuteRunArgs(job_origin=origin, run_id=run_id, instance_ref=instance).get_command_args()
        arguments = command[command.index("api") :]
        if origin.executable_path == sys.executable:
            warm = self._warm_start()
            pid = warm.start(arguments, START_SECONDS)
            if pid is not None:
                worker = Worker.of(run_id, pid)
                return StartedProcess(worker, lambda: warm.wait(worker))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        return StartedProcess(Worker.of(run_id, process.pid), lambda: _wait(process))

    def _warm_start(self) -> WarmStart:
        with self._lock:
            if self._warm is None or not self._warm.lives:
                self._warm = WarmStart(self._libraries)
            return self._warm


def _wait(process: subprocess.Popen[bytes]) -> Ending:
    """Wait for the end of a child of this process."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # nobody else is to wait for it
    return Ending(process.returncode, used.ru_utime + used.ru_stime)
