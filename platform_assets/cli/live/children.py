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
from platform_assets.orchestration.daemon import Child, daemon_running, dagster_command, end_left
from platform_assets.orchestration.run_origin import LOCATION

KNOWN = "children.json"
"""File of a world's home that says by what its processes are known."""


@contextmanager
def kept_running(world: LiveWorld, environment: Mapping[str, str], ui_port: int | None) -> Iterator[list[Child]]:
    """The daemon with its code server and, with a port, the web UI; all are ended at the end, however that comes."""
    logs = world.home / "logs"
    with ExitStack() as stack:
        code = ["-f", str(world.home / "definitions.py"), "-d", str(world.home)]
        running = daemon_running(code, LOCATION, environment, world.project, logs)
        children, workspace = stack.enter_context(running)
        if ui_port is not None:
            at = ["-h", "127.0.0.1", "-p", str(ui_port)]
            command = dagster_command("dagster-webserver", "-w", str(workspace), *at)
            children.append(
                Child("dagster-webserver", command, environment, world.project, logs / "dagster-webserver.log")
            )
            stack.callback(children[-1].end)
        (world.home / KNOWN).write_text(json.dumps([child.known_as for child in children]))
        yield children


def end_earlier(home: Path) -> None:
    """End what a live world that was killed left running in its home."""
    known = home / KNOWN
    end_left(json.loads(known.read_text()) if known.is_file() else [])
