"""What every kind of route is asked for.

Belongs here: the Protocol, what it is given and what it answers. Does not belong here: any kind of route (a module each).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from platform_assets.deployment.rollout.stages import Assignment


@dataclass(frozen=True)
class ArmShare:
    """An arm and its part of a use case's requests.

    Attributes:
        name: of the arm and of its Service.
        version: what answers say in `x-service-version`.
        percent: of the requests; all shares of a use case add up to 100.
    """

    name: str
    version: str
    percent: int


@dataclass(frozen=True)
class RouteMirror:
    """An arm that gets copies of requests and answers nobody.

    Attributes:
        name: of the arm and of its Service.
        percent: of the requests.
    """

    name: str
    percent: int = 100


@dataclass(frozen=True)
class RouteSplit:
    """Requests are told apart by entity: `treatment` answers for treated ones, `control` for every other.

    Attributes:
        assignment: of the experiment.
        treatment: name of an arm among the shares.
        control: name of the other one.
    """

    assignment: Assignment
    treatment: str
    control: str


@dataclass(frozen=True)
class RouteTaken:
    """Every object is in force as it was asked for."""


@dataclass(frozen=True)
class RouteRefused:
    """An object was refused; waiting does not help."""

    reason: str


@dataclass(frozen=True)
class RouteWaiting:
    """Nobody has said yet, and what is lacking: for the sentence when waiting took too long."""

    reason: str


class TrafficRoutes(Protocol):
    """A kind of route."""

    def render(
        self,
        use_case: str,
        shares: Sequence[ArmShare],
        mirror: RouteMirror | None = None,
        split: RouteSplit | None = None,
    ) -> list[dict[str, Any]]:
        """The objects by which a use case's requests go to these arms; none where there are no shares.

        Raises:
            ValueError: the shares do not add up to 100, or the split is not between two of them.
        """

    def taken(self, stored: Sequence[Mapping[str, Any]]) -> RouteTaken | RouteRefused | RouteWaiting:
        """What those who carry the requests say of the objects as the API has them now, for the generation that was asked for."""


def checked(shares: Sequence[ArmShare], split: RouteSplit | None) -> None:
    """Refuse what no route can stand for.

    Raises:
        ValueError: the shares do not add up to 100, or the split is not between two of them.
    """
    told = {share.name: share.percent for share in shares}
    if len(told) != len(shares) or any(share.percent < 1 for share in shares) or sum(told.values()) != 100:
        raise ValueError(f"shares of one use case add up to 100 percent over different arms, not {told}")
    if split is not None and set(told) != {split.treatment, split.control}:
        raise ValueError(f"an experiment is between {split.treatment} and {split.control}, not between {sorted(told)}")
