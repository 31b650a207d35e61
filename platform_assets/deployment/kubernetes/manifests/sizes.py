"""What pods may use, and on which nodes: a declared `compute` in a cluster's terms.

Belongs here: quantities, GPUs by how they are shared, selectors and tolerations. Does not belong here: what is declared
(`declaration/sections/compute.py`).
"""

from __future__ import annotations

from typing import Any

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.kubernetes.settings import ClusterSettings, NodeClass, Toleration

NODE_CLASS_LABEL, SPOT_LABEL = "platform-assets/node-class", "platform-assets/spot"
SPOT = "spot"
_CLAIM = "gpu"
_SHARED = {"whole": "nvidia.com/gpu", "time_slice": "nvidia.com/gpu.shared"}


def cpu_quantity(cpus: float) -> str:
    """CPU cores, as the API writes them back."""
    thousandths = max(1, round(cpus * 1000))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def memory_quantity(gigabytes: float) -> str:
    """Memory given in GB (10^9 bytes), as the API writes it back."""
    megabytes = max(1, round(gigabytes * 1000))
    return f"{megabytes}M" if megabytes % 1000 else f"{megabytes // 1000}G"


def gpu_resource(compute: Compute) -> str | None:
    """The name by which GPUs are asked for; None where there are none, and where a claim has them."""
    if not compute.gpus or compute.gpu_sharing == "dra":
        return None
    return _SHARED.get(compute.gpu_sharing, f"nvidia.com/{compute.gpu_sharing}")


def resources(compute: Compute, *, with_gpus: bool = True) -> dict[str, Any]:
    """A container's requests, and limits equal to them: what it was promised it has, and nobody else loses by it."""
    sizes = {"cpu": cpu_quantity(compute.cpus), "memory": memory_quantity(compute.memory_gigabytes)}
    gpus = gpu_resource(compute)
    if gpus is not None and with_gpus:
        sizes[gpus] = str(compute.gpus)
    found: dict[str, Any] = {"requests": sizes, "limits": dict(sizes)}
    if compute.gpus and compute.gpu_sharing == "dra" and with_gpus:
        found["claims"] = [{"name": _CLAIM}]
    return found


def resource_claims(compute: Compute) -> list[dict[str, str]]:
    """The pod's claims on devices: of the template that the node class has, see `Compute.gpu_sharing`."""
    if not compute.gpus or compute.gpu_sharing != "dra":
        return []
    return [{"name": _CLAIM, "resourceClaimTemplateName": f"platform-assets-gpu-{compute.node_class}"}]


def placement(compute: Compute, settings: ClusterSettings) -> dict[str, Any]:
    """Which nodes a pod needs, tolerates and prefers, as fields of its spec."""
    tolerations: list[Toleration] = []
    found: dict[str, Any] = {}
    if compute.node_class is not None:
        known = settings.node_classes.get(compute.node_class) or _labelled(NODE_CLASS_LABEL, compute.node_class)
        tolerations += known.tolerations
        if known.labels:
            found["nodeSelector"] = dict(known.labels)
    if compute.spot:
        spot = settings.node_classes.get(SPOT) or _SPOT_NODES
        tolerations += spot.tolerations
        if spot.labels:
            wanted = [{"key": key, "operator": "In", "values": [value]} for key, value in spot.labels.items()]
            preferred = [{"weight": 100, "preference": {"matchExpressions": wanted}}]
            found["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    if compute.gpus:
        # The taint that clouds put on nodes with GPUs, so that nothing else fills them.
        tolerations.append(Toleration(key="nvidia.com/gpu"))
    if tolerations:
        found["tolerations"] = [_tolerated(toleration) for toleration in dict.fromkeys(tolerations)]
    return found


def _labelled(name: str, value: str) -> NodeClass:
    return NodeClass(labels={name: value}, tolerations=(Toleration(key=name, value=value),))


_SPOT_NODES = NodeClass(labels={SPOT_LABEL: "true"}, tolerations=(Toleration(key=SPOT_LABEL),))


def _tolerated(toleration: Toleration) -> dict[str, str]:
    found = {"key": toleration.key, "operator": "Exists", "effect": toleration.effect}
    if toleration.value is not None:
        found |= {"operator": "Equal", "value": toleration.value}
    return found
