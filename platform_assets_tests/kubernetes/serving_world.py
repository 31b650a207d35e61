"""A test cluster that services can be deployed on: namespaces with the claims that a target needs.

Belongs here: what more than one suite needs of it. Does not belong here: the cluster itself (`cluster/`), and what a target has
to do (`contracts/test_targets.py`).

Pods are processes of this machine, the gateway's data plane is a real Envoy. A claim's volume is a folder of this machine at the same path,
which is how a ReadWriteMany volume that both sides mount looks.
"""

import itertools
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.packaging import start
from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, test_cluster

IMAGE = f"registry.example/serving@sha256:{'0' * 64}"
GATEWAY, GATEWAY_NAMESPACE = "public", "gateway-system"
"""The Gateway that a test cluster has from the start."""
HOST_FOLDER = "test-cluster/host-folder"
SOURCES = Path(__file__).resolve().parents[2]
_numbers = itertools.count(1)


class ServingWorld:
    """A running test cluster, which has a Gateway from the start."""

    def __init__(self, cluster: ClusterHandle, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder

    def settings(self, shared: Path | None = None, **changed: Any) -> ClusterSettings:
        """Those of a target in a namespace of its own, which is made; pods see the shared folder, by default the world's, where it is."""
        shared = shared or self.folder
        namespace = f"serving-{next(_numbers)}"
        releases, log = self.folder / "releases", self.folder / "log"
        claims = {"releases": releases, "log": log, "shared": shared}
        self.cluster.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        for name, folder in claims.items():
            self.cluster.post(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim(name, folder))
        given: dict[str, Any] = {
            "namespace": namespace,
            "kubeconfig": self.cluster.kubeconfig,
            "runtime_image": IMAGE,
            "releases": str(releases),
            "release_claim": "releases",
            "log_claim": "log",
            "log_folder": str(log),
            "shared_paths": {str(shared): "shared"},
            "gateway": GATEWAY,
            "gateway_namespace": GATEWAY_NAMESPACE,
            "address": self.cluster.gateway_address,
            "gateway_metrics": self.cluster.gateway_metrics,
            "drain_seconds": 1,
            "start_timeout_seconds": 60,
        }
        return ClusterSettings.model_validate(given | changed)


@contextmanager
def serving_world(folder: Path, images: Mapping[str, Any] | None = None, **options: Any) -> Iterator[ServingWorld]:
    """A test cluster with a runtime image, and those that are given; nothing is left of it."""
    known = {
        **(images or {}),
        IMAGE: {"python": sys.executable, "files": {"/opt/platform-assets": str(runtime_image(folder))}},
    }
    with test_cluster(folder / "cluster", images=known, **options) as cluster:
        yield ServingWorld(cluster, folder)


def runtime_image(folder: Path) -> Path:
    """What the runtime image has below `/opt/platform-assets`."""
    files = folder / "runtime-image"
    (files / "src").mkdir(parents=True)
    shutil.copyfile(start.__file__, files / "start.py")
    shutil.copytree(SOURCES / "serving", files / "src" / "serving", ignore=shutil.ignore_patterns("__pycache__"))
    return files


def claim(name: str, folder: Path) -> dict[str, Any]:
    """A ReadWriteMany claim whose volume is a folder of this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name, "annotations": {HOST_FOLDER: str(folder)}}, "spec": spec}
