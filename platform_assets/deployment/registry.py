"""The kinds of target that services can be deployed on.

Belongs here: the list, and what makes a target of an installation's settings. Does not belong here: any target.
"""

from collections.abc import Callable
from pathlib import Path

from platform_assets.deployment.target import Target
from platform_assets.members import MemberRegistry

OpenTarget = Callable[[Path, int], Target]
"""Makes a target from the installation's home folder and the port of its address; nothing is started or written."""

TARGETS: MemberRegistry[OpenTarget] = MemberRegistry(
    "target",
    {
        "local": "platform_assets.deployment.local.opened:open_local_target",
    },
)
