"""The target's own programs beside its services: the guardian, the watcher of rollouts, and the doors.

Belongs here: how the process manager is told to run them. Does not belong here: what they do (`guardian.py`, `rollout_watcher.py`,
`doors/`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from platform_assets.deployment.local import guardian, launch
from platform_assets.deployment.local.envoy import Envoy
from platform_assets.deployment.local.host import LOOPBACK
from platform_assets.deployment.local.supervisor import Supervisor, render_program

GUARDIAN = "guardian"
WATCHER = "rollout-watcher"
WATCHER_MODULE = "platform_assets.deployment.local.rollout_watcher"
DOORS = "doors"
DOORS_MODULE = "platform_assets.deployment.local.doors"
PRIORITY = 1_000  # they start last and stop first
STOP_SECONDS = 5


def keep_attendants(supervisor: Supervisor, root: Path, port: int, guarded_as: str | None, envoy: Envoy) -> set[str]:
    """Have those run that every target has, and return their names.

    Args:
        supervisor: of the target.
        root: of the target.
        port: its public one.
        guarded_as: how the user's settings call the port, where a guardian is wanted; None where none is.
        envoy: its proxy.
    """
    programs = {DOORS: doors_program(root, port, envoy)}
    if guarded_as is not None:
        programs[GUARDIAN] = guardian_program(root, port, guarded_as)
    for name, program in programs.items():
        supervisor.ensure_program(name, program)
    return set(programs)


def guardian_program(root: Path, port: int, port_setting: str) -> str:
    """The program that brings the process manager back."""
    return _program(root, GUARDIAN, [sys.executable, "-I", guardian.__file__, str(root), str(port), port_setting])


def watcher_program(root: Path, port: int, options: Mapping[str, object]) -> str:
    """The program that takes a dead version's requests away; it opens the target with the same options."""
    return _program(root, WATCHER, [sys.executable, "-m", WATCHER_MODULE, str(root), str(port), json.dumps(options)])


def doors_program(root: Path, port: int, envoy: Envoy) -> str:
    """The program that answers gRPC, and with what all processes of a use case expose."""
    sockets = (envoy.own_socket, *envoy.door_sockets.values(), envoy.admin_socket)
    command = [sys.executable, "-m", DOORS_MODULE, str(root), f"http://{LOOPBACK}:{port}", *map(str, sockets)]
    return _program(root, DOORS, command)


def _program(root: Path, name: str, command: list[str]) -> str:
    path = root / "launch" / f"{name}.json"
    launch.describe(path, name, command, {}, root, 0, STOP_SECONDS)
    log = root / "logs" / f"{name}.log"
    return render_program(name, launch.launching(path), log, priority=PRIORITY, stop_seconds=STOP_SECONDS)
