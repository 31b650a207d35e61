"""The test API through the official Python client: writes, lists, watches, custom resources, roles and planted faults."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from kubernetes import client, dynamic, watch
from kubernetes.client import ApiException

from platform_assets_tests.kubernetes.api_server import TestApi, running_api

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestApi]:
    with running_api(tmp_path_factory.mktemp("api"), rbac=True) as running:
        yield running


@pytest.fixture
def namespace(api: TestApi, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.replace("_", "-")[:50].strip("-")
    core = client.CoreV1Api(api.client())
    core.create_namespace({"metadata": {"name": name}})
    yield name
    api.clear()
    core.delete_namespace(name)


@pytest.fixture
def core(api: TestApi) -> client.CoreV1Api:
    return client.CoreV1Api(api.client())


def config(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "data": {"a": "1"}}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "web:1"}], **spec}}


def refused(action: Any, *arguments: Any, **options: Any) -> ApiException:
    with pytest.raises(ApiException) as refusal:
        action(*arguments, **options)
    return refusal.value


def test_an_old_version_is_refused_with_a_status_object(core: client.CoreV1Api, namespace: str) -> None:
    first = core.create_namespaced_config_map(namespace, config("c"))
    first.data = {"a": "2"}
    core.replace_namespaced_config_map("c", namespace, first)
    assert refused(core.create_namespaced_config_map, namespace, first).status == 400, "no version before it is stored"
    refusal = refused(core.replace_namespaced_config_map, "c", namespace, first)
    assert refusal.status == 409
    assert '"reason": "Conflict"' in refusal.body
    assert "please apply your changes to the latest version" in refusal.body


def test_long_lists_come_in_pages_that_end_with_an_old_token(
    api: TestApi, core: client.CoreV1Api, namespace: str
) -> None:
    for number in range(5):
        core.create_namespaced_config_map(namespace, config(f"c{number}", labels={"page": "yes"}))
    names: list[str] = []
    page = core.list_namespaced_config_map(namespace, limit=2, label_selector="page=yes")
    assert page.metadata.remaining_item_count == 3
    while True:
        names += [item.metadata.name for item in page.items]
        if not page.metadata._continue:
            break
        token = page.metadata._continue
        page = core.list_namespaced_config_map(namespace, limit=2, label_selector="page=yes", _continue=token)
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    core.create_namespaced_config_map(namespace, config("later"))
    api.plant({"drop_watches": True, "compact": True})
    assert refused(core.list_namespaced_config_map, namespace, limit=2, _continue=token).status == 410


def test_a_watch_tells_of_changes_by_selector_and_resumes_where_it_was(core: client.CoreV1Api, namespace: str) -> None:
    def change() -> None:
        core.create_namespaced_config_map(namespace, config("in", labels={"a": "1"}))
        core.create_namespaced_config_map(namespace, config("out", labels={"a": "2"}))
        core.patch_namespaced_config_map("out", namespace, {"metadata": {"labels": {"a": "1"}}})
        core.patch_namespaced_config_map("in", namespace, {"data": {"a": "2"}})
        core.patch_namespaced_config_map("in", namespace, {"metadata": {"labels": {"a": "3"}}})
        core.delete_namespaced_config_map("out", namespace)

    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    change()
    told = []
    for event in watch.Watch().stream(
        core.list_namespaced_config_map, namespace, label_selector="a=1", resource_version=start, timeout_seconds=30
    ):
        told.append((event["type"], event["object"].metadata.name))
        if len(told) == 5:
            break
    assert told == [("ADDED", "in"), ("ADDED", "out"), ("MODIFIED", "in"), ("DELETED", "in"), ("DELETED", "out")]


def test_a_watch_from_a_forgotten_version_is_answered_410(api: TestApi, core: client.CoreV1Api, namespace: str) -> None:
    old = core.create_namespaced_config_map(namespace, config("c")).metadata.resource_version
    core.create_namespaced_config_map(namespace, config("d"))
    api.plant({"drop_watches": True, "compact": True})
    stream = watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=old, timeout_seconds=30)
    with pytest.raises(ApiException) as gone:
        next(iter(stream))
    assert gone.value.status == 410


def test_a_dropped_watch_breaks_the_stream(api: TestApi, core: client.CoreV1Api, namespace: str) -> None:
    stream = core.list_namespaced_config_map(namespace, watch=True, timeout_seconds=60, _preload_content=False)
    lines = stream.stream(decode_content=False)
    assert b"kube-root-ca.crt" in next(lines)
    api.plant({"drop_watches": True, "plural": "configmaps"})
    with pytest.raises(urllib3.exceptions.ProtocolError):
        next(lines)


def test_initial_events_end_with_a_bookmark(core: client.CoreV1Api, namespace: str) -> None:
    stream = core.list_namespaced_config_map(
        namespace,
        watch=True,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
        allow_watch_bookmarks=True,
        timeout_seconds=1,
        _preload_content=False,
    )
    told = b"".join(stream.stream(decode_content=False)).splitlines()
    assert b'"type":"ADDED"' in told[0]
    assert b'"type":"BOOKMARK"' in told[1]
    assert b'"k8s.io/initial-events-end":"true"' in told[1]


def test_a_dry_run_stores_nothing(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_pod(namespace, pod("p"), dry_run="All")
    assert made.spec.service_account_name == "default"
    assert refused(core.read_namespaced_pod, "p", namespace).status == 404


def test_generated_names_differ_and_preconditions_hold(core: client.CoreV1Api, namespace: str) -> None:
    body = {"metadata": {"generateName": "job-"}, "data": {}}
    names = {core.create_namespaced_config_map(namespace, body).metadata.name for _ in range(5)}
    assert len(names) == 5
    name = names.pop()
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    assert refused(core.delete_namespaced_config_map, name, namespace, body=options).status == 409


def test_a_collection_is_deleted_by_selector(core: client.CoreV1Api, namespace: str) -> None:
    for name in ("a", "b"):
        core.create_namespaced_config_map(namespace, config(name, labels={"x": name}))
    core.delete_collection_namespaced_config_map(namespace, label_selector="x=a")
    left = [item.metadata.name for item in core.list_namespaced_config_map(namespace, label_selector="x").items]
    assert left == ["b"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "spec.containers"),
        ({"containers": [{"name": "A_b", "image": "x"}]}, "spec.containers[0].name"),
        ({"containers": [{"name": "a"}]}, "spec.containers[0].image"),
        ({"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]}, "spec.containers[1].name"),
        (
            {"containers": [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            "spec.containers[0].volumeMounts[0].name",
        ),
        (
            {
                "containers": [
                    {"name": "a", "image": "x", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "500m"}}}
                ]
            },
            "spec.containers[0].resources.requests",
        ),
        ({"containers": [{"name": "a", "image": "x", "livenessProbe": {}}]}, "spec.containers[0].livenessProbe"),
        ({"containers": [{"name": "a", "image": "x"}], "restartPolicy": "Sometimes"}, "spec.restartPolicy"),
    ],
)
def test_a_pod_that_breaks_a_rule_is_refused_with_the_field(
    core: client.CoreV1Api, spec: dict[str, Any], field: str
) -> None:
    refusal = refused(core.create_namespaced_pod, "default", {"metadata": {"name": "p"}, "spec": spec})
    assert refusal.status == 422
    assert f'"field": "{field}"' in refusal.body


def test_a_pod_that_names_a_missing_service_account_is_forbidden(core: client.CoreV1Api, namespace: str) -> None:
    refusal = refused(core.create_namespaced_pod, namespace, pod("p", serviceAccountName="nobody"))
    assert refusal.status == 403
    assert f"error looking up service account {namespace}/nobody" in refusal.body


def test_a_definition_makes_a_kind_whose_objects_are_held_to_its_schema(api: TestApi, namespace: str) -> None:
    group = f"{namespace}.example.com"
    properties = {
        "size": {"type": "integer", "minimum": 1, "default": 3},
        "color": {"type": "string", "enum": ["red", "blue"]},
    }
    spec = {"type": "object", "required": ["color"], "properties": properties}
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"boxes.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Box", "plural": "boxes"},
            "versions": [{**version, "subresources": {"status": {}}}],
        },
    }
    definitions = client.ApiextensionsV1Api(api.client())
    made = definitions.create_custom_resource_definition(definition)
    assert {item.type: item.status for item in made.status.conditions}["Established"] == "True"
    objects = client.CustomObjectsApi(api.client())
    where = (group, "v1", namespace, "boxes")
    box = {"apiVersion": f"{group}/v1", "kind": "Box", "metadata": {"name": "b"}, "spec": {"color": "red"}}
    assert objects.create_namespaced_custom_object(*where, box)["spec"] == {"color": "red", "size": 3}
    for spec, words in (
        ({"color": "green"}, "supported values"),
        ({"color": "red", "size": 0}, "greater than or equal to 1"),
        ({"color": "red", "size": "big"}, "must be of type integer"),
        ({}, "spec.color: Required value"),
    ):
        refusal = refused(
            objects.create_namespaced_custom_object, *where, {**box, "metadata": {"name": "c"}, "spec": spec}
        )
        assert refusal.status == 422
        assert words in refusal.body
    objects.patch_namespaced_custom_object_status(*where, "b", {"status": {"phase": "Full"}, "spec": {"color": "blue"}})
    stored = objects.get_namespaced_custom_object(*where, "b")
    wrong = {"status": {"phase": 5}}
    assert refused(objects.patch_namespaced_custom_object_status, *where, "b", wrong).status == 422
    assert (stored["spec"]["color"], stored["metadata"]["generation"]) == ("red", 1)
    definitions.delete_custom_resource_definition(f"boxes.{group}")
    assert refused(objects.get_namespaced_custom_object, *where, "b").status == 404


def test_server_side_apply_names_who_else_owns_a_route(api: TestApi, namespace: str) -> None:
    routes = dynamic.DynamicClient(api.client()).resources.get(
        api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute"
    )
    rules = [{"backendRefs": [{"name": "a", "port": 80, "weight": 9}]}]
    body = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "r"}}
    one = {**body, "spec": {"rules": rules}}
    routes.server_side_apply(one, name="r", namespace=namespace, field_manager="one")
    two = {**body, "spec": {"rules": [{"backendRefs": [{"name": "b", "port": 80}]}]}}
    with pytest.raises(ApiException) as conflict:
        routes.server_side_apply(two, name="r", namespace=namespace, field_manager="two")
    assert conflict.value.status == 409
    assert 'conflict with \\"one\\": .spec.rules' in conflict.value.body
    forced = routes.server_side_apply(two, name="r", namespace=namespace, field_manager="two", force_conflicts=True)
    assert forced.spec.rules[0].backendRefs[0].name == "b"
    old = {**two, "metadata": {"name": "r", "resourceVersion": "1"}}
    with pytest.raises(ApiException) as stale:
        routes.server_side_apply(old, name="r", namespace=namespace, field_manager="two")
    assert stale.value.status == 409


def test_a_token_may_do_what_its_roles_allow_and_no_more(api: TestApi, core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "reader"}})
    roles = client.RbacAuthorizationV1Api(api.client())
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}
    named = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"], "resourceNames": ["one"]}
    roles.create_namespaced_role(namespace, {"metadata": {"name": "read"}, "rules": [rule, named]})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"}
    binding = {"metadata": {"name": "read"}, "subjects": [subject], "roleRef": reference}
    roles.create_namespaced_role_binding(namespace, binding)
    request = {"spec": {"audiences": [], "expirationSeconds": 600}}
    token = core.create_namespaced_service_account_token("reader", namespace, request).status.token

    reader = client.CoreV1Api(api.client(token))
    assert reader.list_namespaced_config_map(namespace).items
    refusal = refused(reader.create_namespaced_config_map, namespace, config("c"))
    assert refusal.status == 403
    user = f"system:serviceaccount:{namespace}:reader"
    words = f'User \\"{user}\\" cannot create resource \\"configmaps\\" in API group \\"\\" in the namespace \\"{namespace}\\"'
    assert words in refusal.body
    assert refused(reader.list_namespaced_config_map, "default").status == 403
    assert reader.list_namespaced_secret(namespace, field_selector="metadata.name=one").items == []
    assert refused(reader.list_namespaced_secret, namespace).status == 403
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}]
    roles.patch_namespaced_role("read", namespace, {"rules": rules})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    how = {"field_manager": "reader", "_content_type": "application/apply-patch+yaml"}
    assert refused(reader.patch_namespaced_config_map, "new", namespace, body, **how).status == 403
    core.create_namespaced_config_map(namespace, body)
    reader.patch_namespaced_config_map("new", namespace, body, **how)
    reviews = client.AuthorizationV1Api(api.client(token))
    attributes = {"verb": "delete", "resource": "pods", "namespace": namespace}
    review = reviews.create_self_subject_access_review({"spec": {"resourceAttributes": attributes}})
    assert not review.status.allowed
    assert refused(client.CoreV1Api(api.client("made-up")).list_namespaced_config_map, namespace).status == 401


def test_planted_answers_meet_as_many_requests_as_planted(api: TestApi, core: client.CoreV1Api, namespace: str) -> None:
    api.plant({"answer": 409, "count": 1, "verb": "patch", "plural": "configmaps", "namespace": namespace})
    met = api.plant({"answer": 503, "count": 1, "verb": "list", "plural": "secrets"})["met"]
    core.create_namespaced_config_map(namespace, config("c"))
    patch = {"data": {"a": "2"}}
    assert refused(core.patch_namespaced_config_map, "c", namespace, patch).status == 409
    core.patch_namespaced_config_map("c", namespace, patch)
    assert refused(core.list_namespaced_secret, namespace).status == 503
    assert core.list_namespaced_secret(namespace).items == []
    assert (
        api.plant({"answer": 429, "count": 1, "verb": "list", "plural": "secrets", "retry_after": 0})["met"] == met + 2
    )
    assert core.list_namespaced_secret(namespace).items == [], "the client itself tries again after Retry-After"
    assert api.plant()["met"] == met + 3


def test_planted_webhooks_and_namespaces_refuse(api: TestApi, core: client.CoreV1Api, namespace: str) -> None:
    api.plant({"webhook": "policy.example.com", "plural": "configmaps", "message": "no owner label", "count": 1})
    refusal = refused(core.create_namespaced_config_map, namespace, config("c"))
    assert refusal.status == 403
    assert 'admission webhook \\"policy.example.com\\" denied the request: no owner label' in refusal.body
    core.create_namespaced_config_map(namespace, config("c"))
    api.plant({"refuse_namespace": namespace})
    assert refused(core.create_namespaced_config_map, namespace, config("d")).status == 403


def test_field_selectors_that_no_real_server_knows_are_refused(core: client.CoreV1Api, namespace: str) -> None:
    refusal = refused(core.list_namespaced_config_map, namespace, field_selector="data.a=1")
    assert refusal.status == 400
    assert "field label not supported: data.a" in refusal.body


def test_writers_at_once_lose_nothing_when_they_read_again_on_a_conflict(
    core: client.CoreV1Api, namespace: str
) -> None:
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "count"}, "data": {"n": "0"}})

    def add() -> None:
        for _ in range(5):
            while True:
                body = core.read_namespaced_config_map("count", namespace)
                body.data["n"] = str(int(body.data["n"]) + 1)
                try:
                    core.replace_namespaced_config_map("count", namespace, body)
                    break
                except ApiException as error:
                    if error.status != 409:
                        raise

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert core.read_namespaced_config_map("count", namespace).data["n"] == "20"
