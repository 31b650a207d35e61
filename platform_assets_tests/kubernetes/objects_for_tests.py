"""Objects and waits that tests of the cluster share.

Belongs here: small manifests of the contract's tiny service, and waiting for a condition. Does not belong here: what is asserted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle

SERVICES = str(Path(__file__).parents[1] / "contracts" / "members")
IMAGE = "runtime:1"
IMAGES = {IMAGE: {"files": {"/opt/service": SERVICES}}}
T = TypeVar("T")


def until(look: Callable[[], T], seconds: float = 30.0) -> T:
    """Ask again until the answer is true; what is asked may fail in between."""
    deadline, problem = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (KeyError, IndexError, TypeError, httpx.HTTPError) as error:
            problem = f"; last: {error!r}"
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s{problem}")


def tiny_container(version: str, **changes: Any) -> dict[str, Any]:
    """The tiny service, on its pod's address."""
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    environment = [address, {"name": "VERSION", "value": version}, {"name": "MODE", "value": changes.pop("mode", "")}]
    return {
        "name": "main",
        "image": IMAGE,
        "command": ["python", "/opt/service/tiny_service.py", "$(POD_IP)", "8080"],
        "env": environment,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **changes,
    }


def deployment(name: str, version: str, replicas: int = 1, **container: Any) -> dict[str, Any]:
    """A Deployment of the tiny service."""
    labels = {"app": name}
    pod = {"containers": [tiny_container(version, **container)], "terminationGracePeriodSeconds": 5}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def service(name: str) -> dict[str, Any]:
    """A Service before a Deployment of the same name."""
    ports = [{"port": 80, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def route(name: str, prefix: str, backends: dict[str, int], **rule: Any) -> dict[str, Any]:
    """An HTTPRoute to Services with weights."""
    references = [{"name": backend, "port": 80, "weight": weight} for backend, weight in backends.items()]
    match = {"path": {"type": "PathPrefix", "value": prefix}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "gateway-system"}],
            "rules": [{"matches": [match], "backendRefs": references, **rule}],
        },
    }


def job(name: str, code: str, *, pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Job of one Python program that is not tried again."""
    container = {
        "name": "main",
        "image": spec.pop("image", IMAGE),
        "command": ["python", "-c", code],
        "resources": spec.pop("resources", {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    inner = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **(pod or {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, **spec, "template": {"spec": inner}},
    }


def policy(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """One of Envoy Gateway's policies for the route of the same name."""
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"targetRefs": [target], **spec},
    }


class Room:
    """One namespace of a cluster, in few words."""

    PATHS: dict[str, str] = {  # noqa: RUF012
        "deployments": "/apis/apps/v1",
        "statefulsets": "/apis/apps/v1",
        "jobs": "/apis/batch/v1",
        "httproutes": "/apis/gateway.networking.k8s.io/v1",
        "gateways": "/apis/gateway.networking.k8s.io/v1",
        "envoyextensionpolicies": "/apis/gateway.envoyproxy.io/v1alpha1",
        "backendtrafficpolicies": "/apis/gateway.envoyproxy.io/v1alpha1",
        "endpointslices": "/apis/discovery.k8s.io/v1",
        "poddisruptionbudgets": "/apis/policy/v1",
        "horizontalpodautoscalers": "/apis/autoscaling/v2",
    }

    def __init__(self, cluster: ClusterHandle, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        if cluster.call("GET", f"/api/v1/namespaces/{namespace}").status_code == 404:
            cluster.post("/api/v1/namespaces", body)

    def path(self, plural: str, name: str = "") -> str:
        base = f"{self.PATHS.get(plural, '/api/v1')}/namespaces/{self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    def create(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.cluster.post(self.path(plural), body)

    def read(self, plural: str, name: str) -> dict[str, Any]:
        return self.cluster.get(self.path(plural, name))

    def merge(self, plural: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.cluster.merge(self.path(plural, name), body)

    def delete(self, plural: str, name: str) -> None:
        self.cluster.delete(self.path(plural, name))

    def items(self, plural: str, labels: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.cluster.get(f"{self.path(plural)}?labelSelector={labels}")["items"]
        return items

    def pods(self, labels: str) -> list[dict[str, Any]]:
        return self.items("pods", labels)

    def events(self, name: str, reason: str) -> list[str]:
        """Messages of the events about what has this name."""
        found = self.items("events")
        return [one["message"] for one in found if one["reason"] == reason and one["involvedObject"]["name"] == name]

    def wait_available(self, name: str) -> dict[str, Any]:
        """Wait until a Deployment runs as declared, and nothing of before."""

        def look() -> dict[str, Any] | None:
            one = self.read("deployments", name)
            status, wanted = one["status"], one["spec"]["replicas"]
            counts = [status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")]
            fresh = status["observedGeneration"] == one["metadata"]["generation"]
            return one if fresh and counts == [wanted] * 3 else None

        return until(look)

    def wait_taken(self, plural: str, name: str) -> str:
        """Wait until the gateway has judged a policy of this generation; its words where it refuses."""

        def look() -> dict[str, Any] | None:
            one = self.read(plural, name)
            (said,) = one["status"]["ancestors"][0]["conditions"]
            return said if said["observedGeneration"] == one["metadata"]["generation"] else None

        said = until(look)
        return "" if said["status"] == "True" else str(said["message"])

    def wait_routed(self, name: str) -> None:
        """Wait until a route of this generation is in force."""

        def look() -> bool:
            one = self.read("httproutes", name)
            conditions = [c for p in one["status"]["parents"] for c in p["conditions"]]
            fresh = all(c["observedGeneration"] == one["metadata"]["generation"] for c in conditions)
            return fresh and all(c["status"] == "True" for c in conditions)

        until(look)


def answers(address: str, count: int, **headers: str) -> Counter[str]:
    """What that many requests got, by answer or status."""
    counted: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=20, headers=headers) as client:
        for _ in range(count):
            answer = client.get(address)
            counted[answer.text if answer.status_code == 200 else f"status {answer.status_code}"] += 1
    return counted


@contextmanager
def load(address: str) -> Iterator[Counter[str]]:
    """One client asks all the while; counts what it got, errors included."""
    counted: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                counted.update(answers(address, 5))
            except httpx.HTTPError as error:
                counted[type(error).__name__] += 1

    client = threading.Thread(target=ask)
    client.start()
    try:
        until(lambda: bool(counted))
        yield counted
    finally:
        over.set()
        client.join()
