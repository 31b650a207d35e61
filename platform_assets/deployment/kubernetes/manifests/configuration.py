"""What pods and the target read: Secrets and ConfigMaps.

Belongs here: texts as objects. Does not belong here: what the texts say.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import POD_ADDRESS, ArmSpec, BesideSpec
from platform_assets.deployment.kubernetes.manifests.metadata import Manifest, beginning, labels_of
from platform_assets.deployment.kubernetes.settings import ClusterSettings


def environment_secret(spec: ArmSpec | BesideSpec, settings: ClusterSettings) -> Manifest:
    """The variables of an arm's service: they may hold passwords. Never changed, since another environment is another release."""
    found = beginning("v1", "Secret", spec.name, settings, labels_of(spec))
    found |= {
        "type": "Opaque",
        "immutable": True,
        "data": {
            name: base64.b64encode(value.encode()).decode()
            for name, value in sorted(spec.environment.items())
            if POD_ADDRESS not in value
        },
    }
    return found


def config_map(name: str, data: Mapping[str, str], settings: ClusterSettings) -> Manifest:
    """Texts of the target itself."""
    labels = {
        "app.kubernetes.io/name": naming.label_value(name),
        "app.kubernetes.io/part-of": naming.PART_OF,
        "app.kubernetes.io/managed-by": naming.FIELD_MANAGER,
    }
    return beginning("v1", "ConfigMap", name, settings, labels) | {"data": dict(data)}
