"""Prometheus and Alertmanager on what runs on this machine, for as long as somebody looks.

Belongs here: starting both from the rendered files, and ending them. Does not belong here: the files (`monitoring/alerting/stacks`), or
running either in production, which their own packages do.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from platform_assets.deployment.local.host import port_is_free

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.monitoring.alerting.stacks.base import AlertedWorld

PROMETHEUS_PORT, ALERTMANAGER_PORT = 9090, 9093
STOP_SECONDS = 10
PROGRAMS = {"prometheus": ("prometheus",), "prometheus-alertmanager": ("prometheus-alertmanager", "alertmanager")}
"""Debian's packages, and what the program is called in them or elsewhere."""


class ProgramMissing(RuntimeError):
    """A program is not installed; the message says how it is."""


def observe_until_stopped(installation: Installation, runbooks: str) -> None:
    """Render, start both, say where they are, and wait for Ctrl-C, a SIGTERM, or for one of them to end.

    Raises:
        ProgramMissing: one is not installed.
        RuntimeError: one ended by itself.
    """
    from platform_assets.cli.alerts.files import alerted_world
    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases

    names = [declared.use_case.name for declared in declared_use_cases(None)]
    world = alerted_world(installation, names, runbooks)
    folder = installation.settings.own_home / "observe"
    prometheus, alertmanager = free_port(PROMETHEUS_PORT), free_port(ALERTMANAGER_PORT)
    exporter = exporter_program(installation.settings.metrics_port)
    with running(folder, world_files(world, alertmanager), prometheus, alertmanager, exporter) as programs:
        console.print(f"Prometheus    http://127.0.0.1:{prometheus}/alerts")
        console.print(f"Alertmanager  http://127.0.0.1:{alertmanager}")
        console.print(
            f"Files and logs below {folder}. Services are asked at {world.address}, the platform at {world.exporter}."
        )
        if not world.receivers:
            console.print("[yellow]Nobody is told: no receiver is set in PLATFORM_ASSETS_ALERT_RECEIVERS.[/]")
        console.print("Ctrl-C ends them.")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            wait_for_one(programs)
        except KeyboardInterrupt:
            console.print("ended")


def exporter_program(port: int) -> dict[str, list[str]]:
    """The platform's metrics, where nobody answers with them yet; by name."""
    if not port_is_free(port):
        return {}
    return {"metrics": [sys.executable, "-m", "platform_assets.cli", "metrics", "serve", "--port", str(port)]}


def world_files(world: AlertedWorld, alertmanager_port: int) -> dict[str, str]:
    """The files of both, with Prometheus telling that Alertmanager."""
    from platform_assets.monitoring.alerting.stacks.prometheus import STACK, prometheus_file

    return STACK.render(world).files | {"prometheus.yaml": prometheus_file(world, f"127.0.0.1:{alertmanager_port}")}


@contextmanager
def running(
    folder: Path,
    files: dict[str, str],
    prometheus_port: int,
    alertmanager_port: int,
    others: Mapping[str, list[str]] = MappingProxyType({}),
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Both programs, on loopback, with files and data below a folder.

    Args:
        folder: of files, data and logs.
        files: by name.
        prometheus_port: of Prometheus.
        alertmanager_port: of Alertmanager.
        others: commands of programs that run beside them, by name.

    Raises:
        ProgramMissing: one is not installed.
    """
    commands = {
        "alertmanager": [
            program("prometheus-alertmanager"),
            f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{alertmanager_port}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            program("prometheus"),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
            "--storage.tsdb.retention.time=7d",
        ],
        **others,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.rules.yaml"):
        stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("ab") as log:
                started[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        yield started
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_one(programs: dict[str, subprocess.Popen[bytes]]) -> None:
    """Return never: until one of the programs ends.

    Raises:
        RuntimeError: one did; its log says why.
    """
    import psutil

    by_pid = {process.pid: name for name, process in programs.items()}
    ended: list[psutil.Process] = []

    def note(process: psutil.Process) -> None:
        ended.append(process)

    watched = [psutil.Process(pid) for pid in by_pid]
    while not ended:
        psutil.wait_procs(watched, timeout=1, callback=note)
    name = by_pid[ended[0].pid]
    raise RuntimeError(f"{name} ended by itself; its log beside the files says why")


def program(package: str) -> str:
    """The path of a program of Debian's.

    Raises:
        ProgramMissing: it is not installed.
    """
    for name in PROGRAMS[package]:
        path = shutil.which(name)
        if path is not None:
            return path
    raise ProgramMissing(f"{PROGRAMS[package][0]} is not installed: apt-get install {package}")


def free_port(wanted: int) -> int:
    """That port of 127.0.0.1, or any where something else has it."""
    for port in (wanted, 0):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise OSError("no port of 127.0.0.1 is free")
