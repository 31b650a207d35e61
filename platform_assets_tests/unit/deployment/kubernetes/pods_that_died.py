"""Pods that died or do not start, and why.

Belongs here: cases of `test_diagnosis.py`: what the API has, and what is to be told of it. Does not belong here: an assertion.
"""

from platform_assets.deployment.causes import CauseKind
from platform_assets_tests.unit.deployment.kubernetes.statuses import (
    EVICTED,
    MEMORY,
    NEVER,
    NO_IMAGE,
    POD,
    UNCHANGED,
    Case,
    condition,
    container,
    disrupted,
    ended,
    event,
    node,
    of,
    pod,
    waiting,
)

DIED: list[Case] = [
    (
        "an image that is not there",
        of(container(state=waiting("ImagePullBackOff", NO_IMAGE)), phase="Pending"),
        CauseKind.IMAGE,
        NEVER,
        True,
        ["registry.example/serving", "not found"],
    ),
    (
        "a registry that does not answer",
        of(container(state=waiting("ErrImagePull", "dial tcp: i/o timeout")), phase="Pending"),
        CauseKind.IMAGE,
        NEVER,
        False,
        ["i/o timeout"],
    ),
    (
        "a name that is none",
        of(container(state=waiting("InvalidImageName", "couldn't parse image name")), phase="Pending"),
        CauseKind.IMAGE,
        NEVER,
        True,
        ["couldn't parse"],
    ),
    (
        "a crash loop",
        of(
            container(
                restarts=3, state=waiting("CrashLoopBackOff", "back-off 40s restarting failed container"), last=ended(1)
            )
        ),
        CauseKind.CRASH,
        NEVER,
        True,
        ["exit code 1", "3 times"],
    ),
    (
        "a first crash",
        of(container(restarts=1, state={"running": {}}, last=ended(2))),
        CauseKind.CRASH,
        NEVER,
        False,
        ["exit code 2"],
    ),
    (
        "a release that is not what it says",
        of(container("fetch-release", state=ended(3, message="the digest does not match")), init=True, phase="Failed"),
        CauseKind.CRASH,
        NEVER,
        True,
        ["fetch-release", "the digest does not match"],
    ),
    ("a killer unknown", of(container(state=ended(137)), phase="Failed"), CauseKind.CRASH, NEVER, True, ["signal 9"]),
    (
        "a Secret that is not there",
        of(container(state=waiting("CreateContainerConfigError", 'secret "x" not found')), phase="Pending"),
        CauseKind.CRASH,
        NEVER,
        False,
        ['secret "x" not found'],
    ),
    (
        "a program that is not there",
        of(container(state=waiting("RunContainerError", 'exec: "pyhton": executable file not found in $PATH'))),
        CauseKind.CRASH,
        NEVER,
        True,
        ["executable file not found"],
    ),
    (
        "too much memory in a run",
        of(container(state=ended(137, "OOMKilled")), phase="Failed"),
        CauseKind.OUT_OF_MEMORY,
        MEMORY,
        True,
        ["4G"],
    ),
    (
        "too much memory once",
        of(container(restarts=1, state={"running": {}}, last=ended(137, "OOMKilled"))),
        CauseKind.OUT_OF_MEMORY,
        MEMORY,
        False,
        ["limit of 4G"],
    ),
    (
        "too much memory again and again",
        of(container(restarts=2, state=waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled"))),
        CauseKind.OUT_OF_MEMORY,
        MEMORY,
        True,
        ["limit of 4G"],
    ),
    (
        "pressure on the node",
        of(phase="Failed", reason="Evicted", message=EVICTED),
        CauseKind.EVICTED,
        UNCHANGED,
        True,
        ["low on resource"],
    ),
    (
        "pressure, by its condition",
        disrupted("TerminationByKubelet", EVICTED),
        CauseKind.EVICTED,
        UNCHANGED,
        True,
        ["low on resource"],
    ),
    (
        "a drain",
        disrupted("EvictionByEvictionAPI", "Eviction API: evicting"),
        CauseKind.EVICTED,
        UNCHANGED,
        True,
        ["Eviction API"],
    ),
    (
        "its own disk",
        of(phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "tmp" exceeds the limit "2Gi". '),
        CauseKind.EVICTED,
        NEVER,
        True,
        ["EmptyDir"],
    ),
    (
        "somebody more important",
        disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"),
        CauseKind.PREEMPTED,
        UNCHANGED,
        True,
        ["higher priority"],
    ),
    (
        "a critical pod",
        disrupted("TerminationByKubelet", reason="Preempting", message="Preempted in order to admit critical pod"),
        CauseKind.PREEMPTED,
        UNCHANGED,
        True,
        ["critical pod"],
    ),
    (
        "a node that was taken away",
        disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
        CauseKind.NODE_GONE,
        UNCHANGED,
        True,
        ["n1"],
    ),
    (
        "a node that is no more",
        disrupted("DeletionByPodGC", "PodGC: node no longer exists"),
        CauseKind.NODE_GONE,
        UNCHANGED,
        True,
        ["PodGC"],
    ),
    (
        "a spot node that shuts down",
        of(phase="Failed", reason="Terminated", message="Pod was terminated in response to imminent node shutdown."),
        CauseKind.NODE_GONE,
        UNCHANGED,
        True,
        ["shutdown"],
    ),
    (
        "a node that is silent",
        {"pods": [pod()], "nodes": [node(ready="Unknown", message="Kubelet stopped posting node status.")]},
        CauseKind.NODE_GONE,
        UNCHANGED,
        True,
        ["stopped posting"],
    ),
    (
        "a node that is silent, by an event",
        {"pods": [pod()], "events": [event("NodeNotReady", "Node is not ready")]},
        CauseKind.NODE_GONE,
        UNCHANGED,
        False,
        [POD],
    ),
    (
        "a pod's deadline",
        of(
            container(state=ended(137)),
            phase="Failed",
            reason="DeadlineExceeded",
            message="Pod was active on the node longer than the specified deadline",
        ),
        CauseKind.TIMEOUT,
        NEVER,
        True,
        ["longer"],
    ),
    (
        "a Job's deadline",
        {
            "pods": [],
            "owners": [
                {
                    "kind": "Job",
                    "metadata": {"name": "run"},
                    "status": {
                        "conditions": [
                            condition(
                                "Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline"
                            )
                        ]
                    },
                }
            ],
        },
        CauseKind.TIMEOUT,
        NEVER,
        True,
        ["Job run"],
    ),
    (
        "a Job's deadline, by an event",
        of(container(state=ended(143)), phase="Failed")
        | {"events": [event("DeadlineExceeded", "Job was active longer than specified deadline", "run", "Job")]},
        CauseKind.TIMEOUT,
        NEVER,
        True,
        ["Job run"],
    ),
]
