"""Envoy's configuration, rendered from the target's state: pure functions from values to JSON text.

Belongs here: everything that is written in Envoy's format, with the reason for each number.
Does not belong here: reading or writing files, and asking a running Envoy anything.

Envoy watches a directory and reads a file again when it is replaced by a rename. There are four files: the bootstrap,
which changes only when a port does; listeners; clusters (one per arm, its processes as endpoints); and routes (one per
use case, its arms with weights). Every file carries a version that is a digest of its content, so writing the same
state twice changes nothing, and the routes answer it under `/-/routing`: an answer with the new version is proof that
the proxy's worker, and not only its main thread, has taken the change.
"""

from platform_assets.deployment.local.envoy_config.bootstrap import most_connections, render_bootstrap
from platform_assets.deployment.local.envoy_config.callers import required as required_of_callers
from platform_assets.deployment.local.envoy_config.clusters import render_clusters
from platform_assets.deployment.local.envoy_config.format import CLUSTERS_FILE, LISTENERS_FILE, ROUTES_FILE
from platform_assets.deployment.local.envoy_config.listeners import MOST_BODY_BYTES, STAT_PREFIX, render_listeners
from platform_assets.deployment.local.envoy_config.routes import ROUTING_PATH, render_routes
from platform_assets.deployment.routing.paths import VERSION_HEADER, path_prefix

__all__ = [
    "CLUSTERS_FILE",
    "LISTENERS_FILE",
    "MOST_BODY_BYTES",
    "ROUTES_FILE",
    "ROUTING_PATH",
    "STAT_PREFIX",
    "VERSION_HEADER",
    "most_connections",
    "path_prefix",
    "render_bootstrap",
    "render_clusters",
    "render_listeners",
    "render_routes",
    "required_of_callers",
]
