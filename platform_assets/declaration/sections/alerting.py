"""What is promised of a service, and who is told when something is wrong.

Belongs here: service levels, receivers by name, and limits that only people can set. Does not belong here: rules
(`monitoring/alerting`), or the receivers' addresses and keys (settings of the installation).
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from platform_assets.declaration.base import Declaration

Percentile = Literal["p90", "p95", "p99", "p999"]
SLOW_SHARES: dict[Percentile, float] = {"p90": 0.1, "p95": 0.05, "p99": 0.01, "p999": 0.001}
"""Share of requests that may take longer."""
LatencyMilliseconds = Literal[1, 2, 3, 5, 10, 20, 30, 50, 100, 250, 500, 1000, 2500]
"""Bounds of the service's histogram: between them nothing exact can be said."""
ReceiverName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class Objectives(Declaration):
    """Service levels: what callers are promised."""

    availability: float = Field(
        default=0.999,
        ge=0.9,
        lt=1,
        description="Share of well-formed requests that are answered; the rest, answered 5xx, is the error budget. Requests that are "
        "refused for their own fault (4xx) count on neither side.",
    )
    latency_ms: dict[Percentile, LatencyMilliseconds] = Field(
        default={"p99": 100},
        description="Milliseconds within which that share of requests is answered. A bound of the service's histogram: 1, 2, 3, 5, 10, "
        "20, 30, 50, 100, 250, 500, 1000 or 2500.",
    )


class Alerting(Declaration):
    """Who is told of what, and limits that only people can set."""

    page: tuple[ReceiverName, ...] = Field(
        default=(),
        description="Receivers of what cannot wait, by their names in `PLATFORM_ASSETS_ALERT_RECEIVERS`; without any those of the "
        "installation named `page`.",
    )
    ticket: tuple[ReceiverName, ...] = Field(
        default=(),
        description="Receivers of what can wait for the next working day; without any those named `ticket`.",
    )
    rollout_hours: int = Field(default=24, ge=1, description="Hours after which a stage of a rollout counts as stuck.")
    late_days: int = Field(
        default=1,
        ge=1,
        description="Days that features and online store may lie behind the newest event before somebody is told.",
    )
    max_cost_euros: float | None = Field(
        default=None,
        gt=0,
        description="Largest cost a day, of all kinds together, in the currency of the price sheet; no alert without.",
    )
