"""Every choice of a tool, by its field.

Belongs here: the list. Does not belong here: any value (one file for each choice).
"""

from typing import Any

from platform_assets.declaration.options.base import ToolChoice
from platform_assets.members import MemberRegistry

_HERE = "platform_assets.declaration.options"
CHOICES: MemberRegistry[ToolChoice[Any]] = MemberRegistry(
    "choice",
    {
        "tracking": f"{_HERE}.tracking:TRACKING",
        "feature_store": f"{_HERE}.feature_stores:FEATURE_STORE",
        "serving.platform": "platform_assets.declaration.serving_platforms:PLATFORM",
        "serving.mode": f"{_HERE}.modes:MODE",
        "orchestration": f"{_HERE}.orchestration:ORCHESTRATION",
        "cloud": f"{_HERE}.clouds:CLOUD",
        "monitoring.stack": f"{_HERE}.stacks:STACK",
    },
)
