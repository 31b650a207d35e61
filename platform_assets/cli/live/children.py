"""The processes that keep a live world going: Dagster's daemon with its code server, and the web UI where somebody wants to look.

Belongs here: starting them with the world's settings, their logs, and ending them. Does not belong here: services and the proxy, which the
target starts and stops, or what any of them does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from platform_assets.cli.live.world import LiveWorld
from platform_assets.orchestration.daemon import Child, dagster_command, end_left

KNOWN = "children.json"
"""File of a world's home that says by what its processes are known."""


def daemon_of(world: LiveWorld, environment: Mapping[str, str]) -> Child:
    """Dagster's daemon, which starts a code server of its own."""
    return _dagster("dagster-daemon", world, environment, "run", "-w", str(world.project / "workspace.yaml"))


def web_ui_of(world: LiveWorld, environment: Mapping[str, str], port: int) -> Child:
    """Dagster's web UI on the loopback address."""
    workspace = str(world.project / "workspace.yaml")
    return _dagster("dagster-webserver", world, environment, "-w", workspace, "-h", "127.0.0.1", "-p", str(port))


def _dagster(program: str, world: LiveWorld, environment: Mapping[str, str], *arguments: str) -> Child:
    log = world.home / "logs" / f"{program}.log"
    return Child(program, dagster_command(program, *arguments), environment, world.project, log)


@contextmanager
def kept_running(world: LiveWorld, environment: Mapping[str, str], ui_port: int | None) -> Iterator[list[Child]]:
    """The daemon and, with a port, the web UI; both are ended at the end, however that comes."""
    with ExitStack() as stack:
        children = [daemon_of(world, environment)]
        stack.callback(children[0].end)
        if ui_port is not None:
            children.append(web_ui_of(world, environment, ui_port))
            stack.callback(children[1].end)
        (world.home / KNOWN).write_text(json.dumps([child.known_as for child in children]))
        yield children


def end_earlier(home: Path) -> None:
    """End what a live world that was killed left running in its home."""
    known = home / KNOWN
    end_left(json.loads(known.read_text()) if known.is_file() else [])
