"""What every file of the proxy's is made of: how Envoy writes a duration, an address, a version.

Belongs here: forms that more than one of the files uses.
Does not belong here: what a file says (a module each).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from platform_assets.deployment.local.host import LOOPBACK

LISTENERS_FILE, CLUSTERS_FILE, ROUTES_FILE = "listeners.json", "clusters.json", "routes.json"
ROUTES_NAME = "use_cases"
TYPE = "type.googleapis.com/envoy"

Json = dict[str, Any]


def seconds(value: float) -> str:
    """A duration as Envoy writes it."""
    return f"{value:g}s"


def address(port: int) -> Json:
    """A port on loopback."""
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def digest(content: object) -> str:
    """Names a content: equal contents have equal names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def discovery(resources: list[Json]) -> str:
    """A file of resources under a version that is its content's digest."""
    return json.dumps({"version_info": digest(resources), "resources": resources}, indent=1) + "\n"


def watched(directory: Path, name: str) -> Json:
    """Where a file is read again whenever it is replaced by a rename."""
    return {
        "path_config_source": {"path": str(directory / name), "watched_directory": {"path": str(directory)}},
        "resource_api_version": "V3",
    }
