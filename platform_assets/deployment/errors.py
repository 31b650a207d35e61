"""What can go wrong when a service is deployed, as errors that say what happened and what to do next.

Belongs here: exception classes that a caller of this package may want to tell apart. Does not belong here: errors of
a model's quality (the gates in evaluation own those) and errors that only one private function raises and catches
itself.
"""

from __future__ import annotations

from collections.abc import Sequence


class DeploymentError(Exception):
    """Base of every error that this package raises on purpose."""


class InvalidRelease(DeploymentError):
    """A release says something that no target could run; nothing was started."""


class TargetUnavailable(DeploymentError):
    """The target itself (process manager, proxy, its folder) cannot be brought up or reached."""


class PortInUse(TargetUnavailable):
    """The public port belongs to a process that is not ours.

    Attributes:
        port: the port that is taken.
    """

    def __init__(self, port: int, *, setting: str, owner: str) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1 is already in use by {owner}. Stop that process, or choose another port with "
            f"the setting {setting}; nothing was changed."
        )
        self.port = port


class TargetBusy(DeploymentError):
    """Another deployment to the same target holds the lock."""


class StateUnreadable(DeploymentError):
    """The target's own record of what runs is damaged."""


class StartFailed(DeploymentError):
    """A version did not become ready; it was removed again.

    Attributes:
        program: the supervised process that failed.
        log_lines: the last lines the process wrote, oldest first.
    """

    def __init__(self, program: str, reason: str, *, log_path: str, log_lines: Sequence[str]) -> None:
        tail = "\n".join(f"    {line}" for line in log_lines) or "    (the process wrote nothing)"
        super().__init__(f"{program} did not become ready: {reason}. Last lines of {log_path}:\n{tail}")
        self.program = program
        self.log_lines = tuple(log_lines)


class ProbeFailed(DeploymentError):
    """A version started, but its self-test found wrong answers; it got no traffic and was removed again."""


class RoutingRefused(DeploymentError):
    """The proxy did not take new routes, clusters or weights."""


class StopFailed(DeploymentError):
    """Something that was asked to stop is still there."""


class InvalidEvent(DeploymentError):
    """An event arrived that has no meaning in the rollout's present phase; the rollout is unchanged."""


class RolloutHeld(InvalidEvent):
    """A person holds the rollout: verdicts do not advance it."""


class RolloutUnderWay(DeploymentError):
    """Another version is being rolled out: it has to be promoted or aborted first."""


class RolloutChanged(DeploymentError):
    """A rollout is not what it was when somebody decided about it: look again and decide anew."""


class NoRollout(DeploymentError):
    """Somebody decided about a rollout that is not there, or is over."""
