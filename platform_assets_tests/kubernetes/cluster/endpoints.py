"""The EndpointSlice controller: which pods answer for a Service.

Belongs here: slices from pods. Does not belong here: who sends requests there (`service_addresses.py`, `gateway.py`). One slice holds all
pods of a Service, however many.
"""

from __future__ import annotations

from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    ENDPOINT_SLICE,
    POD,
    SERVICE,
    Key,
    Object,
    is_finished,
    is_leaving,
    is_true,
    key_of,
    owner_reference,
    selector_text,
    suffix,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

NAME = "endpointslice-controller"
SERVICE_LABEL = "kubernetes.io/service-name"


class EndpointSlices:
    """Reconciles the slices of Services."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.queue = WorkQueue(self._reconcile)
        self._seen: dict[str, tuple[object, ...]] = {}

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == SERVICE:
            self.queue.add(key_of(thing))
        elif kind == POD:
            uid, labels = thing["metadata"]["uid"], thing["metadata"].get("labels") or {}
            state = (is_true(thing, "Ready"), is_leaving(thing), (thing.get("status") or {}).get("podIP"), str(labels))
            if event == "DELETED":
                self._seen.pop(uid, None)
            elif self._seen.get(uid) == state:
                return
            else:
                self._seen[uid] = state
            for service in self._store.items(SERVICE, thing["metadata"]["namespace"]):
                selector = service["spec"].get("selector")
                if selector and selector.items() <= labels.items():
                    self.queue.add(key_of(service))

    def _reconcile(self, key: Key) -> float | None:
        slices = self._store.items(ENDPOINT_SLICE, key[0], labels=f"{SERVICE_LABEL}={key[1]}")
        try:
            service = self._store.read(SERVICE, *key)
        except ApiError:
            return None  # its slices are owned by it
        selector = service["spec"].get("selector")
        if not selector:
            return None
        pods = [
            pod
            for pod in self._store.items(POD, key[0], labels=selector_text(selector))
            if (pod.get("status") or {}).get("podIP") and not is_finished(pod)
        ]
        unready_too = bool(service["spec"].get("publishNotReadyAddresses"))
        content = {
            "addressType": "IPv4",
            "endpoints": [endpoint(pod, unready_too) for pod in pods],
            "ports": _ports(service, pods),
        }
        ours = next((one for one in slices if (one["metadata"].get("labels") or {}).get(_MANAGED) == _MANAGER), None)
        if ours is None:
            body = {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{key[1]}-{suffix()}",
                    "labels": {SERVICE_LABEL: key[1], _MANAGED: _MANAGER},
                    "ownerReferences": [owner_reference(SERVICE, service)],
                },
                **content,
            }
            self._store.create(ENDPOINT_SLICE, key[0], body, manager=NAME)
        else:
            self._store.change(
                ENDPOINT_SLICE, *key_of(ours), lambda one: one.update(content), subresource="", manager=NAME
            )
        return None


_MANAGED, _MANAGER = "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"


def endpoint(pod: Object, unready_too: bool) -> Object:
    """One pod as a slice tells of it: a pod that is being deleted is never ready, though it may serve."""
    ready, leaving = is_true(pod, "Ready"), is_leaving(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": unready_too or (ready and not leaving), "serving": ready, "terminating": leaving},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
    }


def _ports(service: Object, pods: list[Object]) -> list[Object]:
    ports = []
    for one in service["spec"].get("ports") or []:
        target = one.get("targetPort") or one["port"]
        number = int(target) if str(target).isdigit() else _named(str(target), pods)
        if number is not None:
            ports.append({"name": one.get("name", ""), "port": number, "protocol": one.get("protocol", "TCP")})
    return ports


def _named(name: str, pods: list[Object]) -> int | None:
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or []:
                if port.get("name") == name:
                    return int(port["containerPort"])
    return None


def ready_addresses(slices: list[Object], port: Object) -> list[tuple[str, int]]:
    """Address and port of every endpoint that takes new requests for a Service's port.

    Args:
        slices: of the Service.
        port: as the Service declares it.
    """
    found = set()
    for one in slices:
        numbers = [p["port"] for p in one.get("ports") or [] if p.get("name", "") == port.get("name", "")]
        for endpoint_ in one.get("endpoints") or []:
            if (endpoint_.get("conditions") or {}).get("ready", True):
                found |= {(address, number) for address in endpoint_["addresses"] for number in numbers}
    return sorted(found)
