"""What a pod has to pass before it is stored: priority, limits' defaults and bounds, quota.

Belongs here: the admission of PriorityClass, LimitRange, ResourceQuota and default tolerations, and the status of quotas.
Does not belong here: what is valid at all, which the store checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from platform_assets_tests.kubernetes.cluster import errors
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    CLAIM,
    CONFIG_MAP,
    JOB,
    LIMIT_RANGE,
    POD,
    PRIORITY_CLASS,
    QUOTA,
    SECRET,
    SERVICE,
    Key,
    Object,
    is_finished,
    is_leaving,
    key_of,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import quantity

SYSTEM_CLASSES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_COUNTED = {
    POD: "pods",
    CLAIM: "persistentvolumeclaims",
    CONFIG_MAP: "configmaps",
    SECRET: "secrets",
    SERVICE: "services",
    JOB: "count/jobs.batch",
}


class Admission:
    """Admits objects, and keeps the status of quotas."""

    def __init__(self, store: ObjectStore, *, toleration_seconds: int) -> None:
        """Args:
        store: the cluster's objects.
        toleration_seconds: how long a pod that says nothing else stays on a node that is lost; 300 in a real cluster.
        """
        self._store, self._toleration_seconds = store, toleration_seconds
        self.queue = WorkQueue(self._reconcile)

    def admit(self, operation: str, kind: Kind, body: Object) -> Object:
        """Complete a new object, or refuse it.

        Raises:
            ApiError: 403, in the words of the API server.
        """
        if operation != "CREATE":
            return body
        if kind == POD:
            self._priority(body)
            self._defaults(body)
            self._limit_ranges(body)
        if kind in _COUNTED:
            self._quotas(kind, body)
        return body

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change: quotas count anew."""
        if kind == QUOTA and event != "DELETED":
            self.queue.add(key_of(thing))
        elif kind in _COUNTED:
            for quota in self._store.items(QUOTA, thing["metadata"]["namespace"]):
                self.queue.add(key_of(quota))

    def _priority(self, pod: Object) -> None:
        spec, name = pod["spec"], pod["spec"].get("priorityClassName")
        classes = {one["metadata"]["name"]: one for one in self._store.items(PRIORITY_CLASS)}
        if not name:
            default = next((one for one in classes.values() if one.get("globalDefault")), None)
            name = default["metadata"]["name"] if default else ""
        if name and name not in classes and name not in SYSTEM_CLASSES:
            raise errors.forbidden(POD, pod["metadata"]["name"], f"no PriorityClass with name {name} was found")
        if not name:
            spec["priority"] = 0
            return
        chosen = classes.get(name, {"value": SYSTEM_CLASSES.get(name, 0)})
        spec["priorityClassName"], spec["priority"] = name, chosen["value"]
        spec.setdefault("preemptionPolicy", chosen.get("preemptionPolicy", "PreemptLowerPriority"))

    def _defaults(self, pod: Object) -> None:
        spec = pod["spec"]
        spec.setdefault("serviceAccountName", "default")
        tolerations = spec.setdefault("tolerations", [])
        for key in NODE_TAINTS:
            if not any(
                one.get("key") in (key, None, "") and one.get("effect") in (None, "NoExecute") for one in tolerations
            ):
                seconds = self._toleration_seconds
                tolerations.append(
                    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
                )
        pod.setdefault("status", {})
        pod["status"] |= {"phase": "Pending", "qosClass": quality_of(pod)}

    def _limit_ranges(self, pod: Object) -> None:
        ranges = self._store.items(LIMIT_RANGE, pod["metadata"]["namespace"])
        limits = [limit for one in ranges for limit in one["spec"].get("limits") or []]
        problems = []
        for limit in limits:
            for container in pod["spec"]["containers"] if limit["type"] == "Container" else []:
                resources = container.setdefault("resources", {})
                defaults = limit.get("default") or {}
                for name, value in defaults.items():
                    resources.setdefault("limits", {}).setdefault(name, value)
                for name, value in {**defaults, **(limit.get("defaultRequest") or {})}.items():
                    given = (resources.get("limits") or {}).get(name)
                    own = given if given is not None and given != defaults.get(name) else value
                    resources.setdefault("requests", {}).setdefault(name, own)
                problems += bounds_broken(limit, resources)
        if problems:
            words = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            raise errors.forbidden(POD, pod["metadata"]["name"], words)

    def _quotas(self, kind: Kind, body: Object) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        for quota in self._store.items(QUOTA, namespace):
            hard = quota["spec"].get("hard") or {}
            if not in_scope(quota, kind, body):
                continue
            if kind == POD and (missing := self._not_specified(hard, body)):
                words = f"failed quota: {quota['metadata']['name']}: must specify {missing}"
                raise errors.forbidden(kind, name, words)
            asked, used = usage_of(kind, body), self._used(quota)
            over = sorted(
                one for one in hard if asked.get(one, 0) > 0 and used[one] + asked[one] > quantity(hard[one]) + 1e-9
            )
            if over:
                parts = (
                    ",".join(f"{one}={shown(one, asked[one])}" for one in over),
                    ",".join(f"{one}={shown(one, used[one])}" for one in over),
                    ",".join(f"{one}={hard[one]}" for one in over),
                )
                words = f"exceeded quota: {quota['metadata']['name']}, requested: {parts[0]}, used: {parts[1]}, limited: {parts[2]}"
                raise errors.forbidden(kind, name, words)

    @staticmethod
    def _not_specified(hard: Mapping[str, str], pod: Object) -> str:
        missing: dict[str, list[str]] = {}
        for name in sorted(hard):
            part, _, resource = name.rpartition(".")
            if name in ("cpu", "memory"):
                part, resource = "requests", name
            if part not in ("requests", "limits") or resource not in ("cpu", "memory"):
                continue
            for container in pod["spec"]["containers"]:
                resources = container.get("resources") or {}
                given = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
                if resource not in (given if part == "requests" else resources.get("limits") or {}):
                    missing.setdefault(name, []).append(container["name"])
        return "; ".join(f"{name} for: {','.join(containers)}" for name, containers in missing.items())

    def _used(self, quota: Object) -> Counter[str]:
        used: Counter[str] = Counter()
        for kind in _COUNTED:
            for one in self._store.items(kind, quota["metadata"]["namespace"]):
                gone = kind == POD and is_finished(one)
                if not gone and in_scope(quota, kind, one):
                    used.update(usage_of(kind, one))  # type: ignore[arg-type]
        return used

    def _reconcile(self, key: Key) -> None:
        try:
            quota = self._store.read(QUOTA, *key)
        except ApiError:
            return
        if is_leaving(quota):
            return
        hard, used = quota["spec"].get("hard") or {}, self._used(quota)
        status = {"hard": hard, "used": {name: shown(name, used[name]) for name in hard}}
        self._store.change(QUOTA, *key, lambda one: one.update(status=status), manager="resourcequota-controller")


def usage_of(kind: Kind, thing: Object) -> dict[str, float]:
    """What a quota counts of an object."""
    usage: dict[str, float] = {_COUNTED[kind]: 1, f"count/{kind.resource}": 1}
    if kind != POD:
        return usage
    for container in thing["spec"]["containers"]:
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        for part, values in (("requests", {**limits, **(resources.get("requests") or {})}), ("limits", limits)):
            for name, value in values.items():
                names = [f"{part}.{name}", *([name] if part == "requests" and name in ("cpu", "memory") else [])]
                for one in names:
                    usage[one] = usage.get(one, 0.0) + quantity(value)
    return usage


def in_scope(quota: Object, kind: Kind, thing: Object) -> bool:
    """Whether a quota counts an object at all: by its priority class, where the quota names some."""
    expressions = ((quota["spec"].get("scopeSelector") or {}).get("matchExpressions")) or []
    for one in expressions:
        if one["scopeName"] != "PriorityClass" or kind != POD:
            return False
        name = thing["spec"].get("priorityClassName")
        holds = {"In": name in (one.get("values") or []), "NotIn": name not in (one.get("values") or [])}
        holds |= {"Exists": bool(name), "DoesNotExist": not name}
        if not holds[one["operator"]]:
            return False
    return True


def bounds_broken(limit: Object, resources: Object) -> list[str]:
    """Which bounds of a LimitRange a container breaks, in the API server's words."""
    kind, problems = limit["type"], []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, most in (limit.get("max") or {}).items():
        if name not in limits:
            problems.append(f"maximum {name} usage per {kind} is {most}.  No limit is specified")
        elif quantity(limits[name]) > quantity(most):
            problems.append(f"maximum {name} usage per {kind} is {most}, but limit is {limits[name]}")
    for name, least in (limit.get("min") or {}).items():
        if name not in requests:
            problems.append(f"minimum {name} usage per {kind} is {least}.  No request is specified")
        elif quantity(requests[name]) < quantity(least):
            problems.append(f"minimum {name} usage per {kind} is {least}, but request is {requests[name]}")
    return problems


def quality_of(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    resources = [one.get("resources") or {} for one in pod["spec"]["containers"]]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    for one in resources:
        limits = one.get("limits") or {}
        requests = {**limits, **(one.get("requests") or {})}
        if not all(name in limits and quantity(limits[name]) == quantity(requests[name]) for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def shown(name: str, value: float) -> str:
    """A sum as quotas write it."""
    if name.endswith("cpu"):
        return f"{value:.0f}" if value == int(value) else f"{value * 1000:.0f}m"
    if name.endswith(("memory", "storage")) and value:
        for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
            if value % size == 0:
                return f"{value // size:.0f}{unit}"
    return f"{value:.0f}"
