"""The Gateway that use cases answer behind, as seen from here.

Belongs here: whether it exists, whether a controller looks after it, and whether its address answers. Does not belong here: routes
(`routing.py`), and its counts (`counters.py`).
"""

from __future__ import annotations

import time

from platform_assets.deployment.kubernetes.api_errors import NotPermitted
from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.kinds import GATEWAY, GATEWAY_CLASS
from platform_assets.deployment.kubernetes.routes.gateway_api import why_unanswered
from platform_assets.deployment.kubernetes.settings import ClusterSettings

ACCEPT_SECONDS = 10.0
ANSWER_SECONDS = 3.0
POLL_SECONDS = 0.2
NO_ROUTE = 404


def use_case_path(use_case: str) -> str:
    """Where a use case answers below the gateway's address."""
    return f"/v1/{use_case}"


class SeenGateway:
    """The Gateway of the settings."""

    def __init__(self, client: ClusterClient, settings: ClusterSettings) -> None:
        """Describe it; nothing is asked."""
        self._client, self._settings = client, settings

    def problem(self) -> str | None:
        """Why it leads no requests, and what to do; None when it does, or the account may not look.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        settings = self._settings
        if settings.routes != "gateway_api":
            return None  # Istio's own Gateway has no status
        try:
            found = self._client.read(GATEWAY, settings.gateway, settings.gateway_namespace)
        except NotPermitted:
            return None  # a route says the same later
        conditions = (found or {}).get("status", {}).get("conditions") or []
        if any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions):
            return None
        return why_unanswered(settings, found, self._class_of(found))

    def _class_of(self, gateway: Body | None) -> Body | None:
        name = (gateway or {}).get("spec", {}).get("gatewayClassName")
        try:
            return self._client.read(GATEWAY_CLASS, name, namespace="") if name else None
        except NotPermitted:  # accounts of one namespace usually may not: what the Gateway says has to do
            return {"status": {"conditions": [{"type": "Accepted", "status": "True"}]}}

    def problem_that_stays(self) -> str | None:
        """The same, a while after: a Gateway that was just made is taken in a moment.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        deadline = time.monotonic() + ACCEPT_SECONDS
        while (problem := self.problem()) is not None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return problem

    def answers(self, path: str = "") -> int | None:
        """The status of an answer at the address, None when nothing answers there."""
        import httpx

        try:
            with httpx.Client(trust_env=False, timeout=ANSWER_SECONDS, verify=False) as client:
                return client.get(f"{self._settings.address}{path or '/'}").status_code
        except httpx.HTTPError:
            return None

    def leads(self, use_case: str) -> bool:
        """Whether requests for a use case still reach an arm."""
        return self.answers(f"{use_case_path(use_case)}/readyz") not in (None, NO_ROUTE)
