"""A step's Job as a RayJob (KubeRay) or a TrainJob (Kubeflow Trainer): the same pod, brought to life by another controller.

Belongs here: the manifests, made from the Job that dagster-k8s rendered, and what their status means. Does not belong here: sending
them (`step_client.py`). TrainJob and TrainingRuntime are held against the types of `kubeflow-trainer-api` in a test; RayJob is not
validated: no package carries its schema. Neither controller has run them.
"""

import copy
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

ON_ANNOTATION: Final = "platform-assets/on"
"""On a step's Job: by which controller it is to be run."""
RAY_WORKERS_ANNOTATION: Final = "platform-assets/ray-workers"

Manifest = dict[str, Any]
State = Literal["running", "succeeded", "failed"]


class Resource(NamedTuple):
    """Where the API keeps objects of a kind."""

    group: str
    version: str
    plural: str


RAY_JOBS: Final = Resource("ray.io", "v1", "rayjobs")
TRAIN_JOBS: Final = Resource("trainer.kubeflow.org", "v1alpha1", "trainjobs")
TRAINING_RUNTIMES: Final = Resource("trainer.kubeflow.org", "v1alpha1", "trainingruntimes")


def ray_job(job: Mapping[str, Any]) -> list[tuple[Resource, Manifest]]:
    """A RayJob with a Ray cluster of its own, gone when the step has ended; the step's command runs on the head, where `auto` finds it.

    Args:
        job: the step's Job, as JSON.
    """
    template = _template(job)
    [container] = template["spec"]["containers"]
    command = shlex.join([*container.pop("command", []), *container.pop("args", [])])
    container["env"] = [
        *(entry for entry in container.get("env", []) if entry["name"] != "PLATFORM_ASSETS_RAY_ADDRESS"),
        {"name": "PLATFORM_ASSETS_RAY_ADDRESS", "value": "auto"},
    ]
    workers = int(job["metadata"].get("annotations", {}).get(RAY_WORKERS_ANNOTATION, "1"))
    worker = copy.deepcopy(template)
    head, group = ({"rayStartParams": {}, "template": one} for one in (template, worker))
    spec = {
        "entrypoint": command,
        "submissionMode": "HTTPMode",
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": job["spec"].get("ttlSecondsAfterFinished", 0),
        "backoffLimit": 0,
        "rayClusterSpec": {
            "headGroupSpec": head,
            "workerGroupSpecs": [
                {"groupName": "workers", "replicas": workers, "minReplicas": workers, "maxReplicas": workers, **group}
            ],
        },
    }
    deadline = template["spec"].pop("activeDeadlineSeconds", None)
    worker["spec"].pop("activeDeadlineSeconds", None)
    if deadline is not None:
        spec["activeDeadlineSeconds"] = deadline
    return [(RAY_JOBS, _object(RAY_JOBS, "RayJob", job, spec))]


def train_job(job: Mapping[str, Any]) -> list[tuple[Resource, Manifest]]:
    """A TrainJob of one node and the TrainingRuntime that holds its pod: a TrainJob alone has no place for secrets, volumes and claims.

    Args:
        job: the step's Job, as JSON.
    """
    template = _template(job)
    template["spec"]["containers"][0]["name"] = "node"
    replicated = {
        "name": "node",
        "replicas": 1,
        "template": {
            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
            "spec": {"backoffLimit": 0, "template": template},
        },
    }
    runtime = {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [replicated]}}}
    name = job["metadata"]["name"]
    reference = {"apiGroup": TRAIN_JOBS.group, "kind": "TrainingRuntime", "name": name}
    return [
        (TRAINING_RUNTIMES, _object(TRAINING_RUNTIMES, "TrainingRuntime", job, runtime)),
        (TRAIN_JOBS, _object(TRAIN_JOBS, "TrainJob", job, {"runtimeRef": reference, "trainer": {"numNodes": 1}})),
    ]


def ray_state(stored: Mapping[str, Any]) -> State:
    """What the status of a RayJob means."""
    status = stored.get("status", {})
    words = {str(status.get("jobDeploymentStatus")), str(status.get("jobStatus"))}
    if words & {"Failed", "FAILED", "STOPPED", "ValidationFailed"}:
        return "failed"
    return "succeeded" if words & {"Complete", "SUCCEEDED"} else "running"


def train_state(stored: Mapping[str, Any]) -> State:
    """What the status of a TrainJob means."""
    conditions: Sequence[Mapping[str, Any]] = stored.get("status", {}).get("conditions") or []
    true = {str(one.get("type")) for one in conditions if one.get("status") == "True"}
    if "Failed" in true:
        return "failed"
    return "succeeded" if "Complete" in true else "running"


def _template(job: Mapping[str, Any]) -> Manifest:
    template: Manifest = copy.deepcopy(job["spec"]["template"])
    template.get("metadata", {}).pop("name", None)
    return template


def _object(resource: Resource, kind: str, job: Mapping[str, Any], spec: Mapping[str, Any]) -> Manifest:
    known = {key: job["metadata"][key] for key in ("name", "labels") if key in job["metadata"]}
    return {"apiVersion": f"{resource.group}/{resource.version}", "kind": kind, "metadata": known, "spec": dict(spec)}
