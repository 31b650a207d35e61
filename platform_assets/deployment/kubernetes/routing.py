"""Leading a use case's requests to its arms, and waiting until they go there.

Belongs here: putting route objects and taking away those that are not asked for any more. Does not belong here: what the objects say, and
how they are found taken (`routes/`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from platform_assets.deployment.errors import RoutingRefused
from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.api_errors import ClusterRefused
from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.kinds import ApiKind, kind_of
from platform_assets.deployment.kubernetes.routes.base import (
    ArmShare,
    RouteMirror,
    RouteRefused,
    RouteSplit,
    RouteTaken,
    RouteWaiting,
    TrafficRoutes,
)
from platform_assets.deployment.kubernetes.state import ClusterUseCase
from platform_assets.deployment.kubernetes.watching import Objects, watched

TAKE_SECONDS = 20.0
GONE_SECONDS = 10.0
POLL_SECONDS = 0.05


class Routing:
    """The routes of one namespace."""

    def __init__(
        self,
        client: ClusterClient,
        routes: TrafficRoutes,
        kinds: Sequence[ApiKind],
        answers: Callable[[str], bool],
        gateway: str,
    ) -> None:
        """Describe them; nothing is asked.

        Args:
            client: of the namespace.
            routes: the kind of route.
            kinds: of the objects that it renders.
            answers: whether a use case's address still leads to an arm; asked when its routes are gone.
            gateway: what the settings call it, for messages.
        """
        self._client, self._routes, self._kinds, self._answers, self._gateway = client, routes, kinds, answers, gateway

    def put(self, use_case: str, state: ClusterUseCase) -> None:
        """Have requests go to the arms as the state says, and wait until they do.

        Raises:
            RoutingRefused: an object was refused, or was not taken in time; requests go where they went before.
        """
        wanted = self._rendered(use_case, state)
        try:
            for body in wanted:
                self._client.apply(body)
            self._remove(use_case, keep=wanted)
            if wanted:
                self._wait_taken(use_case, wanted)
            else:
                self._wait_gone(use_case)
        except ClusterRefused as error:
            raise RoutingRefused(f"the routes of {use_case} were not changed: {error}") from error

    def missing(self, use_case: str, state: ClusterUseCase) -> bool:
        """Whether an object that the state asks for is not there.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        wanted = self._rendered(use_case, state)
        return any(self._client.read(kind_of(body), body["metadata"]["name"]) is None for body in wanted)

    def stored(self, use_case: str, state: ClusterUseCase) -> list[Body]:
        """The objects as the API has them; those that are missing are left out.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        found = [self._client.read(kind_of(b), b["metadata"]["name"]) for b in self._rendered(use_case, state)]
        return [body for body in found if body is not None]

    def refusal(self, use_case: str, state: ClusterUseCase) -> str | None:
        """Why requests do not go as the state says, None when they do.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        wanted = self._rendered(use_case, state)
        stored = self.stored(use_case, state)
        if len(stored) < len(wanted):
            return "its route is missing; `platform-assets run` puts it back"
        said = self._routes.taken(stored) if wanted else RouteTaken()
        return said.reason if isinstance(said, RouteRefused | RouteWaiting) else None

    def withdraw(self, use_case: str) -> None:
        """Take a use case off the address, whatever the state says.

        Raises:
            RoutingRefused: an object could not be deleted.
        """
        self.put(use_case, ClusterUseCase())

    def _rendered(self, use_case: str, state: ClusterUseCase) -> list[Body]:
        shares = [ArmShare(arm.name, arm.version, arm.weight) for arm in state.arms if arm.weight]
        mirror = None if state.mirror is None else RouteMirror(state.mirror, state.mirror_percent)
        split = state.split
        told = None if split is None else RouteSplit(split.assignment, split.treatment, split.control)
        return self._routes.render(use_case, shares, mirror, told) if shares else []

    def _remove(self, use_case: str, keep: Sequence[Body]) -> None:
        kept = {(body["kind"], body["metadata"]["name"]) for body in keep}
        ours = _routes_of(use_case)
        for kind in self._kinds:
            for body in self._client.items(kind, ours):
                if (kind.name, body["metadata"]["name"]) not in kept:
                    self._client.delete(kind, body["metadata"]["name"])

    def _wait_taken(self, use_case: str, wanted: Sequence[Body]) -> None:
        ours = _routes_of(use_case)
        selectors = {kind_of(body): ours for body in wanted}
        last: list[str] = ["nobody has said anything of them"]

        def look(objects: Objects) -> RouteTaken | RouteRefused | None:
            stored = [objects[kind_of(body)].get(body["metadata"]["name"]) for body in wanted]
            there = [body for body in stored if body is not None]
            if len(there) < len(wanted):
                return RouteRefused("somebody deleted one of the objects meanwhile")
            said = self._routes.taken(there)
            if isinstance(said, RouteWaiting):
                last[0] = said.reason
                return None
            return said

        with watched(self._client, selectors, TAKE_SECONDS) as seen:
            found = seen.wait(look, len(selectors), TAKE_SECONDS)
        if isinstance(found, RouteRefused):
            raise RoutingRefused(f"the gateway {self._gateway} refuses the routes of {use_case}: {found.reason}")
        if found is None:
            raise RoutingRefused(
                f"the gateway {self._gateway} did not take the routes of {use_case} in {TAKE_SECONDS:g} s: {last[0]}. See "
                f"`kubectl describe httproute,gateway -A`; does the Gateway exist, and does a controller look after its class?"
            )

    def _wait_gone(self, use_case: str) -> None:
        """No status says that a route is gone: the address does."""
        deadline = time.monotonic() + GONE_SECONDS
        while self._answers(use_case) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _routes_of(use_case: str) -> str:
    return f"{naming.OURS},{naming.USE_CASE_LABEL}={naming.label_value(use_case)}"
