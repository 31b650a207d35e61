"""One process of a container: a session of its own on this machine, its output stamped line by line, its memory read from /proc.

Belongs here: start, output, signals, memory, and that nothing of it is left. Does not belong here: why it runs (`containers.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
REST_SECONDS = 1.0
"""How long the output of what a process left behind is waited for."""


def adopt_orphans() -> None:
    """Children of containers whose parent ended become children of this process, so that they can be ended too."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """For `preexec_fn`: a process of the cluster's ends with the cluster, also when that is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class LogFile:
    """Output of a container as the runtime writes it: `TIME stdout F line`, no two lines at one time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._rest = b""
        self._last = 0

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self._file.write(b"".join(self._stamped(line) for line in lines))

    def close(self) -> None:
        if self._rest:
            self._file.write(self._stamped(self._rest))
        self._file.close()

    def _stamped(self, line: bytes) -> bytes:
        instant = datetime.now(UTC)
        self._last = max(self._last + 1, int(instant.timestamp() * 1e6))
        moment = datetime.fromtimestamp(self._last / 1e6, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z stdout F ".encode() + line + b"\n"


class PodProcess:
    """A process and all that it starts."""

    def __init__(self, process: asyncio.subprocess.Process, log: LogFile) -> None:
        self._process, self._log = process, log
        self._reading = asyncio.create_task(self._read())
        self.pid = process.pid

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: LogFile
    ) -> PodProcess:
        """Start a command in a session of its own.

        Raises:
            OSError: there is no such command or folder.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        return cls(process, log)

    async def wait(self) -> int:
        """The exit code, 128 and the signal's number where one ended it. Whatever it had started is ended then."""
        code = await self._process.wait()
        await asyncio.to_thread(end_session, self.pid) if _has_others(self.pid) else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reading, REST_SECONDS)
        self._log.close()
        return code if code >= 0 else 128 - code

    def send(self, number: int) -> None:
        """Signal the process itself, as the runtime signals process 1 of a container."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it and all of its session at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        end_session(self.pid)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(65536):
            self._log.write(data)


def sessions() -> dict[int, list[tuple[int, int]]]:
    """Of every session on this machine its processes: their numbers and their resident bytes."""
    found: dict[int, list[tuple[int, int]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    stat = file.read()
            except OSError:
                continue
            fields = stat.rpartition(b")")[2].split()
            if fields[0] != b"Z":
                found.setdefault(int(fields[3]), []).append((int(name), int(fields[21]) * _PAGE))
    return found


def _has_others(session: int) -> bool:
    return bool(sessions().get(session))


def end_session(session: int) -> None:
    """End every process of a session."""
    for pid, _ in sessions().get(session, []):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def reap_orphans() -> None:
    """Take leave of adopted processes that have ended. What leads its own session is waited for by who started it."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            for pid in map(int, (thread / "children").read_text().split()):
                fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] == b"Z" and int(fields[3]) not in (pid, os.getsid(0)):
                    os.waitpid(pid, os.WNOHANG)
