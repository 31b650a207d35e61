"""The monitoring stacks that `monitoring.stack` can name.

Belongs here: the list. Does not belong here: any stack.
"""

from platform_assets.members import MemberRegistry
from platform_assets.monitoring.alerting.stacks.base import AlertStack

_HERE = "platform_assets.monitoring.alerting.stacks"

STACKS: MemberRegistry[AlertStack] = MemberRegistry(
    "monitoring stack",
    {
        "prometheus": f"{_HERE}.prometheus:STACK",
        "datadog": f"{_HERE}.datadog:STACK",
        "newrelic": f"{_HERE}.newrelic:STACK",
        "custom": f"{_HERE}.custom:STACK",
    },
)
