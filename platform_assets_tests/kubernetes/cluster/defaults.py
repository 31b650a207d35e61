"""What an API server fills in where an object says nothing.

Belongs here: defaults of the built-in kinds and of custom resources' schemas. Does not belong here: what admission changes
(admission.py), what controllers write.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.schemas import Node, Schemas
from platform_assets_tests.kubernetes.cluster.values import clone

Body = dict[str, Any]
POD_DEFAULTS = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "terminationGracePeriodSeconds": 30,
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
CONTAINER_DEFAULTS = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def fill(body: Body, defaults: Body) -> None:
    """Put a default wherever the field is absent or null."""
    for key, value in defaults.items():
        if body.get(key) is None:
            body[key] = clone(value)


def containers(spec: Body) -> Iterator[Body]:
    """Containers of a pod, those that prepare it first."""
    yield from spec.get("initContainers") or []
    yield from spec.get("containers") or []


def pod_spec(spec: Body) -> None:
    """Defaults of a pod, alone or in a template."""
    fill(spec, POD_DEFAULTS)
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in containers(spec):
        fill(container, CONTAINER_DEFAULTS)
        image = container.get("image", "").rpartition("/")[2]
        tag = image.partition("@")[0].partition(":")[2]
        latest = "@" not in image and tag in ("", "latest")
        fill(container, {"imagePullPolicy": "Always" if latest else "IfNotPresent"})
        limits = container["resources"].get("limits")
        if limits:
            fill(container["resources"], {"requests": {}})
            fill(container["resources"]["requests"], limits)
        for port in container.get("ports") or []:
            fill(port, {"protocol": "TCP"})
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if (probe := container.get(name)) is not None:
                fill(probe, PROBE_DEFAULTS)
                if probe.get("httpGet") is not None:
                    fill(probe["httpGet"], {"scheme": "HTTP", "path": "/"})
        for variable in container.get("env") or []:
            if reference := (variable.get("valueFrom") or {}).get("fieldRef"):
                fill(reference, {"apiVersion": "v1"})
    for volume in spec.get("volumes") or []:
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                fill(volume[source], {"defaultMode": 420})
        if isinstance(volume.get("hostPath"), dict):
            fill(volume["hostPath"], {"type": ""})


def pod(body: Body, old: Body | None) -> None:
    """A pod by itself."""
    pod_spec(body.setdefault("spec", {}))
    fill(body["spec"], {"enableServiceLinks": True})
    if old is None:
        body["status"] = {"phase": "Pending", "qosClass": quality_of_service(body["spec"])}


def quality_of_service(spec: Body) -> str:
    """Guaranteed, Burstable or BestEffort, by requests and limits."""
    told, guaranteed = False, True
    for container in containers(spec):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        told = told or bool(requests or limits)
        guaranteed = guaranteed and {"cpu", "memory"} <= limits.keys()
        guaranteed = guaranteed and all(requests.get(name, limits[name]) == limits[name] for name in limits)
    if not told:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def deployment(body: Body, old: Body | None) -> None:
    """Deployment."""
    spec = body.setdefault("spec", {})
    fill(spec, {"replicas": 1, "strategy": {}, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    fill(spec["strategy"], {"type": "RollingUpdate"})
    if spec["strategy"]["type"] == "RollingUpdate":
        fill(spec["strategy"], {"rollingUpdate": {}})
        fill(spec["strategy"]["rollingUpdate"], {"maxUnavailable": "25%", "maxSurge": "25%"})
    _template(spec)


def replica_set(body: Body, old: Body | None) -> None:
    """ReplicaSet."""
    spec = body.setdefault("spec", {})
    fill(spec, {"replicas": 1})
    _template(spec)


def stateful_set(body: Body, old: Body | None) -> None:
    """StatefulSet."""
    spec = body.setdefault("spec", {})
    fill(spec, {"replicas": 1, "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10})
    fill(spec, {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}})
    _template(spec)


def daemon_set(body: Body, old: Body | None) -> None:
    """DaemonSet."""
    spec = body.setdefault("spec", {})
    fill(spec, {"revisionHistoryLimit": 10})
    fill(spec, {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}})
    _template(spec)


def _template(spec: Body) -> None:
    if isinstance(spec.get("template"), dict):
        pod_spec(spec["template"].setdefault("spec", {}))


def job_spec(spec: Body) -> None:
    """Defaults of a job, alone or in a CronJob."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(spec, {"parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False})
    fill(spec, {"podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"})
    _template(spec)


def job(body: Body, old: Body | None) -> None:
    """Job: also the selector that the server makes, and the labels that its pods get for it."""
    spec = body.setdefault("spec", {})
    job_spec(spec)
    if spec.get("manualSelector") or not isinstance(spec.get("template"), dict):
        return
    if old is not None:
        spec.setdefault("selector", clone(old["spec"]["selector"]))
    metadata = body["metadata"]
    labels = {
        f"{prefix}{name}": value
        for name, value in (("controller-uid", metadata["uid"]), ("job-name", metadata["name"]))
        for prefix in ("", "batch.kubernetes.io/")
    }
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = {**(template.get("labels") or {}), **labels}
    fill(spec, {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}}})


def cron_job(body: Body, old: Body | None) -> None:
    """CronJob."""
    spec = body.setdefault("spec", {})
    fill(spec, {"concurrencyPolicy": "Allow", "suspend": False})
    fill(spec, {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1})
    if isinstance(spec.get("jobTemplate"), dict):
        inner = spec["jobTemplate"].setdefault("spec", {})
        _template(inner)


def service(body: Body, old: Body | None) -> None:
    """Service; its address is given by admission."""
    spec = body.setdefault("spec", {})
    fill(spec, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"})
    for port in spec.get("ports") or []:
        fill(port, {"protocol": "TCP"})
        if port.get("port") is not None:
            fill(port, {"targetPort": port["port"]})
    if old is not None and spec["type"] != "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if name in old.get("spec", {}):
                spec.setdefault(name, clone(old["spec"][name]))


def secret(body: Body, old: Body | None) -> None:
    """Secret: text becomes data."""
    fill(body, {"type": "Opaque"})
    text = body.pop("stringData", None)
    if text:
        coded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        body["data"] = {**(body.get("data") or {}), **coded}


def namespace(body: Body, old: Body | None) -> None:
    """Namespace."""
    metadata = body["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    fill(body, {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})


def plain(*path: str, **defaults: Any) -> Callable[[Body, Body | None], None]:
    """A kind whose defaults are constants at one place."""

    def prepare(body: Body, old: Body | None) -> None:
        for step in path:
            body = body.setdefault(step, {})
        fill(body, defaults)

    return prepare


PREPARED: dict[tuple[str, str], Callable[[Body, Body | None], None]] = {
    ("", "pods"): pod,
    ("", "services"): service,
    ("", "secrets"): secret,
    ("", "namespaces"): namespace,
    ("", "persistentvolumeclaims"): plain("spec", volumeMode="Filesystem"),
    ("", "persistentvolumes"): plain("spec", volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain"),
    ("apps", "deployments"): deployment,
    ("apps", "replicasets"): replica_set,
    ("apps", "statefulsets"): stateful_set,
    ("apps", "daemonsets"): daemon_set,
    ("batch", "jobs"): job,
    ("batch", "cronjobs"): cron_job,
    ("autoscaling", "horizontalpodautoscalers"): plain("spec", minReplicas=1),
    ("networking.k8s.io", "networkpolicies"): plain("spec", policyTypes=["Ingress"]),
    ("scheduling.k8s.io", "priorityclasses"): plain(preemptionPolicy="PreemptLowerPriority"),
    ("storage.k8s.io", "storageclasses"): plain(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
}


class Defaults:
    """The store's `prepare` hook."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def __call__(self, kind: Kind, body: Body, old: Body | None) -> None:
        """Fill in what this object leaves open."""
        prepare = PREPARED.get((kind.group, kind.plural))
        if prepare:
            prepare(body, old)
        if self.schemas.is_custom(kind):
            self._fill(self.schemas.of(kind), body)

    def _fill(self, node: Node | None, value: Any) -> None:
        node = self.schemas.resolve(node)
        if node is None:
            return
        if isinstance(value, dict):
            for key, child in node.get("properties", {}).items():
                if value.get(key) is None and "default" in child:
                    value[key] = clone(child["default"])
            for key, item in value.items():
                if key != "metadata":
                    self._fill(self.schemas.child(node, key), item)
        elif isinstance(value, list):
            for item in value:
                self._fill(self.schemas.item(node), item)
