"""Patches and field ownership, as pure functions over Kubernetes' own schemas."""

from typing import Any

import pytest

from platform_assets_tests.kubernetes.cluster.apply import apply
from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.fields import from_trie, owners_of, to_trie
from platform_assets_tests.kubernetes.cluster.kinds import DEPLOYMENT, SERVICE
from platform_assets_tests.kubernetes.cluster.patches import json_patch, merge_patch, strategic_patch
from platform_assets_tests.kubernetes.cluster.schemas import Schemas
from platform_assets_tests.kubernetes.cluster.validation import judge


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas()


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": list(containers)}}
    return {"metadata": {"name": "web"}, "spec": {**spec, **({"template": template} if containers else {})}}


def containers(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in body["spec"]["template"]["spec"]["containers"]}


def test_a_merge_patch_replaces_lists_and_null_removes() -> None:
    body = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merge_patch(body, {"a": {"b": None, "c": [9]}, "e": 4}) == {"a": {"c": [9]}, "d": 3, "e": 4}


def test_a_json_patch_changes_by_place_and_refuses_a_failed_test() -> None:
    assert json_patch({"a": [1, 2]}, [{"op": "replace", "path": "/a/1", "value": 5}]) == {"a": [1, 5]}
    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1}, [{"op": "test", "path": "/a", "value": 2}])
    assert refused.value.status == 422


def test_a_strategic_patch_merges_lists_by_their_keys(schemas: Schemas) -> None:
    node = schemas.of(DEPLOYMENT)
    body = deployment(
        {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
        {"name": "b", "image": "b:1"},
    )
    env = [{"name": "X", "value": "9"}, {"name": "Y", "$patch": "delete"}]
    changed = strategic_patch(schemas, node, body, deployment({"name": "a", "env": env}, {"name": "c", "image": "c:1"}))
    assert containers(changed) == {
        "a": {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "9"}]},
        "b": {"name": "b", "image": "b:1"},
        "c": {"name": "c", "image": "c:1"},
    }
    gone = strategic_patch(schemas, node, changed, deployment({"name": "b", "$patch": "delete"}))
    assert list(containers(gone)) == ["a", "c"]


def test_a_strategic_patch_orders_a_list_and_keeps_only_named_keys(schemas: Schemas) -> None:
    node = schemas.of(DEPLOYMENT)
    body = deployment(
        {"name": "a"}, {"name": "b"}, {"name": "c"}, strategy={"type": "RollingUpdate", "rollingUpdate": {}}
    )
    patch = {
        "spec": {
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "template": {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}},
        }
    }
    changed = strategic_patch(schemas, node, body, patch)
    assert list(containers(changed)) == ["c", "a", "b"]
    assert changed["spec"]["strategy"] == {"type": "Recreate"}


def applied(
    schemas: Schemas, stored: dict[str, Any] | None, body: dict[str, Any], manager: str, **how: Any
) -> dict[str, Any]:
    return apply(schemas, DEPLOYMENT, stored, body, manager=manager, **how)


def test_two_managers_apply_containers_of_their_own_without_conflict(schemas: Schemas) -> None:
    one = applied(schemas, None, deployment({"name": "a", "image": "a:1"}), "one")
    both = applied(schemas, one, deployment({"name": "b", "image": "b:1"}), "two")
    assert list(containers(both)) == ["a", "b"]
    without = applied(schemas, both, deployment(), "two")
    assert list(containers(without)) == ["a"]


def test_a_field_of_another_manager_is_a_conflict_that_names_it_and_force_takes_it(schemas: Schemas) -> None:
    one = applied(schemas, None, deployment({"name": "a", "image": "a:1"}, replicas=1), "one")
    wanted = deployment({"name": "a", "image": "a:2"}, replicas=1)
    with pytest.raises(ApiError) as refused:
        applied(schemas, one, wanted, "two")
    assert refused.value.status == 409
    assert 'conflict with "one": .spec.template.spec.containers[name="a"].image' in refused.value.message
    taken = applied(schemas, one, wanted, "two", force=True)
    assert containers(taken)["a"]["image"] == "a:2"
    image = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"a"}', "f:image")
    owners = {owner.manager: paths for owner, paths in owners_of(taken).items()}
    assert image not in owners["one"]
    assert image in owners["two"]
    assert ("f:spec", "f:replicas") in owners["one"] & owners["two"], "equal values are owned by both"


def test_what_is_applied_no_longer_is_removed_unless_another_owns_it(schemas: Schemas) -> None:
    body = deployment(
        {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}, replicas=2
    )
    one = applied(schemas, None, body, "one")
    both = applied(schemas, one, deployment(replicas=2), "two")
    less = applied(
        schemas, both, deployment({"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}), "one"
    )
    assert containers(less)["a"]["env"] == [{"name": "X", "value": "1"}]
    assert less["spec"]["replicas"] == 2
    assert "replicas" not in applied(schemas, less, deployment({"name": "a", "image": "a:1"}), "two")["spec"]


def test_ports_are_told_apart_by_number_and_protocol_whose_default_is_tcp(schemas: Schemas) -> None:
    def service(*ports: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"name": "s"}, "spec": {"ports": list(ports)}}

    one = apply(schemas, SERVICE, None, service({"port": 53, "protocol": "UDP"}, {"port": 80}), manager="one")
    stored = {**one, "spec": {"ports": [one["spec"]["ports"][0], {"port": 80, "protocol": "TCP", "targetPort": 80}]}}
    two = apply(schemas, SERVICE, stored, service({"port": 80, "name": "web"}), manager="two")
    assert two["spec"]["ports"][1] == {"port": 80, "protocol": "TCP", "targetPort": 80, "name": "web"}
    assert len(two["spec"]["ports"]) == 2


def test_sets_of_fields_survive_their_written_form() -> None:
    paths = {("f:a",), ("f:a", "f:b"), ("f:l", 'k:{"name":"x"}'), ("f:l", 'k:{"name":"x"}', "f:name"), ("f:s", 'v:"q"')}
    assert from_trie(to_trie(paths)) == paths


def test_unknown_fields_are_refused_warned_of_or_dropped(schemas: Schemas) -> None:
    body = {"metadata": {"name": "d"}, "spec": {"replica": 1, "template": {"spec": {"containers": [{"nam": "x"}]}}}}
    with pytest.raises(ApiError, match=r'strict decoding error: unknown field "spec.replica"') as refused:
        judge(schemas, DEPLOYMENT, body, "Strict")
    assert refused.value.status == 400
    kept, warnings = judge(schemas, DEPLOYMENT, body, "Warn")
    assert "replica" not in kept["spec"]
    assert warnings == ['unknown field "spec.replica"', 'unknown field "spec.template.spec.containers[0].nam"']
    assert judge(schemas, DEPLOYMENT, body, "Ignore")[1] == []


def test_a_wrong_type_is_named_with_its_field(schemas: Schemas) -> None:
    with pytest.raises(
        ApiError, match=r"cannot unmarshal string into Go struct field Deployment.spec.replicas"
    ) as refused:
        judge(schemas, DEPLOYMENT, {"metadata": {}, "spec": {"replicas": "three"}}, "Ignore")
    assert refused.value.status == 400
