"""Whether what is due starts by itself on a home: the daemon's sign of life, and what somebody switched by hand.

Belongs here: what an instance tells without definitions, for a command that must be quick. Does not belong here: what there should be
(`operations_facts.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus

from platform_assets.orchestration.operations_facts import read_daemons


@dataclass(frozen=True)
class Switches:
    """What an instance remembers of automation.

    Attributes:
        heartbeat: newest sign of life of any daemon; None when none ever ran.
        on: schedules and sensors that somebody switched on.
        off: those that somebody switched off.
    """

    heartbeat: datetime | None
    on: tuple[str, ...]
    off: tuple[str, ...]

    def is_alive(self, now: datetime, within_seconds: float = 60.0) -> bool:
        """Whether a daemon gave a sign of life within a minute."""
        return self.heartbeat is not None and (now - self.heartbeat).total_seconds() < within_seconds

    def in_words(self, now: datetime | None = None) -> str:
        """For a line on a screen."""
        moment = now or datetime.now(UTC)
        alive = "its daemon runs" if self.is_alive(moment) else "its daemon does not run now"
        off = f"; switched off by hand: {', '.join(self.off)}" if self.off else ""
        on = f"; switched on by hand: {', '.join(self.on)}" if self.on else ""
        return f"{alive}{off}{on}"


def read_switches() -> Switches:
    """What the instance that `DAGSTER_HOME` names remembers."""
    with dg.DagsterInstance.get() as instance:
        return switches_of(instance)


def switches_of(instance: dg.DagsterInstance) -> Switches:
    """What an instance remembers."""
    beats = [daemon.heartbeat_at for daemon in read_daemons(instance) if daemon.heartbeat_at is not None]
    states = instance.all_instigator_state() if instance.schedule_storage is not None else ()
    by_status = {
        status: tuple(sorted({state.instigator_name for state in states if state.status is status}))
        for status in (InstigatorStatus.RUNNING, InstigatorStatus.STOPPED)
    }
    return Switches(max(beats, default=None), by_status[InstigatorStatus.RUNNING], by_status[InstigatorStatus.STOPPED])
