"""A step as RayJob or TrainJob: the pod of its Job, by another controller; and what is asked of the API over its life."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import V1Job
from kubernetes.client.exceptions import ApiException

from platform_assets.orchestration.kubernetes.step_client import StepClient
from platform_assets.orchestration.kubernetes.training_jobs import (
    ON_ANNOTATION,
    RAY_WORKERS_ANNOTATION,
    ray_job,
    ray_state,
    train_job,
    train_state,
)

CONTAINER = {
    "name": "dagster",
    "image": "platform-assets:1",
    "args": ["dagster", "api", "execute_step", '{"run": "a b"}'],
    "env": [{"name": "DAGSTER_HOME", "value": "/opt/dagster/home"}],
    "envFrom": [{"secretRef": {"name": "platform-assets-secrets"}}],
    "resources": {"limits": {"cpu": "4", "memory": "8000M"}},
}


def step(on: str) -> dict[str, Any]:
    """A step's Job as dagster-k8s renders it."""
    spec = {"containers": [CONTAINER], "nodeSelector": {"platform-assets/node-class": "gpu"}, "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "dagster-step-1",
            "labels": {"dagster/run-id": "1"},
            "annotations": {ON_ANNOTATION: on, RAY_WORKERS_ANNOTATION: "3"},
        },
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 60,
            "template": {"metadata": {"name": "dagster-step-1"}, "spec": {**spec, "activeDeadlineSeconds": 600}},
        },
    }


def test_a_ray_job_has_the_pod_of_the_step_as_head_and_as_each_worker() -> None:
    [(resource, found)] = ray_job(step("ray"))
    assert (resource.plural, found["kind"], found["metadata"]["name"]) == ("rayjobs", "RayJob", "dagster-step-1")
    spec = found["spec"]
    assert spec["entrypoint"] == """dagster api execute_step '{"run": "a b"}'"""
    assert spec["activeDeadlineSeconds"] == 600
    assert spec["backoffLimit"] == 0, "what is started again, and how, is decided by cause"
    head = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    [workers] = spec["rayClusterSpec"]["workerGroupSpecs"]
    assert workers["replicas"] == 3
    for pod in (head, workers["template"]["spec"]):
        [container] = pod["containers"]
        assert "args" not in container
        assert container["resources"] == CONTAINER["resources"]
        assert container["envFrom"] == CONTAINER["envFrom"]
        assert {"name": "PLATFORM_ASSETS_RAY_ADDRESS", "value": "auto"} in container["env"]
        assert pod["nodeSelector"] == {"platform-assets/node-class": "gpu"}


def test_a_train_job_brings_the_whole_pod_as_a_runtime_of_its_own() -> None:
    (_, runtime), (_, job) = train_job(step("train_job"))
    assert job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]
    [replicated] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    pod = replicated["template"]["spec"]["template"]["spec"]
    assert pod["containers"] == [{**CONTAINER, "name": "node"}]
    assert pod["activeDeadlineSeconds"] == 600


def test_train_jobs_fit_the_types_of_kubeflow() -> None:
    models = pytest.importorskip(
        "kubeflow_trainer_api.models", reason="not validated: kubeflow-trainer-api is not installed"
    )
    (_, runtime), (_, job) = train_job(step("train_job"))
    known = models.TrainerV1alpha1TrainJob.from_dict(job)
    assert known.to_dict()["spec"] == job["spec"]
    assert models.TrainerV1alpha1TrainingRuntime.from_dict(runtime).to_dict()["spec"] == runtime["spec"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, "running"),
        ({"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}, "running"),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}, "succeeded"),
        ({"jobDeploymentStatus": "Failed"}, "failed"),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "FAILED"}, "failed"),
    ],
)
def test_the_status_of_a_ray_job(status: Mapping[str, str], state: str) -> None:
    assert ray_state({"status": status}) == state


@pytest.mark.parametrize(("kind", "state"), [("Created", "running"), ("Complete", "succeeded"), ("Failed", "failed")])
def test_the_status_of_a_train_job(kind: str, state: str) -> None:
    assert train_state({"status": {"conditions": [{"type": kind, "status": "True"}]}}) == state


class Objects:
    """An API of custom objects that keeps them."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], dict[str, Any]] = {}

    def create_namespaced_custom_object(self, group: str, version: str, namespace: str, plural: str, body: Any) -> None:
        self.stored[plural, body["metadata"]["name"]] = body

    def get_namespaced_custom_object(self, group: str, version: str, namespace: str, plural: str, name: str) -> Any:
        if (plural, name) not in self.stored:
            raise ApiException(status=404)
        return self.stored[plural, name]

    def delete_namespaced_custom_object(self, group: str, version: str, namespace: str, plural: str, name: str) -> None:
        self.get_namespaced_custom_object(group, version, namespace, plural, name)
        del self.stored[plural, name]


@pytest.mark.parametrize(("on", "plurals"), [("ray", {"rayjobs"}), ("train_job", {"trainjobs", "trainingruntimes"})])
def test_a_step_on_another_controller_lives_and_ends_as_its_object(on: str, plurals: set[str]) -> None:
    objects = Objects()
    client = StepClient(SimpleNamespace(), objects)
    client.on["dagster-step-1"] = on
    assert client.get_job_status("dagster-step-1", "ml") is None
    client.create_namespaced_job_with_retries(_as_model(step(on)), "ml")
    assert {plural for plural, _ in objects.stored} == plurals
    assert client.get_job_status("dagster-step-1", "ml").active == 1
    client.delete_job("dagster-step-1", "ml")
    assert objects.stored == {}
    client.delete_job("dagster-step-1", "ml")


def _as_model(job: dict[str, Any]) -> V1Job:
    from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict

    return k8s_model_from_dict(V1Job, k8s_snake_case_dict(V1Job, job))
