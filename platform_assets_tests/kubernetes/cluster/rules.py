"""Rules between the fields of an object that no schema states.

Belongs here: what an API server refuses by kind, and for all kinds: names, labels, fields that may not change.
Does not belong here: pods (pod_rules.py), who may do it (access.py).
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import invalid
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.pod_rules import (
    DNS_LABEL,
    LABEL,
    Cause,
    pod_causes,
    pod_update_causes,
    required,
    unsupported,
    wrong,
)
from platform_assets_tests.kubernetes.cluster.schemas import Schemas
from platform_assets_tests.kubernetes.cluster.selectors import matches
from platform_assets_tests.kubernetes.cluster.validation import find_faults, refuse_faults

Body = dict[str, Any]
SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]+$")
FREE_NAMES = ("rbac.authorization.k8s.io",)
LABEL_NAMES = (("", "services"), ("", "namespaces"))
MOST_DATA_BYTES = 1024 * 1024
DNS_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)


def _metadata(kind: Kind, body: Body) -> Iterator[Cause]:
    metadata = body["metadata"]
    name = metadata["name"]
    if (kind.group, kind.plural) in LABEL_NAMES:
        if len(name) > 63 or not LABEL.match(name):
            yield wrong("metadata.name", name, DNS_LABEL)
    elif kind.group in FREE_NAMES:
        if "/" in name or "%" in name or name in (".", ".."):
            yield wrong("metadata.name", name, "may not contain '/' or '%'")
    elif len(name) > 253 or not SUBDOMAIN.match(name):
        yield wrong("metadata.name", name, DNS_SUBDOMAIN)
    for key, value in (metadata.get("labels") or {}).items():
        if not LABEL_KEY.match(key):
            yield wrong("metadata.labels", key, "name part must consist of alphanumeric characters, '-', '_' or '.'")
        if not LABEL_VALUE.match(value):
            yield wrong(
                "metadata.labels", value, VALUE_WORDS if len(value) <= 63 else "must be no more than 63 characters"
            )
    for key in metadata.get("annotations") or {}:
        if not LABEL_KEY.match(key.lower()):
            yield wrong(
                "metadata.annotations", key, "name part must consist of alphanumeric characters, '-', '_' or '.'"
            )
    for place, owner in enumerate(metadata.get("ownerReferences") or []):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield required(f"metadata.ownerReferences[{place}].{field}", f"{field} must not be empty")


def _immutable(new: Any, old: Any, field: str) -> Iterator[Cause]:
    if new != old:
        yield ("FieldValueInvalid", field, f"Invalid value: {new!r}: field is immutable")


def _pod(body: Body, old: Body | None) -> Iterator[Cause]:
    yield from pod_causes(body["spec"], "spec")
    if old is not None:
        yield from pod_update_causes(body["spec"], old["spec"])


def _workload(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body["spec"]
    template, selector = spec.get("template") or {}, spec.get("selector") or {}
    if spec.get("replicas", 0) < 0:
        yield wrong("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector:
        yield required("spec.selector")
    elif not matches(selector, labels):
        shown = "{" + ", ".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"
        yield (
            "FieldValueInvalid",
            "spec.template.metadata.labels",
            f"Invalid value: {shown}: `selector` does not match template `labels`",
        )
    pod = template.get("spec") or {}
    if claims := spec.get("volumeClaimTemplates"):  # of a StatefulSet: each is a volume of its pods
        volumes = [{"name": one["metadata"]["name"], "persistentVolumeClaim": {"claimName": "own"}} for one in claims]
        pod = {**pod, "volumes": [*(pod.get("volumes") or []), *volumes]}
    yield from pod_causes(pod, "spec.template.spec")
    policy = pod.get("restartPolicy")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    if old is not None:
        yield from _immutable(selector, old["spec"].get("selector"), "spec.selector")


def _job(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body["spec"]
    template = spec.get("template") or {}
    yield from pod_causes(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        yield (
            "FieldValueRequired",
            "spec.template.spec.restartPolicy",
            'Required value: valid values: "OnFailure", "Never"',
        )
    if spec.get("podFailurePolicy") and policy != "Never":
        told = 'only "Never" is supported when podFailurePolicy is specified'
        yield wrong("spec.template.spec.restartPolicy", policy, told)
    for field in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "parallelism", "completions"):
        if (spec.get(field) or 0) < 0:
            yield wrong(f"spec.{field}", spec[field], "must be greater than or equal to 0")
    if old is not None:
        if not old["spec"].get("suspend"):
            yield from _immutable(template, old["spec"].get("template"), "spec.template")
        yield from _immutable(spec.get("completions"), old["spec"].get("completions"), "spec.completions")
        yield from _immutable(spec.get("selector"), old["spec"].get("selector"), "spec.selector")


def _service(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body["spec"]
    ports = spec.get("ports") or []
    types = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec.get("type") not in types:
        yield unsupported("spec.type", spec.get("type"), types)
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    seen: set[tuple[Any, Any]] = set()
    for place, port in enumerate(ports):
        if not 0 < (port.get("port") or 0) < 65536:
            yield wrong(f"spec.ports[{place}].port", port.get("port"), "must be between 1 and 65535, inclusive")
        if len(ports) > 1 and not port.get("name"):
            yield required(f"spec.ports[{place}].name")
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            yield ("FieldValueDuplicate", f"spec.ports[{place}]", f"Duplicate value: {port}")
        seen.add(key)
    old_address = (old or {}).get("spec", {}).get("clusterIP")
    if old_address and spec.get("type") != "ExternalName" and spec.get("clusterIP") != old_address:
        yield wrong("spec.clusterIPs[0]", spec.get("clusterIP") or "", "may not change once set")


def _data(body: Body, old: Body | None) -> Iterator[Cause]:
    size = 0
    for field in ("data", "binaryData"):
        for key, value in (body.get(field) or {}).items():
            size += len(str(value))
            if len(key) > 253 or not DATA_KEY.match(key):
                told = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                yield wrong(f"{field}[{key}]", key, told)
    if size > MOST_DATA_BYTES:
        yield ("FieldValueTooLong", "data", f"Too long: may not be more than {MOST_DATA_BYTES} bytes")
    if old is not None and old.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if body.get(field) != old.get(field):
                yield ("FieldValueForbidden", field, "Forbidden: field is immutable when `immutable` is set")


def _secret(body: Body, old: Body | None) -> Iterator[Cause]:
    yield from _data(body, old)
    for key, value in (body.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            yield wrong(f"data[{key}]", "<redacted>", "illegal base64 data")
    if old is not None:
        yield from _immutable(body.get("type"), old.get("type"), "type")


def _claim(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield required("spec.resources[storage]")
    if old is not None:
        for field in ("accessModes", "storageClassName", "volumeMode"):
            yield from _immutable(spec.get(field), old["spec"].get(field), f"spec.{field}")


def _autoscaler(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    most, least = spec.get("maxReplicas") or 0, spec.get("minReplicas", 1)
    if most < 1:
        yield wrong("spec.maxReplicas", most, "must be greater than 0")
    if most < least:
        yield wrong("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    if not (spec.get("scaleTargetRef") or {}).get("name"):
        yield required("spec.scaleTargetRef.name")


def _budget(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield wrong("spec", "PodDisruptionBudget", "minAvailable and maxUnavailable cannot be both set")


def _priority(body: Body, old: Body | None) -> Iterator[Cause]:
    if old is not None:
        yield from _immutable(body.get("value"), old.get("value"), "value")


def _binding(body: Body, old: Body | None) -> Iterator[Cause]:
    if old is not None and body.get("roleRef") != old.get("roleRef"):
        yield wrong("roleRef", body.get("roleRef", {}).get("name", ""), "cannot change roleRef")


RULES: dict[tuple[str, str], Callable[[Body, Body | None], Iterator[Cause]]] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "configmaps"): _data,
    ("", "secrets"): _secret,
    ("", "persistentvolumeclaims"): _claim,
    ("apps", "deployments"): _workload,
    ("apps", "replicasets"): _workload,
    ("apps", "statefulsets"): _workload,
    ("apps", "daemonsets"): _workload,
    ("batch", "jobs"): _job,
    ("autoscaling", "horizontalpodautoscalers"): _autoscaler,
    ("policy", "poddisruptionbudgets"): _budget,
    ("scheduling.k8s.io", "priorityclasses"): _priority,
    ("rbac.authorization.k8s.io", "rolebindings"): _binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding,
}


class Rules:
    """The store's `check` hook: the schema, then the rules."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def __call__(self, kind: Kind, body: Body, old: Body | None) -> None:
        """Refuse what is not valid.

        Raises:
            ApiError: 400 or 422 with every cause.
        """
        causes = list(_metadata(kind, body))
        left_out = {"metadata": 0} if self.schemas.is_custom(kind) else {"metadata": 0, "status": 0}
        if old is None or {**body, **left_out} != {**old, **left_out}:
            refuse_faults(self.schemas, kind, body, find_faults(self.schemas, kind, body))
            if rule := RULES.get((kind.group, kind.plural)):
                causes += rule(body, old)
        if causes:
            raise invalid(kind, body["metadata"]["name"], causes)
