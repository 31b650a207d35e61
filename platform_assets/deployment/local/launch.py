"""The small step between the process manager and a program: reads a launch file, then becomes the program.

Belongs here: what must happen in the service's own process before its command runs. It is run as a script by path, once
per start, so it imports nothing but the standard library and psutil.
Does not belong here: anything slow, and anything that a target can do beforehand.

Why not give the command to the process manager directly: its configuration format cannot hold every value of an
environment variable (quotes, newlines, ` ;`), and variables may be secrets, while a launch file can hold any text and
is readable by its owner only. And when a service dies hard, processes it had forked may live on and keep answering on
its port: the next start ends them first. When it is the process manager that died, the program itself lives on and answers: the next
start watches over it in place of a new one, so that nobody notices.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

TARGET_VARIABLE = "PLATFORM_ASSETS_LOCAL_TARGET_ID"
PROGRAM_VARIABLE = "PLATFORM_ASSETS_LOCAL_PROGRAM"
LEFTOVER_TIMEOUT_SECONDS = 5.0
WATCH_SECONDS = 0.25


def marked_processes(marks: Mapping[str, str]) -> list[psutil.Process]:
    """Find every other live process that was started with all these variables in its environment."""
    marked = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if marks.items() <= process.environ().items() and process.status() != psutil.STATUS_ZOMBIE:
                marked.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or not ours to look into
    return marked


def end_processes(processes: list[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Ask processes to end, then end them; returns those that are still alive after both."""
    for signal_name in ("terminate", "kill"):
        for process in processes:
            try:
                getattr(process, signal_name)()
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(processes, timeout=timeout_seconds)
    return processes


def describe(
    path: Path,
    program: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    working_dir: Path,
    port: int,
    stop_seconds: float,
) -> None:
    """Write a launch file, readable by its owner only; `{port}` and `{host}` in command and environment stand for where it listens."""
    # Not at the top: the launcher itself knows no package.
    from platform_assets.deployment.local.host import write_private

    values = {
        "program": program,
        "port": port,
        "command": list(command),
        "environment": dict(environment),
        "working_dir": str(working_dir),
        "stop_seconds": stop_seconds,
    }
    write_private(path, json.dumps(values, indent=1))


def launching(path: Path) -> list[str]:
    """The command that launches what a launch file describes."""
    # -I: the launcher is a script inside a package whose neighbours must not shadow the standard library.
    return [sys.executable, "-I", __file__, str(path)]


def survivor(processes: Sequence[psutil.Process], command: Sequence[str]) -> psutil.Process | None:
    """The process among these that is the program itself, as an earlier process manager started it; None when it is gone.

    The process manager makes what it starts the leader of a process group. What a dead program had forked is in its group, and leads none.
    """
    for process in processes:
        try:
            if os.getpgid(process.pid) == process.pid and process.cmdline() == list(command):
                return process
        except (psutil.Error, OSError):
            continue
    return None


def watch_over(process: psutil.Process, stop_seconds: float) -> None:
    """Wait until a process ends; a SIGTERM meanwhile ends it, and this process with it."""

    def stop(*_: object) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            process.wait(stop_seconds)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(WATCH_SECONDS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _listening(text: str, port: str) -> str:
    return text.replace("{port}", port).replace("{host}", "127.0.0.1")


def main(launch_path: str) -> None:
    """Become the program described by the launch file, or watch over it where it runs already.

    Raises:
        OSError: the working directory or the program does not exist; the process manager's log shows it.
    """
    with open(launch_path, encoding="utf-8") as file:
        launch = json.load(file)
    name, port = launch["program"], str(launch["port"])
    marks = {TARGET_VARIABLE: os.environ[TARGET_VARIABLE], PROGRAM_VARIABLE: name}
    command = [_listening(argument, port) for argument in launch["command"]]
    running = survivor(marked_processes(marks), command)
    if running is not None:
        words = f"watching over process {running.pid} of an earlier process manager; its own output is lost until it is started again"
        os.write(sys.stdout.fileno(), f"{words}\n".encode())
        with contextlib.suppress(psutil.NoSuchProcess):
            watch_over(running, launch.get("stop_seconds", LEFTOVER_TIMEOUT_SECONDS))
    end_processes(marked_processes(marks), LEFTOVER_TIMEOUT_SECONDS)
    # On top of what the process manager was started with.
    os.environ.update({key: _listening(value, port) for key, value in launch["environment"].items()})
    os.environ[PROGRAM_VARIABLE] = name
    os.chdir(launch["working_dir"])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1])
