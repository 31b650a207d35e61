"""The Kubernetes target of an installation.

Belongs here: from an installation's settings to its target. Does not belong here: the target itself (`target.py`).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.deployment.callers import CallerAccess
from platform_assets.deployment.errors import TargetUnavailable
from platform_assets.deployment.kubernetes.archives import ReleaseArchives
from platform_assets.deployment.kubernetes.arms import StoredArchive
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.shipping import ship
from platform_assets.deployment.kubernetes.target import KubernetesTarget
from platform_assets.deployment.target import Target


def open_kubernetes_target(
    home: Path, port: int, callers: CallerAccess | None = None, cluster: ClusterSettings | None = None
) -> Target:
    """The target of an installation on a cluster; nothing is asked or changed. The home and the port are of no use there.

    Raises:
        TargetUnavailable: no setting says which cluster, or one asks for an image of each release.
    """
    if cluster is None:
        raise TargetUnavailable(
            "PLATFORM_ASSETS_TARGET is kubernetes, and PLATFORM_ASSETS_KUBERNETES does not say which cluster: see "
            "docs/operations/kubernetes.md"
        )
    if cluster.images != "runtime":
        raise TargetUnavailable(
            "images: bento in PLATFORM_ASSETS_KUBERNETES: the target does not yet deploy an image for each release, only archives on the "
            "runtime image; set images to runtime (deploy/images/README.md says how a Bento's own image is built and run)"
        )
    known = cluster

    def shipped(root: Path) -> StoredArchive:
        release = ship(root, known)
        return StoredArchive(release.digest, release.uri)

    return KubernetesTarget(known, shipped, archives=ReleaseArchives(known), callers=callers)
