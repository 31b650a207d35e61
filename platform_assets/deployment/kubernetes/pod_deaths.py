"""What the status of one pod says of why it died, or does not start.

Belongs here: the kubelet's, the scheduler's and the controllers' words in a pod. Does not belong here: pods that were never made
(`refusals.py`), and several pods at a time (`diagnosis.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from platform_assets.deployment.causes import Cause, CauseKind, RetryAdvice, made_of
from platform_assets.deployment.kubernetes.quantities import quantity

Stored = Mapping[str, Any]
"""An object as the API gives it."""

_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_NOT_THERE = re.compile(
    r"not found|manifest unknown|denied|unauthorized|no such host|invalid|NeverPull|failed to authorize", re.I
)
_CONFIGURED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"})
_OWN_FAULT = re.compile(
    r"exceeds the (?:total )?limit|ephemeral local storage usage exceeds|container .* exceeded its", re.I
)
_SHORT = re.compile(r"Insufficient ([\w./-]+)")
_TAKEN_BY_NODE = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
_SHUTDOWN = re.compile(r"node shutdown|NodeShutdown", re.I)
_NOT_ADMITTED = re.compile(r"OutOf\w+|UnexpectedAdmissionError|NodeAffinity|NodePorts|TopologyAffinityError")


def cause_in(pod: Stored, nodes: Sequence[Stored] = ()) -> Cause | None:
    """Why a pod died, or does not start; None for one that runs, starts, or ended well.

    Args:
        pod: as the API has it.
        nodes: of the cluster, where they are known.
    """
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return None
    taken = _taken_away(pod, status)
    if taken is not None or pod["metadata"].get("deletionTimestamp"):
        return taken
    return (
        _timed_out(pod, status) or _in_containers(pod, status) or _on_lost_node(pod, nodes) or _without_node(pod, nodes)
    )


def _taken_away(pod: Stored, status: Stored) -> Cause | None:
    """What happened to the pod as a whole: for most of it containers only show that they were killed."""
    name, reason, message = pod["metadata"]["name"], str(status.get("reason", "")), str(status.get("message", ""))
    target = _condition(status, "DisruptionTarget")
    why = str(target.get("reason", "")) if target.get("status") == "True" else ""
    said = message or str(target.get("message", ""))
    if why == "PreemptionByScheduler" or reason in ("Preempting", "Preempted"):
        return made_of(
            CauseKind.PREEMPTED,
            f"pod {name} had to make room for one of a higher priority: {said}",
            "It needs no change; a higher `priority` under `compute` makes it rarer.",
            final=True,
            pod=name,
        )
    if _SHUTDOWN.search(f"{reason} {said}") or why in _TAKEN_BY_NODE or reason == "NodeLost":
        return _node_gone(pod, said or reason)
    if reason == "Evicted" or why in ("TerminationByKubelet", "EvictionByEvictionAPI"):
        own = _OWN_FAULT.search(said) is not None
        return made_of(
            CauseKind.EVICTED,
            f"pod {name} was evicted from its node: {said}",
            "It wrote more to disk than it may: write less, or to a claim."
            if own
            else "It needs no change; a memory request near its use makes it rarer.",
            final=True,
            pod=name,
            retry=RetryAdvice.NEVER if own else None,
        )
    if status.get("phase") == "Failed" and _NOT_ADMITTED.fullmatch(reason):
        return made_of(
            CauseKind.UNSCHEDULABLE,
            f"the node refused pod {name}: {reason}, {said}",
            "Start it anew: another pod took the place.",
            final=True,
            pod=name,
            retry=RetryAdvice.UNCHANGED,
        )
    return None


def _timed_out(pod: Stored, status: Stored) -> Cause | None:
    if status.get("reason") != "DeadlineExceeded":
        return None
    name, allowed = pod["metadata"]["name"], pod.get("spec", {}).get("activeDeadlineSeconds")
    longer = "its deadline" if allowed is None else f"{allowed} s"
    todo = "Declare more under `compute` as `timeout_minutes`, or find out what it waited for."
    return made_of(CauseKind.TIMEOUT, f"pod {name} was ended: it ran longer than {longer}", todo, final=True, pod=name)


def _in_containers(pod: Stored, status: Stored) -> Cause | None:
    """The first container that does not run, those that prepare the pod before all others."""
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = entry.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _IMAGE:
            return _without_image(pod, entry, waiting)
        if waiting.get("reason") in _CONFIGURED:
            return made_of(
                CauseKind.CRASH,
                f"container {entry['name']} of pod {pod['metadata']['name']} cannot be started: {waiting['reason']}, "
                f"{waiting.get('message', '')}",
                "Make what it names, or correct the settings.",
                final=waiting["reason"] != "CreateContainerConfigError",
                pod=pod["metadata"]["name"],
            )
        ended = _end_of(entry)
        if ended is not None:
            return _ended(pod, entry, ended, loops=waiting.get("reason") == "CrashLoopBackOff")
    return None


def _end_of(entry: Stored) -> Stored | None:
    """How a container ended that does not answer now; None for one that does, or ended well."""
    state, before = entry.get("state", {}), entry.get("lastState", {})
    ended: Stored | None = state.get("terminated") or (None if entry.get("ready") else before.get("terminated"))
    if ended is None or (ended.get("exitCode") == 0 and ended.get("reason") != "OOMKilled" and "waiting" not in state):
        return None
    return ended


def _without_image(pod: Stored, entry: Stored, waiting: Stored) -> Cause:
    said = str(waiting.get("message", ""))
    return made_of(
        CauseKind.IMAGE,
        f"the image {entry.get('image', '')} of container {entry['name']} of pod {pod['metadata']['name']} cannot be had: "
        f"{waiting['reason']}{f', {said}' if said else ''}",
        "Is it in the registry under this digest, and may the node read it (`image_pull_secrets`)?",
        final=waiting["reason"] in ("InvalidImageName", "ErrImageNeverPull") or _NOT_THERE.search(said) is not None,
        pod=pod["metadata"]["name"],
    )


def _ended(pod: Stored, entry: Stored, ended: Stored, *, loops: bool) -> Cause:
    name, code, reason = pod["metadata"]["name"], ended.get("exitCode"), ended.get("reason", "")
    over = loops or pod.get("status", {}).get("phase") == "Failed"
    if reason == "OOMKilled":
        limit = _limit(pod, entry["name"])
        allowed = f" of {limit}" if limit else ""
        return made_of(
            CauseKind.OUT_OF_MEMORY,
            f"container {entry['name']} of pod {name} was killed because it used more memory than its limit{allowed}",
            "Declare more `memory_gigabytes` under `compute`.",
            final=over,
            pod=name,
        )
    times = entry.get("restartCount", 0)
    again = f", {times} times so far" if times > 1 else ""
    signal = ended.get("signal") or (code - 128 if isinstance(code, int) and 128 < code < 160 else None)
    how = f"exit code {code}{f', signal {signal}' if signal else ''}{f', {reason}' if reason not in ('', 'Error') else ''}"
    said = str(ended.get("message", "")).strip().splitlines()
    killed = " Nobody says who killed it: its node may have run out of memory." if signal == 9 else ""
    cause = made_of(
        CauseKind.CRASH,
        f"container {entry['name']} of pod {name} ended ({how}){again}{f': {said[-1].strip()}' if said else ''}",
        f"Its last lines say why.{killed}",
        final=over,
        pod=name,
    )
    return replace(cause, log_lines=tuple(said))


def _on_lost_node(pod: Stored, nodes: Sequence[Stored]) -> Cause | None:
    node = pod.get("spec", {}).get("nodeName")
    if pod.get("status", {}).get("phase") == "Unknown":
        return _node_gone(pod, "its node does not answer")
    for known in nodes:
        if known["metadata"]["name"] == node:
            ready = _condition(known.get("status", {}), "Ready")
            if ready.get("status") in ("Unknown", "False"):
                return _node_gone(pod, str(ready.get("message", "its node is not ready")))
            return None
    return _node_gone(pod, "its node does not exist any more") if node and nodes else None


def _node_gone(pod: Stored, said: str) -> Cause:
    name, node = pod["metadata"]["name"], pod.get("spec", {}).get("nodeName", "")
    return made_of(
        CauseKind.NODE_GONE,
        f"pod {name} was lost with its node {node}: {said}",
        "It needs no change.",
        final=True,
        pod=name,
    )


def _without_node(pod: Stored, nodes: Sequence[Stored]) -> Cause | None:
    scheduled = _condition(pod.get("status", {}), "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    name, said = pod["metadata"]["name"], str(scheduled.get("message", ""))
    wanted, count = _requests(pod), re.match(r"0/(\d+) nodes", said)
    every = count is not None and int(count[1]) == len(nodes)
    short = [kind.rstrip(".") for kind in dict.fromkeys(_SHORT.findall(said))]
    sizes, never = [], False
    for kind in short:
        rooms = [quantity(str(node.get("status", {}).get("allocatable", {}).get(kind, "0"))) or 0.0 for node in nodes]
        too_large = every and bool(rooms) and wanted.get(kind, 0.0) > max(rooms)
        never = never or too_large
        asked = _asked(pod, kind)
        sizes.append(f"it asks for {asked} of {kind}" + (", more than any node has" if too_large else ""))
    return made_of(
        CauseKind.UNSCHEDULABLE,
        f"no node takes pod {name}: {said.strip().rstrip('.')}{'; ' if sizes else ''}{'; '.join(sizes)}",
        _what_would_free(said, short),
        final=never,
        pod=name,
    )


def _what_would_free(said: str, short: Sequence[str]) -> str:
    if "persistentvolumeclaim" in said.lower():
        return "Have the claim made and bound: its names stand in PLATFORM_ASSETS_KUBERNETES."
    if short:
        return f"Declare less under `compute`, stop something that holds {', '.join(short)}, or add a node."
    if "taint" in said or "affinity" in said or "selector" in said:
        return "Does a node have the labels and taints that `node_class` and `node_classes` name?"
    return "Add a node that fits, or declare other needs under `compute`."


def _requests(pod: Stored) -> dict[str, float]:
    """What a pod's containers ask for together."""
    found: dict[str, float] = {}
    for container in pod.get("spec", {}).get("containers") or []:
        for kind, text in (container.get("resources", {}).get("requests") or {}).items():
            found[kind] = found.get(kind, 0.0) + (quantity(str(text)) or 0.0)
    return found


def _asked(pod: Stored, kind: str) -> str:
    asked = [
        str(container.get("resources", {}).get("requests", {}).get(kind))
        for container in pod.get("spec", {}).get("containers") or []
        if container.get("resources", {}).get("requests", {}).get(kind) is not None
    ]
    return " + ".join(asked) or "some"


def _limit(pod: Stored, container: str) -> str:
    spec = pod.get("spec", {})
    for known in _containers(spec):
        if known.get("name") == container:
            return str(known.get("resources", {}).get("limits", {}).get("memory", ""))
    return ""


def _containers(spec: Stored) -> Iterator[Stored]:
    yield from spec.get("initContainers") or []
    yield from spec.get("containers") or []


def _condition(status: Stored, kind: str) -> Stored:
    return next((entry for entry in status.get("conditions") or [] if entry.get("type") == kind), {})
