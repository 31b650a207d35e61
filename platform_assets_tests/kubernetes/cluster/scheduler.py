"""The scheduler: a node for each pod, or the reasons why there is none, and who has to go for a pod that matters more.

Belongs here: requests against capacity, node selectors, node affinity, taints, claims, priorities and preemption.
Does not belong here: affinity between pods, spread constraints and scores of nodes, which the test cluster does not know; and use: only
requests count.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass

from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.nodes import tolerates
from platform_assets_tests.kubernetes.cluster.objects import (
    CLAIM,
    NODE,
    POD,
    Key,
    Object,
    expression_holds,
    is_finished,
    is_leaving,
    key_of,
    requests_of,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import quantity

NAME = "default-scheduler"
PREEMPTED = f"{NAME}: preempting to accommodate a higher priority pod"
_HELPLESS = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"


@dataclass
class Room:
    """A node and the pods on it."""

    node: Object
    pods: list[Object]

    @property
    def name(self) -> str:
        return str(self.node["metadata"]["name"])

    def shortages(self, pod: Object, without: tuple[str, ...] = ()) -> list[str]:
        """What the pod asks for and the node has not left, when some of its pods are gone."""
        used: Counter[str] = Counter()
        staying = [one for one in self.pods if one["metadata"]["uid"] not in without]
        for one in staying:
            used.update(requests_of(one))  # type: ignore[arg-type]
        allocatable = {name: quantity(value) for name, value in self.node["status"]["allocatable"].items()}
        short = ["Too many pods"] if len(staying) >= allocatable.get("pods", 110) else []
        for name, value in sorted(requests_of(pod).items()):
            if value > 0 and used[name] + value > allocatable.get(name, 0.0) + 1e-9:
                short.append(f"Insufficient {name}")
        return short


class Scheduler:
    """Binds pods to nodes."""

    def __init__(self, store: ObjectStore, events: EventRecorder) -> None:
        self._store, self._events = store, events
        self.queue = WorkQueue(self._schedule)
        self._pending: dict[Key, int] = {}

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change: a new pod is placed; room that came free is offered to those that wait, the most important first."""
        if kind == POD:
            key = key_of(thing)
            waits = not thing["spec"].get("nodeName") and not is_leaving(thing) and event != "DELETED"
            if waits and not is_finished(thing):
                if event == "ADDED":
                    self._pending[key] = thing["spec"].get("priority") or 0
                    self.queue.add(key)
                return
            self._pending.pop(key, None)
            if event != "DELETED" and not is_finished(thing):
                return
        elif kind not in (NODE, CLAIM):
            return
        for key in sorted(self._pending, key=lambda one: -self._pending[one]):
            self.queue.add(key)

    def _rooms(self) -> list[Room]:
        rooms = {node["metadata"]["name"]: Room(node, []) for node in self._store.items(NODE)}
        for kind, pod in self._store.everything():
            if kind == POD and pod["spec"].get("nodeName") in rooms and not is_finished(pod):
                rooms[pod["spec"]["nodeName"]].pods.append(pod)
        return list(rooms.values())

    def _schedule(self, key: Key) -> float | None:
        try:
            pod = self._store.read(POD, *key)
        except ApiError:
            return None
        if pod["spec"].get("nodeName") or is_leaving(pod) or is_finished(pod):
            return None
        if pod["spec"].get("schedulerName", NAME) != NAME:
            return None
        if pod["spec"].get("schedulingGates"):
            self._unschedulable(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return None
        rooms = self._rooms()
        if not rooms:
            self._fail(pod, "no nodes available to schedule pods")
            return None
        if missing := self._missing_claims(pod):
            self._fail(pod, f'0/{len(rooms)} nodes are available: persistentvolumeclaim "{missing}" not found.')
            return None
        fixed = {room.name: words for room in rooms if (words := unsuitable(pod, room.node))}
        short = {room.name: room.shortages(pod) for room in rooms if room.name not in fixed}
        fitting = [room for room in rooms if short.get(room.name) == []]
        if fitting:
            self._bind(pod, min(fitting, key=lambda room: (len(room.pods), room.name)))
            return None
        victims = self._victims(pod, [room for room in rooms if room.name in short])
        if victims is not None:
            return self._preempt(pod, *victims)
        self._fail(pod, self._reasons(pod, len(rooms), fixed, short))
        return None

    def _missing_claims(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or []:
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim and not self._store.items(CLAIM, pod["metadata"]["namespace"], fields=f"metadata.name={claim}"):
                return str(claim)
        return ""

    def _bind(self, pod: Object, room: Room) -> None:
        namespace, name = key_of(pod)

        def bound(one: Object) -> None:
            one["spec"]["nodeName"] = room.name

        def scheduled(one: Object) -> None:
            status = one.setdefault("status", {})
            status.pop("nominatedNodeName", None)
            status["phase"] = "Pending"
            set_condition(status, "PodScheduled", True)

        # The status first: the kubelet begins as soon as it hears of the node.
        self._store.change(POD, namespace, name, scheduled, manager=NAME)
        self._store.change(POD, namespace, name, bound, subresource="", manager=NAME)
        words = f"Successfully assigned {namespace}/{name} to {room.name}"
        self._events.record(pod, NORMAL, "Scheduled", words, component=NAME)

    def _reasons(self, pod: Object, count: int, fixed: dict[str, str], short: dict[str, list[str]]) -> str:
        """In the scheduler's words: why no node takes the pod, and why none would after preemption."""
        found = Counter(fixed.values())
        for words in short.values():
            found.update(words)
        told = ", ".join(sorted(f"{number} {words}" for words, number in found.items()))
        never = pod["spec"].get("preemptionPolicy") == "Never"
        helpless = Counter({_HELPLESS: len(fixed), _NO_VICTIMS: len(short)})
        why = ", ".join(sorted(f"{number} {words}" for words, number in helpless.items() if number))
        after = "not eligible due to preemptionPolicy=Never." if never else f"0/{count} nodes are available: {why}."
        return f"0/{count} nodes are available: {told}. preemption: {after}"

    def _fail(self, pod: Object, words: str) -> None:
        self._unschedulable(pod, "Unschedulable", words)
        self._events.record(pod, WARNING, "FailedScheduling", words, component=NAME)

    def _unschedulable(self, pod: Object, reason: str, words: str) -> None:
        def change(one: Object) -> None:
            status = one.setdefault("status", {})
            status["phase"] = "Pending"
            set_condition(status, "PodScheduled", False, reason, words)

        self._store.change(POD, *key_of(pod), change, manager=NAME)

    def _victims(self, pod: Object, rooms: list[Room]) -> tuple[Room, list[Object]] | None:
        """The node where the fewest and least important pods have to go, and which; None where none would help."""
        if pod["spec"].get("preemptionPolicy") == "Never":
            return None
        priority = pod["spec"].get("priority") or 0
        choices = []
        for room in rooms:
            lower = [one for one in room.pods if (one["spec"].get("priority") or 0) < priority]
            lower.sort(key=lambda one: (-(one["spec"].get("priority") or 0), one["metadata"]["creationTimestamp"]))
            gone = {one["metadata"]["uid"]: one for one in lower}
            if not lower or room.shortages(pod, tuple(gone)):
                continue
            for one in lower:  # who matters most is spared first
                uid = one["metadata"]["uid"]
                if not room.shortages(pod, tuple(other for other in gone if other != uid)):
                    del gone[uid]
            victims = list(gone.values())
            highest = max((one["spec"].get("priority") or 0) for one in victims)
            choices.append((highest, len(victims), room.name, room, victims))
        return min(choices, key=lambda one: one[:3])[3:] if choices else None

    def _preempt(self, pod: Object, room: Room, victims: list[Object]) -> float | None:
        for victim in victims:
            if is_leaving(victim):
                continue

            def disrupted(one: Object) -> None:
                set_condition(one["status"], "DisruptionTarget", True, "PreemptionByScheduler", PREEMPTED)

            words = f"Preempted by pod {pod['metadata']['uid']} on node {room.name}"
            with contextlib.suppress(ApiError):
                self._store.change(POD, *key_of(victim), disrupted, manager=NAME)
                self._events.record(victim, NORMAL, "Preempted", words, component=NAME)
                self._store.delete(POD, *key_of(victim))

        def nominated(one: Object) -> None:
            one.setdefault("status", {})["nominatedNodeName"] = room.name

        self._store.change(POD, *key_of(pod), nominated, manager=NAME)
        return None


def unsuitable(pod: Object, node: Object) -> str:
    """Why a node is not for this pod, whoever leaves it; "" where it is."""
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []
    if node["spec"].get("unschedulable"):
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        if not any(tolerates(one, taint) for one in tolerations):
            return "node(s) were unschedulable"
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] != "PreferNoSchedule" and not any(tolerates(one, taint) for one in tolerations):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    labels = node["metadata"].get("labels") or {}
    wanted = spec.get("nodeSelector") or {}
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = (affinity or {}).get("nodeSelectorTerms")
    fits = terms is None or any(
        all(expression_holds(one, labels) for one in term.get("matchExpressions") or []) for term in terms
    )
    if any(labels.get(name) != value for name, value in wanted.items()) or not fits:
        return "node(s) didn't match Pod's node affinity/selector"
    return ""
