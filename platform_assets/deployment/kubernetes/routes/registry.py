"""The kinds of route.

Belongs here: the list. Does not belong here: any kind of route.
"""

from __future__ import annotations

from collections.abc import Callable

from platform_assets.deployment.kubernetes.routes.base import TrafficRoutes
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.members import MemberRegistry

ROUTE_KINDS: MemberRegistry[Callable[[ClusterSettings], TrafficRoutes]] = MemberRegistry(
    "kind of route",
    {
        "gateway_api": "platform_assets.deployment.kubernetes.routes.gateway_api:GatewayApiRoutes",
        "istio": "platform_assets.deployment.kubernetes.routes.istio:IstioRoutes",
    },
)
"""By the name that `ClusterSettings.routes` has."""


def routes_of(settings: ClusterSettings) -> TrafficRoutes:
    """The kind of route that a cluster's settings name."""
    return ROUTE_KINDS[settings.routes](settings)
