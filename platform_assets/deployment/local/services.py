"""The services' processes: starting the processes of one arm, knowing when they are ready, and removing them.

Belongs here: what lies between a release and the process manager.
Does not belong here: traffic. Nothing here knows weights, and nothing here decides what to do when a start fails.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from platform_assets.deployment.answers import reason_of
from platform_assets.deployment.errors import StartFailed
from platform_assets.deployment.local import launch
from platform_assets.deployment.local.host import LOOPBACK, last_lines, write_private
from platform_assets.deployment.local.state import Arm, Program
from platform_assets.deployment.local.supervisor import FAILED, Supervisor, render_program
from platform_assets.deployment.release import Release
from serving.settings import COUNTS_FOLDER

PRIORITY = 100
STOP_SECONDS = 30
POLL_SECONDS = 0.05
READY_TIMEOUT_SECONDS = 2.0
KEPT_LOGS = 10
UNUSED_PORT = 1
"""Of a process that listens nowhere."""


def base_url(program: Program) -> str:
    """Where one process listens, past the proxy."""
    return f"http://{LOOPBACK}:{program.port}"


class Services:
    """The processes of every arm of one target."""

    def __init__(self, root: Path, supervisor: Supervisor) -> None:
        self._launches = root / "launch"
        self._logs = root / "logs"
        self._supervisor = supervisor

    def describe(self, arm: Arm, release: Release) -> None:
        """Write down how each process of the arm is launched, in files that only this user can read."""
        for program in arm.programs:
            environment = {**release.environment, COUNTS_FOLDER: str(self._counts(program))}
            self._describe(program, release.command, environment, release.working_dir)

    def keep(self, name: str, command: Sequence[str], environment: Mapping[str, str], working_dir: Path) -> Path:
        """Keep a process of another kind running, and bring it back with the target; returns its log."""
        program = Program(name=name, port=UNUSED_PORT)
        self._describe(program, command, environment, working_dir)
        self._run(program)
        return self._log_file(program)

    def _describe(
        self, program: Program, command: Sequence[str], environment: Mapping[str, str], working_dir: Path
    ) -> None:
        launch.describe(
            self._launch_file(program), program.name, command, environment, working_dir, program.port, STOP_SECONDS
        )

    def drop(self, name: str) -> None:
        """Stop such a process and delete what described it; nothing where there is none."""
        self._supervisor.remove_program(name)
        self._launch_file(Program(name=name, port=UNUSED_PORT)).unlink(missing_ok=True)

    def move(self, program: Program) -> None:
        """Let a process that does not run listen on the program's port from its next start on."""
        path = self._launch_file(program)
        if not path.exists():
            return  # its start will fail, and say so in its log
        values = json.loads(path.read_text(encoding="utf-8"))
        write_private(path, json.dumps(values | {"port": program.port}, indent=1))

    def start(self, arm: Arm) -> None:
        """Have every process of the arm run and kept alive. A process that runs already is left alone."""
        for program in arm.programs:
            self._run(program)

    def _run(self, program: Program) -> None:
        command = launch.launching(self._launch_file(program))
        log = self._log_file(program)
        config = render_program(program.name, command, log, priority=PRIORITY, stop_seconds=STOP_SECONDS)
        self._supervisor.ensure_program(program.name, config)

    def wait_ready(self, arm: Arm, timeout_seconds: float) -> None:
        """Wait until every process of the arm answers 200 on its readiness path.

        Raises:
            StartFailed: a process ended, or was not ready in time. Nothing is stopped here.
        """
        first_pids: dict[str, int] = {}
        waiting = list(arm.programs)
        deadline = time.monotonic() + timeout_seconds
        while True:
            infos = self._supervisor.infos()
            for program in list(waiting):
                info = infos.get(program.name)
                if info is None or info.state in FAILED:
                    self._fail(program, "the process ended" if info is None else f"the process ended, {info.detail}")
                if info.pid is not None and first_pids.setdefault(program.name, info.pid) != info.pid:
                    self._fail(program, "the process ended and was started again")
                if self.answers_ready(program, arm.ready_path):
                    waiting.remove(program)
            if not waiting:
                return
            if time.monotonic() > deadline:
                self._fail(waiting[0], f"{arm.ready_path} did not answer 200 within {timeout_seconds:g} s")
            time.sleep(POLL_SECONDS)

    def remove(self, arm: Arm) -> None:
        """Stop the arm's processes and delete what described them. Logs stay, up to a number of files."""
        for program in arm.programs:
            self._supervisor.remove_program(program.name)
        self.forget(arm)

    def forget(self, arm: Arm) -> None:
        """Delete what described an arm that has no processes any more."""
        for program in arm.programs:
            self._supervisor.forget(program.name)
            self._launch_file(program).unlink(missing_ok=True)
            shutil.rmtree(self._counts(program), ignore_errors=True)
        logs = sorted(self._logs.glob(f"{arm.name.rpartition('-')[0]}-*.log*"), key=lambda log: log.stat().st_mtime)
        for log in logs[:-KEPT_LOGS]:
            log.unlink(missing_ok=True)

    def _launch_file(self, program: Program) -> Path:
        return self._launches / f"{program.name}.json"

    def _counts(self, program: Program) -> Path:
        """Where a process keeps what it counted, for the one that takes its place."""
        return self._launches.parent / "counts" / program.name

    def _log_file(self, program: Program) -> Path:
        return self._logs / f"{program.name}.log"

    def _fail(self, program: Program, reason: str) -> NoReturn:
        log = self._log_file(program)
        raise StartFailed(program.name, reason, log_path=str(log), log_lines=last_lines(log))

    def answers_ready(self, program: Program, ready_path: str) -> bool:
        """True when the process answers 200 on its readiness path now."""
        return self.unready(program, ready_path) is None

    def unready(self, program: Program, ready_path: str) -> str | None:
        """Why the process does not answer 200 on its readiness path now; None when it does."""
        import httpx

        try:
            with httpx.Client(trust_env=False, verify=False, timeout=READY_TIMEOUT_SECONDS) as client:
                answer = client.get(base_url(program) + ready_path)
        except httpx.HTTPError as error:
            return f"it does not answer ({type(error).__name__})"
        return None if answer.status_code == 200 else f"it answers {answer.status_code}: {reason_of(answer.text)}"
