"""Whether alerts would be told: rules and routes that Prometheus' tools can read, and somebody at the end.

Belongs here: the findings. Does not belong here: printing them (`commands.py`).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.monitoring.alerting.stacks.base import AlertedWorld

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class AlertFinding:
    """Something about the alerts: `red` where one would not be told, `yellow` where that is not known."""

    severity: Literal["red", "yellow", "ok"]
    what: str


def findings(installation: Installation, use_case: str | None) -> list[AlertFinding]:
    """All of them, for Prometheus and Alertmanager."""
    from platform_assets.cli.alerts.files import RUNBOOKS, alerted_world, write_files
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.alerting.stacks.registry import STACKS

    names = [declared.use_case.name for declared in declared_use_cases(use_case)]
    world = alerted_world(installation, names, RUNBOOKS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = write_files(folder, STACKS["prometheus"].render(world))
        rules = [str(path) for path in paths if path.name.endswith(".rules.yaml")]
        return [
            read_by("promtool", ["promtool", "check", "rules", *rules], f"{len(rules)} rule files"),
            read_by("amtool", ["amtool", "check-config", str(folder / "alertmanager.yaml")], "the routes"),
            *_told(world),
            *_secrets(world),
            *(AlertFinding("yellow", note) for one in world.receivers.values() if (note := one.notice(date.today()))),
        ]


def read_by(tool: str, command: list[str], what: str) -> AlertFinding:
    """Whether a tool of Prometheus' can read something."""
    if shutil.which(tool) is None:
        return AlertFinding("yellow", f"{what}: not checked, {tool} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode == 0:
        return AlertFinding("ok", f"{what}: read by {tool}")
    return AlertFinding("red", f"{what}: {tool} says {(done.stdout + done.stderr).strip()}")


def _told(world: AlertedWorld) -> Iterator[AlertFinding]:
    from platform_assets.monitoring.alerting.routes import SEVERITIES, own_receivers

    for use_case in world.use_cases:
        for severity in SEVERITIES:
            told = own_receivers(use_case, severity, world.receivers) or severity in world.receivers
            if not told:
                yield AlertFinding(
                    "red",
                    f"{use_case.name}: nobody is told of a {severity}. Name a receiver in `monitoring.alerts.{severity}`, or one called "
                    f"{severity!r} in PLATFORM_ASSETS_ALERT_RECEIVERS",
                )


def _secrets(world: AlertedWorld) -> Iterator[AlertFinding]:
    for name, receiver in world.receivers.items():
        for field, value in receiver.model_dump().items():
            if field.endswith("_file") and value is not None and not Path(value).is_file():
                yield AlertFinding("yellow", f"receiver {name!r}: {field} {value} is not on this machine")
