"""The target's client, memory and lock against the test API: what stands on a bad day, and what does not."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client as official

from platform_assets.deployment.errors import StateUnreadable, TargetBusy
from platform_assets.deployment.kubernetes import lease
from platform_assets.deployment.kubernetes.api_errors import FieldsOwned, NamespaceEnds, NotPermitted, RefusedByWebhook
from platform_assets.deployment.kubernetes.client import ClusterClient, connected
from platform_assets.deployment.kubernetes.kinds import CONFIG_MAP, LEASE
from platform_assets.deployment.kubernetes.state import KEY, STATE, ClusterState, StateMap
from platform_assets_tests.kubernetes.cluster.api import make_api
from platform_assets_tests.kubernetes.cluster.server import serve
from platform_assets_tests.unit.deployment.kubernetes.objects import settings

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a test API in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner, address = asyncio.run_coroutine_threadsafe(_serve(), loop).result()
    yield address
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


async def _serve() -> Any:
    return await serve(make_api(rbac=True))


@pytest.fixture
def cluster(address: str, request: pytest.FixtureRequest) -> Iterator[ClusterClient]:
    """A namespace of its own."""
    configuration = official.Configuration()
    configuration.host = address
    name = "n-" + str(abs(hash(request.node.name)))
    api = official.ApiClient(configuration)
    official.CoreV1Api(api).create_namespace({"metadata": {"name": name}})
    yield ClusterClient(api, name, patience_seconds=10)
    httpx.delete(f"{address}/-/faults", trust_env=False)


def plant(address: str, **fault: Any) -> None:
    assert httpx.post(f"{address}/-/faults", json=fault, trust_env=False).is_success


def config(name: str, client: ClusterClient, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": client.namespace, "labels": {"of": "test"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_an_object_is_applied_read_listed_and_deleted(cluster: ClusterClient) -> None:
    cluster.apply(config("a", cluster, x="1"))
    cluster.apply(config("a", cluster, y="2"))
    assert (cluster.read(CONFIG_MAP, "a") or {})["data"] == {"y": "2"}
    assert [one["metadata"]["name"] for one in cluster.items(CONFIG_MAP, "of=test")] == ["a"]
    assert cluster.delete(CONFIG_MAP, "a")
    assert not cluster.delete(CONFIG_MAP, "a")
    assert cluster.read(CONFIG_MAP, "a") is None


@pytest.mark.parametrize("answer", [409, 429, 500, 503, 0])
def test_a_bad_day_of_the_api_is_survived(cluster: ClusterClient, address: str, answer: int) -> None:
    for verb in ("patch", "get", "list", "delete"):
        plant(address, answer=answer, count=2, verb=verb, plural="configmaps", retry_after=0)
    if answer == 409:
        httpx.delete(f"{address}/-/faults", trust_env=False)
        plant(address, answer=409, count=2, verb="patch", plural="configmaps")
    cluster.apply(config("a", cluster, x="1"))
    assert cluster.items(CONFIG_MAP, "of=test")
    assert cluster.delete(CONFIG_MAP, "a")
    assert cluster.read(CONFIG_MAP, "a") is None


def test_two_managers_of_one_object_are_told_apart_by_name(cluster: ClusterClient, address: str) -> None:
    url = f"{address}/api/v1/namespaces/{cluster.namespace}/configmaps/a?fieldManager=argocd-controller"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    body = json.dumps(config("a", cluster, x="theirs"))
    assert httpx.patch(url, content=body, headers=headers, trust_env=False).is_success
    with pytest.raises(FieldsOwned, match="argocd-controller manages fields of it too"):
        cluster.apply(config("a", cluster, x="ours"))
    assert (cluster.read(CONFIG_MAP, "a") or {})["data"] == {"x": "theirs"}


def test_a_webhook_and_a_namespace_that_ends_are_named(cluster: ClusterClient, address: str) -> None:
    plant(address, webhook="policy.example.com", plural="configmaps", message="no registry", count=1)
    with pytest.raises(RefusedByWebhook, match=r"policy\.example\.com refuses it: no registry"):
        cluster.apply(config("a", cluster))
    held = config("held", cluster)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.apply(held)
    httpx.delete(f"{address}/api/v1/namespaces/{cluster.namespace}", trust_env=False)
    with pytest.raises(NamespaceEnds, match="the namespace is being deleted"):
        cluster.create(config("b", cluster))


def test_an_account_without_rights_is_told_which_rule_to_add(
    cluster: ClusterClient, address: str, tmp_path: Path
) -> None:
    path = f"{address}/api/v1/namespaces/{cluster.namespace}/serviceaccounts"
    httpx.post(path, json={"metadata": {"name": "poor"}}, trust_env=False)
    token = httpx.post(f"{path}/poor/token", json={"spec": {}}, trust_env=False).json()["status"]["token"]
    user = {"name": "poor", "user": {"token": token}}
    file = tmp_path / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": address}}],
                "users": [user],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "poor"}}],
            }
        )
    )
    poor = connected(settings(namespace=cluster.namespace, kubeconfig=str(file)))
    with pytest.raises(
        NotPermitted, match=r'may not patch configmaps.*resources: \["configmaps"\], verbs: \["patch"\]'
    ):
        poor.apply(config("a", cluster))


def test_a_watch_goes_on_after_drops_and_forgotten_versions(cluster: ClusterClient, address: str) -> None:
    seen: list[set[str]] = []
    ready = threading.Event()

    def changed(objects: dict[str, Any]) -> bool | None:
        seen.append(set(objects))
        ready.set()
        return True if {"a", "b", "c"} <= set(objects) else None

    found: list[bool | None] = []
    watching = threading.Thread(target=lambda: found.append(cluster.watch(CONFIG_MAP, changed, 20, "of=test")))
    watching.start()
    ready.wait()
    for name, fault in (("a", {}), ("b", {"drop_watches": True}), ("c", {"drop_watches": True, "compact": True})):
        if fault:
            plant(address, plural="configmaps", **fault)
        cluster.apply(config(name, cluster))
    watching.join()
    assert found == [True]


def test_who_read_it_last_may_change_the_memory_and_nobody_else(cluster: ClusterClient, address: str) -> None:
    first, second = StateMap(cluster), StateMap(cluster)
    assert (first.load(), second.load()) == (None, None)
    first.put(ClusterState(generation=1))
    with pytest.raises(TargetBusy, match="another command changed ConfigMap"):
        second.put(ClusterState(generation=9))
    second.load()
    plant(address, answer=409, count=2, verb="update", plural="configmaps")
    plant(address, answer=503, count=2, verb="update", plural="configmaps")
    second.put(ClusterState(generation=2))
    with pytest.raises(TargetBusy):
        first.put(ClusterState(generation=3))
    assert StateMap(cluster).load() == ClusterState(generation=2)
    cluster.merge(CONFIG_MAP, STATE, {"data": {KEY: "{"}})
    with pytest.raises(StateUnreadable, match=r"target prune --yes"):
        StateMap(cluster).load()


def test_commands_take_turns_and_a_dead_one_loses_its_turn(cluster: ClusterClient) -> None:
    with (
        lease.held(cluster, 1),
        pytest.raises(TargetBusy, match=r"has not ended after 0\.1 s"),
        lease.held(cluster, 0.1),
    ):
        pass
    with lease.held(cluster, 1):
        pass
    dead = {"holderIdentity": "killed", "leaseDurationSeconds": 1}
    cluster.merge(LEASE, lease.NAME, {"spec": dead})
    with lease.held(cluster, 10) as lost:
        assert not lost.is_set()


def test_a_lease_that_another_took_is_noticed(cluster: ClusterClient) -> None:
    with lease.held(cluster, 1, duration_seconds=1) as lost:
        cluster.merge(LEASE, lease.NAME, {"spec": {"holderIdentity": "another"}})
        assert lost.wait(10)
    assert (cluster.read(LEASE, lease.NAME) or {})["spec"]["holderIdentity"] == "another"
