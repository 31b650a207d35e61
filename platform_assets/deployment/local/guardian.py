"""The guardian: notices that the process manager was killed and has the target brought back, and kills a service process that hangs.

Belongs here: noticing, killing what hangs, and starting the command that mends. It is run as a script by path, beside the services, so it
imports nothing but the standard library. Does not belong here: how a target is brought up (`mend.py`, `target.py`).

supervisord keeps the guardian running, and the guardian supervisord: only both killed at once stay away, until the next `platform-assets
run`. A target that was stopped on purpose has a file that says so, and is left alone.

supervisord starts what ended, and sees nothing of a process that lives and answers nobody. A killed one is started again.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

STOPPED_FILE = "stopped"
"""In the target's root: it was stopped on purpose."""
MEND_MODULE = "platform_assets.deployment.local.mend"
MARK = "PLATFORM_ASSETS_LOCAL_"
"""Begins the variables by which a target finds what it started; what mends is not of that kind."""
POLL_SECONDS = 0.5
LOOK_SECONDS, ANSWER_SECONDS = 5.0, 5.0
HANGS_SECONDS = 60.0
"""Four times as long as the proxy lets a request wait; a machine with much to do is slow, and not silent for so long."""
READY, SILENT, AWAY = "answers", "silent", "away"


def mend(root: Path, arguments: list[str]) -> None:
    """Start what mends, on its own: it outlives this process, which belongs to the process manager that is gone."""
    if (root / STOPPED_FILE).exists():
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith(MARK)}
    with (root / "logs" / "guardian.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", MEND_MODULE, str(root), *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def asked(port: int, path: str) -> str:
    """Whether a process of this machine answers, whatever it says; takes the connection and is silent; or is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except TimeoutError:
        return SILENT
    except (OSError, http.client.HTTPException):
        return AWAY
    finally:
        connection.close()
    return READY


def kill_program(name: str) -> None:
    """Kill a program of this target with all that it forked; supervisord, or whatever watches over it, starts it again."""
    marks = {f"{MARK}PROGRAM={name}".encode(), f"{MARK}TARGET_ID={os.environ.get(f'{MARK}TARGET_ID', '')}".encode()}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            pid = int(folder.name)
            if marks <= set((folder / "environ").read_bytes().split(b"\0")) and os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)


@dataclass
class HungProcesses:
    """Looks at the service processes of a target; one that answered once and is silent for too long is killed.

    Attributes:
        root: of the target.
        ask: whether a port answers a path.
        kill: a program by its name.
        now: seconds.
        silent_since: programs that take connections and say nothing.
    """

    root: Path
    ask: Callable[[int, str], str] = asked
    kill: Callable[[str], None] = kill_program
    now: Callable[[], float] = time.monotonic
    silent_since: dict[str, float] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)

    def look(self) -> str | None:
        """Ask each once; the name of the one that was killed. One at a time: what makes all silent is seldom mended by killing all."""
        for name, port, path in self._programs():
            answer = self.ask(port, path)
            if answer != SILENT or name not in self._answered:
                self.silent_since.pop(name, None)
                (self._answered.add if answer == READY else self._answered.discard)(name)
                continue
            since = self.silent_since.setdefault(name, self.now())
            if self.now() - since >= HANGS_SECONDS:
                self.kill(name)
                self.silent_since.clear()
                self._answered.discard(name)
                return name
        return None

    def _programs(self) -> Iterator[tuple[str, int, str]]:
        """Name, port and ready path of each process that the proxy knows."""
        try:
            state: dict[str, Any] = json.loads((self.root / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return  # it is being written, or damaged, which the next command says
        for use_case in state.get("use_cases", {}).values():
            for arm in use_case.get("arms", []):
                for program in arm["programs"] if arm.get("exposed") else []:
                    yield program["name"], program["port"], arm["ready_path"]


def watch_for_hung(root: Path) -> NoReturn:
    """Look for ever, and write down what was killed."""
    processes = HungProcesses(root)
    while True:
        time.sleep(LOOK_SECONDS)
        killed = processes.look()
        if killed is not None:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            sys.stdout.write(
                f"{at} {killed} answered nobody for {HANGS_SECONDS:.0f} s and was killed: it starts again\n"
            )
            sys.stdout.flush()


def main(root: Path, arguments: list[str]) -> NoReturn:
    """Wait until the process manager is gone, or ends this process without having been told to stop the target."""

    def ended(*_: object) -> NoReturn:
        mend(root, arguments)
        sys.exit(0)

    signal.signal(signal.SIGTERM, ended)
    threading.Thread(target=watch_for_hung, args=(root,), daemon=True).start()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    ended()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
