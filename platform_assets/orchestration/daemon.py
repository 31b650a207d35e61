"""Dagster's daemon as processes of ours, and waiting until it has nothing left to do.

Belongs here: starting and ending a process with all that it starts, and when a use case is quiet. Does not belong here: which settings the
daemon is given (`cli/live/`, `testing/daemon_world.py`), or what it starts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import psutil

from platform_assets.declaration import UseCase
from platform_assets.monitoring.operations import RunFact, RunState
from platform_assets.orchestration.in_process import InProcess
from platform_assets.orchestration.operations_facts import read_runs, read_sensors

END_WITHIN_SECONDS = 30.0
LOOK_SECONDS = 1.0


class ProcessEnded(RuntimeError):
    """A process that should run has ended by itself; the message has the end of its log."""


class Child:
    """A process with a group of its own, so that what it starts ends with it."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        """Start it.

        Args:
            name: for people.
            command: program and arguments.
            environment: all variables that it is given.
            folder: that it works in.
            log: file that it writes to.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.log = name, log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def known_as(self) -> tuple[int, float]:
        """By what it is known later: its id, and when it was made, for ids are given again."""
        return self.process.pid, psutil.Process(self.process.pid).create_time()

    def require_alive(self) -> None:
        """Raise ProcessEnded if it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()[-12:]
            raise ProcessEnded(f"{self.name} ended with {code}; the end of {self.log}:\n" + "\n".join(lines))

    def end(self) -> None:
        """Ask it to end, and end its whole group where that takes too long or something of it is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # Dagster's own way: its code server ends with it
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_WITHIN_SECONDS)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


def end_left(known_as: Iterable[tuple[int, float]]) -> int:
    """End the groups of processes that an earlier command did not end; how many there were."""
    ended = 0
    for pid, made in known_as:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if psutil.Process(pid).create_time() == made:
                os.killpg(pid, signal.SIGKILL)
                ended += 1
    return ended


def dagster_command(program: str, *arguments: str) -> list[str]:
    """A program of Dagster's, of the environment that this process runs in."""
    beside = Path(sys.executable).with_name(program)
    return [str(beside) if beside.exists() else program, *arguments]


@contextmanager
def daemon_running(
    code: Sequence[str], location: str, environment: Mapping[str, str], folder: Path, logs: Path
) -> Iterator[tuple[list[Child], Path]]:
    """Dagster's daemon beside a code server of its own, as `dagster dev` has it; both are ended at the end.

    Without one the daemon loads the code in a process that it starts again every minute.

    Args:
        code: where the definitions are, such as `-m platform_assets.definitions`.
        location: name of the code location.
        environment: all variables that both are given.
        folder: that they work in.
        logs: folder of what they say.

    Yields:
        The processes, the daemon last, and the workspace by which other programs reach the same code server.

    Raises:
        ProcessEnded: the definitions cannot be loaded.
    """
    with TemporaryDirectory(prefix="dagster-") as short, ExitStack() as stack:  # the path of a socket may not be long
        socket, workspace = Path(short) / "code.sock", Path(short) / "workspace.yaml"
        served = {"grpc_server": {"socket": str(socket), "location_name": location}}
        workspace.write_text(json.dumps({"load_from": [served]}), encoding="utf-8")
        serve = ["code-server", "start", "-s", str(socket), "--location-name", location, *code]
        program = dagster_command("dagster", *serve, "--use-python-environment-entry-point")
        server = Child("code-server", program, environment, folder, logs / "code-server.log")
        stack.callback(server.end)
        while not socket.exists():
            server.require_alive()
            sleep(LOOK_SECONDS / 5)
        command = dagster_command("dagster-daemon", "run", "-w", str(workspace))
        daemon = Child("dagster-daemon", command, environment, folder, logs / "dagster-daemon.log")
        stack.callback(daemon.end)
        yield [server, daemon], workspace


def runs_since(jobs: InProcess, use_case: UseCase, began: datetime) -> list[RunFact]:
    """Runs of the use case that anything happened to since a moment of the machine's clock, and those in flight, the oldest first."""
    runs = read_runs(jobs.instance, began)
    return sorted((run for run in runs if run.use_case == use_case.name), key=lambda run: run.queued_at)


def wait_until_quiet(jobs: InProcess, use_case: UseCase, children: Sequence[Child], at_most_seconds: float) -> bool:
    """Wait until nothing is left to do: no run is in flight, and since then every sensor has looked and asked for nothing.

    Args:
        jobs: definitions, and the instance that the daemon works on.
        use_case: whose runs and sensors count.
        children: processes that have to be alive meanwhile.
        at_most_seconds: to wait.

    Returns:
        Whether it became quiet in time.

    Raises:
        LiveWorldError: one of the processes ended.
    """
    deadline, quiet_since = monotonic() + at_most_seconds, datetime.now(UTC)
    while monotonic() < deadline:
        for child in children:
            child.require_alive()
        if _is_busy(jobs, use_case):
            quiet_since = datetime.now(UTC)
        elif _have_looked_since(jobs, use_case, quiet_since) and not _is_busy(jobs, use_case):
            return True
        sleep(LOOK_SECONDS)
    return False


def end_runs(jobs: InProcess, use_case: UseCase) -> None:
    """Cancel what is queued and end what is in progress, once no daemon starts anything any more."""
    for run in runs_since(jobs, use_case, datetime.now(UTC)):
        if run.ended_at is None:
            jobs.instance.run_coordinator.cancel_run(run.run_id)
    deadline = monotonic() + END_WITHIN_SECONDS
    while _is_busy(jobs, use_case) and monotonic() < deadline:
        sleep(LOOK_SECONDS)


def _is_busy(jobs: InProcess, use_case: UseCase) -> bool:
    states = (run.state for run in runs_since(jobs, use_case, datetime.now(UTC)))
    return any(state in (RunState.QUEUED, RunState.IN_PROGRESS) for state in states)


def _have_looked_since(jobs: InProcess, use_case: UseCase, moment: datetime) -> bool:
    """Whether every sensor that is on began a look after a moment, and ended it."""
    sensors = read_sensors(jobs.definitions, jobs.instance)
    mine = [one for one in sensors if one.use_case == use_case.name and one.kind == "sensor" and one.running]
    return all(
        one.last_tick_at is not None and one.last_tick_at > moment and one.last_tick_state != "started" for one in mine
    )
