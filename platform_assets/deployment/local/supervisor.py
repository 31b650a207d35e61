"""The process manager: supervisord's configuration and the few calls we make of it.

Belongs here: everything that is written in supervisord's formats or said in its XML-RPC.
Does not belong here: versions, rollouts and the proxy. A program here is a name, a command and a log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from platform_assets.deployment.errors import StopFailed, TargetUnavailable
from platform_assets.deployment.local import guardian, launch
from platform_assets.deployment.local.host import (
    last_lines,
    make_private_directory,
    open_files_limit,
    socket_path,
    write_private,
)

logger = logging.getLogger(__name__)

CALL_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.05
GONE = frozenset({"STOPPED", "EXITED", "FATAL"})
FAILED = frozenset({"BACKOFF", "EXITED", "FATAL", "UNKNOWN"})
# Faults of supervisord's XML-RPC interface.
_BAD_NAME, _ALREADY_STARTED, _NOT_RUNNING, _ALREADY_ADDED, _STILL_RUNNING = 10, 60, 70, 90, 91


@dataclass(frozen=True)
class ProgramInfo:
    """What supervisord says of one program."""

    name: str
    state: str
    pid: int | None
    uptime_seconds: float
    detail: str


class _StillRunning(Exception):
    """A program was to be forgotten while it runs."""


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def render_main(root: Path, socket_path: Path, target_id: str, *, as_root: bool, open_files: int) -> str:
    """Configuration of supervisord itself. Its children carry the target's mark, by which leftovers are found.

    They inherit the limit of open files, which bounds how many connections the proxy can hold, and make files for their owner only.
    """
    return f"""[unix_http_server]
file = {socket_path}
chmod = 0700

[supervisord]
identifier = {target_id}
pidfile = {root}/supervisor/supervisord.pid
logfile = {root}/logs/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
childlogdir = {root}/logs
directory = {root}
umask = 077
minfds = {open_files}
environment = {launch.TARGET_VARIABLE}="{target_id}"
{"user = root" if as_root else ""}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = programs/*.ini
"""


def render_program(name: str, command: Sequence[str], log_path: Path, *, priority: int, stop_seconds: int) -> str:
    """Configuration of one program that is kept alive. Programs stop in falling order of priority.

    The stop signal goes to the program alone, which knows how to finish its children's work; whoever is left of its
    process group when the time is over is killed.
    """
    return f"""[program:{name}]
command = {_escape(shlex.join(command))}
priority = {priority}
autostart = true
autorestart = true
startsecs = 1
startretries = 20
stopsignal = TERM
stopwaitsecs = {stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = {log_path}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 1
"""


def _launches(process: psutil.Process) -> bool:
    """Whether a process is a launcher that has not become its program: it watches over one."""
    try:
        return launch.__file__ in process.cmdline()
    except psutil.Error:
        return False


def _processes_with(*arguments: str) -> list[psutil.Process]:
    """Live processes whose command line has all these arguments."""
    processes = []
    for process in psutil.process_iter():
        try:
            if set(arguments) <= set(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except psutil.Error:
            continue
    return processes


def _is_of(process: psutil.Process, programs: Collection[str]) -> bool:
    try:
        return process.environ().get(launch.PROGRAM_VARIABLE) in programs
    except (psutil.Error, OSError):
        return False


NOT_FOR_SERVICES = ("PLATFORM_ASSETS_CALLER_TOKENS",)
"""Variables with secrets that no service needs; the proxy's stand in its files."""


class Supervisor:
    """The supervisord of one target: brings it up, tells it what to run, takes it down."""

    def __init__(self, root: Path, target_id: str, *, as_root: bool) -> None:
        self._root = root
        self._target_id = target_id
        self._as_root = as_root
        self._config = root / "supervisor" / "supervisord.conf"
        self._pidfile = root / "supervisor" / "supervisord.pid"
        self._programs = root / "supervisor" / "programs"
        self.socket_path = socket_path(root, target_id, "supervisor.sock")

    def call(self, method: str, *arguments: str | bool) -> Any:
        """Make one XML-RPC call.

        Raises:
            xmlrpc.client.Fault: supervisord refused it.
            TargetUnavailable: supervisord does not answer.
        """
        import httpx

        body = xmlrpc.client.dumps(arguments, f"supervisor.{method}", allow_none=True)
        transport = httpx.HTTPTransport(uds=str(self.socket_path), verify=False)  # reading certificates takes 50 ms
        try:
            with httpx.Client(transport=transport, trust_env=False, timeout=CALL_TIMEOUT_SECONDS) as client:
                answer = client.post("http://supervisor/RPC2", content=body, headers={"Content-Type": "text/xml"})
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise TargetUnavailable(
                f"supervisord of {self._root} does not answer on {self.socket_path} ({error}); "
                f"its log is {self._root}/logs/supervisord.log"
            ) from error
        (result,), _ = xmlrpc.client.loads(answer.content)
        return result

    def pid(self) -> int | None:
        """Process id of the supervisord that answers, None when none does."""
        try:
            if self.call("getIdentification") != self._target_id:
                return None
            return int(self.call("getPID"))
        except (TargetUnavailable, xmlrpc.client.Fault):  # a fault: it is shutting down
            return None

    def configured(self) -> set[str]:
        """Programs that have a configuration file: they start with supervisord."""
        return {path.stem for path in self._programs.glob("*.ini")}

    def alive(self) -> set[str]:
        """Programs that have processes, whether a supervisord watches them or not."""
        names = set()
        for process in self._marked():
            with contextlib.suppress(psutil.Error, OSError):
                names.add(process.environ().get(launch.PROGRAM_VARIABLE, ""))
        return names - {""}

    def ensure_running(self, keep: Collection[str] = ()) -> bool:
        """Bring supervisord up. It starts every program that has a configuration file.

        Args:
            keep: programs whose processes may live on where an earlier supervisord was killed; they are watched over from now on.

        Returns:
            True when it was started now, False when it was running.

        Raises:
            TargetUnavailable: it cannot be started.
        """
        if self.pid() is not None:
            return False
        self.end_leftovers(keep)
        make_private_directory(self.socket_path.parent)
        main = render_main(
            self._root, self.socket_path, self._target_id, as_root=self._as_root, open_files=open_files_limit()
        )
        write_private(self._config, main)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)]
        try:
            done = subprocess.run(
                command,
                cwd=self._root,
                env={name: value for name, value in os.environ.items() if name not in NOT_FOR_SERVICES},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                umask=0o077,  # its own log is made before it sets the one of its configuration
            )
        except subprocess.TimeoutExpired as error:
            raise TargetUnavailable(f"supervisord of {self._root} did not go to the background in 30 s") from error
        deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.pid() is not None:
                return True
            time.sleep(POLL_SECONDS)
        reason = (done.stderr or done.stdout).strip() or "\n".join(
            last_lines(self._root / "logs" / "supervisord.log", 5)
        )
        raise TargetUnavailable(f"supervisord of {self._root} did not start (exit {done.returncode}): {reason}")

    def end_leftovers(self, keep: Collection[str] = ()) -> list[int]:
        """End what an earlier supervisord of this target left behind, itself included, and remove its files.

        Args:
            keep: programs whose processes are left alone.

        Returns:
            Process ids that were ended.

        Raises:
            StopFailed: some of them are still there.
        """
        marked = self._marked()
        launchers = [process for process in marked if _launches(process)]
        for launcher in launchers:  # by a signal that it does not hand on to what it watches over
            with contextlib.suppress(psutil.Error):
                launcher.kill()
        others = [process for process in marked if process not in launchers and not _is_of(process, keep)]
        leftovers = [*self._supervisors(), *others, *self._menders()]
        if leftovers:
            logger.warning("ending %d processes of an earlier run of %s", len(leftovers), self._root)
        alive = launch.end_processes(list(leftovers), launch.LEFTOVER_TIMEOUT_SECONDS)
        if alive:
            raise StopFailed(
                f"processes {sorted(p.pid for p in alive)} of {self._root} cannot be ended; end them by hand"
            )
        for path in (self.socket_path, self._pidfile):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("%s cannot be removed: %s", path, error.strerror)
        return [process.pid for process in leftovers]

    def _marked(self, program: str | None = None) -> list[psutil.Process]:
        """Live processes that this target's supervisord started, all or those of one program."""
        marks = {launch.TARGET_VARIABLE: self._target_id}
        if program is not None:
            marks[launch.PROGRAM_VARIABLE] = program
        return launch.marked_processes(marks)

    def _supervisors(self) -> list[psutil.Process]:
        """Live supervisord processes that run this target's configuration, whether they answer or not."""
        return _processes_with("supervisor.supervisord", str(self._config))

    def _menders(self) -> list[psutil.Process]:
        """Other processes that are about to bring this target back."""
        menders = _processes_with(guardian.MEND_MODULE, str(self._root))
        return [process for process in menders if process.pid != os.getpid()]

    def infos(self) -> dict[str, ProgramInfo]:
        """What runs, by program."""
        infos = {}
        for row in self.call("getAllProcessInfo"):
            running = row["statename"] in {"RUNNING", "STARTING", "STOPPING"}
            uptime = float(row["now"] - row["start"]) if running else 0.0
            detail = row["spawnerr"] or (f"exit status {row['exitstatus']}" if not running else "")
            pid = row["pid"] or None
            infos[row["name"]] = ProgramInfo(row["name"], row["statename"], pid, max(uptime, 0.0), detail)
        return infos

    def ensure_program(self, name: str, config: str) -> None:
        """Run a program with this configuration: started if new, restarted if changed or given up, else left alone."""
        changed = write_private(self._programs / f"{name}.ini", config)
        info = self.infos().get(name)
        if info is not None and changed:
            self._stop_and_drop(name)
            info = None
        if info is None:
            self.call("reloadConfig")
            self._unless(_ALREADY_ADDED, "addProcessGroup", name)
        if info is None or info.state in {"STOPPED", "EXITED", "FATAL"}:
            self._unless(_ALREADY_STARTED, "startProcess", name, False)

    def stop_program(self, name: str) -> None:
        """Stop a program but keep it known, so that it starts again with supervisord."""
        self._unless(_NOT_RUNNING, "stopProcess", name, False)
        self._wait_gone(name)

    def remove_program(self, name: str) -> None:
        """Stop a program, make sure that nothing it forked lives on, and forget it. Safe when it is not known.

        Raises:
            StopFailed: it is still there.
        """
        if name in self.infos():
            self._stop_and_drop(name)
        self.forget(name)
        alive = launch.end_processes(self._marked(name), launch.LEFTOVER_TIMEOUT_SECONDS)
        if alive:
            raise StopFailed(f"{name}: processes {sorted(p.pid for p in alive)} cannot be ended; end them by hand")

    def forget(self, name: str) -> None:
        """Delete the configuration of a program that does not run, so that it does not start with supervisord."""
        (self._programs / f"{name}.ini").unlink(missing_ok=True)

    def shut_down(self) -> None:
        """Stop every program and supervisord itself, then verify that nothing is left. Safe when nothing runs.

        Raises:
            StopFailed: something is still there.
        """
        if self.pid() is not None:
            names = [name for name, info in self.infos().items() if info.state not in GONE]
            self.call("stopAllProcesses", False)
            for name in names:
                self._wait_gone(name)
            self.call("shutdown")
            deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
            while self._supervisors() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        self.end_leftovers()
        with contextlib.suppress(OSError):  # another socket is still there, or the folder is read-only
            self.socket_path.parent.rmdir()

    def _stop_and_drop(self, name: str) -> None:
        for _ in range(10):
            self.stop_program(name)
            try:
                self._unless(_BAD_NAME, "removeProcessGroup", name)
                return
            except _StillRunning:
                continue  # it had just died when it was told to stop, and was restarted in between
        raise StopFailed(f"{name} is restarted faster than it can be stopped")

    def _wait_gone(self, name: str) -> None:
        """Wait for a program that was told to stop. supervisord kills it when its own limit is over."""
        last_change, before = time.monotonic(), ""
        while True:
            info = self.infos().get(name)
            if info is None or info.state in GONE:
                return
            if info.state != before:
                last_change, before = time.monotonic(), info.state
            if time.monotonic() - last_change > 120:
                raise StopFailed(f"{name} (process {info.pid}) is {info.state} for 120 s after it was told to stop")
            time.sleep(POLL_SECONDS)

    def _unless(self, fault_code: int, method: str, *arguments: str | bool) -> None:
        """Make a call whose purpose may be fulfilled already."""
        try:
            self.call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _STILL_RUNNING:
                raise _StillRunning(str(arguments)) from fault
            if fault.faultCode != fault_code:
                raise TargetUnavailable(f"supervisord refused {method}{arguments}: {fault.faultString}") from fault
