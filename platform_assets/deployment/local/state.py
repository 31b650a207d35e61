"""What the local target remembers: which versions run where, with which weights, and a rollout under way.

Belongs here: what this target remembers of an arm beside what every target does (`deployment/remembered.py`), and the file. Does not belong
here: what can be asked of the process manager or the proxy at any time (process ids, health); it would go stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from platform_assets.deployment.errors import StateUnreadable
from platform_assets.deployment.local.host import write_private
from platform_assets.deployment.remembered import RememberedArm, RememberedTarget, RememberedUseCase, Stored


class Program(Stored):
    """One supervised process of an arm, and the port it listens on."""

    name: str
    port: int


class Arm(RememberedArm):
    """One version of one use case that has processes; its name is that of the proxy's cluster.

    Attributes:
        exposed: whether the proxy knows its endpoints; it stays known, and checked, while it may get traffic.
    """

    programs: tuple[Program, ...]
    exposed: bool = False

    def weighted(self, weight: int) -> Self:
        """A copy with this weight; an arm with weight is exposed."""
        return self.model_copy(update={"weight": weight, "exposed": self.exposed or weight > 0})

    def copied_to(self) -> Self:
        """A copy that gets copies of requests, which is exposed."""
        return self.model_copy(update={"exposed": True})


LocalUseCase = RememberedUseCase[Arm]


class TargetState(RememberedTarget[Arm]):
    """Everything the local target remembers between two commands.

    Attributes:
        admin_port: of no use any more; from when the proxy's own interface was on a port.
    """

    target_id: str
    envoy_port: int
    admin_port: int = 0

    @classmethod
    def _never_deployed(cls) -> LocalUseCase:
        return LocalUseCase()

    def ports(self) -> set[int]:
        """Every port this target has promised to something."""
        services = {program.port for _, arm in self.arms() for program in arm.programs}
        return services | {self.envoy_port}


def load_state(path: Path) -> TargetState | None:
    """Read the stored state; None when there is none yet.

    Raises:
        StateUnreadable: the file is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return TargetState.model_validate_json(text)
    except ValidationError as error:
        raise StateUnreadable(
            f"{path} cannot be read: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}. Stop the target, which "
            f"ends its processes without this file, delete the file and deploy again."
        ) from error


def save_state(path: Path, state: TargetState) -> None:
    """Store the state in one step: after a crash the file holds the old or the new state, never half of one."""
    write_private(path, state.model_dump_json(indent=2) + "\n")


@dataclass
class StateStore:
    """The target's state while its lock is held; every change reaches the disk before it is acted on."""

    path: Path
    state: TargetState

    def put(self, state: TargetState) -> TargetState:
        """Replace the state."""
        self.state = state
        save_state(self.path, state)
        return state
