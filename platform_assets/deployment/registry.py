"""The kinds of target that services can be deployed on.

Belongs here: the list, and what makes a target of an installation's settings. Does not belong here: any target.
"""

from collections.abc import Callable

from platform_assets.deployment.target import Target
from platform_assets.members import MemberRegistry

OpenTarget = Callable[..., Target]
"""Makes a target from the installation's home folder (`Path`) and the port of its address; nothing is started or written.

Where the installation says whether callers are checked, that is given as `callers=CallerAccess(...)`; and of which cluster it may use, as
`cluster=ClusterSettings(...)`.
"""

KUBERNETES = "kubernetes"

TARGETS: MemberRegistry[OpenTarget] = MemberRegistry(
    "target",
    {
        "local": "platform_assets.deployment.local.opened:open_local_target",
        KUBERNETES: "platform_assets.deployment.kubernetes.opened:open_kubernetes_target",
    },
)
