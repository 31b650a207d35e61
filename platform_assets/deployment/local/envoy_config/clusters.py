"""One cluster per arm, its processes as endpoints.

Belongs here: health checks, limits and protocol of the connections to services.
Does not belong here: which share of the requests an arm gets (`routes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from platform_assets.deployment.local.envoy_config import doors
from platform_assets.deployment.local.envoy_config.format import TYPE, Json, address, discovery, seconds
from platform_assets.deployment.local.state import Arm, TargetState

# uvicorn closes a connection that was idle for 5 s. Envoy must give it up first, or it may send a request into it.
UPSTREAM_IDLE_SECONDS = 3
# Circuit breakers are for a fleet; their defaults (three retries at a time) would lose requests on one machine.
_NO_BREAKER = 1_000_000
# A version that gets copies may be slow or hang: each copy that waits holds a connection and a body, which answers that count need.
MOST_COPIES = 64


def render_clusters(state: TargetState, door_sockets: Mapping[str, Path] = MappingProxyType({})) -> str:
    """One cluster per exposed arm, and those of the doors.

    Args:
        state: the target's state.
        door_sockets: file of each door, by name of its cluster.
    """
    arms = [
        _cluster(arm, MOST_COPIES if state.use_case(use_case).mirror == arm.name else _NO_BREAKER)
        for use_case, arm in state.arms()
        if arm.exposed
    ]
    return discovery([*arms, *doors.clusters(door_sockets)])


def _cluster(arm: Arm, most_at_a_time: int) -> Json:
    endpoints = [{"endpoint": {"address": address(program.port)}} for program in arm.programs]
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    options = {
        "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": seconds(UPSTREAM_IDLE_SECONDS)},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": arm.name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {"cluster_name": arm.name, "endpoints": [{"lb_endpoints": endpoints}]},
        # The cluster is not used before its first check passed. When every endpoint is out, Envoy tries them all.
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_interval": "0.25s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": arm.ready_path},
            }
        ],
        # An endpoint that refuses or resets is left out; one that answers 500 is not: its neighbours run the same code.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 50,
        },
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, most_at_a_time)]},
        "typed_extension_protocol_options": {
            f"{TYPE.split('/')[1]}.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }
