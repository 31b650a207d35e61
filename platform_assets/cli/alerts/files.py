"""What an installation's alerts are rendered from, and the files they become.

Belongs here: putting declarations and settings together, and writing. Does not belong here: commands (`commands.py`), or what stands in the
files (`monitoring/alerting/stacks`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, Rendered

RUNBOOKS = "docs/operations/runbooks.md"


def rendered_stacks(
    installation: Installation, use_case: str | None, stack: str | None, runbooks: str, template: str | None = None
) -> dict[str, Rendered]:
    """What each stack is told, by its name.

    Raises:
        UnknownMember: there is no such stack.
        StackUnusable: a function of one's own does not write files.
        ReceiverUnusable: a receiver lacks something, or one is named that there is none of.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.alerting.stacks.registry import STACKS, rendered_by_function

    use_cases = [declared.use_case for declared in declared_use_cases(use_case)]
    by_stack: dict[tuple[str, str | None], list[str]] = {}
    for one in use_cases:
        function = one.monitoring.rendered_by if stack in (None, "custom") and template is None else None
        by_stack.setdefault((stack or one.monitoring.stack, function), []).append(one.name)
    rendered = {}
    for (name, function), names in by_stack.items():
        world = alerted_world(installation, names, runbooks, template)
        if function is None:
            rendered[name] = STACKS[name].render(world)
        else:
            rendered[f"{name}-{function.rpartition(':')[2]}"] = rendered_by_function(function, world)
    return rendered


def alerted_world(
    installation: Installation, names: list[str], runbooks: str, template: str | None = None
) -> AlertedWorld:
    """What alerts are rendered for, on this installation."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.alerting.receivers import receivers_of
    from platform_assets.monitoring.alerting.stacks.base import AlertedWorld

    settings = installation.settings
    return AlertedWorld(
        use_cases=tuple(one.use_case for one in declared_use_cases(None) if one.use_case.name in names),
        receivers=receivers_of(settings.alert_receivers),
        runbooks=runbooks,
        address=f"127.0.0.1:{settings.port}",
        exporter=f"127.0.0.1:{settings.metrics_port}",
        template=template,
    )


def write_files(folder: Path, rendered: Rendered) -> list[Path]:
    """Write what a stack is told, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in rendered.files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
