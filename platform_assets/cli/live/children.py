"""The processes that keep a live world going: Dagster's daemon with its code server, and the web UI where somebody wants to look.

Belongs here: starting them with the world's settings, their logs, and ending them. Does not belong here: services and the proxy, which the
target starts and stops, or what any of them does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from platform_assets.cli.live.world import LiveWorld, LiveWorldError

END_WITHIN_SECONDS = 30.0


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

    def require_alive(self) -> None:
        """Raise LiveWorldError if it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()[-12:]
            raise LiveWorldError(f"{self.name} ended with {code}; the end of {self.log}:\n" + "\n".join(lines))

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


def daemon_of(world: LiveWorld, environment: Mapping[str, str]) -> Child:
    """Dagster's daemon, which starts a code server of its own."""
    return _dagster("dagster-daemon", world, environment, "run", "-w", str(world.project / "workspace.yaml"))


def web_ui_of(world: LiveWorld, environment: Mapping[str, str], port: int) -> Child:
    """Dagster's web UI on the loopback address."""
    workspace = str(world.project / "workspace.yaml")
    return _dagster("dagster-webserver", world, environment, "-w", workspace, "-h", "127.0.0.1", "-p", str(port))


def _dagster(program: str, world: LiveWorld, environment: Mapping[str, str], *arguments: str) -> Child:
    beside = Path(sys.executable).with_name(program)
    command = [str(beside) if beside.exists() else program, *arguments]
    return Child(program, command, environment, world.project, world.home / "logs" / f"{program}.log")


@contextmanager
def kept_running(world: LiveWorld, environment: Mapping[str, str], ui_port: int | None) -> Iterator[list[Child]]:
    """The daemon and, with a port, the web UI; both are ended at the end, however that comes."""
    with ExitStack() as stack:
        children = [daemon_of(world, environment)]
        stack.callback(children[0].end)
        if ui_port is not None:
            children.append(web_ui_of(world, environment, ui_port))
            stack.callback(children[1].end)
        yield children
