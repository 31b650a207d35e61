"""Objects as rows, for `kubectl get`.

Belongs here: the columns of each kind. Does not belong here: who asks for tables.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from platform_assets_tests.kubernetes.cluster.kinds import Kind

Body = dict[str, Any]
Column = tuple[str, Callable[[Body], Any]]


def age(text: str | None) -> str:
    """How long ago, as kubectl writes it."""
    if not text:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(text.replace("Z", "+00:00"))).total_seconds())
    for unit, size, most in (("s", 1, 120), ("m", 60, 600 * 60), ("h", 3600, 48 * 3600)):
        if seconds < most:
            return f"{max(seconds, 0) // size}{unit}"
    return f"{seconds // 86400}d"


def at(body: Any, path: str, default: Any = "<none>") -> Any:
    """The value at a path such as `status.readyReplicas`."""
    for step in path.split("."):
        body = body.get(step) if isinstance(body, dict) else None
    return default if body is None else body


def field(name: str, path: str, default: Any = "<none>") -> Column:
    """A column that is a field."""
    return name, lambda body: at(body, path, default)


def _ready(body: Body) -> str:
    return f"{at(body, 'status.readyReplicas', 0)}/{at(body, 'spec.replicas', 0)}"


def _pod_status(body: Body) -> str:
    """As kubectl shows it: why a container waits or ended, rather than the phase."""
    told = str(at(body, "status.reason", at(body, "status.phase", "Unknown")))
    for status in at(body, "status.initContainerStatuses", []):
        state = status.get("state") or {}
        if reason := at(state, "waiting.reason", "") or (
            at(state, "terminated.exitCode", 0) and at(state, "terminated.reason", "")
        ):
            told = f"Init:{reason}"
    for status in at(body, "status.containerStatuses", []):
        state = status.get("state") or {}
        told = at(state, "waiting.reason", "") or at(state, "terminated.reason", "") or told
    return "Terminating" if at(body, "metadata.deletionTimestamp", "") else told


def _pod_ready(body: Body) -> str:
    statuses = at(body, "status.containerStatuses", [])
    return f"{sum(bool(item.get('ready')) for item in statuses)}/{len(at(body, 'spec.containers', []))}"


def _ports(body: Body) -> str:
    ports = at(body, "spec.ports", [])
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _condition(kind: str) -> Callable[[Body], str]:
    def status(body: Body) -> str:
        return next((item["status"] for item in at(body, "status.conditions", []) if item["type"] == kind), "Unknown")

    return status


def _job_status(body: Body) -> str:
    held = [item["type"] for item in at(body, "status.conditions", []) if item["status"] == "True"]
    return next((kind for kind in ("Complete", "Failed", "Suspended") if kind in held), "Running")


def _node_status(body: Body) -> str:
    told = "Ready" if _condition("Ready")(body) == "True" else "NotReady"
    return told + (",SchedulingDisabled" if at(body, "spec.unschedulable", False) else "")


COLUMNS: dict[tuple[str, str], list[Column]] = {
    ("", "pods"): [
        ("Ready", _pod_ready),
        ("Status", _pod_status),
        ("Restarts", lambda b: sum(item.get("restartCount", 0) for item in at(b, "status.containerStatuses", []))),
    ],
    ("", "services"): [
        field("Type", "spec.type"),
        field("Cluster-IP", "spec.clusterIP"),
        ("External-IP", lambda b: "<none>"),
        ("Port(s)", _ports),
    ],
    ("", "configmaps"): [("Data", lambda b: len(b.get("data") or {}) + len(b.get("binaryData") or {}))],
    ("", "secrets"): [field("Type", "type"), ("Data", lambda b: len(b.get("data") or {}))],
    ("", "namespaces"): [field("Status", "status.phase")],
    ("", "nodes"): [("Status", _node_status), field("Version", "status.nodeInfo.kubeletVersion")],
    ("", "persistentvolumeclaims"): [
        field("Status", "status.phase"),
        field("Volume", "spec.volumeName", ""),
        field("Capacity", "status.capacity.storage", ""),
        field("StorageClass", "spec.storageClassName", ""),
    ],
    ("", "events"): [
        ("Last Seen", lambda b: age(b.get("lastTimestamp") or b.get("eventTime"))),
        field("Type", "type"),
        field("Reason", "reason"),
        ("Object", lambda b: f"{at(b, 'involvedObject.kind').lower()}/{at(b, 'involvedObject.name')}"),
        field("Message", "message", ""),
    ],
    ("apps", "deployments"): [
        ("Ready", _ready),
        field("Up-to-date", "status.updatedReplicas", 0),
        field("Available", "status.availableReplicas", 0),
    ],
    ("apps", "replicasets"): [
        field("Desired", "spec.replicas", 0),
        field("Current", "status.replicas", 0),
        field("Ready", "status.readyReplicas", 0),
    ],
    ("apps", "statefulsets"): [("Ready", _ready)],
    ("batch", "jobs"): [
        ("Status", _job_status),
        ("Completions", lambda b: f"{at(b, 'status.succeeded', 0)}/{at(b, 'spec.completions', 1)}"),
    ],
    ("autoscaling", "horizontalpodautoscalers"): [
        ("Reference", lambda b: f"{at(b, 'spec.scaleTargetRef.kind')}/{at(b, 'spec.scaleTargetRef.name')}"),
        field("MinPods", "spec.minReplicas"),
        field("MaxPods", "spec.maxReplicas"),
        field("Replicas", "status.currentReplicas", 0),
    ],
    ("policy", "poddisruptionbudgets"): [
        field("Min Available", "spec.minAvailable", "N/A"),
        field("Max Unavailable", "spec.maxUnavailable", "N/A"),
        field("Allowed Disruptions", "status.disruptionsAllowed", 0),
    ],
    ("coordination.k8s.io", "leases"): [field("Holder", "spec.holderIdentity", "")],
    ("scheduling.k8s.io", "priorityclasses"): [
        field("Value", "value"),
        field("Global-Default", "globalDefault", False),
    ],
}
WIDE: dict[tuple[str, str], list[Column]] = {
    ("", "pods"): [field("IP", "status.podIP"), field("Node", "spec.nodeName")],
    ("", "services"): [
        ("Selector", lambda b: ",".join(f"{k}={v}" for k, v in sorted(at(b, "spec.selector", {}).items())) or "<none>")
    ],
    ("apps", "deployments"): [
        ("Images", lambda b: ",".join(item["image"] for item in at(b, "spec.template.spec.containers", [])))
    ],
}


def _custom_columns(declared: list[Body]) -> list[Column]:
    """Columns that a definition declares, where their path is a plain one."""
    columns: list[Column] = []
    for column in declared:
        path = column["jsonPath"].lstrip(".")
        if "[" in path or "(" in path:
            continue
        if column.get("type") == "date":
            columns.append((column["name"], lambda body, path=path: age(at(body, path, ""))))
        else:
            columns.append(field(column["name"], path, ""))
    return columns


def table(kind: Kind, bodies: list[Body], *, include: str, declared: list[Body] | None = None) -> Body:
    """A Table of these objects.

    Args:
        kind: of the objects.
        bodies: the objects.
        include: `Object`, `None` or `Metadata`: what stands beside the cells.
        declared: `additionalPrinterColumns` of a custom resource.
    """
    key = (kind.group, kind.plural)
    columns = [field("Name", "metadata.name"), *COLUMNS.get(key, []), *_custom_columns(declared or [])]
    if not any(name == "Age" for name, _ in columns) and kind.plural != "events":
        columns.append(("Age", lambda body: age(body["metadata"].get("creationTimestamp"))))
    wide = WIDE.get(key, [])
    definitions = [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": priority,
        }
        for priority, group in ((0, columns), (1, wide))
        for name, _ in group
    ]
    rows = []
    for body in bodies:
        row: Body = {"cells": [str(cell(body)) for _, cell in (*columns, *wide)]}
        if include == "Object":
            row["object"] = body
        elif include != "None":
            meta = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}
            row["object"] = meta
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": definitions,
        "rows": rows,
    }
