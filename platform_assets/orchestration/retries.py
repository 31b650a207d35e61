"""What follows from the death of a pod, or of a run's process: again, again with more memory, or never.

Belongs here: the policy, as a pure function. Does not belong here: finding the cause (`kubernetes/deaths.py`,
`local_runs/worker.py`), or starting again (the launchers, `kubernetes/steps.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.causes import Cause, CauseKind, RetryAdvice

MEMORY_FACTOR: Final = 2.0
TAKEN_AWAY: Final = frozenset({CauseKind.EVICTED, CauseKind.PREEMPTED, CauseKind.NODE_GONE, CauseKind.UNSCHEDULABLE})
"""The pod was well, its place was taken; counted together."""
ON_A_MACHINE: Final = frozenset({CauseKind.KILLED, CauseKind.MACHINE_OFF})
"""A run's process was ended from outside, and so was not at fault as far as can be seen; counted together."""
MOST_STARTS_AGAIN: Final = 2
"""How often a run is started again whose process was ended from outside. A machine out of memory kills without a word, and would again."""


@dataclass(frozen=True)
class Consequence:
    """What is done about a death.

    Attributes:
        again: whether it is started again.
        memory_factor: how many times the declared memory it then gets.
        reason: in words, for the event log.
    """

    again: bool
    memory_factor: float
    reason: str


def consequence(cause: Cause, compute: Compute, earlier: Sequence[str] = (), memory_factor: float = 1.0) -> Consequence:
    """What is done about a death: out of memory once again with twice the memory; taken away, and out of time, as often as declared; all
    else never.

    Args:
        cause: why it died.
        compute: what was declared of it.
        earlier: kinds of cause of which it died before.
        memory_factor: how many times the declared memory it had.
    """
    if cause.kind == CauseKind.TIMEOUT:
        spent = [kind for kind in earlier if kind == CauseKind.TIMEOUT]
        return _counted(len(spent), compute.retry_timeouts, "retry_timeouts", memory_factor)
    if cause.kind in ON_A_MACHINE:
        spent = [kind for kind in earlier if kind in ON_A_MACHINE]
        return _counted(len(spent), MOST_STARTS_AGAIN, None, memory_factor)
    if cause.retry == RetryAdvice.UNCHANGED:
        spent = [kind for kind in earlier if kind in TAKEN_AWAY]
        return _counted(len(spent), compute.retry_evictions, "retry_evictions", memory_factor)
    if cause.retry == RetryAdvice.NEVER:
        return Consequence(False, memory_factor, "It is not started again: the same would happen")
    had = compute.memory_gigabytes * memory_factor
    if CauseKind.OUT_OF_MEMORY in earlier:
        return Consequence(False, memory_factor, f"It is not started again: {had:g} GB were too little as well")
    return Consequence(
        True, memory_factor * MEMORY_FACTOR, f"It is started again, once, with {had * MEMORY_FACTOR:g} GB"
    )


def _counted(spent: int, most: int, field: str | None, memory_factor: float) -> Consequence:
    declared = "" if field is None else f" (`{field}`)"
    if spent < most:
        return Consequence(True, memory_factor, f"It is started again unchanged, {spent + 1} of {most} times{declared}")
    return Consequence(False, memory_factor, f"It is not started again: {spent} of {most} times are used{declared}")
