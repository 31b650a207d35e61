"""Pods that nobody could make or place, or of which nothing is left, and why.

Belongs here: cases of `test_diagnosis.py`: what the API has, and what is to be told of it. Does not belong here: an assertion.
"""

from platform_assets.deployment.causes import CauseKind
from platform_assets_tests.unit.deployment.kubernetes.statuses import (
    EVICTED,
    FORBIDDEN_POD,
    HEALTHY,
    NEVER,
    POD,
    QUOTA,
    QUOTA_FOR_NONE,
    UNCHANGED,
    UNSCHEDULABLE,
    Case,
    condition,
    creation,
    event,
    node,
    of,
    pod,
    unscheduled,
)

NEVER_MADE: list[Case] = [
    ("a quota that is used up", creation(QUOTA), CauseKind.QUOTA, NEVER, False, ["team", "6G", "Stop something"]),
    (
        "a quota that is too small",
        creation(QUOTA_FOR_NONE),
        CauseKind.QUOTA,
        NEVER,
        True,
        ["limits.memory", "more than the quota allows"],
    ),
    (
        "a quota that wants sizes",
        creation(f"{FORBIDDEN_POD}failed quota: team: must specify limits.cpu"),
        CauseKind.QUOTA,
        NEVER,
        True,
        ["limits.cpu"],
    ),
    (
        "a LimitRange",
        creation(f"{FORBIDDEN_POD}maximum memory usage per Container is 1Gi, but limit is 4G"),
        CauseKind.QUOTA,
        NEVER,
        True,
        ["is 1Gi"],
    ),
    (
        "a quota, by the Deployment",
        {
            "pods": [HEALTHY],
            "owners": [
                {
                    "kind": "Deployment",
                    "metadata": {"name": "d"},
                    "status": {"conditions": [condition("ReplicaFailure", "True", "FailedCreate", QUOTA)]},
                }
            ],
        },
        CauseKind.QUOTA,
        NEVER,
        False,
        ["Deployment d"],
    ),
    (
        "no room on any node now",
        unscheduled(UNSCHEDULABLE),
        CauseKind.UNSCHEDULABLE,
        NEVER,
        False,
        ["Insufficient memory", "4G of memory", "Declare less"],
    ),
    (
        "no room on any node ever",
        unscheduled(UNSCHEDULABLE, nodes=[node(memory="2Gi"), node("n2", memory="3Gi")]),
        CauseKind.UNSCHEDULABLE,
        NEVER,
        True,
        ["more than any node has"],
    ),
    (
        "no node of that class",
        unscheduled("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."),
        CauseKind.UNSCHEDULABLE,
        NEVER,
        False,
        ["node_class"],
    ),
    (
        "a claim that is not there",
        unscheduled('0/2 nodes are available: persistentvolumeclaim "log" not found.'),
        CauseKind.UNSCHEDULABLE,
        NEVER,
        False,
        ["Have the claim made"],
    ),
    (
        "a place that was taken meanwhile",
        of(phase="Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
        CauseKind.UNSCHEDULABLE,
        UNCHANGED,
        True,
        ["OutOfcpu"],
    ),
    (
        "Pod Security",
        creation(
            f'{FORBIDDEN_POD}violates PodSecurity "restricted:latest": restricted volume types (volume "cache" uses hostPath)'
        ),
        CauseKind.FORBIDDEN,
        NEVER,
        True,
        ["hostPath"],
    ),
    (
        "a namespace that goes",
        creation(f"{FORBIDDEN_POD}unable to create new content in namespace ml because it is being terminated"),
        CauseKind.FORBIDDEN,
        NEVER,
        True,
        ["being deleted"],
    ),
    (
        "an account that is not there",
        creation(f'{FORBIDDEN_POD}error looking up service account ml/x: serviceaccount "x" not found'),
        CauseKind.FORBIDDEN,
        NEVER,
        False,
        ["service account x"],
    ),
    (
        "a webhook that says no",
        creation('admission webhook "policy.example" denied the request: image is not signed'),
        CauseKind.WEBHOOK,
        NEVER,
        True,
        ["policy.example", "image is not signed"],
    ),
    (
        "a webhook that is away",
        creation(
            'Internal error occurred: failed calling webhook "policy.example": Post "https://p.svc:443": context deadline exceeded'
        ),
        CauseKind.WEBHOOK,
        NEVER,
        False,
        ["policy.example", "deadline exceeded"],
    ),
    (
        "a policy that says no",
        creation(
            f"{FORBIDDEN_POD}ValidatingAdmissionPolicy 'labels' with binding 'all' denied request: no team is named"
        ),
        CauseKind.WEBHOOK,
        NEVER,
        True,
        ["labels", "no team is named"],
    ),
    (
        "a volume that is not there",
        {
            "pods": [pod(phase="Pending")],
            "events": [
                event(
                    "FailedMount",
                    'MountVolume.SetUp failed for volume "cache" : hostPath type check failed: /var/cache/x is not a directory',
                )
            ],
        },
        CauseKind.CRASH,
        NEVER,
        True,
        ["hostPath type check"],
    ),
    (
        "preempted and gone",
        {"pods": [], "events": [event("Preempted", "Preempted by pod 3f2c on node n1")]},
        CauseKind.PREEMPTED,
        UNCHANGED,
        True,
        [POD],
    ),
    (
        "evicted and gone",
        {"pods": [], "events": [event("Evicted", EVICTED)]},
        CauseKind.EVICTED,
        UNCHANGED,
        True,
        ["low on resource"],
    ),
    (
        "lost and gone",
        {"pods": [], "events": [event("TaintManagerEviction", f"Marking for deletion Pod ml/{POD}")]},
        CauseKind.NODE_GONE,
        UNCHANGED,
        True,
        [POD],
    ),
]
