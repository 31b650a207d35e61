"""Causes: told from what kubelet, scheduler and controllers write, with what follows from each."""

from typing import Any

import pytest

from platform_assets.deployment.causes import ADVICE, CauseKind
from platform_assets.deployment.kubernetes.diagnosis import diagnose, failed_probe, refused
from platform_assets.deployment.kubernetes.quantities import quantity
from platform_assets.orchestration.retries import ON_A_MACHINE
from platform_assets_tests.unit.deployment.kubernetes.pods_never_made import NEVER_MADE
from platform_assets_tests.unit.deployment.kubernetes.pods_that_died import DIED
from platform_assets_tests.unit.deployment.kubernetes.statuses import (
    EVICTED,
    HEALTHY,
    MEMORY,
    POD,
    QUOTA,
    SET,
    UNCHANGED,
    UNSCHEDULABLE,
    condition,
    container,
    ended,
    event,
    node,
    of,
    pod,
    unscheduled,
    waiting,
)

CASES = [*DIED, *NEVER_MADE]


@pytest.mark.parametrize(
    ("given", "kind", "retry", "final", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_look_tells_the_cause(
    given: dict[str, Any], kind: CauseKind, retry: str, final: bool, words: list[str]
) -> None:
    cause = diagnose(
        given["pods"], given.get("events", ()), owners=given.get("owners", ()), nodes=given.get("nodes", ())
    )
    assert cause is not None
    assert (cause.kind, cause.retry, cause.final) == (kind, retry, final), cause.sentence
    told = f"{cause.sentence} {cause.what_to_do}"
    assert all(word in told for word in words), told
    assert cause.sentence.endswith(".")
    assert cause.what_to_do


def test_every_kind_is_told_somewhere_and_has_its_advice() -> None:
    assert {case[2] for case in CASES} == set(CauseKind) - ON_A_MACHINE
    assert ADVICE[CauseKind.OUT_OF_MEMORY] == MEMORY
    assert {kind for kind, advice in ADVICE.items() if advice == UNCHANGED} == {
        "evicted",
        "preempted",
        "node_gone",
        "killed",
        "machine_off",
    }


STARTING = pod(
    phase="Pending",
    conditions=[condition("PodScheduled", "True", "")],
    containerStatuses=[container(state=waiting("ContainerCreating"))],
)


@pytest.mark.parametrize(
    "given",
    [
        {"pods": []},
        {"pods": [HEALTHY]},
        {"pods": [STARTING], "nodes": [node()]},
        of(container(state={"running": {}})),
        of(container(ready=True, restarts=4, state={"running": {}}, last=ended(137, "OOMKilled"))),
        of(container(state=ended(0, "Completed")), phase="Succeeded"),
        of(container("fetch-release", ready=True, state=ended(0, "Completed")), init=True),
        unscheduled("")
        | {"pods": [pod(phase="Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated")])]},
        {"pods": [pod() | {"metadata": {"name": POD, "deletionTimestamp": "2026-01-01T00:00:00Z"}}]},
        {"pods": [HEALTHY], "events": [event("Evicted", EVICTED, "another-pod")]},
        {"pods": [HEALTHY], "events": [event("NodeNotReady", "Node is not ready")]},
        {
            "pods": [],
            "events": [
                event("FailedCreate", f"Error creating: {QUOTA}", SET, "ReplicaSet", "2026-01-01T00:00:00Z"),
                event("SuccessfulCreate", "Created pod: x", SET, "ReplicaSet", "2026-01-01T00:00:09Z"),
            ],
        },
    ],
    ids=[
        "nothing",
        "healthy",
        "starting",
        "not ready yet",
        "well again",
        "done",
        "fetched",
        "gated",
        "asked to end",
        "another's",
        "node is back",
        "made later",
    ],
)
def test_nothing_is_told_of_pods_that_start_run_or_ended_well(given: dict[str, Any]) -> None:
    assert diagnose(given["pods"], given.get("events", ()), nodes=given.get("nodes", ())) is None


def test_the_releases_own_fault_is_told_before_the_clusters_and_what_is_final_before_all() -> None:
    crashed = pod("a", containerStatuses=[container(restarts=3, state=waiting("CrashLoopBackOff"), last=ended(1))])
    (waits,) = unscheduled(UNSCHEDULABLE)["pods"]
    lost = pod("b", phase="Unknown")
    cause = diagnose([waits, lost, crashed], logs={"a": [f"line {number}" for number in range(30)], "b": ["other"]})
    assert cause is not None
    assert (cause.kind, cause.pod) == (CauseKind.CRASH, "a")
    assert cause.log_lines == tuple(f"line {number}" for number in range(10, 30))
    assert cause.log.endswith("line 28\nline 29")


def test_last_words_are_kept_where_the_log_is_gone_and_nodes_that_are_not_all_prove_nothing() -> None:
    words = "Traceback (most recent call last):\n  ...\nOSError: no model\n"
    cause = diagnose([pod(phase="Failed", containerStatuses=[container(state=ended(1, message=words))])])
    assert cause is not None
    assert "OSError: no model." in cause.sentence
    assert "Traceback" not in cause.sentence
    assert cause.log_lines[0].startswith("Traceback")
    some = diagnose(unscheduled(UNSCHEDULABLE)["pods"], nodes=[node(memory="2Gi")])
    assert some is not None
    assert not some.final


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (
            403,
            '{"kind":"Status","message":"deployments.apps is forbidden: User \\"x\\" cannot create resource","code":403}',
            CauseKind.FORBIDDEN,
        ),
        (
            403,
            '{"message":"jobs.batch \\"run\\" is forbidden: exceeded quota: jobs, requested: pods=1, used: pods=5, limited: pods=5"}',
            CauseKind.QUOTA,
        ),
        (401, "Unauthorized", CauseKind.FORBIDDEN),
        (400, 'admission webhook "policy.example" denied the request: no', CauseKind.WEBHOOK),
        (403, '{"message":"admission webhook \\"policy.example\\" denied the request: no"}', CauseKind.WEBHOOK),
        (500, 'Internal error occurred: failed calling webhook "policy.example": no endpoints', CauseKind.WEBHOOK),
        (409, "the object has been modified", None),
        (404, 'namespaces "ml" not found', None),
    ],
)
def test_a_refusal_of_the_api_is_told_by_its_words(status: int, words: str, kind: CauseKind | None) -> None:
    cause = refused(status, words)
    assert (cause and cause.kind) == kind
    if kind is CauseKind.WEBHOOK and cause is not None:
        assert "policy.example" in cause.sentence


def test_the_last_probe_that_failed_is_told() -> None:
    failed = [
        event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", at="2026-01-01T00:00:09Z"),
        event("Unhealthy", "Startup probe failed: connection refused", at="2026-01-01T00:00:01Z"),
    ]
    assert failed_probe(failed) == "Readiness probe failed: HTTP probe failed with statuscode: 503"
    assert failed_probe([event("Pulled", "")]) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", 0.25),
        ("2", 2),
        ("1500M", 1.5e9),
        ("2Gi", 2**31),
        ("1k", 1000),
        ("0.5", 0.5),
        ("88660Ki", 88660 * 1024),
        ("much", None),
        ("1.2.3", None),
    ],
)
def test_quantities_are_read(text: str, number: float | None) -> None:
    assert quantity(text) == number
