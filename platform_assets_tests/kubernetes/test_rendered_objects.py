"""What is rendered for arms and routes, put to the test cluster: pods start from it, Envoy routes by it, and causes are told from it.

Belongs here: the objects as the API, kubelet and gateway take them. Does not belong here: the order in which a target puts them.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.declaration.names import (
    ARM_HEADER,
    EXPERIMENT_HEADER,
    PROXY_HEADERS,
    SHADOW_HEADER,
    VARIANT_HEADER,
)
from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.causes import Cause, CauseKind
from platform_assets.deployment.kubernetes.arms import ArmSpec
from platform_assets.deployment.kubernetes.diagnosis import diagnose
from platform_assets.deployment.kubernetes.manifests.access import network_policy, service, service_account
from platform_assets.deployment.kubernetes.manifests.configuration import environment_secret
from platform_assets.deployment.kubernetes.manifests.deployment import deployment
from platform_assets.deployment.kubernetes.manifests.scaling import disruption_budget
from platform_assets.deployment.kubernetes.routes.base import ArmShare, RouteMirror, RouteSplit, RouteTaken
from platform_assets.deployment.kubernetes.routes.registry import routes_of
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.rollout.stages import Assignment
from platform_assets.experiments.assignment import OUTSIDE, Split, assign
from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, test_cluster
from platform_assets_tests.kubernetes.objects_for_tests import Room, until
from platform_assets_tests.unit.deployment.kubernetes.objects import IMAGE, settings

pytestmark = pytest.mark.kubernetes

PLURALS = {
    "Deployment": "deployments",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Secret": "secrets",
    "HTTPRoute": "httproutes",
    "EnvoyExtensionPolicy": "envoyextensionpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "NetworkPolicy": "networkpolicies",
}
SMALL = Compute(cpus=0.1, memory_gigabytes=0.2)


def arm(number: int, **changed: Any) -> ArmSpec:
    base = ArmSpec(
        use_case="card_fraud",
        name=f"card-fraud-0000000{number}-{number}",
        version=f"v{number}-0123456789ab",
        fingerprint=f"0000000{number}",
        command=("python", "/opt/service/echo_service.py", "$(POD_IP)", "3000"),
        environment={"PASSWORD": "hush", "SELF": "http://$(POD_IP)", "LITERAL": "$(POD_NAME)"},
        ready_path="/readyz",
        working_dir="/tmp",
        compute=SMALL,
    )
    return replace(base, **changed)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    images = {IMAGE: {"files": {"/opt/service": str(Path(__file__).parent)}}}
    with test_cluster(tmp_path_factory.mktemp("rendered"), images=images) as one:
        yield one


class Rendered:
    """A namespace to which rendered objects are put."""

    def __init__(self, cluster: ClusterHandle, namespace: str) -> None:
        self.room = Room(cluster, namespace)
        self.client = httpx.Client(trust_env=False, timeout=20)
        self.settings: ClusterSettings = settings(
            namespace=namespace, gateway_namespace="gateway-system", retries="http_route", drain_seconds=1
        )
        self.put(service_account(self.settings))

    def put(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Apply as the target does."""
        metadata = manifest["metadata"]
        group = manifest["apiVersion"]
        base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        path = f"{base}/namespaces/{metadata['namespace']}/{PLURALS[manifest['kind']]}/{metadata['name']}"
        path += "?fieldManager=platform-assets&fieldValidation=Strict"
        answer = self.room.cluster.call("PATCH", path, manifest, "application/apply-patch+yaml")
        assert answer.status_code in (200, 201), answer.text
        stored: dict[str, Any] = answer.json()
        return stored

    def put_arm(self, spec: ArmSpec) -> None:
        given = self.settings
        for manifest in (environment_secret(spec, given), service(spec, given), disruption_budget(spec, given)):
            self.put(manifest)
        self.put(network_policy(spec, given))
        self.put(deployment(spec, given))

    def route(self, *given: Any, **named: Any) -> None:
        """Put routes and wait until the gateway has taken them."""
        routes = routes_of(self.settings)
        wanted = routes.render("card_fraud", *given, **named)

        def taken() -> bool:
            return isinstance(routes.taken([self.put(body) for body in wanted]), RouteTaken)

        until(taken)

    def ask(self, path: str = "/v1/card_fraud/score", body: Any = None, **headers: str) -> httpx.Response:
        return self.client.post(self.room.cluster.gateway_address + path, json=body, headers=headers)

    def received(self, name: str) -> list[dict[str, str]]:
        """Headers of every request that an arm got."""
        (pod,) = self.room.pods(f"platform-assets/arm={name}")
        found: list[dict[str, str]] = self.client.get(f"http://{pod['status']['podIP']}:3000/received").json()
        return found


OLD, NEW = arm(1), arm(2)


@pytest.fixture(scope="module")
def rendered(cluster: ClusterHandle) -> Rendered:
    """Two arms that answer."""
    one = Rendered(cluster, "rendered")
    for spec in (OLD, NEW):
        one.put_arm(spec)
    for spec in (OLD, NEW):
        one.room.wait_available(spec.name)
    return one


def share(spec: ArmSpec, percent: int) -> ArmShare:
    return ArmShare(spec.name, spec.version, percent)


def test_a_pod_gets_its_variables_from_the_secret_and_its_address_from_the_kubelet(rendered: Rendered) -> None:
    rendered.route([share(OLD, 100)])
    answer = rendered.ask()
    found = answer.json()["environment"]
    (pod,) = rendered.room.pods(f"platform-assets/arm={OLD.name}")
    assert found["PASSWORD"] == "hush"
    assert found["LITERAL"] == "$(POD_NAME)"
    assert found["SELF"] == f"http://{pod['status']['podIP']}"
    assert found["PLATFORM_ASSETS_SERVING_ARM"] == OLD.name
    assert answer.headers["x-service-version"] == OLD.version


def test_what_is_put_again_changes_nothing(rendered: Rendered) -> None:
    for manifest in (deployment(OLD, rendered.settings), service(OLD, rendered.settings)):
        first, second = rendered.put(manifest), rendered.put(manifest)
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_shares_decide_and_callers_cannot_speak_for_the_gateway(rendered: Rendered) -> None:
    rendered.route([share(OLD, 60), share(NEW, 40)])
    spoken = dict.fromkeys(PROXY_HEADERS, "treatment")
    counted = {OLD.version: 0, NEW.version: 0}
    for _ in range(100):
        answer = rendered.ask(**spoken)
        counted[answer.headers["x-service-version"]] += 1
        seen = answer.json()["headers"]
        assert not {SHADOW_HEADER, VARIANT_HEADER, EXPERIMENT_HEADER} & set(seen)
        assert {OLD.name: OLD.version, NEW.name: NEW.version}[seen[ARM_HEADER]] == answer.headers["x-service-version"]
    assert 35 <= counted[OLD.version] <= 85
    assert rendered.ask("/v1/card_fraudulent/score").status_code == 404


def test_the_paths_of_open_inference_lead_to_the_arm_that_is_asked_for(rendered: Rendered) -> None:
    rendered.route([share(OLD, 60), share(NEW, 40)])
    for spec, version in ((OLD, "1"), (NEW, "2")):
        answer = rendered.ask(f"/v2/models/card_fraud/versions/{version}/infer")
        assert answer.headers["x-service-version"] == spec.version
        assert answer.json()["path"] == "/v1/card_fraud/v2/models/card_fraud/infer"
    assert rendered.ask("/v2/models/card_fraud").json()["path"] == "/v1/card_fraud/v2/models/card_fraud"


def test_a_copy_names_the_arm_that_answers(rendered: Rendered) -> None:
    rendered.route([share(OLD, 100)], RouteMirror(NEW.name))
    before = len(rendered.received(NEW.name))
    for number in range(10):
        answer = rendered.ask(**{"x-number": str(number), ARM_HEADER: NEW.name})
        assert answer.headers["x-service-version"] == OLD.version
    until(lambda: len(rendered.received(NEW.name)) == before + 10)
    copies = rendered.received(NEW.name)[before:]
    assert {copy[ARM_HEADER] for copy in copies} == {OLD.name}


def test_entities_are_assigned_as_the_platform_assigns_them(rendered: Rendered) -> None:
    told = Assignment("bigger_model", "customer_id", 6000, 5000)
    rendered.route([share(OLD, 70), share(NEW, 30)], split=RouteSplit(told, treatment=NEW.name, control=OLD.name))
    split = Split("card_fraud", told.experiment, told.entity, told.traffic_buckets, told.treatment_buckets)
    seen = set()
    for customer in range(120):
        variant = assign(split, str(customer)) or OUTSIDE
        answer = rendered.ask(body={"amount": 1.5, "customer_id": customer}, **{VARIANT_HEADER: "treatment"})
        expected = NEW if variant == "treatment" else OLD
        assert answer.headers["x-service-version"] == expected.version
        assert answer.json()["headers"][VARIANT_HEADER] == variant
        seen.add(variant)
    assert seen == {"treatment", "control", "outside"}
    rendered.route([share(OLD, 100)])


def cause(room: Room, name: str) -> Cause | None:
    """What one look tells."""
    pods = room.pods(f"platform-assets/arm={name}")
    about = [event for event in room.items("events") if event["involvedObject"]["name"].startswith(name)]
    return diagnose(
        pods, about, owners=[room.read("deployments", name)], nodes=room.cluster.get("/api/v1/nodes")["items"]
    )


PROGRAM = ("python", "-c")
FAULTS: dict[str, tuple[CauseKind, dict[str, Any], str]] = {
    "no-image": (CauseKind.IMAGE, {"image": IMAGE.replace("serving", "nothing")}, "registry.example/nothing"),
    "crashes": (CauseKind.CRASH, {"command": (*PROGRAM, "import sys; sys.exit('no model')")}, "exit code 1"),
    "eats": (
        CauseKind.OUT_OF_MEMORY,
        {"command": (*PROGRAM, "import time; a = b'x' * 10**9; time.sleep(60)")},
        "limit of 200M",
    ),
    "too-large": (CauseKind.UNSCHEDULABLE, {"compute": Compute(memory_gigabytes=10**5)}, "more than any node has"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cause_is_told_from_what_the_cluster_says(cluster: ClusterHandle, fault: str) -> None:
    kind, changed, words = FAULTS[fault]
    one = Rendered(cluster, "faults")
    spec = arm(3, **{"name": fault, **changed})
    one.put_arm(spec)

    def told() -> Cause | None:
        found = cause(one.room, fault)
        return found if found is not None and found.kind == kind else None

    found = until(told)
    assert found is not None
    assert words in found.sentence, json.dumps(found.sentence)
    one.room.delete("deployments", fault)


def test_a_quota_is_told_by_what_it_allows(cluster: ClusterHandle) -> None:
    one = Rendered(cluster, "small")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}}
    one.room.create("resourcequotas", quota | {"spec": {"hard": {"limits.memory": "100M"}}})
    one.put_arm(arm(4))
    found = until(lambda: cause(one.room, arm(4).name))
    assert found is not None
    assert (found.kind, found.final) == (CauseKind.QUOTA, True)
    assert "limits.memory=100M is allowed" in found.sentence
