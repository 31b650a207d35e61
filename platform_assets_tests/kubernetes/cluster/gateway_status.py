"""What the gateway's controller writes into the status of the Gateway API's objects.

Belongs here: conditions in its words. Does not belong here: when they are true (`gateway.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_assets_tests.kubernetes.cluster.objects import Object, set_condition

CONTROLLER = "test-cluster/envoy-gateway"


def write(status: Object, generation: int, name: str, value: bool, reason: str, words: str = "") -> None:
    """A condition of this generation."""
    set_condition(status, name, value, reason, words or reason, observedGeneration=generation)


def route_status(status: Object, generation: int, verdicts: Sequence[Object], refusal: str) -> None:
    """Of an HTTPRoute: an entry for each parent of ours, those of other controllers as they are."""
    old = {str(one["parentRef"]): one for one in status.get("parents") or []}
    status["parents"] = [one for one in status.get("parents") or [] if one.get("controllerName") != CONTROLLER]
    for verdict in verdicts:
        parent = old.get(str(verdict["reference"]), {"parentRef": verdict["reference"], "conditions": []})
        parent["controllerName"] = CONTROLLER
        if verdict["refused"]:
            write(parent, generation, "Accepted", False, *verdict["refused"])
        elif refusal:
            write(parent, generation, "Accepted", False, "UnsupportedValue", refusal)
        else:
            write(parent, generation, "Accepted", True, "Accepted", "Route is accepted")
        if verdict["unresolved"]:
            write(parent, generation, "ResolvedRefs", False, *verdict["unresolved"])
        else:
            words = "Resolved all the Object references for the Route"
            write(parent, generation, "ResolvedRefs", True, "ResolvedRefs", words)
        status["parents"].append(parent)


def policy_status(status: Object, generation: int, gateways: Sequence[Object], refusal: str) -> None:
    """Of a policy for HTTPRoutes: an entry for each gateway whose routes it is for."""
    old = {str(one["ancestorRef"]): one for one in status.get("ancestors") or []}
    status["ancestors"] = []
    for reference in gateways:
        ancestor = old.get(str(reference), {"ancestorRef": reference, "conditions": []})
        ancestor["controllerName"] = CONTROLLER
        if refusal:
            write(ancestor, generation, "Accepted", False, "Invalid", refusal)
        else:
            write(ancestor, generation, "Accepted", True, "Accepted", "Policy has been accepted.")
        status["ancestors"].append(ancestor)


def gateway_status(status: Object, generation: int, gateway: Object, attached: Mapping[str, int], address: str) -> None:
    """Of a Gateway whose listeners are in force."""
    write(status, generation, "Accepted", True, "Accepted", "The Gateway has been scheduled by the test cluster")
    write(status, generation, "Programmed", True, "Programmed", "Address assigned to the Gateway, Envoy listens")
    status["addresses"] = [{"type": "IPAddress", "value": address}]
    old = {one["name"]: one for one in status.get("listeners") or []}
    status["listeners"] = []
    for one in gateway["spec"]["listeners"]:
        listener = old.get(one["name"], {"name": one["name"], "conditions": []})
        listener["attachedRoutes"] = attached.get(one["name"], 0)
        listener["supportedKinds"] = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]
        for name in ("Accepted", "Programmed", "ResolvedRefs"):
            write(listener, generation, name, True, name)
        status["listeners"].append(listener)
