"""Bodies in Kubernetes' protobuf form, which the Go clients of 1.37 send for built-in kinds (helm for its releases, kubectl for `create`).

Belongs here: decoding the kinds that those two send. Answers are always JSON, which the same clients accept. Another
kind is answered 415: send it as JSON or YAML (`kubectl apply -f`). Does not belong here: schemas.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError, bad_request

MAGIC = b"k8s\x00"
MESSAGES: dict[str, dict[int, str]] = {
    # number of a field: its name and type; `*` is a list, `%` a map of strings to that type
    "ObjectMeta": {
        1: "name",
        2: "generateName",
        3: "namespace",
        5: "uid",
        6: "resourceVersion",
        7: "generation int",
        8: "creationTimestamp Time",
        9: "deletionTimestamp Time",
        10: "deletionGracePeriodSeconds int",
        11: "labels %string",
        12: "annotations %string",
        13: "ownerReferences *OwnerReference",
        14: "finalizers *string",
        17: "managedFields *ManagedFieldsEntry",
    },
    "OwnerReference": {
        1: "kind",
        3: "name",
        4: "uid",
        5: "apiVersion",
        6: "controller bool",
        7: "blockOwnerDeletion bool",
    },
    "ManagedFieldsEntry": {
        1: "manager",
        2: "operation",
        3: "apiVersion",
        4: "time Time",
        6: "fieldsType",
        7: "fieldsV1 FieldsV1",
        8: "subresource",
    },
    "Namespace": {1: "metadata ObjectMeta", 2: "spec NamespaceSpec", 3: "status NamespaceStatus"},
    "NamespaceSpec": {1: "finalizers *string"},
    "NamespaceStatus": {1: "phase"},
    "ConfigMap": {1: "metadata ObjectMeta", 2: "data %string", 3: "binaryData %bytes", 4: "immutable bool"},
    "Secret": {1: "metadata ObjectMeta", 2: "data %bytes", 3: "type", 4: "stringData %string", 5: "immutable bool"},
    "ServiceAccount": {
        1: "metadata ObjectMeta",
        3: "imagePullSecrets *LocalObjectReference",
        4: "automountServiceAccountToken bool",
    },
    "LocalObjectReference": {1: "name"},
    "Role": {1: "metadata ObjectMeta", 2: "rules *PolicyRule"},
    "ClusterRole": {1: "metadata ObjectMeta", 2: "rules *PolicyRule"},
    "PolicyRule": {
        1: "verbs *string",
        2: "apiGroups *string",
        3: "resources *string",
        4: "resourceNames *string",
        5: "nonResourceURLs *string",
    },
    "RoleBinding": {1: "metadata ObjectMeta", 2: "subjects *Subject", 3: "roleRef RoleRef"},
    "ClusterRoleBinding": {1: "metadata ObjectMeta", 2: "subjects *Subject", 3: "roleRef RoleRef"},
    "Subject": {1: "kind", 2: "apiGroup", 3: "name", 4: "namespace"},
    "RoleRef": {1: "apiGroup", 2: "kind", 3: "name"},
    "SelfSubjectReview": {1: "metadata ObjectMeta"},
    "SelfSubjectAccessReview": {1: "metadata ObjectMeta", 2: "spec AccessSpec"},
    "SubjectAccessReview": {1: "metadata ObjectMeta", 2: "spec AccessSpec"},
    "LocalSubjectAccessReview": {1: "metadata ObjectMeta", 2: "spec AccessSpec"},
    "SelfSubjectRulesReview": {1: "metadata ObjectMeta", 2: "spec RulesSpec"},
    "RulesSpec": {1: "namespace"},
    "AccessSpec": {
        1: "resourceAttributes ResourceAttributes",
        2: "nonResourceAttributes NonResourceAttributes",
        3: "user",
        4: "groups *string",
    },
    "ResourceAttributes": {
        1: "namespace",
        2: "verb",
        3: "group",
        4: "version",
        5: "resource",
        6: "subresource",
        7: "name",
    },
    "NonResourceAttributes": {1: "path", 2: "verb"},
    "TokenRequest": {1: "metadata ObjectMeta", 2: "spec TokenRequestSpec"},
    "TokenRequestSpec": {1: "audiences *string", 4: "expirationSeconds int"},
    "Eviction": {1: "metadata ObjectMeta", 2: "deleteOptions DeleteOptions"},
    "DeleteOptions": {
        1: "gracePeriodSeconds int",
        2: "preconditions Preconditions",
        3: "orphanDependents bool",
        4: "propagationPolicy",
        5: "dryRun *string",
    },
    "Preconditions": {1: "uid", 2: "resourceVersion"},
}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and raw values of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise bad_request(f"protobuf with wire type {wire}")


def _value(kind: str, raw: Any) -> Any:
    if kind == "string":
        return raw.decode()
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    if kind == "bool":
        return bool(raw)
    if kind == "int":
        return raw - (1 << 64) if raw >= 1 << 63 else raw
    if kind == "Time":
        seconds = dict(_fields(raw)).get(1, 0)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if 0 < seconds < 1 << 40 else None
    if kind == "FieldsV1":
        return json.loads(dict(_fields(raw)).get(1, b"{}"))
    return decode_message(kind, raw)


def decode_message(name: str, data: bytes) -> dict[str, Any]:
    """A message as JSON writes it; fields that the table does not know are left out, as are empty strings."""
    body: dict[str, Any] = {}
    for number, raw in _fields(data):
        if number not in MESSAGES[name]:
            continue
        field, _, kind = MESSAGES[name][number].partition(" ")
        if kind.startswith("*"):
            body.setdefault(field, []).append(_value(kind[1:], raw))
        elif kind.startswith("%"):
            entry = dict(_fields(raw))
            body.setdefault(field, {})[entry.get(1, b"").decode()] = _value(kind[1:], entry.get(2, b""))
        else:
            value = _value(kind or "string", raw)
            if value not in ("", None):
                body[field] = value
    return body


def decode(data: bytes) -> dict[str, Any]:
    """The object in a body.

    Raises:
        ApiError: 400 for no such body, 415 for a kind that is not in the table.
    """
    if not data.startswith(MAGIC):
        raise bad_request("the body has no protobuf prefix")
    outer = dict(_fields(data[len(MAGIC) :]))
    type_meta = {number: raw.decode() for number, raw in _fields(outer.get(1, b""))}
    api_version, kind = type_meta.get(1, ""), type_meta.get(2, "")
    if kind not in MESSAGES:
        told = f"the test cluster reads no {kind} in protobuf: send it as JSON or YAML (kubectl apply -f, or create -f)"
        raise ApiError(415, "UnsupportedMediaType", told)
    return {"apiVersion": api_version, "kind": kind, **decode_message(kind, outer.get(2, b""))}
