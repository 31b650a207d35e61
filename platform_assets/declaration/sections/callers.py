"""Who may call a service, and how much: what a team requires of callers.

Belongs here: the way callers show who they are, and their limits. Does not belong here: tokens, certificates and whether callers are
checked at all, which are settings of the installation.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from platform_assets.declaration.base import Declaration

CallerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
"""A caller as the installation's tokens call it, or as its certificate does."""

MOST_BODY_BYTES = 2**20
"""What the proxy takes at most, whatever is declared."""


class CallerLimits(Declaration):
    """How much one caller may ask for."""

    requests_per_second: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests a second; further ones get status 429. No limit when left out.",
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Requests that may come at once after a pause; default: those of one second.",
    )
    concurrent: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Requests under way at a time; further ones get status 429. No limit when left out.",
    )

    @model_validator(mode="after")
    def _burst_of_a_rate(self) -> "CallerLimits":
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst says how many requests may come at once of a rate: declare requests_per_second too")
        return self


class Callers(CallerLimits):
    """Who may call, and how much each caller may ask for. In force where the installation checks callers."""

    auth: Literal["token", "mtls", "none"] = Field(
        default="token",
        description="How callers show who they are. `token`: `authorization: Bearer ...`, else 401. `mtls`: a certificate of the "
        "installation's authority, else 403. `none`: not at all; each address is a caller.",
    )
    most_body_bytes: int | None = Field(
        default=None,
        ge=1024,
        le=MOST_BODY_BYTES,
        description="Largest request body; a larger one gets status 413. Default: what the proxy takes, 1 MiB.",
    )
    own: dict[CallerName, CallerLimits] = Field(
        default_factory=dict, description="Limits of single callers, in place of those of all; by the caller's name."
    )
