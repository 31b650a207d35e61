"""The Deployment controller: one ReplicaSet for each template, and the way from one to the next.

Belongs here: revisions, rolling updates, recreation, status. Does not belong here: pods (`replica_sets.py`), Jobs (`jobs.py`).
"""

from __future__ import annotations

import copy
import math

from platform_assets_tests.kubernetes.cluster.events import NORMAL, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    Key,
    Object,
    condition,
    controller_of,
    is_leaving,
    key_of,
    owned_by,
    owner_reference,
    seconds_since,
    set_condition,
    suffix,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import now

NAME = "deployment-controller"
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


def _share(value: int | str, of: int, rounded_up: bool) -> int:
    """A number, or per cent of another one."""
    if isinstance(value, str) and value.endswith("%"):
        part = int(value[:-1]) * of / 100
        return math.ceil(part) if rounded_up else math.floor(part)
    return int(value)


def surge_and_missing(deployment: Object) -> tuple[int, int]:
    """How many pods more than asked for there may be, and how many fewer available ones."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    wanted = deployment["spec"].get("replicas", 1)
    surge = _share(rolling.get("maxSurge", "25%"), wanted, rounded_up=True)
    missing = _share(rolling.get("maxUnavailable", "25%"), wanted, rounded_up=False)
    return surge, missing if surge or missing else 1


class Deployments:
    """Reconciles Deployments."""

    def __init__(self, store: ObjectStore, events: EventRecorder) -> None:
        self._store, self._events = store, events
        self.queue = WorkQueue(self._reconcile)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == DEPLOYMENT and event != "DELETED":
            self.queue.add(key_of(thing))
        elif kind == REPLICA_SET and (owner := controller_of(thing)):
            self.queue.add((thing["metadata"]["namespace"], owner["name"]))
        elif kind == POD and event == "DELETED" and (owner := controller_of(thing)) and owner["kind"] == "ReplicaSet":
            # Recreation waits for the last pod, which its ReplicaSet did not count any more.
            self.queue.add((thing["metadata"]["namespace"], owner["name"].rpartition("-")[0]))

    def _reconcile(self, key: Key) -> float | None:
        try:
            one = self._store.read(DEPLOYMENT, *key)
        except ApiError:
            return None
        if is_leaving(one):
            return None
        sets = [thing for thing in self._store.items(REPLICA_SET, key[0]) if owned_by(thing, one)]
        sets.sort(key=_revision)
        new = next((thing for thing in sets if _same_template(thing, one)), None)
        paused = bool(one["spec"].get("paused"))
        if new is None and not paused:
            new = self._new_set(one, sets)
        elif new is not None:
            self._newest_revision(one, new, sets)
        old = [thing for thing in sets if new is None or thing["metadata"]["uid"] != new["metadata"]["uid"]]
        if new is not None and not paused:
            recreate = (one["spec"].get("strategy") or {}).get("type") == "Recreate"
            (self._recreate if recreate else self._roll)(one, new, old)
            self._clean_up(one, new, old)
        elif new is not None:
            self._scale(one, new, one["spec"].get("replicas", 1))
        return self._write_status(key, new)

    def _new_set(self, one: Object, sets: list[Object]) -> Object:
        template = copy.deepcopy(one["spec"]["template"])
        digest = suffix(template)
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = digest
        selector = copy.deepcopy(one["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = digest
        revision = str(max([_revision(thing) for thing in sets], default=0) + 1)
        annotations = {**_kept_annotations(one), REVISION: revision}
        body = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{one['metadata']['name']}-{digest}",
                "labels": dict(labels),
                "annotations": annotations,
                "ownerReferences": [owner_reference(DEPLOYMENT, one)],
            },
            "spec": {
                "replicas": 0,
                "selector": selector,
                "template": template,
                "minReadySeconds": one["spec"].get("minReadySeconds", 0),
            },
        }
        made = self._store.create(REPLICA_SET, one["metadata"]["namespace"], body, manager=NAME)
        self._note_revision(one, revision)
        words = f'Created new replica set "{made["metadata"]["name"]}"'
        self._progress(one, "NewReplicaSetCreated", words)
        return made

    def _newest_revision(self, one: Object, new: Object, sets: list[Object]) -> None:
        """A ReplicaSet that is used again gets the newest number."""
        newest = max(_revision(thing) for thing in sets)
        revision = newest if _revision(new) == newest else newest + 1
        if _revision(new) != revision:

            def change(thing: Object) -> None:
                thing["metadata"].setdefault("annotations", {})[REVISION] = str(revision)

            self._store.change(REPLICA_SET, *key_of(new), change, subresource="", manager=NAME)
        self._note_revision(one, str(revision))

    def _note_revision(self, one: Object, revision: str) -> None:
        if (one["metadata"].get("annotations") or {}).get(REVISION) == revision:
            return

        def change(thing: Object) -> None:
            thing["metadata"].setdefault("annotations", {})[REVISION] = revision

        self._store.change(DEPLOYMENT, *key_of(one), change, subresource="", manager=NAME)

    def _roll(self, one: Object, new: Object, old: list[Object]) -> None:
        """More of the new as far as the surge allows, fewer of the old as far as availability allows."""
        wanted = one["spec"].get("replicas", 1)
        surge, missing = surge_and_missing(one)
        total = _asked(new) + sum(map(_asked, old))
        grown = _asked(new)
        if grown > wanted:
            grown = wanted
        elif total < wanted + surge:
            grown = min(wanted, grown + wanted + surge - total)
        if grown != _asked(new):
            self._scale(one, new, grown)
        removable = grown + sum(map(_asked, old)) - (wanted - missing) - (grown - min(grown, _available(new)))
        for thing in old:  # those that are not available hold nothing up
            dead = min(_asked(thing) - _available(thing), max(0, removable))
            if dead > 0:
                self._scale(one, thing, _asked(thing) - dead)
                thing["spec"]["replicas"] = _asked(thing) - dead
                removable -= dead
        # A ReplicaSet counts pods as available until it has deleted them: what is asked for is counted as well.
        spare = min(removable, sum(map(_available, [new, *old])) - (wanted - missing))
        for thing in old:
            fewer = min(_asked(thing), max(0, spare))
            if fewer > 0:
                self._scale(one, thing, _asked(thing) - fewer)
                spare -= fewer

    def _recreate(self, one: Object, new: Object, old: list[Object]) -> None:
        for thing in old:
            if _asked(thing):
                self._scale(one, thing, 0)
        if not any(
            owned_by(pod, thing) for thing in old for pod in self._store.items(POD, one["metadata"]["namespace"])
        ):
            self._scale(one, new, one["spec"].get("replicas", 1))

    def _scale(self, one: Object, replica_set: Object, replicas: int) -> None:
        before = _asked(replica_set)
        if before == replicas:
            return

        def change(thing: Object) -> None:
            thing["spec"]["replicas"] = replicas

        self._store.change(REPLICA_SET, *key_of(replica_set), change, subresource="", manager=NAME)
        way = "up" if replicas > before else "down"
        name = replica_set["metadata"]["name"]
        words = f"Scaled {way} replica set {name} from {before} to {replicas}"
        self._events.record(one, NORMAL, "ScalingReplicaSet", words, component=NAME)

    def _clean_up(self, one: Object, new: Object, old: list[Object]) -> None:
        if (new.get("status") or {}).get("availableReplicas", 0) < one["spec"].get("replicas", 1):
            return
        empty = [thing for thing in old if not _asked(thing) and not (thing.get("status") or {}).get("replicas")]
        for thing in empty[: max(0, len(empty) - one["spec"].get("revisionHistoryLimit", 10))]:
            self._store.delete(REPLICA_SET, *key_of(thing))

    def _progress(self, one: Object, reason: str, words: str, value: bool = True) -> None:
        def change(thing: Object) -> None:
            set_condition(thing.setdefault("status", {}), "Progressing", value, reason, words)

        self._store.change(DEPLOYMENT, *key_of(one), change, manager=NAME)

    def _write_status(self, key: Key, new: Object | None) -> float | None:
        one = self._store.read(DEPLOYMENT, *key)
        sets = [thing for thing in self._store.items(REPLICA_SET, key[0]) if owned_by(thing, one)]
        new = next((thing for thing in sets if new and thing["metadata"]["uid"] == new["metadata"]["uid"]), None)
        wanted = one["spec"].get("replicas", 1)
        counts = {name: sum((thing.get("status") or {}).get(name, 0) for thing in sets) for name in _COUNTS}
        updated = (new.get("status") or {}).get("replicas", 0) if new else 0
        _, missing = surge_and_missing(one)
        failure = next((found for thing in sets if (found := condition(thing, "ReplicaFailure"))), None)
        again: list[float] = []

        def change(thing: Object) -> None:
            status = thing.setdefault("status", {})
            before = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0), status.get("replicas", 0))
            status |= counts | {
                "updatedReplicas": updated,
                "observedGeneration": thing["metadata"].get("generation", 1),
            }
            status["unavailableReplicas"] = max(0, wanted - counts["availableReplicas"])
            if not status["unavailableReplicas"]:
                del status["unavailableReplicas"]
            if counts["availableReplicas"] >= wanted - missing:
                words = "Deployment has minimum availability."
                set_condition(status, "Available", True, "MinimumReplicasAvailable", words, lastUpdateTime=now())
            else:
                words = "Deployment does not have minimum availability."
                set_condition(status, "Available", False, "MinimumReplicasUnavailable", words, lastUpdateTime=now())
            if failure:
                set_condition(status, "ReplicaFailure", True, failure["reason"], failure["message"])
            else:
                status["conditions"] = [c for c in status["conditions"] if c["type"] != "ReplicaFailure"]
            after = (status["updatedReplicas"], status["availableReplicas"], status["replicas"])
            wait = _write_progress(thing, status, new, wanted, moved=before != after)
            if wait is not None:
                again.append(wait)

        self._store.change(DEPLOYMENT, *key, change, manager=NAME)
        return again[0] if again else None


_COUNTS = ("replicas", "readyReplicas", "availableReplicas")


def _write_progress(thing: Object, status: Object, new: Object | None, wanted: int, *, moved: bool) -> float | None:
    """The condition Progressing; in how many seconds it has to be looked at again."""
    if new is None or thing["spec"].get("paused"):
        return None
    name = new["metadata"]["name"]
    counts = (status["updatedReplicas"], status["availableReplicas"], status["replicas"])
    if counts == (wanted, wanted, wanted):
        words = f'ReplicaSet "{name}" has successfully progressed.'
        set_condition(status, "Progressing", True, "NewReplicaSetAvailable", words, lastUpdateTime=now())
        return None
    old = next((one for one in status.get("conditions", []) if one["type"] == "Progressing"), None)
    limit = thing["spec"].get("progressDeadlineSeconds", 600)
    if moved or old is None or old["reason"] == "NewReplicaSetAvailable":
        words = f'ReplicaSet "{name}" is progressing.'
        set_condition(status, "Progressing", True, "ReplicaSetUpdated", words, lastUpdateTime=now())
        _touch(status)
        return float(limit)
    assert old is not None
    if old["status"] == "False":
        return None
    left = limit - seconds_since(old.get("lastUpdateTime") or old["lastTransitionTime"])
    if left > 0:
        return float(left)
    words = f'ReplicaSet "{name}" has timed out progressing.'
    set_condition(status, "Progressing", False, "ProgressDeadlineExceeded", words, lastUpdateTime=now())
    return None


def _touch(status: Object) -> None:
    for one in status["conditions"]:
        if one["type"] == "Progressing":
            one["lastUpdateTime"] = now()


def _asked(replica_set: Object) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def _available(replica_set: Object) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _same_template(replica_set: Object, deployment: Object) -> bool:
    template = copy.deepcopy(replica_set["spec"]["template"])
    (template.get("metadata") or {}).get("labels", {}).pop(HASH, None)
    return bool(suffix(template) == suffix(deployment["spec"]["template"]))


def _kept_annotations(deployment: Object) -> dict[str, str]:
    annotations = deployment["metadata"].get("annotations") or {}
    return {
        name: value
        for name, value in annotations.items()
        if name not in (REVISION, "kubectl.kubernetes.io/last-applied-configuration")
    }
