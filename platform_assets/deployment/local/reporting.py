"""What the local target reports of itself: stored state and live facts, put together for people and callers.

Belongs here: building statuses from what is known already.
Does not belong here: anything that changes the target or waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_assets.deployment.local.envoy import PROGRAM
from platform_assets.deployment.local.host import port_is_free, port_owner, resident_bytes
from platform_assets.deployment.local.services import Services
from platform_assets.deployment.local.state import Arm, Program, TargetState
from platform_assets.deployment.local.stored_access import ReportedAccess
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


def local_status(
    state: TargetState | None,
    address_of: Callable[[str | None], str],
    port: tuple[int, str],
    supervisor_pid: int | None,
    infos: Mapping[str, ProgramInfo],
    services: Services,
    *,
    listens: bool,
    callers: ReportedAccess,
    own_socket: Path,
) -> LocalStatus:
    """Put the whole target's status together.

    Args:
        state: what it remembers, None when nothing was ever deployed.
        address_of: a use case's address, or that of the whole target.
        port: the public port, and how the user's settings call it.
        supervisor_pid: of supervisord, None when it does not run.
        infos: the programs that it knows.
        services: asked whether they are ready.
        listens: whether the proxy answers on the public port.
        callers: who may call.
        own_socket: by which the platform itself asks.
    """
    proxy = infos.get(PROGRAM)
    use_cases = {
        name: use_case_status(state, name, address_of(name), infos, services)
        for name in (state.use_cases if state else {})
        if state
    }
    memory = {"supervisord": resident_bytes(supervisor_pid, children=False)}
    memory["envoy"] = resident_bytes(proxy.pid if proxy else None)
    wrong = (*problems(*port, supervisor_pid, listens), *callers.problems) if use_cases else ()
    return LocalStatus(
        running=supervisor_pid is not None and listens,
        address=address_of(None),
        supervisor_pid=supervisor_pid,
        envoy_pid=proxy.pid if proxy else None,
        envoy_state=proxy.state if proxy else "STOPPED",
        resident_bytes=memory,
        use_cases=use_cases,
        problems=wrong,
        checks_callers=callers.access.checked,
        callers=callers.words,
        own_socket=str(own_socket),
    )


def use_case_status(
    state: TargetState, use_case: str, address: str, infos: Mapping[str, ProgramInfo], services: Services
) -> UseCaseStatus:
    """Look at one use case: its stored arms, and what their processes do now."""
    stored = state.use_case(use_case)
    serving = stored.serving()
    return UseCaseStatus(
        use_case=use_case,
        version=serving.version if serving else None,
        address=address,
        weights=stored.weights,
        processes=tuple(_process(arm, program, infos, services) for arm in stored.arms for program in arm.programs),
        rollout=stored.rollout.phase.value if stored.rollout else None,
        mirror=next((arm.version for arm in stored.arms if arm.name == stored.mirror), None),
    )


def problems(port: int, port_setting: str, supervisor_pid: int | None, listens: bool) -> tuple[str, ...]:
    """What is wrong with the process manager and the proxy of a target that something was deployed on."""
    found = []
    if not listens and not port_is_free(port):
        found.append(f"port {port} is in use by {port_owner(port)}: end it, or set {port_setting}; then run again")
    elif not listens:
        found.append(f"the proxy does not listen on port {port}; `platform-assets run` starts it")
    if supervisor_pid is None:
        words = "what it left goes on answering, watched by nobody" if listens else "nothing of it runs"
        found.append(f"supervisord does not run and {words}; `platform-assets run` starts it")
    return tuple(found)


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
