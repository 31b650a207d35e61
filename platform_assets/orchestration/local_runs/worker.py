"""The process that works on a run: which one it is, whether it lives, what it died of, and its end.

Belongs here: processes of this machine. Does not belong here: Dagster's runs (`launcher.py`), or what follows from a death
(`orchestration/retries.py`).
"""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import psutil

from platform_assets.deployment.causes import Cause, CauseKind, made_of

WORKER_TAG: Final = "platform_assets/worker"
"""Tag of a run that says in words which process works on it; an earlier version wrote into it what the other one holds."""
IDENTITY_TAG: Final = ".dagster/platform_assets_worker"
"""Tag by which that process is known again. Dagster shows no tag that begins so."""
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_SAME_START_SECONDS: Final = 2.0
_WHAT_TO_DO: Final = {
    CauseKind.KILLED: "If nobody ended it, the machine ran out of memory: `dmesg -T | grep -i 'out of memory'` says so. "
    "Let fewer runs work at once (`max_concurrent_runs` in dagster.yaml), or give the machine more",
    CauseKind.MACHINE_OFF: "Nothing is to be done: tables are as of their last commit",
    CauseKind.CRASH: "The daemon's own output has what it wrote last",
}


@dataclass(frozen=True)
class Worker:
    """A process that works on a run, so that no other one is taken for it: a number is given again, and after a start of the machine too.

    Attributes:
        run_id: the run.
        pid: its process number, and that of the session which its children are in.
        started: when it started, on the machine's clock of ticks where there is one, else in seconds of the epoch.
        boot: which start of the machine it belongs to; empty where the system does not say.
        host: name of the machine.
    """

    run_id: str
    pid: int
    started: float
    boot: str
    host: str

    @classmethod
    def of(cls, run_id: str, pid: int) -> Self:
        """The process with that number, now; one that has ended already is one that has ended."""
        return cls(run_id, pid, _started(pid) or 0.0, _boot(), socket.gethostname())

    @classmethod
    def read(cls, tags: Mapping[str, str], run_id: str) -> Self | None:
        """From the tags of a run; None where there is none, or they were taken over from the run that this one is the retry of."""
        text = tags.get(IDENTITY_TAG) or tags.get(WORKER_TAG)
        if text is None:
            return None
        try:
            worker = cls(**json.loads(text))
        except (TypeError, ValueError):
            return None
        return worker if worker.run_id == run_id else None

    @property
    def tags(self) -> dict[str, str]:
        """As tags of its run: one to read, one to know it again by."""
        return {WORKER_TAG: f"process {self.pid} on {self.host}", IDENTITY_TAG: json.dumps(asdict(self))}

    @property
    def name(self) -> str:
        """In words, and no other worker's."""
        return f"process {self.pid} of {self.run_id[:8]} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that it can be seen at all."""
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether it works; one that has ended and was not waited for does not."""
        if self.boot != _boot():
            return False
        started = _started(self.pid)
        return started is not None and abs(started - self.started) < _SAME_START_SECONDS

    def death(self, exit_code: int | None = None) -> Cause:
        """Why it died.

        Args:
            exit_code: what its parent was told, negative for a signal; None where its parent is gone too.
        """
        if self.boot != _boot():
            kind, how = CauseKind.MACHINE_OFF, f"the machine was started anew while {self.name} worked"
        elif exit_code is None:
            kind, how = CauseKind.KILLED, f"{self.name} is gone, and so is what had started it"
        elif exit_code < 0:
            kind, how = CauseKind.KILLED, f"{self.name} was ended by {_signal_name(-exit_code)}"
        else:
            kind, how = CauseKind.CRASH, f"{self.name} ended with exit code {exit_code} before the run did"
        return made_of(kind, how[:1].upper() + how[1:], _WHAT_TO_DO[kind] + ".", final=True)

    def interrupt(self) -> bool:
        """Ask it to stop, as Ctrl-C would; whether there was one to ask."""
        return self.lives and _signalled(self.pid, signal.SIGTERM)

    def end(self) -> list[int]:
        """End it and what it left behind in its session, at once.

        Returns:
            The numbers of the processes that were ended.
        """
        if self.boot != _boot() or not self.is_here or (not self.lives and _started(self.pid) is not None):
            return []  # of another start, of another machine, or the number is another's by now
        return [pid for pid in _session(self.pid) if _signalled(pid, signal.SIGKILL)]


def _session(leader: int) -> list[int]:
    """Processes of a session. Its number is given to no other one as long as one of them lives; one that leads none has none."""
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader and pid != os.getpid():
                members.append(pid)
    return members


def _signalled(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _started(pid: int) -> float | None:
    """When a process started; None where it has ended, or ended and was not waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None if BOOT_ID.exists() else _started_elsewhere(pid)
    except ProcessLookupError:
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else float(ticks) / os.sysconf("SC_CLK_TCK")


def _started_elsewhere(pid: int) -> float | None:
    """As `_started`, on systems without /proc."""
    try:
        process: Any = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def _boot() -> str:
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
