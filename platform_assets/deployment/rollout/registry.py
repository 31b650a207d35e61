"""The strategies by which a version can replace another.

Belongs here: the list. Does not belong here: any strategy.
"""

from platform_assets.deployment.rollout.strategy import Strategy
from platform_assets.members import MemberRegistry

STRATEGIES: MemberRegistry[type[Strategy]] = MemberRegistry(
    "rollout strategy",
    {
        "replace": "platform_assets.deployment.rollout.strategy:Replace",
        "canary": "platform_assets.deployment.rollout.canary:Canary",
    },
)
"""Each member is called with what is declared of it: `STRATEGIES["canary"](steps=(10, 50, 100))`."""
