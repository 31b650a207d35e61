"""The test cluster serves: Deployments answer through the gateway by weights, and nothing is lost while pods are replaced.

Belongs here: kubelet, Deployment, EndpointSlices, gateway. Does not belong here: Jobs and causes of death (`test_cluster_jobs.py`).
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, processes_of, test_cluster
from platform_assets_tests.kubernetes.objects_for_tests import (
    IMAGES,
    Room,
    answers,
    deployment,
    load,
    policy,
    route,
    service,
    until,
)

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    with test_cluster(tmp_path_factory.mktemp("serving"), images=IMAGES) as one:
        yield one


@pytest.fixture(scope="module")
def room(cluster: ClusterHandle) -> Room:
    """Two versions that answer."""
    one = Room(cluster, "serving")
    for version, replicas in (("1", 2), ("2", 1)):
        one.create("deployments", deployment(f"arm-{version}", version, replicas))
        one.create("services", service(f"arm-{version}"))
    for version in "12":
        one.wait_available(f"arm-{version}")
    return one


def address(room: Room, prefix: str) -> str:
    return f"{room.cluster.gateway_address}{prefix}"


def routed(room: Room, name: str, backends: dict[str, int], **rule: Any) -> str:
    """A route in force; the address of its requests."""
    room.create("httproutes", route(name, f"/v1/{name}", backends, **rule))
    room.wait_routed(name)
    return f"{address(room, f'/v1/{name}')}/score"


def test_weights_share_the_requests_and_follow_a_change(room: Room) -> None:
    url = routed(room, "weights", {"arm-1": 80, "arm-2": 20})
    counted = answers(url, 300)
    assert set(counted) == {"1", "2"}
    assert 200 < counted["1"] < 280
    rules = route("weights", "/v1/weights", {"arm-1": 0, "arm-2": 100})["spec"]["rules"]
    room.merge("httproutes", "weights", {"spec": {"rules": rules}})
    room.wait_routed("weights")
    assert set(answers(url, 50)) == {"2"}
    assert answers(address(room, "/v1/weightsother"), 1) == {"status 404": 1}


def test_no_request_is_lost_while_pods_are_replaced_or_deleted(room: Room) -> None:
    url = routed(room, "rolling", {"arm-1": 100})
    with load(url) as counted:
        container = deployment("arm-1", "3", 2)["spec"]["template"]["spec"]["containers"][0]
        room.merge("deployments", "arm-1", {"spec": {"template": {"spec": {"containers": [container]}}}})
        room.wait_available("arm-1")
        pod = next(
            one["metadata"]["name"] for one in room.pods("app=arm-1") if "deletionTimestamp" not in one["metadata"]
        )
        room.delete("pods", pod)
        room.wait_available("arm-1")
        until(lambda: all(one["metadata"]["name"] != pod for one in room.pods("app=arm-1")))
    assert set(counted) == {"1", "3"}
    sets = room.items("endpointslices", "kubernetes.io/service-name=arm-1")
    assert len(sets[0]["endpoints"]) == 2


def test_a_pod_that_is_deleted_answers_until_its_hook_is_over_and_is_no_endpoint_meanwhile(room: Room) -> None:
    container = {"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
    room.create("deployments", deployment("drained", "9", **container))
    room.create("services", service("drained"))
    room.wait_available("drained")
    pod = room.pods("app=drained")[0]
    room.merge("deployments", "drained", {"spec": {"replicas": 0}})

    def conditions() -> dict[str, bool]:
        (one,) = room.items("endpointslices", "kubernetes.io/service-name=drained")[0]["endpoints"]
        found: dict[str, bool] = one["conditions"]
        return found

    until(lambda: conditions()["terminating"])
    assert conditions() == {"ready": False, "serving": True, "terminating": True}
    proxied = room.path("pods", f"{pod['metadata']['name']}:8080/proxy/x")
    assert room.cluster.call("GET", proxied).text == "9"
    until(lambda: not room.pods("app=drained"))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{pod['status']['podIP']}:8080/x", trust_env=False)


def test_a_version_that_never_becomes_ready_gets_no_request_and_misses_its_deadline(room: Room) -> None:
    room.create("services", service("stuck"))
    room.create("deployments", deployment("stuck", "1"))
    room.wait_available("stuck")
    url = routed(room, "stuck", {"stuck": 100})
    worse = deployment("stuck", "2", mode="never ready")["spec"]["template"]["spec"]["containers"]
    change = {"progressDeadlineSeconds": 2, "template": {"spec": {"containers": worse}}}
    room.merge("deployments", "stuck", {"spec": change})

    def reasons() -> dict[str, str]:
        return {one["type"]: one["reason"] for one in room.read("deployments", "stuck")["status"]["conditions"]}

    until(lambda: reasons()["Progressing"] == "ProgressDeadlineExceeded")
    assert reasons()["Available"] == "MinimumReplicasAvailable"
    assert set(answers(url, 20)) == {"1"}


def test_headers_choose_and_answers_are_marked_and_copies_are_sent(room: Room) -> None:
    marked = {
        "type": "ResponseHeaderModifier",
        "responseHeaderModifier": {"set": [{"name": "x-version", "value": "2"}]},
    }
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "arm-2", "port": 80}, "percent": 100}}
    plain = route("chosen", "/v1/chosen", {"arm-1": 1}, filters=[mirror])["spec"]["rules"][0]
    chosen = route("chosen", "/v1/chosen", {"arm-2": 1})["spec"]["rules"][0]
    chosen["matches"][0]["headers"] = [{"name": "x-arm", "value": "two"}]
    chosen["backendRefs"][0]["filters"] = [marked]
    body = route("chosen", "/v1/chosen", {})
    body["spec"]["rules"] = [plain, chosen]
    room.create("httproutes", body)
    room.wait_routed("chosen")
    url = address(room, "/v1/chosen/score")
    second = httpx.get(url, headers={"x-arm": "two"}, trust_env=False)
    assert (second.text, second.headers["x-version"]) == ("2", "2")
    pod = room.pods("app=arm-2")[0]["metadata"]["name"]
    count = room.path("pods", f"{pod}:8080/proxy/count")
    before = int(room.cluster.call("GET", count).text)
    assert "2" not in answers(url, 10)
    until(lambda: int(room.cluster.call("GET", count).text) == before + 10)


def test_lua_of_a_policy_assigns_requests_to_versions(room: Room) -> None:
    plain = route("sticky", "/v1/sticky", {"arm-1": 1})["spec"]["rules"][0]
    treated = route("sticky", "/v1/sticky", {"arm-2": 1})["spec"]["rules"][0]
    treated["matches"][0]["headers"] = [{"name": "x-variant", "value": "treatment"}]
    body = route("sticky", "/v1/sticky", {})
    body["spec"]["rules"] = [plain, treated]
    room.create("httproutes", body)
    program = """
function envoy_on_request(handle)
  local user = handle:headers():get("x-user") or ""
  handle:headers():replace("x-variant", user:sub(-1) == "t" and "treatment" or "control")
  handle:clearRouteCache()
end
"""
    lua = [{"type": "Inline", "inline": program}]
    room.create("envoyextensionpolicies", policy("EnvoyExtensionPolicy", "sticky", lua=lua))
    assert not room.wait_taken("envoyextensionpolicies", "sticky")
    url = address(room, "/v1/sticky/score")
    assert set(answers(url, 20, **{"x-user": "art"})) == {"2"}
    assert "2" not in answers(url, 20, **{"x-user": "ann", "x-variant": "treatment"})
    broken = [{"type": "Inline", "inline": "function envoy_on_request(handle"}]
    room.merge("envoyextensionpolicies", "sticky", {"spec": {"lua": broken}})
    assert "script load error" in room.wait_taken("envoyextensionpolicies", "sticky")


def test_a_killed_process_costs_no_request_where_a_policy_has_them_tried_again(room: Room) -> None:
    room.create("services", service("killed"))
    room.create("deployments", deployment("killed", "5", 2))
    room.wait_available("killed")
    url = routed(room, "killed", {"killed": 1})
    retry = {"numRetries": 20, "retryOn": {"triggers": ["connect-failure", "refused-stream", "reset"]}}
    retry["perRetry"] = {"backOff": {"baseInterval": "25ms", "maxInterval": "1s"}}
    room.create("backendtrafficpolicies", policy("BackendTrafficPolicy", "killed", retry=retry))
    assert not room.wait_taken("backendtrafficpolicies", "killed")
    pod = room.pods("app=killed")[0]["metadata"]["name"]

    def restarts() -> int:
        return int(room.read("pods", pod)["status"]["containerStatuses"][0]["restartCount"])

    with load(url) as counted:
        room.cluster.post(f"/-/pods/serving/{pod}/kill")
        until(lambda: restarts() == 1)
        room.wait_available("killed")
    assert set(counted) == {"5"}


def test_a_route_says_what_is_wrong_with_it(room: Room) -> None:
    room.create("httproutes", route("nowhere", "/v1/nowhere", {"no-such-service": 1}))

    def conditions(name: str) -> dict[str, tuple[str, str]]:
        parent = room.read("httproutes", name)["status"]["parents"][0]
        return {one["type"]: (one["status"], one["reason"]) for one in parent["conditions"]}

    until(lambda: conditions("nowhere")["ResolvedRefs"] == ("False", "BackendNotFound"))
    assert answers(address(room, "/v1/nowhere"), 1) == {"status 500": 1}
    broken = route("broken", "/v1/broken", {"arm-1": 1})
    broken["spec"]["rules"][0]["matches"] = [{"path": {"type": "RegularExpression", "value": "/v1/(broken"}}]
    room.create("httproutes", broken)
    until(lambda: conditions("broken")["Accepted"] == ("False", "UnsupportedValue"))
    assert set(answers(address(room, "/v1/nowhere"), 1)) == {"status 500"}
    strange = {"gatewayClassName": "nobody", "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}]}
    gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "strange"}}
    room.create("gateways", {**gateway, "spec": strange})
    lost = route("lost", "/v1/lost", {"arm-1": 1})
    lost["spec"]["parentRefs"] = [{"name": "strange"}]
    room.create("httproutes", lost)
    routed(room, "after", {"arm-2": 1})  # whoever would answer has come by
    assert "parents" not in room.read("httproutes", "lost").get("status", {})
    kept = room.read("gateways", "strange").get("status", {}).get("conditions", [])
    assert all(one["status"] != "True" for one in kept)


def test_a_service_has_an_address_and_the_gateway_has_counters(room: Room) -> None:
    place = room.read("services", "arm-2")["spec"]["clusterIP"]
    assert httpx.get(f"http://{place}/score", trust_env=False).text == "2"
    url = routed(room, "counted", {"arm-2": 1})
    answers(url, 5)
    text = httpx.get(room.cluster.gateway_metrics, trust_env=False).text
    counted = [line for line in text.splitlines() if "upstream_rq_completed" in line and "serving/arm-2/80" in line]
    assert counted
    assert int(counted[0].split()[-1]) >= 5


def test_bounds_of_an_autoscaler_and_a_budget_of_disruptions_hold(room: Room) -> None:
    room.create("deployments", deployment("bounded", "1"))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "bounded"}
    autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "bounded"}}
    bounds = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}
    room.create("horizontalpodautoscalers", {**autoscaler, "spec": bounds})
    until(lambda: room.read("deployments", "bounded")["spec"]["replicas"] == 2)
    room.wait_available("bounded")
    active = room.read("horizontalpodautoscalers", "bounded")["status"]["conditions"][-1]
    assert (active["type"], active["status"], active["reason"]) == ("ScalingActive", "False", "SimulatedAutoscaler")
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "bounded"}}
    selector = {"matchLabels": {"app": "bounded"}}
    room.create("poddisruptionbudgets", {**budget, "spec": {"minAvailable": 1, "selector": selector}})
    names = [one["metadata"]["name"] for one in room.pods("app=bounded")]

    def evict(name: str) -> httpx.Response:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        return room.cluster.call("POST", room.path("pods", f"{name}/eviction"), eviction)

    assert evict(names[0]).status_code == 201
    refused = evict(names[1])
    assert refused.status_code == 429
    assert "disruption budget" in refused.json()["message"]


def test_thirty_pods_at_once_and_nothing_of_them_is_left(room: Room) -> None:
    many = deployment("many", "7", 30)
    many["spec"]["template"]["spec"]["containers"][0] |= {"command": ["sleep", "1000"], "readinessProbe": None}
    many["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = None
    room.create("deployments", many)
    room.wait_available("many")
    assert len({one["status"]["podIP"] for one in room.pods("app=many")}) == 30
    room.delete("deployments", "many")
    until(lambda: not room.pods("app=many"))


def test_a_cluster_that_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    with test_cluster(tmp_path, images=IMAGES) as cluster:
        room = Room(cluster, "killed")
        room.create("deployments", deployment("some", "1", 2))
        room.wait_available("some")
        assert len(processes_of(tmp_path)) >= 4  # the cluster, Envoy and two pods
        os.kill(cluster.pid, signal.SIGKILL)
        until(lambda: not processes_of(tmp_path))
