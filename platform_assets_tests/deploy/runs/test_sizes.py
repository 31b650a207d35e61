"""What a declared size becomes: the pod of dagster-k8s's Job, held against Kubernetes' own schema."""

from typing import Any

import kubernetes_validate
import pytest
from dagster_k8s import DagsterK8sJobConfig, construct_dagster_k8s_job
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from kubernetes.client import ApiClient

from platform_assets.declaration.sections.compute import Compute
from platform_assets.orchestration.kubernetes.sizes import compute_in, largest, pod_config, run_tags, step_tags
from platform_assets.testing.declare import declare


def pod(compute: Compute, **options: Any) -> dict[str, Any]:
    """The pod's spec, which Kubernetes 1.37 takes."""
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(job_image="platform-assets:1", dagster_home="/opt/dagster", instance_config_map="instance"),
        args=["dagster", "api", "execute_step"],
        job_name="step",
        user_defined_k8s_config=UserDefinedDagsterK8sConfig.from_dict(pod_config(compute, **options)),
    )
    manifest = ApiClient().sanitize_for_serialization(job)
    kubernetes_validate.validate(manifest, "1.37", strict=True)
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("sharing", "resource"),
    [
        ("whole", "nvidia.com/gpu"),
        ("mig-1g.10gb", "nvidia.com/mig-1g.10gb"),
        ("time_slice", "nvidia.com/gpu.shared"),
    ],
)
def test_gpus_are_asked_for_by_how_they_are_shared(sharing: str, resource: str) -> None:
    spec = pod(Compute(gpus=2, gpu_sharing=sharing))  # type: ignore[arg-type]
    assert spec["containers"][0]["resources"]["limits"][resource] == "2"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]


def test_a_claim_names_the_template_of_the_node_class_and_no_extended_resource() -> None:
    spec = pod(Compute(gpus=1, gpu_sharing="dra", node_class="h200"))
    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "platform-assets-gpu-h200"}]
    resources = spec["containers"][0]["resources"]
    assert resources["claims"] == [{"name": "gpu"}]
    assert not [name for name in resources["limits"] if "nvidia" in name]


def test_spot_nodes_are_borne_and_preferred_and_a_time_limit_is_the_pods() -> None:
    spec = pod(Compute(spot=True, timeout_minutes=2, priority="low"), factor=2.0)
    assert spec["activeDeadlineSeconds"] == 120
    assert spec["containers"][0]["resources"]["limits"]["memory"] == "8000M"
    assert spec["priorityClassName"] == "platform-assets-runs-low"
    [wish] = spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert wish["preference"]["matchExpressions"] == [{"key": "platform-assets/spot", "operator": "Exists"}]
    assert "priorityClassName" not in pod(Compute(), priority_classes={})


def test_a_pod_of_several_steps_has_of_everything_the_most() -> None:
    small = Compute(cpus=8, memory_gigabytes=1, priority="high", spot=True, timeout_minutes=5, retry_evictions=9)
    large = Compute(cpus=1, memory_gigabytes=64, gpus=2, node_class="gpu", spot=True, timeout_minutes=10)
    both = largest([small, large])
    assert (both.cpus, both.memory_gigabytes, both.gpus, both.node_class) == (8, 64, 2, "gpu")
    assert (both.priority, both.spot, both.timeout_minutes, both.retry_evictions) == ("high", True, 15, 5)
    assert largest([small, large, Compute()]).timeout_minutes is None, "one of them may take for ever"
    assert run_tags(["one", "two"], [small]).keys() == {"dagster/priority", "platform-assets/priority"}


def test_a_size_comes_back_from_its_tags_as_it_was_declared() -> None:
    needs = {"cpus": 3, "gpus": 1, "gpu_sharing": "mig-1g.10gb", "on": "ray", "workers": 2}
    use_case = declare(
        events={"event_id": "int64", "at": "datetime", "amount": "float64"}, label="is_late", compute={"model": needs}
    )
    assert compute_in(step_tags(use_case, "model", "card")) == use_case.compute_of("model", "card")
