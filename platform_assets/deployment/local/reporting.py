"""What the local target reports of itself: stored state and live facts, put together for people and callers.

Belongs here: building statuses from what is known already.
Does not belong here: anything that changes the target or waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platform_assets.deployment.local.host import resident_bytes
from platform_assets.deployment.local.services import Services
from platform_assets.deployment.local.state import Arm, Program, TargetState
from platform_assets.deployment.local.supervisor import ProgramInfo
from platform_assets.deployment.release import ProcessStatus, TargetStatus, UseCaseStatus

UNWATCHED = "UNWATCHED"
"""State of a process that answers while no process manager runs."""


@dataclass(frozen=True)
class LocalStatus(TargetStatus):
    """The local target.

    Attributes:
        supervisor_pid: of supervisord, None when it does not run.
        envoy_pid: of Envoy, None when it does not run.
        envoy_state: supervisord's word for it.
    """

    supervisor_pid: int | None
    envoy_pid: int | None
    envoy_state: str


def use_case_status(
    state: TargetState, use_case: str, address: str, infos: Mapping[str, ProgramInfo], services: Services
) -> UseCaseStatus:
    """Look at one use case: its stored arms, and what their processes do now."""
    stored = state.use_case(use_case)
    weights: dict[str, int] = {}
    for arm in stored.arms:  # a version that is deployed anew has two arms for a while
        weights[arm.version] = weights.get(arm.version, 0) + arm.weight
    serving = state.serving(use_case)
    return UseCaseStatus(
        use_case=use_case,
        version=serving.version if serving else None,
        address=address,
        weights=weights,
        processes=tuple(_process(arm, program, infos, services) for arm in stored.arms for program in arm.programs),
        rollout=stored.rollout.phase.value if stored.rollout else None,
        mirror=next((arm.version for arm in stored.arms if arm.name == stored.mirror), None),
    )


def _process(arm: Arm, program: Program, infos: Mapping[str, ProgramInfo], services: Services) -> ProcessStatus:
    reason = services.unready(program, arm.ready_path)
    # Without a process manager a process may live on.
    state = "STOPPED" if reason is not None else UNWATCHED
    info = infos.get(program.name) or ProgramInfo(program.name, state, None, 0.0, "")
    return ProcessStatus(
        program=program.name,
        version=arm.version,
        state=info.state,
        pid=info.pid,
        port=program.port,
        ready=reason is None,
        uptime_seconds=info.uptime_seconds,
        resident_bytes=resident_bytes(info.pid),
        reason=reason or "",
    )
