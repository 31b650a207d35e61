"""A declared size as dagster and Kubernetes are told of it.

Belongs here: op tags, the pod of a size, the size of a pod that holds several steps. Does not belong here: where a step's size is declared
(`declaration/sections/compute.py`), or launching (`launcher.py`, `steps.py`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.compute import Compute, Priority
from platform_assets.orchestration.kubernetes.training_jobs import ON_ANNOTATION, RAY_WORKERS_ANNOTATION

COMPUTE_TAG: Final = "platform-assets/compute"
"""On every op: what its step needs, as JSON. The only place where runs and steps look for it, on whichever path they were launched."""
MEMORY_TAG: Final = "platform-assets/memory-factor"
"""On a run that goes on after its pod was out of memory: how many times the declared memory it gets."""
USE_CASE_TAG: Final = "platform-assets/use-case"
PRIORITY_TAG: Final = "platform-assets/priority"
GPU_TAG: Final = "platform-assets/gpu"
"""On runs, for limits in the queue."""
NODE_CLASS: Final = "platform-assets/node-class"
SPOT: Final = "platform-assets/spot"
"""Labels and taints of nodes."""

PRIORITIES: Final[Mapping[Priority, int]] = {"low": -10, "normal": 0, "high": 10}
"""`dagster/priority` of a run."""
PRIORITY_CLASSES: Final[Mapping[str, str]] = {
    name: f"platform-assets-runs-{name}" for name in ("low", "normal", "high")
}
"""Names of the chart's PriorityClasses."""

_GPU = "nvidia.com/gpu"


def step_tags(use_case: UseCase, layer: str, table: str) -> dict[str, str]:
    """Op tags of the step that makes a table; off Kubernetes they do nothing."""
    needs = use_case.compute_of(layer, table)
    return {COMPUTE_TAG: needs.model_dump_json(exclude_none=True), USE_CASE_TAG: use_case.name}


def compute_in(tags: Mapping[str, str]) -> Compute | None:
    """What a step's op tags say that it needs; None for an op that is not ours."""
    text = tags.get(COMPUTE_TAG)
    return None if text is None else Compute.model_validate_json(text)


def largest(needs: Sequence[Compute]) -> Compute:
    """What a pod needs that holds several steps, one after the other: of everything the most that one of them asks for.

    GPUs and nodes are those of the step with the most GPUs; spot nodes serve only where they serve every step; the time is that of all
    together, and has no end where one of them has none.

    Args:
        needs: of each step; at least one.
    """
    leading = max(needs, key=lambda compute: (compute.gpus, compute.node_class is not None, compute.memory_gigabytes))
    minutes = [compute.timeout_minutes for compute in needs]
    limited = [value for value in minutes if value is not None]
    return leading.model_copy(
        update={
            "cpus": max(compute.cpus for compute in needs),
            "memory_gigabytes": max(compute.memory_gigabytes for compute in needs),
            "priority": max((compute.priority for compute in needs), key=lambda name: PRIORITIES[name]),
            "spot": all(compute.spot for compute in needs),
            "timeout_minutes": sum(limited) if len(limited) == len(minutes) else None,
            "retry_timeouts": min(compute.retry_timeouts for compute in needs),
            "retry_evictions": min(compute.retry_evictions for compute in needs),
        }
    )


def run_tags(use_cases: Sequence[str], needs: Sequence[Compute]) -> dict[str, str]:
    """Tags by which the queue orders and limits a run."""
    if not needs:
        return {}
    whole = largest(needs)
    tags = {"dagster/priority": str(PRIORITIES[whole.priority]), PRIORITY_TAG: whole.priority}
    if whole.gpus:
        tags[GPU_TAG] = str(whole.gpus)
    if len(set(use_cases)) == 1:
        tags[USE_CASE_TAG] = use_cases[0]
    return tags


def pod_config(
    compute: Compute, factor: float = 1.0, priority_classes: Mapping[str, str] = PRIORITY_CLASSES
) -> dict[str, Any]:
    """The size as dagster-k8s takes it: what is merged into the Job of a run or a step.

    Args:
        compute: what the pod needs.
        factor: how many times the declared memory, after a pod was out of memory.
        priority_classes: PriorityClass of each priority; one that is absent has none.
    """
    size = {
        "cpu": f"{compute.cpus:g}",
        "memory": f"{round(compute.memory_gigabytes * factor * 1000)}M",
    }
    limits, claims, spec = dict(size), [], _node_fields(compute)
    if compute.gpus and compute.gpu_sharing == "dra":
        claims = [{"name": "gpu"}]
        spec["resource_claims"] = [
            {"name": "gpu", "resource_claim_template_name": f"platform-assets-gpu-{compute.node_class}"}
        ]
    elif compute.gpus:
        limits[_gpu_resource(compute)] = str(compute.gpus)
    spec |= priority_config(compute.priority, priority_classes)
    if compute.timeout_minutes is not None:
        spec["active_deadline_seconds"] = compute.timeout_minutes * 60
    resources: dict[str, Any] = {"requests": size, "limits": limits, **({"claims": claims} if claims else {})}
    config: dict[str, Any] = {"container_config": {"resources": resources}, "pod_spec_config": spec}
    if compute.on != "job":
        config["job_metadata"] = {
            "annotations": {ON_ANNOTATION: compute.on, RAY_WORKERS_ANNOTATION: str(compute.workers)}
        }
    return config


def priority_config(priority: Priority, priority_classes: Mapping[str, str] = PRIORITY_CLASSES) -> dict[str, str]:
    """Field of the pod that says its PriorityClass; none where the priority has none."""
    return {"priority_class_name": priority_classes[priority]} if priority in priority_classes else {}


def _gpu_resource(compute: Compute) -> str:
    """Name of the extended resource that NVIDIA's device plugin offers."""
    if compute.gpu_sharing == "whole":
        return _GPU
    if compute.gpu_sharing == "time_slice":
        return f"{_GPU}.shared"
    return f"nvidia.com/{compute.gpu_sharing}"


def _node_fields(compute: Compute) -> dict[str, Any]:
    """Which nodes: selector, tolerations and affinity."""
    fields: dict[str, Any] = {}
    tolerations: list[dict[str, str]] = []
    if compute.node_class is not None:
        fields["node_selector"] = {NODE_CLASS: compute.node_class}
        tolerations.append(_toleration(NODE_CLASS, compute.node_class))
    if compute.gpus:
        tolerations.append(_toleration(_GPU))
    if compute.spot:
        tolerations.append(_toleration(SPOT))
        wish = {"match_expressions": [{"key": SPOT, "operator": "Exists"}]}
        fields["affinity"] = {
            "node_affinity": {
                "preferred_during_scheduling_ignored_during_execution": [{"weight": 100, "preference": wish}]
            }
        }
    return {**fields, "tolerations": tolerations} if tolerations else fields


def _toleration(key: str, value: str | None = None) -> dict[str, str]:
    if value is None:
        return {"key": key, "operator": "Exists", "effect": "NoSchedule"}
    return {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}


def memory_factor(tags: Mapping[str, str]) -> float:
    """How many times the declared memory a run's pods get, by its tags."""
    return float(json.loads(tags.get(MEMORY_TAG, "1")))
