"""Envoy Gateway's policies for HTTPRoutes, as far as the test cluster knows them: inline Lua, and retries.

Belongs here: which policies are for a route, and what they say in Envoy's words. Does not belong here: their status (`gateway_status.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from platform_assets_tests.kubernetes.cluster.gateway_routes import retry_policy, seconds
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import EXTENSION_POLICY, TRAFFIC_POLICY, Object
from platform_assets_tests.kubernetes.cluster.store import ObjectStore

KINDS = (EXTENSION_POLICY, TRAFFIC_POLICY)
MOST_RETRIES = 2
"""Of a policy that says no number."""


class Policies:
    """The policies that are stored, oldest first, without those that Envoy rejects."""

    def __init__(self, store: ObjectStore, refusal: Callable[[Object], str]) -> None:
        """Args:
        store: the cluster's objects.
        refusal: why a policy is not in force, "" for one that is.
        """
        self.all = [(kind, one) for kind in KINDS for one in store.items(kind)]
        self._in_force = [(kind, one) for kind, one in self.all if not refusal(one)]

    def of(self, kind: Kind, route: Object) -> list[Object]:
        """Policies of a kind for a route."""
        return [one for found, one in self._in_force if found == kind and is_for(one, route)]

    def programs(self, route: Object) -> list[str]:
        """Lua that runs for a route's requests."""
        entries = [entry for one in self.of(EXTENSION_POLICY, route) for entry in one["spec"].get("lua") or []]
        return [entry["inline"] for entry in entries if entry.get("type", "Inline") == "Inline"]

    def retries(self, route: Object) -> Object | None:
        """Envoy's retry policy for those of a route's rules that have none of their own."""
        for one in self.of(TRAFFIC_POLICY, route):
            if (retry := one["spec"].get("retry")) is not None:
                on, each = retry.get("retryOn") or {}, retry.get("perRetry") or {}
                triggers = list(on.get("triggers") or ["connect-failure", "refused-stream", "unavailable", "cancelled"])
                codes = list(on.get("httpStatusCodes") or [])
                policy = retry_policy(retry.get("numRetries", MOST_RETRIES), triggers, codes)
                backoff = each.get("backOff") or {}
                if "baseInterval" in backoff:
                    base = seconds(backoff["baseInterval"])
                    most = seconds(backoff["maxInterval"]) if "maxInterval" in backoff else 10 * base
                    policy["retry_back_off"] = {"base_interval": f"{base:.3f}s", "max_interval": f"{most:.3f}s"}
                if "timeout" in each:
                    policy["per_try_timeout"] = f"{seconds(each['timeout']):.3f}s"
                return policy
        return None


def is_for(policy: Object, route: Object) -> bool:
    """Whether a policy names a route."""
    references = [*(policy["spec"].get("targetRefs") or []), *filter(None, [policy["spec"].get("targetRef")])]
    if policy["metadata"]["namespace"] != route["metadata"]["namespace"]:
        return False
    return any(one["kind"] == "HTTPRoute" and one["name"] == route["metadata"]["name"] for one in references)
