"""What follows from each cause of death."""

import pytest

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.causes import CauseKind, made_of
from platform_assets.orchestration.retries import consequence

DECLARED = Compute(memory_gigabytes=3, retry_evictions=2, retry_timeouts=1)
NEVER = (
    CauseKind.IMAGE,
    CauseKind.QUOTA,
    CauseKind.FORBIDDEN,
    CauseKind.WEBHOOK,
    CauseKind.CRASH,
    CauseKind.UNSCHEDULABLE,
)


@pytest.mark.parametrize("kind", NEVER)
def test_what_would_happen_again_is_never_started_again(kind: CauseKind) -> None:
    then = consequence(made_of(kind, "so", "", final=True), DECLARED)
    assert not then.again
    assert "the same would happen" in then.reason


def test_out_of_memory_is_started_again_once_with_twice_the_memory() -> None:
    cause = made_of(CauseKind.OUT_OF_MEMORY, "so", "", final=True)
    first = consequence(cause, DECLARED)
    assert (first.again, first.memory_factor) == (True, 2.0)
    assert "6 GB" in first.reason
    second = consequence(cause, DECLARED, ["out_of_memory"], first.memory_factor)
    assert not second.again
    assert "6 GB were too little" in second.reason


@pytest.mark.parametrize("kind", [CauseKind.EVICTED, CauseKind.PREEMPTED, CauseKind.NODE_GONE])
def test_what_was_taken_away_is_started_again_unchanged_as_often_as_declared(kind: CauseKind) -> None:
    cause = made_of(kind, "so", "", final=True)
    earlier: list[str] = []
    for _ in range(DECLARED.retry_evictions):
        then = consequence(cause, DECLARED, earlier)
        assert (then.again, then.memory_factor) == (True, 1.0)
        earlier.append("evicted")
    assert not consequence(cause, DECLARED, earlier).again


def test_a_timeout_is_started_again_as_often_as_declared_and_not_at_all_by_itself() -> None:
    cause = made_of(CauseKind.TIMEOUT, "so", "", final=True)
    assert consequence(cause, DECLARED).again
    assert not consequence(cause, DECLARED, ["timeout"]).again
    assert not consequence(cause, Compute()).again


def test_memory_grown_after_a_death_stays_grown_after_an_eviction() -> None:
    evicted = made_of(CauseKind.EVICTED, "so", "", final=True)
    assert consequence(evicted, DECLARED, ["out_of_memory"], 2.0).memory_factor == 2.0


@pytest.mark.parametrize("kind", [CauseKind.KILLED, CauseKind.MACHINE_OFF])
def test_a_process_that_was_ended_from_outside_is_started_again_twice(kind: CauseKind) -> None:
    cause = made_of(kind, "so", "", final=True)
    assert consequence(cause, DECLARED).again
    assert consequence(cause, DECLARED, ["killed"]).again
    third = consequence(cause, DECLARED, ["killed", "machine_off"])
    assert not third.again
    assert "2 of 2 times are used" in third.reason
