"""The store of the test cluster: versions, generations, finalizers, owners and namespaces, as Kubernetes keeps them."""

from typing import Any

import pytest

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.garbage import GarbageCollector
from platform_assets_tests.kubernetes.cluster.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, Kind
from platform_assets_tests.kubernetes.cluster.store import ObjectStore


@pytest.fixture
def store() -> ObjectStore:
    store = ObjectStore()
    GarbageCollector(store)
    for name in ("default", "team"):
        store.create(NAMESPACE, None, {"metadata": {"name": name}})
    return store


def config(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "data": {"a": "1"}}


def owner(body: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    metadata = body["metadata"]
    return [{"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"], **more}]


def test_a_write_of_an_old_version_is_refused_and_the_newer_one_stays(store: ObjectStore) -> None:
    first = store.create(CONFIG_MAP, "team", config("c"))
    second = store.replace(CONFIG_MAP, "team", "c", {**first, "data": {"a": "2"}})
    with pytest.raises(ApiError, match="the object has been modified") as refused:
        store.replace(CONFIG_MAP, "team", "c", {**first, "data": {"a": "3"}})
    assert refused.value.status == 409
    assert store.read(CONFIG_MAP, "team", "c") == second
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


def test_generation_grows_with_the_spec_and_with_nothing_else(store: ObjectStore) -> None:
    store.create(DEPLOYMENT, "team", {"metadata": {"name": "d"}, "spec": {"replicas": 1}})
    labelled = store.change(DEPLOYMENT, "team", "d", lambda b: b["metadata"].update(labels={"a": "b"}), subresource="")
    answered = store.change(DEPLOYMENT, "team", "d", lambda b: b.update(status={"replicas": 1}))
    ignored = store.change(DEPLOYMENT, "team", "d", lambda b: b.update(status={"replicas": 9}), subresource="")
    scaled = store.change(DEPLOYMENT, "team", "d", lambda b: b["spec"].update(replicas=2), subresource="")
    assert [b["metadata"]["generation"] for b in (labelled, answered, ignored, scaled)] == [1, 1, 1, 2]
    assert scaled["status"] == {"replicas": 1}


def test_a_write_that_changes_nothing_is_no_event(store: ObjectStore) -> None:
    stored = store.create(CONFIG_MAP, "team", config("c"))
    heard: list[str] = []
    store.subscribe(lambda event, kind, body: heard.append(event))
    assert store.replace(CONFIG_MAP, "team", "c", stored) == stored
    assert heard == []


def test_dependents_go_with_their_owner_or_stay_as_asked(store: ObjectStore) -> None:
    parent = store.create(CONFIG_MAP, "team", config("parent"))
    store.create(CONFIG_MAP, "team", config("child", ownerReferences=owner(parent)))
    store.delete(CONFIG_MAP, "team", "parent")
    assert not store.exists(CONFIG_MAP, "team", "child")

    parent = store.create(CONFIG_MAP, "team", config("parent"))
    store.create(CONFIG_MAP, "team", config("child", ownerReferences=owner(parent)))
    store.delete(CONFIG_MAP, "team", "parent", propagation="Orphan")
    assert not store.exists(CONFIG_MAP, "team", "parent")
    assert "ownerReferences" not in store.read(CONFIG_MAP, "team", "child")["metadata"]


def test_foreground_deletion_waits_for_a_dependent_that_is_held(store: ObjectStore) -> None:
    parent = store.create(CONFIG_MAP, "team", config("parent"))
    held = config("child", ownerReferences=owner(parent, blockOwnerDeletion=True), finalizers=["example.com/hold"])
    store.create(CONFIG_MAP, "team", held)
    store.delete(CONFIG_MAP, "team", "parent", propagation="Foreground")
    assert "deletionTimestamp" in store.read(CONFIG_MAP, "team", "parent")["metadata"]
    store.change(CONFIG_MAP, "team", "child", lambda b: b["metadata"].update(finalizers=[]), subresource="")
    assert not store.exists(CONFIG_MAP, "team", "child")
    assert not store.exists(CONFIG_MAP, "team", "parent")


def test_what_names_only_missing_owners_is_collected(store: ObjectStore) -> None:
    gone = {"metadata": {"name": "gone", "uid": "0000"}}
    store.create(CONFIG_MAP, "team", config("child", ownerReferences=owner(gone)))
    GarbageCollector(store).collect()
    assert not store.exists(CONFIG_MAP, "team", "child")


def test_a_running_pod_is_marked_and_gone_when_the_kubelet_says_so(store: ObjectStore) -> None:
    store.create(
        POD, "team", {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 7}}
    )
    marked = store.delete(POD, "team", "p")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    assert store.exists(POD, "team", "p")
    store.delete(POD, "team", "p", grace_seconds=0)
    assert not store.exists(POD, "team", "p")


def test_a_namespace_ends_when_its_last_object_does_and_refuses_new_ones(store: ObjectStore) -> None:
    store.create(CONFIG_MAP, "team", config("held", finalizers=["example.com/hold"]))
    store.delete(NAMESPACE, None, "team")
    assert store.read(NAMESPACE, None, "team")["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        store.create(CONFIG_MAP, "team", config("new"))
    assert refused.value.status == 403
    store.change(CONFIG_MAP, "team", "held", lambda b: b["metadata"].update(finalizers=[]), subresource="")
    assert not store.exists(NAMESPACE, None, "team")
    with pytest.raises(ApiError, match='namespaces "team" not found'):
        store.create(CONFIG_MAP, "team", config("new"))


def test_selectors_find_what_they_name(store: ObjectStore) -> None:
    for name, labels in {"a": {"app": "web", "tier": "1"}, "b": {"app": "web"}, "c": {"app": "job"}}.items():
        store.create(CONFIG_MAP, "team", config(name, labels=labels))

    def found(**selector: str) -> list[str]:
        return [
            b["metadata"]["name"] for b in store.items(CONFIG_MAP, "team", **selector) if b["metadata"].get("labels")
        ]

    assert found(labels="app=web") == ["a", "b"]
    assert found(labels="app in (web, job),!tier") == ["b", "c"]
    assert found(labels="tier notin (1)") == ["b", "c"]
    assert found(fields="metadata.name!=a") == ["b", "c"]
    with pytest.raises(ApiError, match="unable to parse requirement"):
        found(labels="app in web")


def test_listeners_hear_changes_in_their_order_also_those_a_listener_makes(store: ObjectStore) -> None:
    heard: list[tuple[str, str]] = []

    def answer(event: str, kind: Kind, body: dict[str, Any]) -> None:
        if kind == CONFIG_MAP and event == "ADDED" and body["metadata"]["name"] == "a":
            store.create(CONFIG_MAP, "team", config("b"))

    store.subscribe(answer)
    store.subscribe(lambda event, kind, body: heard.append((event, body["metadata"]["name"])))
    store.create(CONFIG_MAP, "team", config("a"))
    assert heard == [("ADDED", "a"), ("ADDED", "b")]
