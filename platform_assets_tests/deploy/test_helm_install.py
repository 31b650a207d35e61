"""The chart on the test cluster, by the real helm: Dagster really runs; an upgrade, a failed one, the way back; a full cluster."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from platform_assets.testing.servers import PostgreSQL, postgresql
from platform_assets_tests.deploy.chart import Manifest, found, render
from platform_assets_tests.deploy.installed_chart import (
    IMAGES,
    NAMESPACE,
    chart_for_test_cluster,
    helm,
    prepare,
    until,
    values,
)
from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, test_cluster

pytestmark = pytest.mark.kubernetes

RUNNING = """{
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError {
    __typename ... on RepositoryLocation { repositories {
      sensors { name sensorState { status } } } } } } } }
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    with test_cluster(tmp_path_factory.mktemp("chart") / "c", images=IMAGES, rbac=True) as running:
        prepare(running, server)
        yield running


def ask_webserver(cluster: ClusterHandle, query: str) -> dict[str, Any]:
    """What Dagster's webserver answers, at the address of its ready pod; nothing while there is none."""
    ready = json.loads(
        cluster.kubectl(
            "get", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=webserver", "-o", "json"
        ).stdout
    )["items"]
    for pod in ready:
        try:
            with httpx.Client(trust_env=False, timeout=60) as client:
                answer = client.post(f"http://{pod['status'].get('podIP')}:3000/graphql", json={"query": query})
            return dict(answer.json().get("data") or {})
        except httpx.HTTPError:
            continue
    return {}


def state(cluster: ClusterHandle) -> tuple[set[str], set[str], set[str]]:
    """Daemons that are not healthy, code locations that are not loaded, sensors that do not run."""
    answer = ask_webserver(cluster, RUNNING)
    if not answer:
        return {"no webserver"}, set(), set()
    daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
    sick = {one["daemonType"] for one in daemons if one["required"] and not one["healthy"]}
    missing: set[str] = set()
    stopped: set[str] = set()
    for entry in answer["workspaceOrError"]["locationEntries"]:
        location = entry["locationOrLoadError"] or {}
        if location.get("__typename") != "RepositoryLocation":
            missing.add(entry["name"])
            continue
        for repository in location["repositories"]:
            triggers = [(one["name"], one["sensorState"]) for one in repository["sensors"]]
            triggers = [
                one for one in triggers if not one[0].endswith("__automation")
            ]  # off: `__due` starts what is due
            assert triggers
            stopped |= {name for name, found_ in triggers if found_["status"] != "RUNNING"}
    return sick, missing, stopped


def test_install_upgrade_and_the_way_back(cluster: ClusterHandle, server: PostgreSQL, tmp_path: Path) -> None:
    chart = str(chart_for_test_cluster(tmp_path))
    done = helm(cluster, "install", "platform", chart, "--wait", "--timeout", "6m", given=values(server))
    assert done.returncode == 0, done.stderr
    all_well: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    until(lambda: state(cluster) == all_well, lambda: str(state(cluster)))
    assert server_has_tables(server), "Dagster's storage is on PostgreSQL"

    changed = values(server, webserver={"readOnly": True})
    done = helm(cluster, "upgrade", "platform", chart, "--wait", "--timeout", "6m", given=changed)
    assert done.returncode == 0, done.stderr
    assert webserver_command(cluster)[-1] == "--read-only"
    assert jobs(cluster)["platform-assets-migrate-dagster"] == "Complete", "migrations have run before"

    broken = values(server, image={"tag": "3"}, migrations={"enabled": False})
    done = helm(cluster, "upgrade", "platform", chart, "--wait", "--timeout", "15s", given=broken)
    assert done.returncode != 0
    assert "platform-assets-" in done.stderr, "the Deployment that is not ready is named"
    assert ask_webserver(cluster, "{ version }"), "an image that is not there takes the web UI from nobody"

    done = helm(cluster, "rollback", "platform", "1", "--wait", "--timeout", "6m")
    assert done.returncode == 0, done.stderr
    assert "--read-only" not in webserver_command(cluster)
    until(lambda: state(cluster) == all_well, lambda: str(state(cluster)))

    done = helm(cluster, "uninstall", "platform", "--wait", "--timeout", "2m")
    assert done.returncode == 0, done.stderr
    settled(cluster, lambda: left(cluster) == [])
    claims = cluster.kubectl("get", "persistentvolumeclaims", "-n", NAMESPACE, "-o", "name").stdout.split()
    assert len(claims) == 3, "data outlive the installation"


def left(cluster: ClusterHandle) -> list[str]:
    """What an uninstallation left, beside what hooks made: helm never removes that."""
    kinds = "deployments,pods,roles,serviceaccounts"
    names = cluster.kubectl("get", kinds, "-n", NAMESPACE, "-o", "name").stdout.split()
    return [name for name in names if "migrate" not in name and name != "serviceaccount/default"]


def server_has_tables(server: PostgreSQL) -> bool:
    rows = server.execute("SELECT numbackends > 0 FROM pg_stat_database WHERE datname = 'dagster'")
    return rows == [["t"]]


def webserver_command(cluster: ClusterHandle) -> list[str]:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/platform-assets-webserver"
    command: list[str] = cluster.get(path)["spec"]["template"]["spec"]["containers"][0]["command"]
    return command


def jobs(cluster: ClusterHandle) -> dict[str, str]:
    found_ = cluster.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")["items"]
    return {
        one["metadata"]["name"]: condition["type"]
        for one in found_
        for condition in one["status"].get("conditions", [])
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed")
    }


STAND_IN = ["python", "-c", "import signal; signal.pause()"]


def stand_in_pod(name: str, priority: str) -> Manifest:
    """A pod that holds a quarter of a CPU and does nothing, in place of a run's."""
    request = {"requests": {"cpu": "250m", "memory": "64Mi"}}
    container = {"name": "run", "image": "stand-in:1", "command": STAND_IN, "resources": request}
    spec = {"priorityClassName": priority, "containers": [container], "terminationGracePeriodSeconds": 1}
    return {"metadata": {"name": name, "labels": {"platform-assets/part": "run"}}, "spec": spec}


def phases(cluster: ClusterHandle, selector: str) -> list[str]:
    """Phases of the pods, those that end left out."""
    found_ = cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={selector}")["items"]
    return [one["status"]["phase"] for one in found_ if "deletionTimestamp" not in one["metadata"]]


def is_unschedulable(cluster: ClusterHandle, pod: str) -> bool:
    """Whether the scheduler found no place for a pod."""
    conditions = cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}")["status"].get("conditions", [])
    return any(one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable" for one in conditions)


def with_stand_in(deployment: Manifest) -> Manifest:
    """The chart's Deployment with a process that does nothing: its priority, its size and its rollout are what is tried."""
    spec = deployment["spec"]["template"]["spec"]
    [container] = spec["containers"]
    kept: Mapping[str, Any] = {name: container[name] for name in ("name", "resources", "securityContext")}
    spec["containers"] = [{**kept, "image": "stand-in:1", "command": STAND_IN}]
    spec.pop("volumes")
    return deployment


def test_a_full_cluster_leaves_the_daemon_its_seat(tmp_path: Path) -> None:
    manifests = render("small")
    daemon = with_stand_in(found(manifests, "Deployment", "platform-assets-daemon"))
    nodes = [{"name": "only", "capacity": {"cpu": "2", "memory": "4Gi"}}]
    with test_cluster(tmp_path / "c", images={"stand-in:1": {"python": sys.executable}}, nodes=nodes) as cluster:
        cluster.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for one in (one for one in manifests if one["kind"] == "PriorityClass"):
            cluster.post("/apis/scheduling.k8s.io/v1/priorityclasses", one)
        account = found(manifests, "ServiceAccount", "platform-assets-daemon")
        cluster.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
        runs, seat = "platform-assets/part=run", "app.kubernetes.io/component=daemon"
        for number in range(12):
            cluster.post(
                f"/api/v1/namespaces/{NAMESPACE}/pods", stand_in_pod(f"run-{number}", "platform-assets-runs-high")
            )
        settled(cluster, lambda: phases(cluster, runs).count("Running") == 8)
        cluster.post(
            f"/api/v1/namespaces/{NAMESPACE}/pods", stand_in_pod("of-low-priority", "platform-assets-runs-low")
        )
        settled(cluster, lambda: is_unschedulable(cluster, "of-low-priority"))
        cluster.post(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", daemon)
        settled(cluster, lambda: phases(cluster, seat) == ["Running"])
        settled(cluster, lambda: phases(cluster, runs).count("Running") == 7)
        for number in range(12, 20):
            cluster.post(
                f"/api/v1/namespaces/{NAMESPACE}/pods", stand_in_pod(f"run-{number}", "platform-assets-runs-high")
            )
        cluster.kubectl("delete", "pod", "-n", NAMESPACE, "-l", seat, "--wait=true")
        settled(cluster, lambda: phases(cluster, seat) == ["Running"])
        assert phases(cluster, runs).count("Running") <= 7, "it came back before any of the runs that wait"


def settled(cluster: ClusterHandle, condition: Callable[[], bool]) -> None:
    until(condition, lambda: cluster.kubectl("get", "pods,events", "-n", NAMESPACE).stdout)
