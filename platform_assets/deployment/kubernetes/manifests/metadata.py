"""How every object begins.

Belongs here: names, namespace and labels as each object has them. Does not belong here: anything of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import ArmSpec, BesideSpec
from platform_assets.deployment.kubernetes.settings import ClusterSettings

Manifest = dict[str, Any]
"""An object as the API takes it."""
VERSION_ANNOTATION = "platform-assets/version"


def labels_of(spec: ArmSpec | BesideSpec) -> dict[str, str]:
    """Labels of everything that belongs to an arm, or to what runs beside; the pods' among them."""
    if isinstance(spec, BesideSpec):
        return naming.labels(spec.use_case, arm=spec.name, component=naming.BESIDE)
    return naming.labels(spec.use_case, arm=spec.name, version=spec.version, fingerprint=spec.fingerprint)


def beginning(
    api_version: str,
    kind: str,
    name: str,
    settings: ClusterSettings,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """An object without its content."""
    metadata: Manifest = {"name": name, "namespace": settings.namespace, "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
