"""One line of a use case: what the page of all use cases says of each.

Belongs here: the line, made of a state. Does not belong here: the page (`page.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from platform_assets.monitoring.use_case_page.state import Severity, StateFinding, UseCaseState


class UseCaseSummary(BaseModel):
    """One line of the page of all use cases; small, so that a hundred are read at once.

    Attributes:
        format: of this value as JSON.
        use_case: its name.
        owner: as declared.
        worst: severity of its worst finding.
        finding: that finding; None where nothing was found.
        more: further findings that are not fine.
        newest_event: time of the newest published event.
        lag_seconds: from then to the use case's now.
        champion: its version.
        champion_since: since when.
        requests: answered since the processes started; None without a service or where it did not say.
        p99_ms: time to an answer, in milliseconds.
        automation: whether it runs by itself.
        made_at: when the state was read, in the machine's time.
        stale_after_seconds: when it should have been read again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    use_case: str
    owner: str
    worst: Severity
    finding: StateFinding | None
    more: int
    newest_event: datetime | None
    lag_seconds: float | None
    champion: str | None
    champion_since: datetime | None
    requests: int | None
    p99_ms: float | None
    automation: bool
    made_at: datetime
    stale_after_seconds: int


def summary_of(state: UseCaseState) -> UseCaseSummary:
    """The line of a use case."""
    bad = [one for one in state.findings if one.severity != "ok"]
    service, champion = state.service, state.champion
    return UseCaseSummary(
        use_case=state.use_case,
        owner=state.owner,
        worst=state.worst,
        finding=next(iter(state.findings), None),
        more=max(0, len(bad) - 1),
        newest_event=state.newest_event,
        lag_seconds=state.lag_seconds,
        champion=None if champion is None else champion.version,
        champion_since=None if champion is None else champion.since,
        requests=None if service is None else service.requests,
        p99_ms=None if service is None else service.p99_ms,
        automation=state.automation,
        made_at=state.made_at,
        stale_after_seconds=state.stale_after_seconds,
    )
