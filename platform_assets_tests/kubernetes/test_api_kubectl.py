"""The test API through the real kubectl: apply in both ways, tables, describe, explain, wait, roles, and what it says of bad input."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from platform_assets_tests.kubernetes.api_server import TestApi, running_api
from platform_assets_tests.kubernetes.tools import run_tool

pytestmark = pytest.mark.kubernetes
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "web:1", "env": [{"name": "A", "value": "1"}]}]},
        },
    },
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestApi]:
    with running_api(tmp_path_factory.mktemp("api"), rbac=True) as running:
        yield running


class Kubectl:
    """kubectl in a namespace of its own."""

    def __init__(self, api: TestApi, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def run(self, *arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        return run_tool("kubectl", "-n", self.namespace, *arguments, kubeconfig=self.api.kubeconfig, text=text)

    def __call__(self, *arguments: str, given: Any = None) -> str:
        """What it prints; the test fails where kubectl does."""
        ended = self.run(*arguments, text=None if given is None else json.dumps(given))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout + ended.stderr

    def refused(self, *arguments: str, given: Any = None) -> str:
        """What it says when it fails."""
        ended = self.run(*arguments, text=None if given is None else json.dumps(given))
        assert ended.returncode != 0, ended.stdout
        return ended.stderr


@pytest.fixture
def kubectl(api: TestApi, request: pytest.FixtureRequest) -> Kubectl:
    name = request.node.name.replace("_", "-")[:50].strip("-")
    kubectl = Kubectl(api, name)
    kubectl("create", "namespace", name)
    return kubectl


def changed(**spec: Any) -> dict[str, Any]:
    return {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], **spec}}


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl) -> None:
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", given=DEPLOYMENT)
    assert "deployment.apps/web unchanged" in kubectl("apply", "-f", "-", given=DEPLOYMENT)
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", given=changed(replicas=3))
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {.metadata.generation}") == "3 2"
    without = changed(replicas=None)
    kubectl("apply", "-f", "-", given=without)
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "1", (
        "what is applied no longer has its default"
    )


def test_server_side_apply_names_the_other_manager_and_takes_over_by_force(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", given=DEPLOYMENT)
    told = kubectl.refused("apply", "--server-side", "--field-manager=two", "-f", "-", given=changed(replicas=5))
    assert 'Apply failed with 1 conflict: conflict with "one": .spec.replicas' in told
    kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", given=changed(replicas=5))
    managers = json.loads(
        kubectl("get", "deploy", "web", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields}")
    )
    owned = {entry["manager"]: "f:replicas" in entry["fieldsV1"]["f:spec"] for entry in managers}
    assert owned == {"one": False, "two": True}


def test_a_client_side_apply_becomes_a_server_side_one(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    kubectl("apply", "--server-side", "-f", "-", given=changed(replicas=4))
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "4"


def test_what_kubectl_does_to_a_deployment(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", given=DEPLOYMENT)
    kubectl("scale", "deploy/web", "--replicas=7")
    kubectl("set", "image", "deploy/web", "main=web:2")
    kubectl("label", "deploy/web", "team=fraud")
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}]}}}}
    kubectl("patch", "deploy/web", "-p", json.dumps(patch))
    stored = json.loads(kubectl("get", "deploy/web", "-o", "json"))
    container = stored["spec"]["template"]["spec"]["containers"][0]
    assert (stored["spec"]["replicas"], container["image"], stored["metadata"]["labels"]["team"]) == (
        7,
        "web:2",
        "fraud",
    )
    assert [item["name"] for item in container["env"]] == ["A", "B"]
    assert "condition met" in kubectl("wait", "--for=jsonpath={.spec.replicas}=7", "deploy/web", "--timeout=10s")
    assert "timed out" in kubectl.refused("rollout", "status", "deploy/web", "--timeout=1s")
    kubectl("delete", "deploy/web", "--wait", "--timeout=20s")
    assert "not found" in kubectl.refused("get", "deploy/web")


def test_tables_and_descriptions_show_what_matters(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    header, row = kubectl("get", "deploy", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "IMAGES"]
    assert row.split()[:4] == ["web", "0/2", "0", "0"]
    described = kubectl("describe", "deploy", "web")
    assert "2 desired" in described
    assert "web:1" in described
    kubectl("run", "alone", "--image=web:1")
    assert "Pending" in kubectl("get", "pods")


def test_explain_reads_built_in_and_custom_schemas(kubectl: Kubectl) -> None:
    assert "rollingUpdate" in kubectl("explain", "deployment.spec.strategy")
    assert "weight" in kubectl("explain", "httproute.spec.rules.backendRefs")


def test_a_misspelt_field_is_refused_by_name(kubectl: Kubectl) -> None:
    misspelt = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replica": 2}}
    for how in ((), ("--server-side",)):
        assert 'unknown field "spec.replica"' in kubectl.refused("apply", *how, "-f", "-", given=misspelt)
    assert "created" in kubectl("apply", "--validate=ignore", "-f", "-", given=misspelt)
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replica}") == ""


def test_rules_between_fields_are_told_with_every_cause(kubectl: Kubectl) -> None:
    wrong = changed(selector={"matchLabels": {"app": "other"}}, replicas=-1)
    told = kubectl.refused("apply", "-f", "-", given=wrong)
    assert "spec.replicas: Invalid value" in told
    assert "`selector` does not match template `labels`" in told


def test_roles_hold_tokens(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "read", "--verb=get,list,watch", "--resource=pods")
    kubectl("create", "rolebinding", "read", "--role=read", f"--serviceaccount={kubectl.namespace}:reader")
    user = f"system:serviceaccount:{kubectl.namespace}:reader"
    assert kubectl("auth", "can-i", "list", "pods", f"--as={user}").strip() == "yes"
    assert kubectl.run("auth", "can-i", "create", "pods", f"--as={user}").stdout.startswith("no")
    token = kubectl("create", "token", "reader").strip()
    assert "No resources found" in kubectl("get", "pods", f"--token={token}")
    told = kubectl.refused("get", "secrets", f"--token={token}")
    assert f'User "{user}" cannot list resource "secrets"' in told
    assert user in kubectl("auth", "whoami", f"--token={token}")


def test_a_namespace_and_all_in_it_is_deleted(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    kubectl("delete", "namespace", kubectl.namespace, "--wait", "--timeout=20s")
    assert "not found" in kubectl.refused("get", "namespace", kubectl.namespace)
    assert "not found" in kubectl.refused("create", "configmap", "c")


def test_a_diff_shows_what_an_apply_would_change_and_changes_nothing(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    shown = kubectl.run("diff", "-f", "-", text=json.dumps(changed(replicas=9)))
    assert shown.returncode == 1, shown.stderr
    assert "+  replicas: 9" in shown.stdout
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"
