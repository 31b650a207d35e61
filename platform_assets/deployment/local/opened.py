"""The local target of an installation.

Belongs here: from an installation's home to its target. Does not belong here: the target itself (`target.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.deployment.callers import CallerAccess
from platform_assets.deployment.environments import other_environments
from platform_assets.deployment.local.target import LocalTarget
from platform_assets.deployment.target import Target

if TYPE_CHECKING:
    from platform_assets.deployment.kubernetes.settings import ClusterSettings

SERVING_FOLDER = "serving"


def open_local_target(
    home: Path, port: int, callers: CallerAccess | None = None, cluster: ClusterSettings | None = None
) -> Target:
    """The local target of an installation; nothing is started or written. What is known of a cluster changes nothing here."""
    others = {name: folder / SERVING_FOLDER for name, folder in other_environments(home).items()}
    return LocalTarget(home / SERVING_FOLDER, port, port_setting="PLATFORM_ASSETS_PORT", others=others, callers=callers)
