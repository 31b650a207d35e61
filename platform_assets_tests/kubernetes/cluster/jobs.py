"""The Job controller: pods until one succeeds or the Job has failed, and why.

Belongs here: retries, pod failure policies, deadlines, time to live, status. Does not belong here: indexed Jobs and success policies, which
the test cluster does not know.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    JOB,
    POD,
    Key,
    Object,
    condition,
    controller_of,
    is_finished,
    is_leaving,
    is_true,
    key_of,
    owned_by,
    seconds_since,
    selector_text,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.replica_sets import pod_from
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import now

NAME = "job-controller"
FAILED_CREATE_SECONDS = 1.0


@dataclass
class Tally:
    """What is remembered of a Job's pods that have ended, whether or not they are still there."""

    succeeded: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    """Of the failed, those that count against backoffLimit."""
    last_failure: str = ""
    doomed: tuple[str, str] | None = None
    """Reason and words for which the Job fails, from the moment when it is certain."""


class Jobs:
    """Reconciles Jobs."""

    def __init__(self, store: ObjectStore, events: EventRecorder, *, backoff_seconds: float) -> None:
        """Args:
        store: the cluster's objects.
        events: where to tell.
        backoff_seconds: before the first new pod after a failed one; doubled each time.
        """
        self._store, self._events, self._backoff = store, events, backoff_seconds
        self.queue = WorkQueue(self._reconcile)
        self._tallies: dict[str, Tally] = {}
        self._ended: dict[str, list[Object]] = {}

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change. A pod that is gone was seen to its end here."""
        if kind == JOB:
            if event == "DELETED":
                self._tallies.pop(thing["metadata"]["uid"], None)
            else:
                self.queue.add(key_of(thing))
        elif kind == POD and (owner := controller_of(thing)) and owner["kind"] == "Job":
            if event == "DELETED":
                self._ended.setdefault(owner["uid"], []).append(thing)
            self.queue.add((thing["metadata"]["namespace"], owner["name"]))

    def _reconcile(self, key: Key) -> float | None:
        try:
            job = self._store.read(JOB, *key)
        except ApiError:
            return None
        if is_leaving(job):
            return None
        uid = job["metadata"]["uid"]
        tally = self._tallies.setdefault(uid, Tally())
        pods = self._pods(job)
        failure = self._count(job, tally, [*pods, *self._ended.pop(uid, [])])
        failure = tally.doomed or failure
        if _over(job):
            self._write_status(job, tally, pods)
            return self._live_on(job)
        active = [pod for pod in pods if not is_finished(pod) and not is_leaving(pod)]
        spec = job["spec"]
        if failure is None and len(tally.counted) + _restarts(job, pods) > spec.get("backoffLimit", 6):
            failure = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        left = self._deadline_left(job)
        if failure is None and left is not None and left <= 0:
            failure = ("DeadlineExceeded", "Job was active longer than specified deadline")
        if failure is not None:
            return self._fail(job, tally, active, failure)
        if len(tally.succeeded) >= spec.get("completions", 1):
            return self._complete(job, tally, active)
        if spec.get("suspend"):
            return self._suspend(job, tally, active)
        again = self._fill(job, tally, active, pods)
        self._write_status(job, tally, self._pods(job))
        later = [one for one in (again, left) if one is not None]
        return min(later) if later else None

    def _count(self, job: Object, tally: Tally, pods: list[Object]) -> tuple[str, str] | None:
        """Take note of pods that ended; reason and words where the Job's policy ends it for one of them."""
        ends: tuple[str, str] | None = None
        for pod in pods:
            uid, phase = pod["metadata"]["uid"], (pod.get("status") or {}).get("phase")
            if uid in tally.succeeded | tally.failed | tally.ignored:
                continue
            still_there = self._store.items(POD, pod["metadata"]["namespace"], fields=f"metadata.name={key_of(pod)[1]}")
            if phase == "Succeeded":
                tally.succeeded.add(uid)
            elif phase == "Failed" or not still_there or (is_leaving(pod) and not _replaces_ended_only(job)):
                action, words = policy_of(job, pod)
                if action == "FailJob":
                    ends = ("PodFailurePolicy", words)
                (tally.ignored if action == "Ignore" else tally.failed).add(uid)
                if action != "Ignore":
                    tally.counted.add(uid)
                    tally.last_failure = now()
        return ends

    def _fill(self, job: Object, tally: Tally, active: list[Object], pods: list[Object]) -> float | None:
        spec = job["spec"]
        wanted = min(spec.get("parallelism", 1), spec.get("completions", 1) - len(tally.succeeded))
        leaving = [pod for pod in pods if is_leaving(pod) and not is_finished(pod)]
        if _replaces_ended_only(job):
            wanted -= len(leaving)  # a pod is replaced when it has ended, not while it ends
        if len(active) < wanted and tally.counted and tally.last_failure:
            wait = self._backoff * 2 ** (len(tally.counted) - 1) - seconds_since(tally.last_failure)
            if wait > 0:
                return float(wait)
        for _ in range(wanted - len(active)):
            body = pod_from(spec["template"], JOB, job)
            try:
                made = self._store.create(POD, job["metadata"]["namespace"], body, manager=NAME)
            except ApiError as error:
                self._events.record(job, WARNING, "FailedCreate", f"Error creating: {error}", component=NAME)
                return FAILED_CREATE_SECONDS
            words = f"Created pod: {made['metadata']['name']}"
            self._events.record(job, NORMAL, "SuccessfulCreate", words, component=NAME)
        return None

    def _fail(self, job: Object, tally: Tally, active: list[Object], failure: tuple[str, str]) -> float | None:
        """First the intention, then, when the last pod is gone, the verdict."""
        reason, words = failure
        tally.doomed = failure
        self._remove(job, active)
        waiting = [pod for pod in self._pods(job) if not is_finished(pod)]

        def change(one: Object) -> None:
            status = one.setdefault("status", {})
            set_condition(status, "FailureTarget", True, reason, words, lastProbeTime=now())
            if not waiting:
                set_condition(status, "Failed", True, reason, words, lastProbeTime=now())

        self._store.change(JOB, *key_of(job), change, manager=NAME)
        self._write_status(job, tally, self._pods(job))
        if not waiting:
            self._events.record(job, WARNING, reason, words, component=NAME)
            return self._live_on(self._store.read(JOB, *key_of(job)))
        return 1.0

    def _complete(self, job: Object, tally: Tally, active: list[Object]) -> float | None:
        tally.ignored |= {pod["metadata"]["uid"] for pod in active}
        self._remove(job, active)
        reason, words = "CompletionsReached", "Reached expected number of succeeded pods"

        def change(one: Object) -> None:
            status = one.setdefault("status", {})
            for name in ("SuccessCriteriaMet", "Complete"):
                set_condition(status, name, True, reason, words, lastProbeTime=now())
            status["completionTime"] = now()

        self._store.change(JOB, *key_of(job), change, manager=NAME)
        self._write_status(job, tally, self._pods(job))
        self._events.record(job, NORMAL, "Completed", "Job completed", component=NAME)
        return self._live_on(self._store.read(JOB, *key_of(job)))

    def _suspend(self, job: Object, tally: Tally, active: list[Object]) -> None:
        tally.ignored |= {pod["metadata"]["uid"] for pod in active}
        self._remove(job, active)

        def change(one: Object) -> None:
            status = one.setdefault("status", {})
            status.pop("startTime", None)
            set_condition(status, "Suspended", True, "JobSuspended", "Job suspended", lastProbeTime=now())

        self._store.change(JOB, *key_of(job), change, manager=NAME)
        self._write_status(job, tally, self._pods(job))

    def _pods(self, job: Object) -> list[Object]:
        labels = selector_text(job["spec"]["selector"].get("matchLabels") or {})
        pods = self._store.items(POD, job["metadata"]["namespace"], labels=labels)
        return [pod for pod in pods if owned_by(pod, job)]

    def _remove(self, job: Object, pods: list[Object]) -> None:
        for pod in pods:
            with contextlib.suppress(ApiError):
                self._store.delete(POD, *key_of(pod))
                words = f"Deleted pod: {pod['metadata']['name']}"
                self._events.record(job, NORMAL, "SuccessfulDelete", words, component=NAME)

    def _write_status(self, job: Object, tally: Tally, pods: list[Object]) -> None:
        active = [pod for pod in pods if not is_finished(pod) and not is_leaving(pod)]

        def change(one: Object) -> None:
            status = one.setdefault("status", {})
            if not one["spec"].get("suspend"):
                status.setdefault("startTime", now())
            status |= {
                "active": len(active),
                "ready": sum(is_true(pod, "Ready") for pod in active),
                "terminating": sum(is_leaving(pod) and not is_finished(pod) for pod in pods),
                "succeeded": len(tally.succeeded),
                "failed": len(tally.failed),
                "uncountedTerminatedPods": {},
            }
            for name in ("active", "succeeded", "failed"):
                if not status[name]:
                    del status[name]

        self._store.change(JOB, *key_of(job), change, manager=NAME)

    def _deadline_left(self, job: Object) -> float | None:
        seconds, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
        return None if seconds is None or start is None else float(seconds - seconds_since(start))

    def _live_on(self, job: Object) -> float | None:
        """A finished Job is deleted when its time to live is over."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        verdict = condition(job, "Complete") or condition(job, "Failed")
        if seconds is None or verdict is None:
            return None
        left = seconds - seconds_since(verdict["lastTransitionTime"])
        if left > 0:
            return float(left)
        self._store.delete(JOB, *key_of(job))
        return None


def _replaces_ended_only(job: Object) -> bool:
    """Whether a pod that is being deleted counts as failed, and is replaced, not before it has ended."""
    return job["spec"].get("podReplacementPolicy") == "Failed" or bool(job["spec"].get("podFailurePolicy"))


def _over(job: Object) -> bool:
    return is_true(job, "Complete") or is_true(job, "Failed")


def _restarts(job: Object, pods: list[Object]) -> int:
    """Where containers are restarted in their pods, each restart counts as a failure."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return 0
    statuses = [one for pod in pods for one in (pod.get("status") or {}).get("containerStatuses") or []]
    return sum(int(one.get("restartCount", 0)) for one in statuses)


def policy_of(job: Object, pod: Object) -> tuple[str, str]:
    """What a Job's podFailurePolicy says of a failed pod: the first rule that matches; "Count" without one.

    Returns:
        the action, and the controller's words for it.
    """
    place = "/".join(key_of(pod))
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        for one in rule.get("onPodConditions") or []:
            found = condition(pod, one["type"])
            if found and found["status"] == one.get("status", "True"):
                words = f"Pod {place} has condition {one['type']} matching {rule['action']} rule at index {number}"
                return rule["action"], words
        codes = rule.get("onExitCodes")
        for status in statuses if codes else []:
            code = (status["state"].get("terminated") or {}).get("exitCode")
            named = codes.get("containerName") in (None, status["name"])
            if code and named and (code in codes["values"]) == (codes["operator"] == "In"):
                words = (
                    f"Container {status['name']} for pod {place} failed with exit code {code} "
                    f"matching {rule['action']} rule at index {number}"
                )
                return rule["action"], words
    return "Count", ""
