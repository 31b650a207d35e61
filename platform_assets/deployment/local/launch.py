"""The small step between the process manager and a service: reads a launch file, then becomes the service.

Belongs here: what must happen in the service's own process before its command runs. It is run as a script by path, once
per start, so it imports nothing but the standard library and psutil.
Does not belong here: anything slow, and anything that a target can do beforehand.

Why not give the command to the process manager directly: its configuration format cannot hold every value of an
environment variable (quotes, newlines, ` ;`), and variables may be secrets, while a launch file can hold any text and
is readable by its owner only. And when a service dies hard, processes it had forked may live on and keep answering on
its port: the next start ends them first.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

import psutil

TARGET_VARIABLE = "PLATFORM_ASSETS_LOCAL_TARGET_ID"
PROGRAM_VARIABLE = "PLATFORM_ASSETS_LOCAL_PROGRAM"
LEFTOVER_TIMEOUT_SECONDS = 5.0


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


def main(launch_path: str) -> None:
    """Become the service described by the launch file.

    Raises:
        OSError: the working directory or the program does not exist; the process manager's log shows it.
    """
    with open(launch_path, encoding="utf-8") as file:
        launch = json.load(file)
    name, port = launch["program"], str(launch["port"])
    marks = {TARGET_VARIABLE: os.environ[TARGET_VARIABLE], PROGRAM_VARIABLE: name}
    end_processes(marked_processes(marks), LEFTOVER_TIMEOUT_SECONDS)
    # On top of what the process manager was started with.
    os.environ.update({key: value.replace("{port}", port) for key, value in launch["environment"].items()})
    os.environ[PROGRAM_VARIABLE] = name
    command = [argument.replace("{port}", port) for argument in launch["command"]]
    os.chdir(launch["working_dir"])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1])
