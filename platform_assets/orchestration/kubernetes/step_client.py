"""dagster-k8s's client for steps, some of which are RayJobs or TrainJobs.

Belongs here: creating, looking at and deleting what stands for a step's Job. Does not belong here: the manifests (`training_jobs.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kubernetes.client import ApiClient, CustomObjectsApi, V1JobStatus
from kubernetes.client.exceptions import ApiException

from platform_assets.orchestration.kubernetes.training_jobs import (
    ON_ANNOTATION,
    RAY_JOBS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Manifest,
    Resource,
    State,
    ray_job,
    ray_state,
    train_job,
    train_state,
)

_NOT_FOUND = 404


class OtherJob(NamedTuple):
    """A kind of object that stands for a Job."""

    resource: Resource
    made: Callable[[Mapping[str, Any]], list[tuple[Resource, Manifest]]]
    state: Callable[[Mapping[str, Any]], State]
    beside: tuple[Resource, ...] = ()


OTHERS: Mapping[str, OtherJob] = {
    "ray": OtherJob(RAY_JOBS, ray_job, ray_state),
    "train_job": OtherJob(TRAIN_JOBS, train_job, train_state, (TRAINING_RUNTIMES,)),
}


class StepClient:
    """dagster-k8s's client; a Job that is marked for another controller is created as what that one takes."""

    def __init__(self, client: Any, objects: Any = None) -> None:
        """Take dagster-k8s's client and the API of custom objects."""
        self._client = client
        self._objects = objects or CustomObjectsApi(client.batch_api.api_client)
        self.on: dict[str, str] = {}
        """By name of a Job: which controller runs it, where it is another one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_namespaced_job_with_retries(self, body: Any, namespace: str) -> None:
        """Create the Job, or what stands for it."""
        job = ApiClient().sanitize_for_serialization(body)
        other = OTHERS.get(job["metadata"].get("annotations", {}).get(ON_ANNOTATION, ""))
        if other is None:
            self._client.create_namespaced_job_with_retries(body=body, namespace=namespace)
            return
        for resource, manifest in other.made(job):
            self._objects.create_namespaced_custom_object(
                resource.group, resource.version, namespace, resource.plural, manifest
            )

    def get_job_status(self, job_name: str, namespace: str, **waiting: Any) -> Any:
        """The status of the Job, or of what stands for it, in a Job's words; None where it does not exist."""
        other = OTHERS.get(self.on.get(job_name, ""))
        if other is None:
            return self._client.get_job_status(job_name=job_name, namespace=namespace, **waiting)
        group, version, plural = other.resource
        try:
            stored = self._objects.get_namespaced_custom_object(group, version, namespace, plural, job_name)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        counts = {"running": "active", "succeeded": "succeeded", "failed": "failed"}
        return V1JobStatus(**{counts[other.state(stored)]: 1})

    def delete_job(self, job_name: str, namespace: str) -> Any:
        """Delete the Job, or what stands for it and what was made with it."""
        other = OTHERS.get(self.on.get(job_name, ""))
        if other is None:
            return self._client.delete_job(job_name=job_name, namespace=namespace)
        for group, version, plural in (other.resource, *other.beside):
            try:
                self._objects.delete_namespaced_custom_object(group, version, namespace, plural, job_name)
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise
        return True
