"""Why pods, and processes of runs, do not run: the words for it.

Belongs here: the kinds of cause, and what follows from each. Does not belong here: finding one
(`kubernetes/diagnosis.py`, `orchestration/local_runs/worker.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class CauseKind(StrEnum):
    """Why a pod or a process died, or cannot start."""

    IMAGE = "image"
    CRASH = "crash"
    OUT_OF_MEMORY = "out_of_memory"
    EVICTED = "evicted"
    PREEMPTED = "preempted"
    QUOTA = "quota"
    UNSCHEDULABLE = "unschedulable"
    NODE_GONE = "node_gone"
    TIMEOUT = "timeout"
    FORBIDDEN = "forbidden"
    WEBHOOK = "webhook"
    KILLED = "killed"
    MACHINE_OFF = "machine_off"


class RetryAdvice(StrEnum):
    """What a new attempt is worth."""

    WITH_MORE_MEMORY_ONCE = "retry_with_more_memory_once"
    UNCHANGED = "retry_unchanged"
    NEVER = "never"


ADVICE = MappingProxyType(
    {
        CauseKind.OUT_OF_MEMORY: RetryAdvice.WITH_MORE_MEMORY_ONCE,
        CauseKind.EVICTED: RetryAdvice.UNCHANGED,
        CauseKind.PREEMPTED: RetryAdvice.UNCHANGED,
        CauseKind.NODE_GONE: RetryAdvice.UNCHANGED,
        CauseKind.KILLED: RetryAdvice.UNCHANGED,
        CauseKind.MACHINE_OFF: RetryAdvice.UNCHANGED,
    }
)
"""Of each kind; of every other: never, the same would happen."""


@dataclass(frozen=True)
class Cause:
    """Why a pod died, or cannot start.

    Attributes:
        kind: which of the causes.
        sentence: what happened, to which pod.
        what_to_do: one sentence more.
        final: waiting does not help.
        retry: what a new attempt is worth.
        log_lines: the last that the pod wrote, oldest first.
        pod: its name; empty where no pod was made.
    """

    kind: CauseKind
    sentence: str
    what_to_do: str
    final: bool
    retry: RetryAdvice
    log_lines: tuple[str, ...] = ()
    pod: str = ""

    @property
    def log(self) -> str:
        """The last lines as one text."""
        return "\n".join(self.log_lines)


def made_of(
    kind: CauseKind, sentence: str, what_to_do: str, *, final: bool, pod: str = "", retry: RetryAdvice | None = None
) -> Cause:
    """A cause with the advice that its kind has, unless another is given."""
    advice = ADVICE.get(kind, RetryAdvice.NEVER) if retry is None else retry
    return Cause(kind, f"{sentence.strip().rstrip('.')}.", what_to_do, final, advice, pod=pod)
