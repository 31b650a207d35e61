"""Why pods do not run, told from what the API has of them: for services and for runs alike.

Belongs here: choosing the cause that counts among pods, owners and events. Does not belong here: reading the API, and what is done about
a cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from platform_assets.deployment.causes import Cause, CauseKind, RetryAdvice, made_of
from platform_assets.deployment.kubernetes.pod_deaths import Stored, cause_in
from platform_assets.deployment.kubernetes.refusals import refused_creation

__all__ = ["Cause", "CauseKind", "RetryAdvice", "diagnose", "failed_probe", "refused"]

_LINES = 20
_MOST_TELLING = (
    CauseKind.OUT_OF_MEMORY,
    CauseKind.IMAGE,
    CauseKind.TIMEOUT,
    CauseKind.CRASH,
    CauseKind.PREEMPTED,
    CauseKind.EVICTED,
    CauseKind.NODE_GONE,
    CauseKind.QUOTA,
    CauseKind.WEBHOOK,
    CauseKind.FORBIDDEN,
    CauseKind.UNSCHEDULABLE,
)
"""What counts where pods have different causes: the release's own faults before the cluster's."""
_NOT_MOUNTED = ("FailedMount", "FailedAttachVolume")
_TAKEN = {"Preempted": CauseKind.PREEMPTED, "Evicted": CauseKind.EVICTED, "TaintManagerEviction": CauseKind.NODE_GONE}


def diagnose(
    pods: Sequence[Stored],
    events: Sequence[Stored] = (),
    *,
    logs: Mapping[str, Sequence[str]] | None = None,
    owners: Sequence[Stored] = (),
    nodes: Sequence[Stored] = (),
) -> Cause | None:
    """Why pods died, or cannot start; None where nothing is wrong, or nobody has said so yet.

    Args:
        pods: as the API has them; those of one arm, one Job.
        events: about them, and about what makes them.
        logs: last lines by name of pod.
        owners: Deployments, ReplicaSets and Jobs that make them.
        nodes: of the cluster.
    """
    found = [cause for pod in pods if (cause := cause_in(pod, nodes)) is not None] + list(_deadlines(owners, events))
    living = [pod for pod in pods if pod.get("status", {}).get("phase") in ("Pending", "Running", None)]
    if not found:
        found = [*_in_owners(owners), *_in_creations(events)]
    if not found and not living:
        found = list(_of_pods_that_are_gone(events, {pod["metadata"]["name"] for pod in pods}))
    if not found:
        found = list(_held_up(events, {pod["metadata"]["name"] for pod in living if not _is_ready(pod)}))
    if not found:
        return None
    first = min(found, key=lambda cause: (not cause.final, _MOST_TELLING.index(cause.kind)))
    lines = (logs or {}).get(first.pod, ())
    return replace(first, log_lines=tuple(lines)[-_LINES:]) if lines else first


def refused(status: int, words: str) -> Cause | None:
    """The cause in an answer of the API that refused to make an object; None for answers that mean something else.

    Args:
        status: of the answer.
        words: its body, or the message in it.
    """
    if status in (401, 403):
        return refused_creation(words if "forbidden" in words.lower() else f"forbidden: {words}", "the object")
    return refused_creation(words, "the object") if "webhook" in words or "ValidatingAdmissionPolicy" in words else None


def failed_probe(events: Sequence[Stored]) -> str | None:
    """What the last probe that failed said, for pods that run and are not ready; None where none failed."""
    failed = [event for event in events if event.get("reason") == "Unhealthy"]
    return str(max(failed, key=_when).get("message", "")) if failed else None


def _in_owners(owners: Sequence[Stored]) -> Iterator[Cause]:
    for owner in owners:
        what = f"{owner.get('kind', 'object')} {owner['metadata']['name']}"
        for condition in owner.get("status", {}).get("conditions") or []:
            kind, said = condition.get("type"), str(condition.get("message", ""))
            if kind == "ReplicaFailure" and condition.get("status") == "True":
                cause = refused_creation(said, f"a pod of {what}")
                if cause is not None:
                    yield cause


def _deadlines(owners: Sequence[Stored], events: Sequence[Stored]) -> Iterator[Cause]:
    """Jobs that ran too long: their pods are deleted, and say no more than that they were killed."""
    over = {
        owner["metadata"]["name"]: str(condition.get("message", ""))
        for owner in owners
        for condition in owner.get("status", {}).get("conditions") or []
        if (condition.get("type"), condition.get("reason")) == ("Failed", "DeadlineExceeded")
    }
    for event in events:
        about = event.get("involvedObject", {})
        if (about.get("kind"), event.get("reason")) == ("Job", "DeadlineExceeded"):
            over.setdefault(str(about.get("name")), str(event.get("message", "")))
    for name, said in over.items():
        todo = "Declare more under `compute` as `timeout_minutes`, or find out what it waited for."
        yield made_of(CauseKind.TIMEOUT, f"Job {name} was ended: {said}", todo, final=True)


def _in_creations(events: Sequence[Stored]) -> Iterator[Cause]:
    """Pods that could not be made, of each maker the last word."""
    last: dict[str, Stored] = {}
    for event in sorted(events, key=_when):
        if event.get("reason") in ("FailedCreate", "SuccessfulCreate"):
            about = event.get("involvedObject", {})
            last[f"{about.get('kind')} {about.get('name')}"] = event
    for maker, event in last.items():
        if event["reason"] == "FailedCreate":
            cause = refused_creation(str(event.get("message", "")), f"a pod of {maker}")
            if cause is not None:
                yield cause


def _of_pods_that_are_gone(events: Sequence[Stored], known: set[str]) -> Iterator[Cause]:
    """What took the last pod away of which nothing is left but events."""
    for event in sorted(events, key=_when, reverse=True):
        about, kind = event.get("involvedObject", {}), _TAKEN.get(str(event.get("reason")))
        if kind is not None and about.get("kind") == "Pod" and about.get("name") not in known:
            sentence = f"pod {about.get('name')} was taken away ({event['reason']}): {event.get('message', '')}"
            yield made_of(kind, sentence, "It needs no change.", final=True, pod=str(about.get("name")))
            return


def _held_up(events: Sequence[Stored], waiting: set[str]) -> Iterator[Cause]:
    """What only events say of pods that are not ready: volumes that are not there, a node that does not answer."""
    last: dict[str, Stored] = {}
    for event in sorted(events, key=_when):
        name = str(event.get("involvedObject", {}).get("name", ""))
        if name in waiting and event.get("reason") in (*_NOT_MOUNTED, "NodeNotReady", "Started"):
            last[name] = event
    for name, event in last.items():
        said = str(event.get("message", ""))
        if event["reason"] in _NOT_MOUNTED:
            missing = re.search(r"not found|hostPath type check failed", said) is not None
            todo = "Make what it names, or correct PLATFORM_ASSETS_KUBERNETES."
            yield made_of(CauseKind.CRASH, f"pod {name} cannot be started: {said}", todo, final=missing, pod=name)
        elif event["reason"] == "NodeNotReady":
            sentence = f"the node of pod {name} does not answer: {said}"
            yield made_of(CauseKind.NODE_GONE, sentence, "It needs no change.", final=False, pod=name)


def _is_ready(pod: Stored) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


def _when(event: Stored) -> str:
    """When it was seen last; events of both APIs write it in places of their own."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), event.get("metadata", {}).get("creationTimestamp", "")))
