"""What Envoy reads once, at its start.

Belongs here: the bootstrap, and how many callers it lets in.
Does not belong here: what changes with a use case or a version (`listeners.py`, `clusters.py`, `routes.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

from platform_assets.deployment.local.envoy_config.format import CLUSTERS_FILE, LISTENERS_FILE, TYPE, watched

MOST_CONNECTIONS = 20_000
RESERVED_FILES = 512


def most_connections(open_files: int) -> int:
    """How many connections of callers the proxy takes at a time: each may need another one to a service."""
    return max(MOST_CONNECTIONS // 100, min(MOST_CONNECTIONS, (open_files - RESERVED_FILES) // 2))


def render_bootstrap(target_id: str, directory: Path, socket: Path, connections: int) -> str:
    """What Envoy reads once: who it is, where its own interface listens, how many callers it takes, and where the other files are.

    Args:
        target_id: of the target.
        directory: the watched directory that holds the other three files.
        socket: of the admin interface, which can drain listeners and end Envoy: a file of this user's, not a port.
        connections: callers' connections at a time; further ones are closed at once.
    """
    limit = {
        "@type": f"{TYPE}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": connections,
    }
    monitor = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": limit}
    bootstrap = {
        "node": {"id": target_id, "cluster": "platform-assets"},
        "admin": {"address": {"pipe": {"path": str(socket), "mode": 0o600}}},
        "overload_manager": {"resource_monitors": [monitor]},
        "dynamic_resources": {
            "lds_config": watched(directory, LISTENERS_FILE),
            "cds_config": watched(directory, CLUSTERS_FILE),
        },
    }
    return json.dumps(bootstrap, indent=1) + "\n"
