"""Routes: who answers what, the same program for an A/B test as the local proxy runs, and what a status is worth.

Gateway API, Envoy Gateway and Istio: no package that is installed here has their schemas, so these objects are not validated here
(`test_custom_schemas.py` does, where it finds them).
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.declaration.names import ARM_HEADER, PROXY_HEADERS, SHADOW_HEADER, VARIANT_HEADER
from platform_assets.deployment.kubernetes.routes.base import (
    ArmShare,
    RouteMirror,
    RouteRefused,
    RouteSplit,
    RouteTaken,
    RouteWaiting,
    TrafficRoutes,
)
from platform_assets.deployment.kubernetes.routes.gateway_api import why_unanswered
from platform_assets.deployment.kubernetes.routes.registry import ROUTE_KINDS, routes_of
from platform_assets.deployment.local.envoy_config.splits import with_split
from platform_assets.deployment.local.state import LocalUseCase
from platform_assets.deployment.rollout.stages import Assignment
from platform_assets_tests.unit.deployment.kubernetes.objects import fields, settings

OLD, NEW = (
    ArmShare("card-fraud-aaaaaaaa-1", "v1-0123456789ab", 90),
    ArmShare("card-fraud-bbbbbbbb-2", "v2-ba9876543210", 10),
)
ASSIGNMENT = Assignment("bigger_model", "customer_id", 5000, 5000)
SPLIT = RouteSplit(ASSIGNMENT, treatment=NEW.name, control=OLD.name)


def routes(kind: str = "gateway_api", **changed: Any) -> TrafficRoutes:
    return routes_of(settings(routes=kind, **changed))


def shown(kind: str, *given: Any, **named: Any) -> str:
    return json.dumps(routes(kind).render("card_fraud", *given, **named))


def rules_of(route: dict[str, Any], path: str) -> list[dict[str, Any]]:
    return [rule for rule in route["spec"]["rules"] if rule["matches"][0]["path"]["value"] == path]


@pytest.mark.parametrize("kind", ROUTE_KINDS.names)
def test_shares_are_weights_of_the_arms_services_and_answers_name_their_version(kind: str) -> None:
    (route,) = routes(kind).render("card_fraud", [OLD, NEW])
    assert route["metadata"]["name"] == "card-fraud"
    assert route["metadata"]["labels"]["platform-assets/use-case"] == "card_fraud"
    weights = {path: value for path, value in fields(route) if path.endswith("weight")}
    assert {90, 10} <= set(weights.values())
    written = json.dumps(route)
    for share in (OLD, NEW):
        assert share.name in written
        assert share.version in written
    assert "x-service-version" in written
    assert all(name in written for name in PROXY_HEADERS if name != SHADOW_HEADER or "remove" in written)


def test_an_http_route_has_the_same_paths_as_the_local_proxy() -> None:
    (route,) = routes().render("card_fraud", [OLD, NEW])
    found = {
        rule["matches"][0]["path"]["value"]: [
            change["urlRewrite"]["path"]["replacePrefixMatch"] for change in rule["filters"] if "urlRewrite" in change
        ]
        for rule in route["spec"]["rules"]
    }
    below = "/v1/card_fraud/v2/models/card_fraud"
    assert found["/v1/card_fraud"] == []
    assert found["/v2/models/card_fraud"] == [below]
    assert found["/v2/models/card_fraud/versions/1"] == found[f"{below}/versions/2"] == [below]
    (asked,) = rules_of(route, "/v2/models/card_fraud/versions/2")
    assert [(backend["name"], backend["weight"]) for backend in asked["backendRefs"]] == [(NEW.name, 100)]
    (own,) = rules_of(route, "/v1/card_fraud")
    assert [(backend["name"], backend["weight"]) for backend in own["backendRefs"]] == [(OLD.name, 90), (NEW.name, 10)]
    assert own["timeouts"] == {"request": "15s"}
    assert "retry" not in own


def test_the_gateway_is_named_in_full() -> None:
    given = {"gateway_section": "https", "hostnames": ["ml.example"], "request_timeout_seconds": 0.5}
    (route,) = routes(**given).render("card_fraud", [ArmShare(OLD.name, OLD.version, 100)])
    assert route["spec"]["parentRefs"] == [
        {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "name": "public",
            "namespace": "gateways",
            "sectionName": "https",
        }
    ]
    assert route["spec"]["hostnames"] == ["ml.example"]
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "500ms"}


@pytest.mark.parametrize("kind", ROUTE_KINDS.names)
def test_copies_go_to_the_mirror_and_are_told_by_the_arm_that_answers(kind: str) -> None:
    written = shown(kind, [ArmShare(OLD.name, OLD.version, 100)], RouteMirror(NEW.name, 25))
    assert "irror" in written
    assert NEW.name in written
    assert '"percent": 25' in written or '"percentage": {"value": 25}' in written
    (route,) = routes(kind).render("card_fraud", [ArmShare(OLD.name, OLD.version, 100)], RouteMirror(NEW.name))
    told = [value for path, value in fields(route) if isinstance(value, dict) and value.get("name") == ARM_HEADER]
    told += [value for path, value in fields(route) if isinstance(value, dict) and ARM_HEADER in value]
    assert {entry.get("value", entry.get(ARM_HEADER)) for entry in told} == {OLD.name}
    assert NEW.version not in json.dumps(route), "nobody is answered by a mirror"


@pytest.mark.parametrize("kind", ROUTE_KINDS.names)
def test_a_split_runs_the_very_program_of_the_local_proxy(kind: str) -> None:
    here = {"prefix": "/v1/card_fraud/"}
    local = LocalUseCase.model_validate(
        {
            "arms": [
                {"name": arm.name, "version": arm.version, "fingerprint": "f", "ready_path": "/readyz", "programs": []}
                for arm in (OLD, NEW)
            ],
            "split": {"assignment": ASSIGNMENT, "treatment": NEW.name, "control": OLD.name},
        }
    )
    cluster = {"name": OLD.name, "response_headers_to_add": [{"header": {"value": OLD.version}}]}
    treated, _ = with_split(
        "card_fraud", local, {"match": here, "route": {"weighted_clusters": {"clusters": [cluster]}}}
    )
    (program,) = [value for path, value in fields(treated) if path.endswith("inline_string")]
    written = [
        value
        for body in routes(kind).render("card_fraud", [OLD, NEW], split=SPLIT)
        for path, value in fields(body)
        if path.endswith(("inline", "inline_string"))
    ]
    assert set(written) == {program}


@pytest.mark.parametrize("kind", ROUTE_KINDS.names)
def test_a_split_sends_treated_entities_to_the_treatment_and_all_else_to_control(kind: str) -> None:
    route, policy = routes(kind).render("card_fraud", [OLD, NEW], split=SPLIT)
    entries = route["spec"].get("rules") or route["spec"]["http"]
    by_version = [entry for entry in entries if "versions" in json.dumps(entry.get("matches") or entry["match"])]
    assert by_version
    for entry in (entry for entry in entries if entry not in by_version):
        match = (entry.get("matches") or entry["match"])[0]
        answered = json.dumps(entry.get("backendRefs") or entry["route"])
        treated = VARIANT_HEADER in json.dumps(match)
        assert (NEW.name in answered, OLD.name in answered) == (treated, not treated)
        removed = json.dumps(entry.get("filters") or entry["headers"])
        assert SHADOW_HEADER in removed
        assert VARIANT_HEADER not in removed, "the service reads what the program said"
    assert policy["metadata"]["namespace"] == ("ml" if kind == "gateway_api" else "gateways")


def test_two_use_cases_split_on_one_istio_gateway_do_not_run_each_others_program() -> None:
    ours, _ = routes("istio").render("card_fraud", [OLD, NEW], split=SPLIT)
    _, theirs = routes("istio").render("bike_demand", [OLD, NEW], split=SPLIT)
    names = {entry["name"] for entry in ours["spec"]["http"]}
    patched = {value for path, value in fields(theirs) if path.endswith("route.name")}
    assert patched
    assert not names & patched


@pytest.mark.parametrize(("retries", "where"), [("http_route", "HTTPRoute"), ("envoy_gateway", "BackendTrafficPolicy")])
def test_requests_without_an_answer_are_repeated_where_the_settings_say_how(retries: str, where: str) -> None:
    found = routes(retries=retries).render("card_fraud", [OLD, NEW])
    with_retry = {body["kind"] for body in found if '"retry"' in json.dumps(body)}
    assert with_retry == {where}
    if where == "BackendTrafficPolicy":
        policy = found[-1]["spec"]
        assert policy["targetRefs"][0]["name"] == found[0]["metadata"]["name"]
        assert policy["retry"]["retryOn"]["triggers"] == ["connect-failure", "refused-stream", "reset"]


@given(st.lists(st.integers(-5, 110), min_size=1, max_size=4))
def test_shares_that_do_not_add_up_are_refused(percents: list[int]) -> None:
    shares = [ArmShare(f"arm-{number}", f"v{number}", percent) for number, percent in enumerate(percents)]
    if sum(percents) == 100 and min(percents) > 0:
        assert routes().render("card_fraud", shares)
    else:
        with pytest.raises(ValueError, match="add up to 100"):
            routes().render("card_fraud", shares)


def test_a_split_is_between_the_two_arms_that_have_shares() -> None:
    with pytest.raises(ValueError, match="an experiment is between"):
        routes().render("card_fraud", [ArmShare(OLD.name, OLD.version, 100)], split=SPLIT)
    assert routes().render("card_fraud", []) == []


def stored(generation: int = 3, parents: list[Any] | None = None) -> dict[str, Any]:
    (route,) = routes().render("card_fraud", [OLD, NEW])
    route["metadata"]["generation"] = generation
    route["status"] = {"parents": parents or []}
    return route


def parent(name: str = "public", namespace: str = "gateways", **conditions: tuple[str, int, str]) -> dict[str, Any]:
    """An entry as Envoy Gateway writes it."""
    return {
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": namespace},
        "conditions": [
            {
                "type": kind,
                "status": status,
                "observedGeneration": generation,
                "reason": reason,
                "message": f"{reason} it is",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, (status, generation, reason) in conditions.items()
        ],
    }


FINE = {"Accepted": ("True", 3, "Accepted"), "ResolvedRefs": ("True", 3, "ResolvedRefs")}


@pytest.mark.parametrize(
    ("parents", "answer", "words"),
    [
        ([parent(**FINE)], RouteTaken, ""),
        (
            [],
            RouteWaiting,
            "no controller has said anything of HTTPRoute card-fraud as a route of Gateway gateways/public",
        ),
        ([parent(name="other", **FINE)], RouteWaiting, "no controller"),
        ([parent(Accepted=("True", 2, "Accepted"), ResolvedRefs=("True", 2, "R"))], RouteWaiting, "as it is now"),
        ([parent(Accepted=("True", 3, "Accepted"))], RouteWaiting, "ResolvedRefs"),
        ([parent(**FINE | {"Accepted": ("False", 3, "NotAllowedByListeners")})], RouteRefused, "NotAllowedByListeners"),
        ([parent(**FINE | {"Accepted": ("False", 2, "NotAllowedByListeners")})], RouteWaiting, "as it is now"),
        ([parent(**FINE | {"ResolvedRefs": ("False", 3, "RefNotPermitted")})], RouteRefused, "RefNotPermitted"),
        ([parent(**FINE | {"ResolvedRefs": ("False", 3, "BackendNotFound")})], RouteWaiting, "BackendNotFound"),
        ([parent(**FINE | {"Accepted": ("Unknown", 3, "Pending")})], RouteWaiting, "Pending"),
        ([parent(**FINE), parent(**FINE | {"Accepted": ("False", 3, "Conflicted")})], RouteRefused, "Conflicted"),
    ],
)
def test_an_http_route_is_taken_when_every_parent_says_so_of_this_generation(
    parents: list[Any], answer: type, words: str
) -> None:
    said = routes().taken([stored(parents=parents)])
    assert isinstance(said, answer)
    assert words in getattr(said, "reason", "")


def test_a_split_counts_when_its_policy_is_accepted_too() -> None:
    route = stored(parents=[parent(**FINE)])
    _, policy = routes().render("card_fraud", [OLD, NEW], split=SPLIT)
    policy["metadata"]["generation"] = 1
    assert isinstance(routes().taken([route, policy]), RouteWaiting)
    refused = parent(Accepted=("False", 1, "Invalid"))
    policy["status"] = {"ancestors": [{**refused, "ancestorRef": refused["parentRef"]}]}
    said = routes().taken([route, policy])
    assert isinstance(said, RouteRefused)
    assert "EnvoyExtensionPolicy card-fraud is not Accepted" in said.reason
    policy["status"]["ancestors"][0]["conditions"][0]["status"] = "True"
    assert isinstance(routes().taken([route, policy]), RouteTaken)


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        ({}, RouteWaiting, "PILOT_ENABLE_STATUS"),
        (
            {"observedGeneration": "2", "conditions": [{"type": "Reconciled", "status": "True"}]},
            RouteWaiting,
            "as it is now",
        ),
        (
            {
                "observedGeneration": "3",
                "conditions": [{"type": "Reconciled", "status": "False", "message": "1/2 complete"}],
            },
            RouteWaiting,
            "1/2 complete",
        ),
        ({"observedGeneration": "3", "conditions": [{"type": "Reconciled", "status": "True"}]}, RouteTaken, ""),
        (
            {"observedGeneration": "3", "validationMessages": [{"level": "ERROR", "type": {"code": "IST0101"}}]},
            RouteRefused,
            "IST0101",
        ),
    ],
)
def test_a_virtual_service_is_taken_when_istiod_says_so(status: Any, answer: type, words: str) -> None:
    (service,) = routes("istio").render("card_fraud", [OLD, NEW])
    service["metadata"]["generation"] = 3
    said = routes("istio").taken([service | {"status": status}])
    assert isinstance(said, answer)
    assert words in getattr(said, "reason", "")


def condition(kind: str, status: str, reason: str = "R") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status, "reason": reason, "message": "so it is"}]}}


def test_who_waits_for_nothing_is_told_which_gateway_and_which_class() -> None:
    gateway = {"spec": {"gatewayClassName": "nginx", "listeners": [{"name": "http"}]}}
    working = gateway | {
        "status": {"conditions": [{"type": "Accepted", "status": "True"}, {"type": "Programmed", "status": "True"}]}
    }
    accepted = condition("Accepted", "True")
    given = settings()
    assert "there is no Gateway gateways/public" in why_unanswered(given, None, None)
    assert "Gateway gateways/public is of the class nginx, which does not exist" in why_unanswered(given, gateway, None)
    assert "nginx, which no controller has accepted (Waiting" in why_unanswered(
        given, gateway, condition("Accepted", "Unknown", "Waiting")
    )
    assert "is not Programmed (AddressNotAssigned" in why_unanswered(
        given,
        gateway
        | {
            "status": {
                "conditions": [
                    {"type": "Accepted", "status": "True"},
                    {"type": "Programmed", "status": "False", "reason": "AddressNotAssigned", "message": ""},
                ]
            }
        },
        accepted,
    )
    assert "no listener https, only http" in why_unanswered(settings(gateway_section="https"), working, accepted)
    assert "does a listener admit routes of ml" in why_unanswered(given, working, accepted)
