"""The sources of a cluster's figures, by name.

Belongs here: the list. Does not belong here: the sources (one file each).
"""

from __future__ import annotations

from platform_assets.members import MemberRegistry
from platform_assets.monitoring.cost.cluster.base import ClusterSource

_HERE = "platform_assets.monitoring.cost.cluster"
CLUSTER_SOURCES: MemberRegistry[ClusterSource] = MemberRegistry(
    "source of a cluster's figures",
    {"opencost": f"{_HERE}.open_cost:OPEN_COST", "kubernetes": f"{_HERE}.pod_metrics:POD_METRICS"},
)
