"""What is declared as `compute` means the same for pods that answer and for pods of runs."""

from typing import Any

import pytest

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.kubernetes.manifests.sizes import placement, resource_claims, resources
from platform_assets.deployment.kubernetes.quantities import quantity
from platform_assets.orchestration.kubernetes.sizes import pod_config
from platform_assets_tests.unit.deployment.kubernetes.objects import settings

DECLARED = {
    "small": Compute(cpus=0.25, memory_gigabytes=0.5),
    "whole GPUs": Compute(cpus=4, memory_gigabytes=16, gpus=2, node_class="gpu"),
    "a part of a GPU": Compute(gpus=1, gpu_sharing="mig-1g.10gb", spot=True),
    "turns on a GPU": Compute(gpus=1, gpu_sharing="time_slice"),
    "a claim on a GPU": Compute(gpus=1, gpu_sharing="dra", node_class="gpu"),
}


def numbers(sizes: dict[str, str]) -> dict[str, float | None]:
    return {name: quantity(text) for name, text in sizes.items()}


def alike(tolerations: list[dict[str, str]]) -> list[list[tuple[str, str]]]:
    return sorted(sorted(toleration.items()) for toleration in tolerations)


@pytest.mark.parametrize("name", DECLARED)
def test_services_and_runs_ask_for_the_same(name: str) -> None:
    compute = DECLARED[name]
    theirs: dict[str, Any] = pod_config(compute)
    asked, ours = theirs["container_config"]["resources"], resources(compute)
    assert numbers(ours["limits"]) == numbers(asked["limits"])
    assert ours.get("claims", []) == asked.get("claims", [])
    claims = theirs["pod_spec_config"].get("resource_claims", [])
    assert [entry["resourceClaimTemplateName"] for entry in resource_claims(compute)] == [
        entry["resource_claim_template_name"] for entry in claims
    ]
    spec, nodes = theirs["pod_spec_config"], placement(compute, settings())
    assert nodes.get("nodeSelector", {}) == spec.get("node_selector", {})
    assert alike(nodes.get("tolerations", [])) == alike(spec.get("tolerations", []))
    assert ("affinity" in nodes) == ("affinity" in spec)
